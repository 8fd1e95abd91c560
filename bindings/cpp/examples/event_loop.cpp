// A TCP echo server and its client in one loop. Prints:
//
//     hello
//     closed: success
#include <pyhelpers.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>

namespace ph = pyhelpers;
using namespace std::chrono_literals;

int main() {
    ph::event_loop loop;
    ph::tcp_listener listener = loop.listen("127.0.0.1", "0");
    const std::string port = std::to_string(listener.local().port);
    ph::tcp_connection client = loop.connect("127.0.0.1", port);
    client.send("hello");
    ph::timer deadline = loop.add_timer(5s);

    loop.run([&](const ph::event &event) {
        ph::tcp_connection connection = loop.connection(event.id);
        const bool is_client = connection == client;
        switch (event.kind) {
        case TCP_DATA:
            if (is_client) {
                std::printf("%s\n", event.payload().str().c_str());
                client.close();
            } else {
                connection.send(event.payload());
            }
            break;
        case TCP_EOF:
            if (!is_client) connection.close();
            break;
        case TCP_CLOSED:
            if (is_client) std::printf("closed: %s\n", ph_strerror(-event.error));
            if (is_client) loop.stop();
            break;
        case EVLOOP_TIMER:
            throw std::runtime_error("no answer in time");
        }
    });
    return 0;
}

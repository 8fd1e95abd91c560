// A peer that puts what it receives into a queue by itself. Prints:
//
//     node-1: 27, 29
//     up
#include <pyhelpers.hpp>

#include <cstdio>
#include <string>

namespace ph = pyhelpers;
using namespace std::chrono_literals;

int main() {
    ph::receive_queue queue({"health", "telemetry"}, 2);
    queue.receive("health", "node-0", "up");

    ph::peer::config config;
    config.addr = ph::address("127.0.0.1");
    ph::peer server(config), client(config);
    server.open();
    client.open();
    ph::receive_queue::feed_config by_node;
    by_node.key = RQ_BY_RANGE;
    by_node.length = 6;
    ph::feed feed = queue.feed_from("telemetry", server, by_node);

    const ph::address to = server.local();
    for (int i = 0; i < 30; i++)
        client.send_to(to, "node-" + std::to_string(i % 2) + ": " + std::to_string(i));
    while (feed.stats().received < 30) queue.wait("telemetry", 1s);

    ph::value_buffer buffer;
    std::string last;
    for (const auto &value : queue.extract("telemetry", "node-1", buffer))
        last += (last.empty() ? "" : ", ") + value.data.str().substr(8);
    std::printf("node-1: %s\n", last.c_str());
    for (const auto &value : queue.extract_all("health", buffer))
        std::printf("%s\n", value.data.str().c_str());
    return 0;
}

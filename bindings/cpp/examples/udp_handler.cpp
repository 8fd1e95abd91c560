// Two handlers: one asks, the other answers in capitals. Prints:
//
//     ANSWER 99, 100 of 100
#include <pyhelpers.hpp>

#include <arpa/inet.h>
#include <cctype>
#include <cstdio>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace ph = pyhelpers;
using namespace std::chrono_literals;

// A handler of a free port of 127.0.0.1; it has its own descriptor.
static ph::udp_handler open_handler(std::uint16_t &port) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in self{};
    socklen_t length = sizeof self;
    self.sin_family = AF_INET;
    self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(fd, reinterpret_cast<sockaddr *>(&self), length);
    getsockname(fd, reinterpret_cast<sockaddr *>(&self), &length);
    port = ntohs(self.sin_port);
    ph::udp_handler::config config;
    config.recv_reactors = 1;
    ph::udp_handler handler(fd, config);
    close(fd);
    return handler;
}

int main() {
    std::uint16_t server_port, client_port;
    ph::udp_handler server = open_handler(server_port), client = open_handler(client_port);
    const ph::address to("127.0.0.1", server_port);
    for (int i = 0; i < 100; i++) client.dispatch_to(to, "answer " + std::to_string(i));

    ph::datagram_buffer buffer;
    std::string last;
    std::size_t answered = 0;
    while (answered < 100) {
        for (const ph::datagram &question : server.receive(buffer, 10ms)) {
            std::string text = question.payload().str();
            for (char &c : text) c = static_cast<char>(std::toupper(c));
            server.dispatch_to(question.addr, text);
        }
        for (const ph::datagram &answer : client.receive(buffer, 10ms)) {
            last = answer.payload().str();
            answered++;
        }
    }
    std::printf("%s, %zu of 100\n", last.c_str(), answered);
    return server.close(1s) == 0 && client.close(1s) == 0 ? 0 : 1;
}

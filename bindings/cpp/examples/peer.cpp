// Two peers on one thread: a batch there, a batch back. Prints:
//
//     99 of 100 from 127.0.0.1
//     port 0: refused
#include <pyhelpers.hpp>

#include <cstdio>
#include <string>
#include <vector>

namespace ph = pyhelpers;
using namespace std::chrono_literals;

static ph::peer open_peer() {
    ph::peer::config config;
    config.addr = ph::address("127.0.0.1");
    config.flags = PEER_ARRIVAL;
    ph::peer peer(config);
    peer.open();
    return peer;
}

int main() {
    ph::peer server = open_peer(), client = open_peer();
    const ph::address to = server.local();
    std::vector<std::string> texts;
    for (int i = 0; i < 100; i++) texts.push_back(std::to_string(i));
    std::vector<ph::datagram> questions;
    for (const std::string &text : texts) questions.emplace_back(to, text);
    client.send(questions);

    // Each is answered from the address that it came to.
    ph::datagram_buffer buffer(128);
    std::size_t answered = 0;
    while (answered < 100) {
        const auto batch = server.receive(buffer, 5s);
        answered += server.send(batch, buffer.arrivals());
    }
    std::string last;
    for (std::size_t n = 0; n < 100;) {
        const auto batch = client.receive(buffer, 5s);
        n += batch.size();
        last = batch[batch.size() - 1].payload().str();
    }
    std::printf("%s of %zu from %s\n", last.c_str(), answered, to.str().c_str());

    std::error_code ec;
    client.send_to(ph::address("127.0.0.1", 0), "nowhere", ec);
    std::printf("%s\n", ec == std::errc::invalid_argument ? "port 0: refused" : "?");
    return 0;
}

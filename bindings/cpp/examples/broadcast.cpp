// A beacon, and who hears it, on the loopback interface alone. Prints:
//
//     here I am
//     here I am
//     here I am
#include <pyhelpers.hpp>

#include <cstdio>
#include <net/if.h>

namespace ph = pyhelpers;
using namespace std::chrono_literals;

int main() {
    ph::broadcast::config config;
    config.interface = if_nametoindex("lo");
    ph::broadcast receiver(config);

    config.port = receiver.port();
    config.flags = BCAST_SEND_ONLY;
    ph::broadcast sender(config);
    sender.beacon("here I am", 10ms);

    ph::datagram_buffer buffer(1);
    for (int heard = 0; heard < 3; heard++) {
        const auto batch = receiver.receive(buffer, 5s);
        if (batch.empty()) return 1;
        std::printf("%s\n", batch[0].payload().str().c_str());
    }
    return 0;
}

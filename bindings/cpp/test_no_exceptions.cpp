// The header under -fno-exceptions: a call without a std::error_code does not compile. run.sh
// builds this on its own, once with and once without WITHOUT_A_CODE.
#include <pyhelpers.hpp>

#include <cstdio>

namespace ph = pyhelpers;

static void ignore(const ph::event &) {}

int main() {
    std::error_code code;
#ifdef WITHOUT_A_CODE
    ph::peer peer;
#else
    ph::peer peer({}, code);
#endif
    peer.open(code);
    const bool opens = !code;
    peer.open(code);
    const bool fails = code == std::errc::already_connected;
    ph::event_loop loop({}, code);
    loop.stop(code);
    loop.run(ignore, code);
    const bool runs = !code;
    const auto log = [](bool, const ph::address &, ph::bytes) {};
    peer.wire_log(log, code);
    if (opens && fails && runs && !code) std::printf("well\n");
    return 0;
}

// The header under -fno-exceptions, beside tests that have them: a call without a std::error_code
// does not compile, as run.sh tries with WITHOUT_A_CODE.
#include <pyhelpers.hpp>

namespace ph = pyhelpers;

static void ignore(const ph::event &) {}

bool works_without_exceptions();

bool works_without_exceptions() {
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
    return opens && fails && runs && !code;
}

// A periodic task that does not drift. Prints:
//
//     5 ticks in time: yes
#include <pyhelpers.hpp>

#include <cstdio>

namespace ph = pyhelpers;
using namespace std::chrono_literals;

int main() {
    ph::stopwatch watch;
    std::error_code ec;
    watch.toc(ec);
    if (ec != ph::errc::no_data) return 1; // It was never started.

    watch.tic();
    int ticks = 0, late = 0;
    while (ticks + late < 5) (watch.sleep_until_next(2ms) == 0ns ? ticks : late)++;
    const ph::nanoseconds took = watch.round();
    std::printf("5 ticks in time: %s\n", took >= 10ms || late ? "yes" : "no");
    return watch.toc() < took ? 0 : 1;
}

/* A periodic task whose ticks do not drift. Prints:
 * 3 ticks, not early
 */
#include <pyhelpers.h>
#include <stdio.h>

enum { PERIOD_NS = 10 * 1000 * 1000, TICKS = 3 };

int main(void) {
    stopwatch_t watch = {0};
    stopwatch_tic(&watch);
    for (int tick = 0; tick < TICKS; tick++) {
        if (stopwatch_sleep_until_next(&watch, PERIOD_NS) < 0) return 1;
    }
    int64_t elapsed = stopwatch_toc(&watch);
    printf("%d ticks, %s\n", TICKS, elapsed < TICKS * PERIOD_NS ? "early" : "not early");
    return 0;
}

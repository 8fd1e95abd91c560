/* A test is a function whose name is what it promises. It runs in a process of its own, so that a
 * crash, a hang or a leak is that test's alone; its first failed check ends it. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdint.h>

struct test {
    const char *name;
    void (*run)(void);
};

#define TEST(function) {#function, function}
#define END_OF_TESTS {0, 0}

/* Says what failed and ends the process; from any thread. */
_Noreturn void check_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Ends the process: what the test needs is not to be had on this machine, and it says why. */
_Noreturn void check_skipped(const char *reason);

/* Whether the time that a test waits for something is over, counted from `*since`, which is 0 at
 * first. Sleeps for a moment when it is not. */
bool check_is_out_of_time(int64_t *since);

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) check_failed(__FILE__, __LINE__, "%s", #what);                                \
    } while (0)

#define CHECK_IS(actual, expected)                                                                 \
    do {                                                                                           \
        int64_t is_ = (int64_t)(actual), wanted_ = (int64_t)(expected);                            \
        if (is_ != wanted_)                                                                        \
            check_failed(__FILE__, __LINE__, "%s is %lld, not %lld", #actual, (long long)is_,      \
                         (long long)wanted_);                                                      \
    } while (0)

#define CHECK_EVENTUALLY(what)                                                                     \
    do {                                                                                           \
        for (int64_t since_ = 0; !(what);)                                                         \
            if (check_is_out_of_time(&since_))                                                     \
                check_failed(__FILE__, __LINE__, "never came true: %s", #what);                    \
    } while (0)

#endif

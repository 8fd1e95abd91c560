/* A program that is measured in turns with others: a turn for each line that it is sent. */
#ifndef BENCH_TURN_H
#define BENCH_TURN_H

#include "../common.h"

enum { LOOKS = 16 }; /* calls between two looks at the clock, where a call is short */

/* Waits for the next turn; 0 when there are no more. */
static inline int next_turn(void)
{
    char line[16];
    return fgets(line, sizeof line, stdin) != NULL;
}

/* What a turn came to. */
static inline void tell_turn(int64_t count, int64_t ns)
{
    print_rate(count, ns);
    fflush(stdout);
}

static inline _Noreturn void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

#endif

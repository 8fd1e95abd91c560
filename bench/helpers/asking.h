/* One domain's numbers asked for as fast as they come. The program that includes this says how. */
#ifndef BENCH_ASKING_H
#define BENCH_ASKING_H

#include "turn.h"

/* Gives the domain's memory in KiB. */
static uint64_t ask(void);

static int64_t ask_for(int64_t ns)
{
    int64_t count = 0;
    for (int64_t end = now_ns() + ns; now_ns() < end; count += LOOKS)
        for (int i = 0; i < LOOKS; i++)
            if (ask() == 0)
                fail("a domain without memory");
    return count;
}

static void ask_in_turns(int argc, char **argv)
{
    int64_t turn = (int64_t)(option(argc, argv, "seconds", 0.1) * SECOND);
    while (next_turn()) {
        int64_t start = now_ns(), count = ask_for(turn);
        tell_turn(count, now_ns() - start);
    }
}

#endif

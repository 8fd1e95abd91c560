/* What programs that use the library do with its errors. */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#include <pyhelpers.h>
#include <stdio.h>
#include <stdlib.h>

static inline void check(int64_t code, const char *what)
{
    if (code >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, ph_strerror((int32_t)code));
    exit(1);
}

#endif

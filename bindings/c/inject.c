/* What inject.sh runs under strace while system calls fail.
 *
 *   inject traffic COUNT   sends COUNT datagrams through two handlers: all must arrive, once
 *   inject new             makes a handler that receives; says `made`, or `refused` and with what
 *
 * Ends with status 0 when all is well, 1 with a reason otherwise. */
#include "check.h"
#include "support.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, PATIENCE_S = 20 };

void check_failed(const char *file, int line, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    printf("%s:%d: ", file, line);
    vprintf(format, values);
    printf("\n");
    exit(1);
}

bool check_is_out_of_time(int64_t *since)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (*since == 0) *since = now_ns();
    return now_ns() - *since > PATIENCE_S * SECOND;
}

static void traffic(uint32_t count)
{
    struct pair pair = open_pair(NULL, RECEIVING);
    pump(pair.sender, pair.receiver, pair.to, count, SIZE);
    udph_stats_t out = close_handler(pair.sender, 5000), in = close_handler(pair.receiver, 0);
    CHECK_IS(out.sent, count);
    CHECK_IS(out.send_errors, 0);
    CHECK_IS(in.delivered, count);
    CHECK_IS(in.kernel_drops, 0);
}

/* A refusal must leave nothing behind, and not stand in the way of the next attempt. */
static void refused(int fd, int32_t error)
{
    udph_t *h = NULL;
    CHECK_IS(udph_new(fd, RECEIVING, &h), 0);
    close_handler(h, 0);
    printf("refused: %s\n", ph_strerror(error));
}

static void make(void)
{
    int fd = open_group_socket();
    size_t threads = count_threads(), descriptors = count_descriptors();
    udph_t *h = NULL;
    int32_t result = udph_new(fd, CONFIG(.send_reactors = 2, .recv_reactors = 2), &h);
    if (result == 0) close_handler(h, 0);
    else CHECK(h == NULL);
    CHECK_EVENTUALLY(count_threads() == threads);
    CHECK_IS(count_descriptors(), descriptors);
    if (result == 0) printf("made\n");
    else refused(fd, result);
    CHECK_IS(count_descriptors(), descriptors);
    close(fd);
}

int main(int argc, char **argv)
{
    alarm(PATIENCE_S);
    if (argc == 3 && strcmp(argv[1], "traffic") == 0) traffic((uint32_t)atoi(argv[2]));
    else if (argc == 2 && strcmp(argv[1], "new") == 0) make();
    else return 2;
    return 0;
}

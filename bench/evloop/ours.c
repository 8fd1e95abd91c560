/* The works of the event loop, through the library.
 *
 *   evloop-ours echo
 *       serves until it is ended
 *   evloop-ours read-rate --rate R
 *   evloop-ours write-rate --rate R
 *       one connection held to R bytes a second: what came in 3 s, or as much as it takes
 *   evloop-ours timers [--batch 1] [--seconds S]
 *       cancels and adds timers, as many in a call, 100,000 of which are pending
 *   evloop-ours lateness
 *       time from the moment for which a timer was set until it came
 */
#define _GNU_SOURCE
#include "tcp.h"
#include "timers.h"

#include "../check.h"

enum { EVENTS = 1024, BUFFER = 1 << 18, BATCH = 64, FOR_EVER = -1 };

static evloop_event_t events[EVENTS];
static uint8_t buffer[BUFFER];

static evloop_t *new_loop(void)
{
    evloop_config_t config = {.size = sizeof config};
    evloop_t *loop;
    check(evloop_new(&config, &loop), "evloop_new");
    return loop;
}

static void listen_on_loop(evloop_t *loop, const tcp_config_t *config)
{
    ph_addr_t at;
    int64_t id = tcp_listen(loop, "127.0.0.1", "0", config, NULL);
    check(id, "tcp_listen");
    check(tcp_local(loop, id, &at), "tcp_local");
    print_port(at.port);
}

static int64_t poll_events(evloop_t *loop)
{
    int64_t n;
    do
        n = evloop_poll(loop, events, EVENTS, buffer, sizeof buffer, FOR_EVER);
    while (n == -EINTR);
    check(n, "evloop_poll");
    return n;
}

/* The echoes of a batch go out in one call. Clients of this work read what they get: what is
 * refused belongs to one that has gone. */
static _Noreturn void serve_echo(void)
{
    static tcp_message_t messages[EVENTS];
    tcp_config_t config = {.size = sizeof config};
    evloop_t *loop = new_loop();
    listen_on_loop(loop, &config);
    for (;;) {
        size_t count = 0;
        int64_t n = poll_events(loop);
        for (int64_t i = 0; i < n; i++) {
            const evloop_event_t *e = &events[i];
            if (e->kind == TCP_DATA)
                messages[count++] = (tcp_message_t){.id = e->id, .data = e->data, .len = e->len};
            else if (e->kind == TCP_EOF)
                tcp_close(loop, e->id);
        }
        if (count > 0)
            check(tcp_write(loop, messages, count), "tcp_write");
    }
}

static int run_read_rate(double rate)
{
    tcp_config_t config = {.size = sizeof config, .read_rate = (uint64_t)rate};
    struct passed passed = {0};
    evloop_t *loop = new_loop();
    listen_on_loop(loop, &config);
    for (;;) {
        int64_t n = poll_events(loop);
        for (int64_t i = 0; i < n; i++) {
            if (events[i].kind == TCP_CLOSED)
                check(-events[i].error, "the connection");
            if (events[i].kind != TCP_DATA || !passed_add(&passed, events[i].len))
                continue;
            check(evloop_close(loop), "evloop_close");
            print_rate(passed.bytes, (int64_t)LIMIT_SECONDS * SECOND);
            return 0;
        }
    }
}

/* Hands in data until some has to wait, which TCP_DRAINED tells the end of. */
static void fill(evloop_t *loop, int64_t id)
{
    static uint8_t data[READ_BYTES];
    int64_t waiting;
    while ((waiting = tcp_send(loop, id, data, sizeof data)) >= 0 && waiting <= READ_BYTES)
        ;
}

static _Noreturn void serve_write_rate(double rate)
{
    tcp_config_t config = {.size = sizeof config, .write_rate = (uint64_t)rate};
    evloop_t *loop = new_loop();
    listen_on_loop(loop, &config);
    for (;;) {
        int64_t n = poll_events(loop);
        for (int64_t i = 0; i < n; i++)
            if (events[i].kind == TCP_ACCEPTED || events[i].kind == TCP_DRAINED)
                fill(loop, events[i].id);
    }
}

static evloop_timer_t timer_for(uint32_t ms, void *user)
{
    return (evloop_timer_t){.delay_ns = (int64_t)ms * 1000000, .user = user};
}

static int run_timers(size_t batch, double seconds)
{
    static struct churn churn;
    static int64_t ids[PENDING];
    evloop_timer_t timers[BATCH];
    int64_t old[BATCH];
    uint32_t slots[BATCH];
    evloop_t *loop = new_loop();
    if (batch < 1 || batch > BATCH || TURN % batch != 0) {
        fprintf(stderr, "evloop-ours: a power of 2 up to %d timers in a call\n", BATCH);
        return 2;
    }
    churn_prepare(&churn);
    for (int i = 0; i < PENDING; i++) {
        timers[0] = timer_for(churn_delay_ms(&churn), NULL);
        check(evloop_timer_add(loop, timers, 1), "evloop_timer_add");
        ids[i] = timers[0].id;
    }
    churn_start(&churn, seconds);
    do {
        for (size_t done = 0; done < TURN; done += batch) {
            for (size_t i = 0; i < batch; i++) {
                slots[i] = churn_next(&churn);
                old[i] = ids[slots[i]];
                timers[i] = timer_for(churn_delay_ms(&churn), NULL);
            }
            check(evloop_timer_del(loop, old, batch), "evloop_timer_del");
            check(evloop_timer_add(loop, timers, batch), "evloop_timer_add");
            for (size_t i = 0; i < batch; i++)
                ids[slots[i]] = timers[i].id;
        }
        /* One that came while the others were moved is added again in its turn. */
        int64_t n = evloop_poll(loop, events, EVENTS, buffer, sizeof buffer, 0);
        if (n != -EAGAIN)
            check(n, "evloop_poll");
    } while (!churn_over(&churn));
    churn_print(&churn);
    check(evloop_close(loop), "evloop_close");
    return 0;
}

static int run_lateness(void)
{
    static struct lateness lateness;
    evloop_t *loop = new_loop();
    wake_on_time();
    lateness_prepare(&lateness);
    for (int i = 0; i < LATE_TIMERS; i++) {
        evloop_timer_t timer = timer_for(lateness_begin(&lateness, i), &lateness.moments[i]);
        check(evloop_timer_add(loop, &timer, 1), "evloop_timer_add");
    }
    while (lateness.delays.count < LATE_TIMERS) {
        int64_t n = poll_events(loop);
        for (int64_t i = 0; i < n; i++)
            if (events[i].kind == EVLOOP_TIMER)
                lateness_fired(&lateness, (size_t)((int64_t *)events[i].user - lateness.moments));
    }
    print_delays(&lateness.delays);
    check(evloop_close(loop), "evloop_close");
    return 0;
}

int main(int argc, char **argv)
{
    const char *work = argc > 1 ? argv[1] : "";
    if (strcmp(work, "echo") == 0)
        serve_echo();
    if (strcmp(work, "read-rate") == 0)
        return run_read_rate(option(argc, argv, "rate", 1e6));
    if (strcmp(work, "write-rate") == 0)
        serve_write_rate(option(argc, argv, "rate", 1e6));
    if (strcmp(work, "timers") == 0)
        return run_timers((size_t)option(argc, argv, "batch", 1),
                          option(argc, argv, "seconds", 1));
    if (strcmp(work, "lateness") == 0)
        return run_lateness();
    fprintf(stderr, "usage: evloop-ours echo|read-rate|write-rate|timers|lateness ...\n");
    return 2;
}

/* The works of the event loop on libuv.
 *
 *   evloop-uv echo
 *       serves until it is ended. An echo goes out by uv_try_write, which allocates nothing;
 *       what the kernel does not take at once goes by uv_write
 *   evloop-uv timers [--seconds S]
 *       stops and starts timers, 100,000 of which are pending
 *   evloop-uv lateness
 *       time from the moment for which a timer was set until it came
 */
#define _GNU_SOURCE
#include "tcp.h"
#include "timers.h"

#include <uv.h>

/* uv_write may keep this until the data has gone. */
struct writing {
    uv_write_t request;
    uint8_t data[];
};

static uint8_t buffer[READ_BYTES];

static void check(int code, const char *what)
{
    if (code >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, uv_strerror(code));
    exit(1);
}

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (memory == NULL)
        die("malloc");
    return memory;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_written(uv_write_t *request, int status)
{
    (void)status; /* reading finds out that the other end is gone */
    free(request->data);
}

static void write_copy(uv_stream_t *stream, const uint8_t *data, size_t size)
{
    struct writing *w = allocate(sizeof *w + size);
    uv_buf_t part = uv_buf_init((char *)w->data, (unsigned)size);
    memcpy(w->data, data, size);
    w->request.data = w;
    check(uv_write(&w->request, stream, &part, 1, on_written), "uv_write");
}

/* One buffer for all connections: what was read is used before anything else is. */
static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)handle, (void)suggested;
    *out = uv_buf_init((char *)buffer, sizeof buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
    if (n < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    uv_buf_t part = uv_buf_init(data->base, (unsigned)n);
    int code = uv_try_write(stream, &part, 1);
    if (code < 0 && code != UV_EAGAIN)
        return; /* reading finds out that the other end is gone */
    size_t written = code > 0 ? (size_t)code : 0;
    if (written < (size_t)n)
        write_copy(stream, (uint8_t *)data->base + written, (size_t)n - written);
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *connection = allocate(sizeof *connection);
    check(status, "uv_listen");
    check(uv_tcp_init(listener->loop, connection), "uv_tcp_init");
    check(uv_accept(listener, (uv_stream_t *)connection), "uv_accept");
    check(uv_tcp_nodelay(connection, 1), "uv_tcp_nodelay");
    check(uv_read_start((uv_stream_t *)connection, give_buffer, on_read), "uv_read_start");
}

static int run_echo(uv_loop_t *loop)
{
    uv_tcp_t listener;
    struct sockaddr_in at = destination(0, 0);
    int len = sizeof at;
    check(uv_tcp_init(loop, &listener), "uv_tcp_init");
    check(uv_tcp_bind(&listener, (struct sockaddr *)&at, 0), "uv_tcp_bind");
    check(uv_listen((uv_stream_t *)&listener, SOMAXCONN, on_connection), "uv_listen");
    check(uv_tcp_getsockname(&listener, (struct sockaddr *)&at, &len), "uv_tcp_getsockname");
    print_port(ntohs(at.sin_port));
    return uv_run(loop, UV_RUN_DEFAULT);
}

static void on_moved_timer(uv_timer_t *timer)
{
    (void)timer; /* one that came while the others were moved: it is started again in its turn */
}

static int run_timers(uv_loop_t *loop, double seconds)
{
    static struct churn churn;
    static uv_timer_t timers[PENDING];
    churn_prepare(&churn);
    for (int i = 0; i < PENDING; i++) {
        check(uv_timer_init(loop, &timers[i]), "uv_timer_init");
        check(uv_timer_start(&timers[i], on_moved_timer, churn_delay_ms(&churn), 0), "start");
    }
    churn_start(&churn, seconds);
    do {
        for (int i = 0; i < TURN; i++) {
            uv_timer_t *timer = &timers[churn_next(&churn)];
            uv_timer_stop(timer);
            uv_timer_start(timer, on_moved_timer, churn_delay_ms(&churn), 0);
        }
        uv_run(loop, UV_RUN_NOWAIT);
    } while (!churn_over(&churn));
    churn_print(&churn);
    return 0;
}

static struct lateness lateness;
static uv_timer_t late_timers[LATE_TIMERS];

static void on_late_timer(uv_timer_t *timer)
{
    lateness_fired(&lateness, (size_t)(timer - late_timers));
}

static int run_lateness(uv_loop_t *loop)
{
    wake_on_time();
    lateness_prepare(&lateness);
    for (int i = 0; i < LATE_TIMERS; i++) {
        check(uv_timer_init(loop, &late_timers[i]), "uv_timer_init");
        uint32_t ms = lateness_begin(&lateness, i);
        uv_update_time(loop); /* what the loop remembers as now would be too old */
        check(uv_timer_start(&late_timers[i], on_late_timer, ms, 0), "uv_timer_start");
    }
    uv_run(loop, UV_RUN_DEFAULT);
    print_delays(&lateness.delays);
    return 0;
}

int main(int argc, char **argv)
{
    const char *work = argc > 1 ? argv[1] : "";
    uv_loop_t *loop = uv_default_loop();
    if (strcmp(work, "echo") == 0)
        return run_echo(loop);
    if (strcmp(work, "timers") == 0)
        return run_timers(loop, option(argc, argv, "seconds", 1));
    if (strcmp(work, "lateness") == 0)
        return run_lateness(loop);
    fprintf(stderr, "usage: evloop-uv echo|timers|lateness ...\n");
    return 2;
}

/* Descriptors that an event loop waits for on the caller's behalf. */
#include "check.h"
#include "loops.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* --- what is told --- */

static void tells_what_is_ready(evloop_t *loop)
{
    struct wire wire = open_sockets();
    int64_t id = watch(loop, wire.in, EVLOOP_READ, &wire);
    no_event_comes(loop);
    put_byte(wire.out);
    /* Level-triggered: it is told of until it is read. */
    for (int i = 0; i < 3; i++) {
        evloop_event_t event = next_of_kind(loop, EVLOOP_FD);
        CHECK_IS(event.id, id);
        CHECK(event.user == &wire);
        CHECK_IS(event.value, EVLOOP_READ);
        CHECK_IS(event.error, 0);
    }
    take_byte(wire.in);
    no_event_comes(loop);
    CHECK_IS(evloop_mod(loop, id, EVLOOP_READ | EVLOOP_WRITE), 0);
    CHECK_IS(next_of_kind(loop, EVLOOP_FD).value, EVLOOP_WRITE);
    put_byte(wire.out);
    CHECK_IS(next_of_kind(loop, EVLOOP_FD).value, EVLOOP_READ | EVLOOP_WRITE);
    CHECK_IS(evloop_mod(loop, id, EVLOOP_READ), 0);
    CHECK_IS(next_of_kind(loop, EVLOOP_FD).value, EVLOOP_READ);
    CHECK_IS(evloop_mod(loop, id, 0), 0);
    no_event_comes(loop);
    CHECK_IS(evloop_mod(loop, id, EVLOOP_READ), 0);
    CHECK_IS(evloop_set_user(loop, id, loop), 0);
    CHECK(next_of_kind(loop, EVLOOP_FD).user == loop);
    CHECK_IS(evloop_del(loop, id), 0);
    no_event_comes(loop);
    every_call_with_an_id_refuses(loop, id);
    close_wire(wire);
}

static void a_watched_descriptor_is_told_of_while_it_is_ready(void)
{
    on_each_backend(tells_what_is_ready);
}

static void tells_of_the_end(evloop_t *loop)
{
    struct wire pipe = open_pipe(), sockets = open_sockets();
    int64_t reader = watch(loop, pipe.in, EVLOOP_READ, NULL);
    close(pipe.out);
    CHECK(next_of_kind(loop, EVLOOP_FD).value & (EVLOOP_READ | EVLOOP_ERROR));
    CHECK_IS(evloop_del(loop, reader), 0);
    int64_t socket = watch(loop, sockets.in, EVLOOP_READ, NULL);
    CHECK_IS(shutdown(sockets.out, SHUT_WR), 0);
    CHECK(next_of_kind(loop, EVLOOP_FD).value & EVLOOP_READ);
    CHECK_IS(evloop_del(loop, socket), 0);
    no_event_comes(loop);
    close(pipe.in);
    close_wire(sockets);
}

static void the_end_of_what_is_read_is_told(void)
{
    on_each_backend(tells_of_the_end);
}

/* A pipe that nobody reads any more. */
static void tells_of_errors(evloop_t *loop)
{
    struct wire wire = open_pipe();
    int64_t id = watch(loop, wire.out, EVLOOP_WRITE, NULL);
    close(wire.in);
    evloop_event_t event = next_of_kind(loop, EVLOOP_FD);
    CHECK_IS(event.id, id);
    CHECK(event.value & (EVLOOP_ERROR | EVLOOP_WRITE));
    CHECK_IS(evloop_del(loop, id), 0);
    no_event_comes(loop);
    close(wire.out);
}

static void an_error_of_what_is_written_to_is_told(void)
{
    on_each_backend(tells_of_errors);
}

/* Errors come unasked. */
static void an_error_is_told_where_nothing_is_waited_for(void)
{
    const uint32_t backends[] = {EVLOOP_EPOLL, EVLOOP_POLL};
    for (size_t i = 0; i < LENGTH(backends); i++) {
        evloop_t *loop = open_loop(backends[i]);
        struct wire wire = open_pipe();
        watch(loop, wire.out, 0, NULL);
        no_event_comes(loop);
        close(wire.in);
        CHECK(next_of_kind(loop, EVLOOP_FD).value & EVLOOP_ERROR);
        close(wire.out);
        close_loop(loop);
    }
}

static void a_refused_connection_is_told_with_its_reason(void)
{
    ph_addr_t at;
    int listener = listen_plainly(1, &at);
    int fd = connect_plainly(at), other = accept_plainly(listener);
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    watch(loop, fd, 0, NULL);
    no_event_comes(loop);
    reset_plainly(other);
    evloop_event_t event = next_of_kind(loop, EVLOOP_FD);
    CHECK(event.value & EVLOOP_ERROR);
    CHECK(event.error == ECONNRESET || event.error == 0);
    close(fd);
    close(listener);
    close_loop(loop);
}

static void serves_many(evloop_t *loop)
{
    enum { COUNT = 300 };
    static struct wire all[COUNT];
    static int64_t ids[COUNT];
    for (int i = 0; i < COUNT; i++) {
        all[i] = open_sockets();
        ids[i] = watch(loop, all[i].in, EVLOOP_READ, &all[i]);
    }
    CHECK_IS(loop_counts_of(loop).watches, COUNT);
    for (int step = 1; step < 8; step += 2) {
        int expected = 0, count = 0;
        for (int i = 0; i < COUNT; i += step, expected++) put_byte(all[i].out);
        while (count < expected) {
            evloop_event_t event = next_of_kind(loop, EVLOOP_FD);
            take_byte(((struct wire *)event.user)->in);
            count++;
        }
        no_event_comes(loop);
    }
    for (int i = 0; i < COUNT; i++) CHECK_IS(evloop_del(loop, ids[i]), 0);
    CHECK_IS(loop_counts_of(loop).watches, 0);
    for (int i = 0; i < COUNT; i++) close_wire(all[i]);
}

static void many_descriptors_are_watched(void)
{
    on_each_backend(serves_many);
}

/* FD_SETSIZE is no limit. */
static void waits_for_a_high_number(evloop_t *loop)
{
    enum { HIGH = 3000 };
    uint64_t before = limit_descriptors(HIGH + 10);
    struct wire wire = open_sockets();
    int high = fcntl(wire.in, F_DUPFD_CLOEXEC, HIGH);
    CHECK_IS(high, HIGH);
    int64_t id = watch(loop, high, EVLOOP_READ | EVLOOP_WRITE, NULL);
    CHECK_IS(next_of_kind(loop, EVLOOP_FD).value, EVLOOP_WRITE);
    put_byte(wire.out);
    CHECK_IS(next_of_kind(loop, EVLOOP_FD).value, EVLOOP_READ | EVLOOP_WRITE);
    CHECK_IS(evloop_del(loop, id), 0);
    close(high);
    close_wire(wire);
    limit_descriptors(before);
}

static void a_descriptor_above_1024_is_watched(void)
{
    on_each_backend(waits_for_a_high_number);
}

/* A watch that is always ready keeps nobody else from being told of. */
static void keeps_others_in_turn(evloop_t *loop)
{
    struct wire busy = open_sockets(), quiet = open_sockets();
    watch(loop, busy.in, EVLOOP_WRITE, &busy);
    int64_t id = watch(loop, quiet.in, EVLOOP_READ, &quiet);
    int64_t timer = add_timer(loop, 0, 0, NULL);
    put_byte(quiet.out);
    CHECK_IS(evloop_wake(loop), 0);
    bool has_quiet = false, has_timer = false, has_wake = false;
    for (int count = 0; !has_quiet || !has_timer || !has_wake; count++) {
        evloop_event_t event = next_event(loop);
        has_quiet |= event.id == id;
        has_timer |= event.id == timer;
        has_wake |= event.kind == EVLOOP_WAKE;
        CHECK(count < 100);
    }
    close_wire(busy);
    close_wire(quiet);
}

static void a_watch_that_is_always_ready_lets_others_through(void)
{
    on_each_backend(keeps_others_in_turn);
}

/* A loop that is woken all the time comes to everything else as well. */
static void is_woken_all_the_time(evloop_t *loop)
{
    struct wire wire = open_sockets();
    struct end end;
    int fd = adopt_one_end(&end, loop, NULL);
    int64_t id = watch(loop, wire.in, EVLOOP_READ, NULL);
    int64_t timer = add_timer(loop, MILLISECOND, 0, NULL);
    put_byte(wire.out);
    put_byte(fd);
    int64_t begun = now_ns();
    for (bool has_watch = false, has_timer = false, has_data = false;
         !has_watch || !has_timer || !has_data;) {
        evloop_event_t event;
        uint8_t byte;
        CHECK_IS(evloop_wake(loop), 0);
        if (evloop_poll(loop, &event, 1, &byte, 1, 0) < 1) continue;
        has_watch |= event.id == id;
        has_timer |= event.id == timer;
        has_data |= event.kind == TCP_DATA;
        CHECK(now_ns() - begun < LOOP_PATIENCE_MS * MILLISECOND);
    }
    close_wire(wire);
    close(fd);
}

static void a_loop_that_is_always_woken_lets_others_through(void)
{
    on_each_backend(is_woken_all_the_time);
}

/* What there was no room for is told of later, if it is still so: a read would block otherwise. */
static void tells_only_of_what_is_ready_still(evloop_t *loop)
{
    enum { COUNT = 3 };
    struct wire wires[COUNT];
    for (int i = 0; i < COUNT; i++) {
        wires[i] = open_sockets();
        watch(loop, wires[i].in, EVLOOP_READ, NULL);
        put_byte(wires[i].out);
    }
    next_of_kind(loop, EVLOOP_FD);
    for (int i = 0; i < COUNT; i++) take_byte(wires[i].in);
    no_event_comes(loop);
    for (int i = 0; i < COUNT; i++) close_wire(wires[i]);
}

static void what_is_no_longer_ready_is_not_told_of(void)
{
    on_each_backend(tells_only_of_what_is_ready_still);
}

/* --- adding and deleting --- */

static void refuses_what_cannot_be_watched(evloop_t *loop)
{
    struct wire wire = open_sockets();
    int64_t id = watch(loop, wire.in, EVLOOP_READ, NULL);
    CHECK_IS(evloop_add(loop, wire.in, EVLOOP_READ, NULL), -EEXIST);
    CHECK_IS(evloop_add(loop, wire.in, EVLOOP_WRITE, NULL), -EEXIST);
    CHECK_IS(evloop_add(loop, -1, EVLOOP_READ, NULL), -EBADF);
    CHECK_IS(evloop_add(loop, INT32_MIN, EVLOOP_READ, NULL), -EBADF);
    CHECK_IS(evloop_add(loop, INT32_MAX, EVLOOP_READ, NULL), -EBADF);
    CHECK_IS(evloop_add(loop, wire.out, EVLOOP_ERROR, NULL), -EINVAL);
    CHECK_IS(evloop_add(loop, wire.out, 8, NULL), -EINVAL);
    CHECK_IS(evloop_add(loop, wire.out, UINT32_MAX, NULL), -EINVAL);
    CHECK_IS(evloop_mod(loop, id, EVLOOP_ERROR), -EINVAL);
    CHECK_IS(evloop_mod(loop, id, UINT32_MAX), -EINVAL);
    int closed = dup(wire.out);
    close(closed);
    CHECK_IS(evloop_add(loop, closed, EVLOOP_READ, NULL), -EBADF);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    CHECK_IS(evloop_add(loop, file, EVLOOP_READ, NULL), -EPERM);
    close(file);
    CHECK_IS(loop_counts_of(loop).watches, 1);
    no_event_comes(loop);
    /* A duplicate is another descriptor. */
    int twin = dup(wire.in);
    int64_t second = watch(loop, twin, EVLOOP_READ, NULL);
    CHECK(second != id);
    put_byte(wire.out);
    int64_t told[2] = {next_event(loop).id, 0};
    while (told[1] == 0 || told[1] == told[0]) told[1] = next_event(loop).id;
    CHECK(told[0] + told[1] == id + second);
    CHECK_IS(evloop_del(loop, id), 0);
    CHECK_IS(next_of_kind(loop, EVLOOP_FD).id, second);
    CHECK_IS(evloop_del(loop, second), 0);
    close(twin);
    id = watch(loop, wire.in, EVLOOP_READ, NULL);
    CHECK_IS(next_of_kind(loop, EVLOOP_FD).id, id);
    close_wire(wire);
}

static void what_cannot_be_watched_is_refused(void)
{
    on_each_backend(refuses_what_cannot_be_watched);
}

static void two_loops_watch_one_descriptor(void)
{
    struct wire wire = open_sockets();
    evloop_t *loops[3];
    for (uint32_t i = 0; i < 3; i++) {
        loops[i] = open_loop(EVLOOP_EPOLL + i);
        watch(loops[i], wire.in, EVLOOP_READ, &loops[i]);
    }
    put_byte(wire.out);
    for (int i = 0; i < 3; i++) CHECK(next_of_kind(loops[i], EVLOOP_FD).user == &loops[i]);
    take_byte(wire.in);
    for (int i = 0; i < 3; i++) no_event_comes(loops[i]);
    for (int i = 0; i < 3; i++) close_loop(loops[i]);
    close_wire(wire);
}

/* A loop's own descriptor is one to be watched, as any other. */
static void a_loop_watches_another(void)
{
    evloop_t *inner = open_loop(EVLOOP_EPOLL), *outer = open_loop(EVLOOP_EPOLL);
    int64_t id = watch(outer, evloop_fd(inner), EVLOOP_READ, NULL);
    no_event_comes(outer);
    add_timer(inner, 5 * MILLISECOND, 0, NULL);
    CHECK_IS(next_of_kind(outer, EVLOOP_FD).id, id);
    next_of_kind(inner, EVLOOP_TIMER);
    no_event_comes(outer);
    CHECK_IS(evloop_del(outer, id), 0);
    close_loop(inner);
    close_loop(outer);
}

/* Deleted in time, there is nothing to be told of; and again, and again. */
static void forgets_what_is_deleted_in_time(evloop_t *loop)
{
    for (int round = 0; round < 100; round++) {
        struct wire wire = open_sockets();
        int64_t id = watch(loop, wire.in, EVLOOP_READ, NULL);
        put_byte(wire.out);
        if (round % 2) CHECK_IS(next_of_kind(loop, EVLOOP_FD).id, id);
        CHECK_IS(evloop_del(loop, id), 0);
        close_wire(wire);
        no_event_comes(loop);
        CHECK_IS(evloop_del(loop, id), -EBADF);
    }
}

static void descriptors_come_and_go(void)
{
    on_each_backend(forgets_what_is_deleted_in_time);
}

static void *add_and_delete(void *argument)
{
    evloop_t *loop = argument;
    for (int round = 0; round < 500; round++) {
        struct wire wire = open_sockets();
        int64_t id = watch(loop, wire.in, EVLOOP_READ | EVLOOP_WRITE, NULL);
        if (round % 2) put_byte(wire.out);
        CHECK_IS(evloop_mod(loop, id, EVLOOP_READ), 0);
        CHECK_IS(evloop_del(loop, id), 0);
        close_wire(wire);
    }
    CHECK_IS(evloop_stop(loop), 0);
    return NULL;
}

static void is_added_to_by_many(evloop_t *loop)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) threads[i] = start(add_and_delete, loop);
    struct wire wire = open_sockets();
    int64_t id = watch(loop, wire.in, EVLOOP_READ, NULL);
    for (int i = 0; i < THREADS; i++) join(threads[i]);
    while (next_event(loop).kind != EVLOOP_STOP) continue;
    CHECK_IS(loop_counts_of(loop).watches, 1);
    put_byte(wire.out);
    CHECK_IS(next_of_kind(loop, EVLOOP_FD).id, id);
    close_wire(wire);
}

static void *poll_until_stopped(void *argument)
{
    int *stops = ((void **)argument)[1];
    while (*stops > 0) *stops -= next_event(((void **)argument)[0]).kind == EVLOOP_STOP;
    return NULL;
}

static void is_added_to_while_it_is_polled(evloop_t *loop)
{
    int stops = 1;
    void *poller[] = {loop, &stops};
    pthread_t thread = start(poll_until_stopped, poller);
    add_and_delete(loop);
    join(thread);
}

static void many_threads_add_and_delete_watches(void)
{
    on_each_backend(is_added_to_by_many);
    on_each_backend(is_added_to_while_it_is_polled);
}

const struct test evloop_watch_tests[] = {
    TEST(a_watched_descriptor_is_told_of_while_it_is_ready),
    TEST(the_end_of_what_is_read_is_told),
    TEST(an_error_of_what_is_written_to_is_told),
    TEST(an_error_is_told_where_nothing_is_waited_for),
    TEST(a_refused_connection_is_told_with_its_reason),
    TEST(many_descriptors_are_watched),
    TEST(a_descriptor_above_1024_is_watched),
    TEST(a_watch_that_is_always_ready_lets_others_through),
    TEST(a_loop_that_is_always_woken_lets_others_through),
    TEST(what_is_no_longer_ready_is_not_told_of),
    TEST(what_cannot_be_watched_is_refused),
    TEST(two_loops_watch_one_descriptor),
    TEST(a_loop_watches_another),
    TEST(descriptors_come_and_go),
    TEST(many_threads_add_and_delete_watches),
    END_OF_TESTS,
};

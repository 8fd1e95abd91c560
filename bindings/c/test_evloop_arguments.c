/* Arguments of the event loop's functions that are wrong, and those that are just right. */
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Sizes of a structure that its maker never set, or set by accident. */
static const size_t BAD_SIZES[] = {0, 1, sizeof(size_t) - 1, (1 << 16) + 1, SIZE_MAX};

/* --- making --- */

static void making_gives(const evloop_config_t *config, int32_t expected)
{
    evloop_t *const untouched = (evloop_t *)(uintptr_t)42;
    evloop_t *loop = untouched;
    CHECK_IS(evloop_new(config, &loop), expected);
    CHECK(loop == untouched);
}

static void a_loops_configuration_out_of_range_is_refused(void)
{
    size_t descriptors = count_descriptors();
    making_gives(LOOP(.backend = EVLOOP_SELECT + 1), -EINVAL);
    making_gives(LOOP(.backend = UINT32_MAX), -EINVAL);
    making_gives(LOOP(.reserved = 1), -EINVAL);
    making_gives(MISALIGNED(evloop_config_t), -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++)
        making_gives(&(evloop_config_t){.size = BAD_SIZES[i]}, -EINVAL);
    struct {
        evloop_config_t known;
        uint64_t unknown[4];
    } longer = {.known = {.size = sizeof longer}, .unknown = {[3] = 1}};
    making_gives(&longer.known, -EINVAL);
    longer.unknown[3] = 0;
    evloop_t *loop = NULL;
    CHECK_IS(evloop_new(&longer.known, &loop), 0);
    close_loop(loop);
    CHECK_IS(evloop_new(NULL, NULL), -EINVAL);
    CHECK_IS(evloop_new(NULL, MISALIGNED(evloop_t *)), -EINVAL);
    CHECK_IS(count_descriptors(), descriptors);
}

/* --- handles --- */

static void what_is_no_open_loop_is_refused(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    udph_t *other = open_handler(open_socket(AF_INET), RECEIVING);
    evloop_t *const none[] = {NULL,
                              (evloop_t *)(uintptr_t)1,
                              (evloop_t *)(uintptr_t)42,
                              (evloop_t *)UINTPTR_MAX,
                              (evloop_t *)((uintptr_t)loop ^ 1),
                              (evloop_t *)((uintptr_t)loop ^ (uintptr_t)1 << 25),
                              (evloop_t *)((uintptr_t)loop ^ (uintptr_t)1 << 50),
                              (evloop_t *)other};
    for (size_t i = 0; i < LENGTH(none); i++) every_loop_call_refuses(none[i]);
    every_call_refuses((udph_t *)loop);
    CHECK_IS(evloop_wake(loop), 0);
    next_of_kind(loop, EVLOOP_WAKE);
    close_handler(other, 0);
    close_loop(loop);
    every_loop_call_refuses(loop);
    evloop_t *next = open_loop(EVLOOP_EPOLL);
    CHECK(next != loop);
    every_loop_call_refuses(loop);
    close_loop(next);
}

/* --- ids --- */

/* One of each kind that there is. */
struct things {
    int64_t timer, watch, signal, listener, connection;
    struct link link;
    struct wire wire;
};

static struct things *add_one_of_each(evloop_t *loop)
{
    struct things *all = calloc(1, sizeof *all);
    all->wire = open_pipe();
    all->timer = add_timer(loop, 3600 * SECOND, 0, NULL);
    all->watch = watch(loop, all->wire.in, EVLOOP_READ, NULL);
    all->signal = evloop_signal_add(loop, SIGUSR2, NULL);
    open_link(&all->link, loop, NULL, NULL);
    all->listener = all->link.host.id;
    all->connection = all->link.client.id;
    CHECK(all->signal > 0);
    return all;
}

static void remove_all(evloop_t *loop, struct things *all)
{
    CHECK_IS(evloop_timer_del(loop, &all->timer, 1), 1);
    CHECK_IS(evloop_del(loop, all->watch), 0);
    CHECK_IS(evloop_del(loop, all->signal), 0);
    close_link(&all->link);
    close_wire(all->wire);
    free(all);
}

static void refuses_made_up_ids(evloop_t *loop)
{
    struct things *all = add_one_of_each(loop);
    const int64_t own[] = {all->timer, all->watch, all->signal, all->listener, all->connection};
    const int64_t made_up[] = {0, -1, 1, 2, 3, 42, INT64_MAX, INT64_MIN, INT64_MAX - 1,
                               UINT32_MAX, INT64_C(1) << 32, INT64_C(1) << 62};
    for (size_t i = 0; i < LENGTH(made_up); i++) every_call_with_an_id_refuses(loop, made_up[i]);
    for (size_t i = 0; i < LENGTH(own); i++) {
        CHECK(own[i] > 0);
        for (size_t other = 0; other < i; other++) CHECK(own[i] != own[other]);
        every_call_with_an_id_refuses(loop, -own[i]);
        every_call_with_an_id_refuses(loop, own[i] | INT64_MIN);
        for (int bit = 0; bit < 63; bit++) {
            int64_t id = own[i] ^ INT64_C(1) << bit;
            bool is_anothers = id == all->link.server.id;
            for (size_t other = 0; other < LENGTH(own); other++) is_anothers |= id == own[other];
            if (!is_anothers) every_call_with_an_id_refuses(loop, id);
        }
    }
    remove_all(loop, all);
}

static void made_up_ids_are_refused(void)
{
    on_each_backend(refuses_made_up_ids);
}

static void refuses_other_kinds(evloop_t *loop)
{
    struct things *all = add_one_of_each(loop);
    const int64_t no_connections[] = {all->timer, all->watch, all->signal, all->listener};
    const int64_t no_watches[] = {all->timer, all->connection};
    const int64_t no_timers[] = {all->watch, all->signal, all->listener, all->connection};
    for (size_t i = 0; i < LENGTH(no_connections); i++)
        every_connection_call_refuses(loop, no_connections[i]);
    for (size_t i = 0; i < LENGTH(no_watches); i++) every_watch_call_refuses(loop, no_watches[i]);
    for (size_t i = 0; i < LENGTH(no_timers); i++) every_timer_call_refuses(loop, no_timers[i]);
    CHECK_IS(evloop_mod(loop, all->signal, EVLOOP_READ), -EBADF);
    CHECK_IS(evloop_mod(loop, all->listener, EVLOOP_READ), -EBADF);
    ph_addr_t addr;
    const int64_t not_tcp[] = {all->timer, all->watch, all->signal};
    for (size_t i = 0; i < LENGTH(not_tcp); i++) {
        CHECK_IS(tcp_local(loop, not_tcp[i], &addr), -EBADF);
        CHECK_IS(tcp_socket(loop, not_tcp[i]), -EBADF);
    }
    no_event_comes(loop);
    carry_over(&all->link.client, &all->link.server, 1000);
    remove_all(loop, all);
}

static void ids_of_another_kind_are_refused(void)
{
    on_each_backend(refuses_other_kinds);
}

static void refuses_stale_ids(evloop_t *loop)
{
    enum { ROUNDS = 5 };
    int64_t stale[ROUNDS][6];
    for (int round = 0; round < ROUNDS; round++) {
        struct things *all = add_one_of_each(loop);
        const int64_t own[6] = {all->timer,    all->watch,      all->signal,
                                all->listener, all->connection, all->link.server.id};
        for (int before = 0; before < round; before++)
            for (int i = 0; i < 6; i++) every_call_with_an_id_refuses(loop, stale[before][i]);
        memcpy(stale[round], own, sizeof own);
        remove_all(loop, all);
        no_event_comes(loop);
        for (int i = 0; i < 6; i++) every_call_with_an_id_refuses(loop, own[i]);
    }
}

/* Whatever has taken their places since. */
static void stale_ids_are_refused(void)
{
    on_each_backend(refuses_stale_ids);
}

static void ids_mean_nothing_to_another_loop(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL), *other = open_loop(EVLOOP_EPOLL);
    struct things *all = add_one_of_each(loop);
    const int64_t own[] = {all->timer, all->watch, all->signal, all->listener, all->connection};
    for (size_t i = 0; i < LENGTH(own); i++) every_call_with_an_id_refuses(other, own[i]);
    carry_over(&all->link.client, &all->link.server, 1000);
    remove_all(loop, all);
    close_loop(other);
    close_loop(loop);
}

static void every_id_has_a_user_pointer(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    struct things *all = add_one_of_each(loop);
    int users[4];
    CHECK_IS(evloop_set_user(loop, all->timer, &users[0]), 0);
    CHECK_IS(evloop_timer_again(loop, all->timer, 0), 0);
    CHECK(next_of_kind(loop, EVLOOP_TIMER).user == &users[0]);
    CHECK_IS(evloop_timer_again(loop, all->timer, 3600 * SECOND), 0);
    CHECK_IS(evloop_set_user(loop, all->signal, &users[1]), 0);
    CHECK_IS(raise(SIGUSR2), 0);
    CHECK(next_of_kind(loop, EVLOOP_SIGNAL).user == &users[1]);
    CHECK_IS(evloop_set_user(loop, all->watch, &users[2]), 0);
    put_byte(all->wire.out);
    CHECK(next_of_kind(loop, EVLOOP_FD).user == &users[2]);
    CHECK_IS(evloop_mod(loop, all->watch, 0), 0);
    CHECK_IS(evloop_set_user(loop, all->listener, &users[3]), 0);
    int fd = connect_plainly(all->link.host.at);
    evloop_event_t event = next_of_kind(loop, TCP_ACCEPTED);
    CHECK(event.user == &users[3]);
    CHECK_IS(tcp_abort(loop, event.id), 0);
    CHECK_IS(next_of_kind(loop, TCP_CLOSED).id, event.id);
    CHECK_IS(evloop_set_user(loop, all->connection, NULL), 0);
    CHECK_IS(send_more(&all->link.server, 1), 0);
    CHECK(next_of_kind(loop, TCP_DATA).user == NULL);
    CHECK_IS(evloop_set_user(loop, all->connection, &all->link.client), 0);
    all->link.client.received = 1;
    close(fd);
    remove_all(loop, all);
    close_loop(loop);
}

/* --- arrays --- */

static void call_nobody(void *user, const evloop_event_t *event)
{
    (void)user, (void)event;
}

static void polling_refuses_arrays_that_cannot_be(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    evloop_event_t event;
    uint8_t buf[4];
    CHECK_IS(evloop_wake(loop), 0);
    CHECK_IS(evloop_poll(loop, NULL, 1, buf, 4, 0), -EINVAL);
    CHECK_IS(evloop_poll(loop, NULL, 0, buf, 4, 0), -EINVAL);
    CHECK_IS(evloop_poll(loop, &event, 0, buf, 4, 0), -EINVAL);
    CHECK_IS(evloop_poll(loop, &event, SIZE_MAX, buf, 4, 0), -EINVAL);
    CHECK_IS(evloop_poll(loop, &event, SIZE_MAX / sizeof event, buf, 4, 0), -EINVAL);
    CHECK_IS(evloop_poll(loop, MISALIGNED(evloop_event_t), 1, buf, 4, 0), -EINVAL);
    CHECK_IS(evloop_poll(loop, &event, 1, NULL, 4, 0), -EINVAL);
    CHECK_IS(evloop_poll(loop, &event, 1, NULL, 0, 0), -EINVAL);
    CHECK_IS(evloop_poll(loop, &event, 1, buf, 0, 0), -EINVAL);
    CHECK_IS(evloop_poll(loop, &event, 1, buf, SIZE_MAX, 0), -EINVAL);
    CHECK_IS(evloop_poll(loop, &event, 1, buf, 4, -2), -EINVAL);
    CHECK_IS(evloop_poll(loop, &event, 1, buf, 4, INT32_MIN), -EINVAL);
    CHECK_IS(evloop_run_once(loop, NULL, NULL, 0), -EINVAL);
    CHECK_IS(evloop_run_once(loop, call_nobody, NULL, -2), -EINVAL);
    CHECK_IS(evloop_run(loop, NULL, NULL), -EINVAL);
    next_of_kind(loop, EVLOOP_WAKE);
    no_event_comes(loop);
    close_loop(loop);
}

static void timers_refuse_arrays_that_cannot_be(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    evloop_timer_t timer = {.delay_ns = 0};
    int64_t id = 1;
    CHECK_IS(evloop_timer_add(loop, NULL, 1), -EINVAL);
    CHECK_IS(evloop_timer_add(loop, &timer, SIZE_MAX), -EINVAL);
    CHECK_IS(evloop_timer_add(loop, &timer, SIZE_MAX / sizeof timer), -EINVAL);
    CHECK_IS(evloop_timer_add(loop, MISALIGNED(evloop_timer_t), 1), -EINVAL);
    CHECK_IS(evloop_timer_del(loop, NULL, 1), -EINVAL);
    CHECK_IS(evloop_timer_del(loop, &id, SIZE_MAX), -EINVAL);
    CHECK_IS(evloop_timer_del(loop, &id, SIZE_MAX / sizeof id), -EINVAL);
    CHECK_IS(evloop_timer_del(loop, MISALIGNED(int64_t), 1), -EINVAL);
    no_event_comes(loop);
    CHECK_IS(evloop_timer_next(loop), -EAGAIN);
    close_loop(loop);
}

static void statistics_are_written_as_far_as_the_size_says(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    add_timer(loop, SECOND, 0, NULL);
    CHECK_IS(evloop_stats(loop, NULL), -EINVAL);
    CHECK_IS(evloop_stats(loop, MISALIGNED(evloop_stats_t)), -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++)
        CHECK_IS(evloop_stats(loop, &(evloop_stats_t){.size = BAD_SIZES[i]}), -EINVAL);
    evloop_stats_t shorter;
    memset(&shorter, 0x55, sizeof shorter);
    shorter.size = offsetof(evloop_stats_t, events);
    CHECK_IS(evloop_stats(loop, &shorter), 0);
    CHECK_IS(shorter.size, offsetof(evloop_stats_t, events));
    CHECK_IS(shorter.events, 0x5555555555555555);
    struct {
        evloop_stats_t known;
        uint64_t unknown;
    } longer = {.known = {.size = sizeof longer}, .unknown = 1};
    CHECK_IS(evloop_stats(loop, &longer.known), 0);
    CHECK_IS(longer.known.timers, 1);
    CHECK_IS(longer.unknown, 0);
    close_loop(loop);
}

static void a_shutdowns_time_is_checked(void)
{
    evloop_t *loop = open_loop(EVLOOP_EPOLL);
    CHECK_IS(evloop_shutdown(loop, -2), -EINVAL);
    CHECK_IS(evloop_shutdown(loop, INT32_MIN), -EINVAL);
    no_event_comes(loop);
    CHECK_IS(evloop_shutdown(loop, INT32_MAX), 0);
    close_loop(loop);
}

const struct test evloop_argument_tests[] = {
    TEST(a_loops_configuration_out_of_range_is_refused),
    TEST(what_is_no_open_loop_is_refused),
    TEST(made_up_ids_are_refused),
    TEST(ids_of_another_kind_are_refused),
    TEST(stale_ids_are_refused),
    TEST(ids_mean_nothing_to_another_loop),
    TEST(every_id_has_a_user_pointer),
    TEST(polling_refuses_arrays_that_cannot_be),
    TEST(timers_refuse_arrays_that_cannot_be),
    TEST(statistics_are_written_as_far_as_the_size_says),
    TEST(a_shutdowns_time_is_checked),
    END_OF_TESTS,
};

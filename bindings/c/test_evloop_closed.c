/* Watched descriptors that their owner closes behind the loop's back. */
#include "check.h"
#include "loops.h"
#include "process.h"

#include <errno.h>
#include <unistd.h>

/* The last event of a watch whose descriptor was closed says so, and comes once at most. */
static bool is_last_of(const evloop_event_t *event, int64_t *stale)
{
    if (event->id != *stale) return false;
    CHECK_IS(event->kind, EVLOOP_FD);
    CHECK_IS(event->value, EVLOOP_ERROR);
    CHECK_IS(event->error, EBADF);
    *stale = 0;
    return true;
}

/* Waits for an event of this id; but for that last one there may be no others. */
static evloop_event_t next_of(evloop_t *loop, int64_t id, int64_t *stale)
{
    evloop_event_t event = next_event(loop);
    if (is_last_of(&event, stale)) event = next_event(loop);
    CHECK_IS(event.kind, EVLOOP_FD);
    CHECK_IS(event.id, id);
    return event;
}

/* Nothing comes for a while, but for that last one. */
static void is_quiet(evloop_t *loop, int64_t *stale)
{
    int64_t begun = now_ns();
    while (now_ns() - begun < 20 * MILLISECOND) {
        evloop_event_t event;
        uint8_t byte;
        int64_t n = evloop_poll(loop, &event, 1, &byte, 1, 5);
        if (n == 1) CHECK(is_last_of(&event, stale));
        else CHECK_IS(n, -ETIMEDOUT);
    }
}

/* Whoever deletes it later does no harm. */
static void delete_late(evloop_t *loop, int64_t stale)
{
    int32_t deleted = evloop_del(loop, stale);
    CHECK(deleted == 0 || deleted == -EBADF);
    CHECK_IS(evloop_del(loop, stale), -EBADF);
}

/* Its number may be another's by now, which is watched as if the first had never been. */
static void outlives_a_closed_descriptor(evloop_t *loop)
{
    struct wire first = open_sockets(), bystander = open_sockets();
    int64_t gone = watch(loop, first.in, EVLOOP_READ, &first), stale = gone;
    int64_t other = watch(loop, bystander.in, EVLOOP_READ, &bystander);
    int number = first.in;
    close_wire(first);
    is_quiet(loop, &stale);
    put_byte(bystander.out);
    next_of(loop, other, &stale);
    take_byte(bystander.in);
    struct wire second = open_sockets();
    CHECK_IS(second.in, number);
    int64_t id = watch(loop, number, EVLOOP_READ, &second);
    CHECK(id != gone);
    put_byte(second.out);
    CHECK(next_of(loop, id, &stale).user == &second);
    delete_late(loop, gone);
    CHECK_IS(next_of_kind(loop, EVLOOP_FD).id, id);
    CHECK_IS(evloop_del(loop, id), 0);
    no_event_comes(loop);
    close_wire(second);
    close_wire(bystander);
}

static void a_descriptor_closed_behind_the_loops_back_harms_nobody(void)
{
    on_each_backend(outlives_a_closed_descriptor);
}

/* While a duplicate lives, the kernel goes on reporting the closed one, which nobody can tell it to
 * forget any more. */
static void outlives_a_closed_descriptor_with_a_duplicate(evloop_t *loop)
{
    struct wire first = open_sockets();
    int64_t gone = watch(loop, first.in, EVLOOP_READ, &first), stale = gone;
    int number = first.in, twin = dup(number);
    close(number);
    put_byte(first.out);
    is_quiet(loop, &stale);
    struct wire second = open_sockets();
    CHECK_IS(second.in, number);
    int64_t id = watch(loop, number, EVLOOP_READ, &second);
    is_quiet(loop, &stale);
    put_byte(second.out);
    next_of(loop, id, &stale);
    delete_late(loop, gone);
    CHECK_IS(next_of_kind(loop, EVLOOP_FD).id, id);
    take_byte(number);
    is_quiet(loop, &stale);
    CHECK_IS(evloop_del(loop, id), 0);
    is_quiet(loop, &stale);
    close(twin);
    close(first.out);
    close_wire(second);
}

static void a_closed_descriptor_with_a_duplicate_is_not_told_of_for_ever(void)
{
    on_each_backend(outlives_a_closed_descriptor_with_a_duplicate);
}

/* The same, with the number another's before anybody looks. */
static void outlives_a_number_that_is_anothers_at_once(evloop_t *loop)
{
    for (int has_twin = 0; has_twin < 2; has_twin++) {
        struct wire first = open_sockets();
        int64_t gone = watch(loop, first.in, EVLOOP_READ, &first), stale = gone;
        int number = first.in, twin = has_twin ? dup(number) : -1;
        put_byte(first.out);
        close(number);
        struct wire second = open_sockets();
        CHECK_IS(second.in, number);
        int64_t id = watch(loop, number, EVLOOP_READ, &second);
        CHECK(id != gone);
        is_quiet(loop, &stale);
        put_byte(second.out);
        CHECK(next_of(loop, id, &stale).user == &second);
        delete_late(loop, gone);
        CHECK_IS(next_of_kind(loop, EVLOOP_FD).id, id);
        CHECK_IS(evloop_del(loop, id), 0);
        is_quiet(loop, &stale);
        if (has_twin) close(twin);
        close(first.out);
        close_wire(second);
    }
}

static void a_number_that_is_another_files_is_watched_anew(void)
{
    on_each_backend(outlives_a_number_that_is_anothers_at_once);
}

static int wait_for_the_gate(void *argument)
{
    const struct wire *gate = argument;
    char byte;
    close(gate->out);
    return read(gate->in, &byte, 1) != 0;
}

/* The same with the duplicate in a child, where nobody can reach it. */
static void outlives_a_closed_descriptor_that_a_child_has(evloop_t *loop)
{
    struct wire first = open_sockets(), gate = open_pipe();
    int64_t gone = watch(loop, first.in, EVLOOP_READ, NULL), stale = gone;
    pid_t child = start_child(wait_for_the_gate, &gate);
    int number = first.in;
    close(number);
    put_byte(first.out);
    is_quiet(loop, &stale);
    struct wire second = open_sockets();
    CHECK_IS(second.in, number);
    int64_t id = watch(loop, number, EVLOOP_READ, NULL);
    put_byte(second.out);
    next_of(loop, id, &stale);
    delete_late(loop, gone);
    take_byte(number);
    is_quiet(loop, &stale);
    close_wire(gate);
    await_child(child);
    CHECK_IS(evloop_del(loop, id), 0);
    close(first.out);
    close_wire(second);
}

static void a_closed_descriptor_that_a_child_has_is_not_told_of_for_ever(void)
{
    on_each_backend(outlives_a_closed_descriptor_that_a_child_has);
}

/* Its number may as well be one of the loop's own connections by now. */
static void a_closed_descriptors_number_may_be_a_connections(void)
{
    for (uint32_t round = 0; round < 6; round++) {
        evloop_t *loop = open_loop(EVLOOP_EPOLL + round % 3);
        struct wire wire = open_sockets();
        struct host host;
        struct end server;
        open_host(&host, loop, NULL, &server, 1);
        int client = connect_plainly(host.at);
        int64_t gone = watch(loop, wire.in, EVLOOP_READ, &wire), stale = gone;
        int number = wire.in;
        close(number);
        /* Deleted at once, or when the number is the connection's. */
        if (round < 3) CHECK_IS(evloop_del(loop, gone), 0);
        for (evloop_event_t event; host.accepted == 0;) {
            event = next_event(loop);
            if (is_last_of(&event, &stale)) continue;
            CHECK_IS(event.kind, TCP_ACCEPTED);
            server = (struct end){.loop = loop, .id = event.id};
            CHECK_IS(evloop_set_user(loop, server.id, &server), 0);
            host.accepted = 1;
        }
        CHECK_IS(tcp_socket(loop, server.id), number);
        if (round >= 3) delete_late(loop, gone);
        is_quiet(loop, &stale);
        send_pattern(client, 0, 1000);
        TURN_UNTIL(loop, server.received == 1000);
        CHECK_IS(send_more(&server, 1000), 0);
        receive_pattern(client, 0, 1000);
        close(client);
        close(wire.out);
        close_loop(loop);
    }
}

const struct test evloop_closed_tests[] = {
    TEST(a_descriptor_closed_behind_the_loops_back_harms_nobody),
    TEST(a_closed_descriptor_with_a_duplicate_is_not_told_of_for_ever),
    TEST(a_number_that_is_another_files_is_watched_anew),
    TEST(a_closed_descriptor_that_a_child_has_is_not_told_of_for_ever),
    TEST(a_closed_descriptors_number_may_be_a_connections),
    END_OF_TESTS,
};

/* One peer and many threads: who is woken, who gets what, what a close in the middle does. */
#include "check.h"
#include "faults.h"
#include "peers.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8 };

/* What a thread that uses a peer hands back. */
struct user {
    peer_t *h;
    ph_addr_t to;
    int64_t last, ended;
};

static bool says_closed(int64_t result)
{
    return result == -ESHUTDOWN || result == -EBADF;
}

static void *wait_once(void *argument)
{
    struct user *user = argument;
    ph_datagram_t items[64];
    uint8_t buffer[64 * 4];
    user->last = peer_receive(user->h, items, NULL, 64, buffer, sizeof buffer, -1);
    user->ended = now_ns();
    return NULL;
}

/* Starts threads that wait for a datagram of the peer; gives when all do. */
static void start_waiting(peer_t *h, struct user *users, pthread_t *threads)
{
    for (int i = 0; i < THREADS; i++) {
        users[i] = (struct user){.h = h};
        threads[i] = start(wait_once, &users[i]);
    }
    CHECK_EVENTUALLY(faults_readers() == THREADS);
}

/* Joins threads that waited when the close began: each was told, and soon. */
static void check_woken(const struct user *users, const pthread_t *threads, int64_t started)
{
    for (int i = 0; i < THREADS; i++) {
        join(threads[i]);
        CHECK_IS(users[i].last, -ESHUTDOWN);
        CHECK(users[i].ended - started < SECOND);
    }
}

static void a_close_wakes_all_who_wait_for_a_peer(void)
{
    for (int round = 0; round < 20; round++) {
        struct user users[THREADS];
        pthread_t threads[THREADS];
        peer_t *h = open_peer(round % 2 ? NULL : PEER(ON_V6));
        start_waiting(h, users, threads);
        int64_t started = now_ns();
        CHECK_IS(peer_close(h), 0);
        check_woken(users, threads, started);
        every_peer_call_refuses(h);
    }
}

static void a_reopening_wakes_all_who_wait_for_the_old_socket(void)
{
    peer_t *h = open_peer(PEER(ON_V4)), *sender = open_peer(PEER(ON_V4));
    for (int round = 0; round < 20; round++) {
        struct user users[THREADS];
        pthread_t threads[THREADS];
        start_waiting(h, users, threads);
        int64_t started = now_ns();
        CHECK_IS(peer_reopen(h), 0);
        check_woken(users, threads, started);
        carry(sender, h, 10, 64, 1);
    }
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(sender), 0);
}

static pthread_barrier_t start_line;

static void *close_at_once(void *argument)
{
    struct user *user = argument;
    pthread_barrier_wait(&start_line);
    user->last = peer_close(user->h);
    return NULL;
}

static void of_many_that_close_a_peer_exactly_one_succeeds(void)
{
    CHECK_IS(pthread_barrier_init(&start_line, NULL, THREADS), 0);
    for (int round = 0; round < 100; round++) {
        struct user users[THREADS];
        pthread_t threads[THREADS];
        peer_t *h = open_peer(NULL);
        for (int i = 0; i < THREADS; i++) {
            users[i] = (struct user){.h = h};
            threads[i] = start(close_at_once, &users[i]);
        }
        int succeeded = 0;
        for (int i = 0; i < THREADS; i++) {
            join(threads[i]);
            CHECK(users[i].last == 0 || users[i].last == -EBADF);
            succeeded += users[i].last == 0;
        }
        CHECK_IS(succeeded, 1);
    }
}

/* --- every call at once --- */

static bool may_go_on(int64_t result)
{
    if (says_closed(result)) return false;
    if (result < 0) CHECK_IS(result, -EAGAIN);
    return true;
}

static void *send_for_ever(void *argument)
{
    struct user *user = argument;
    do user->last = send_numbers(user->h, user->to, 0, 50, 4);
    while (may_go_on(user->last));
    return NULL;
}

static void *send_to_for_ever(void *argument)
{
    struct user *user = argument;
    do user->last = peer_send_to(user->h, &user->to, 0, (const uint8_t *)"four", 4);
    while (may_go_on(user->last));
    return NULL;
}

static void *receive_for_ever(void *argument)
{
    struct user *user = argument;
    ph_datagram_t items[64];
    uint8_t buffer[64 * 4];
    do {
        user->last = peer_receive(user->h, items, NULL, 64, buffer, sizeof buffer, -1);
        for (int64_t i = 0; i < user->last; i++) CHECK_IS(items[i].len, 4);
    } while (may_go_on(user->last == -ESHUTDOWN ? 0 : user->last));
    return NULL;
}

static void *receive_from_for_ever(void *argument)
{
    struct user *user = argument;
    ph_addr_t from;
    uint8_t buffer[65535];
    size_t room = 4;
    do {
        room = room == 4 ? sizeof buffer : 4;
        user->last = peer_receive_from(user->h, buffer, room, &from);
        if (user->last >= 0) CHECK_IS(user->last, 4);
    } while (may_go_on(user->last));
    return NULL;
}

static void log_nothing(void *user, int32_t is_sent, const ph_addr_t *who, const uint8_t *data,
                        size_t len)
{
    (void)user, (void)is_sent, (void)who, (void)data;
    CHECK_IS(len, 4);
}

static void *ask_for_everything(void *argument)
{
    struct user *user = argument;
    const ph_addr_t group = address_from("239.1.2.3", 0);
    ph_addr_t at;
    do {
        peer_stats_t stats = {.size = sizeof stats};
        ph_error_t error;
        int32_t send, recv;
        peer_stats(user->h, &stats);
        peer_get_error(user->h, &error, 1);
        peer_actual_buf_sizes(user->h, &send, &recv);
        peer_set(user->h, PEER_TTL, 9);
        peer_join(user->h, &group, 1);
        peer_leave(user->h, &group, 1);
        peer_addr(user->h, &at);
        peer_wire_log(user->h, log_nothing, NULL);
        peer_socket(user->h);
        peer_wire_log(user->h, NULL, NULL);
        user->last = peer_fd(user->h);
    } while (may_go_on(user->last));
    return NULL;
}

static void *(*const BODIES[])(void *) = {
    send_for_ever,    send_to_for_ever,      receive_for_ever,
    receive_for_ever, receive_from_for_ever, ask_for_everything,
};

static void start_all(peer_t *h, struct user *users, pthread_t *threads)
{
    for (size_t i = 0; i < LENGTH(BODIES); i++) {
        users[i] = (struct user){.h = h, .to = where(h)};
        threads[i] = start(BODIES[i], &users[i]);
    }
}

static void a_close_in_the_middle_of_every_call_of_a_peer_is_safe(void)
{
    for (int round = 0; round < 20; round++) {
        struct user users[LENGTH(BODIES)];
        pthread_t threads[LENGTH(BODIES)];
        peer_t *h = open_peer(PEER(ON_V4, .flags = round % 2 ? PEER_NO_GRO : 0));
        start_all(h, users, threads);
        CHECK_EVENTUALLY(counts_of(h).received > 1000);
        CHECK_IS(peer_close(h), 0);
        for (size_t i = 0; i < LENGTH(BODIES); i++) {
            join(threads[i]);
            CHECK(says_closed(users[i].last));
        }
    }
}

static void a_reopening_in_the_middle_of_every_call_disturbs_none(void)
{
    struct user users[LENGTH(BODIES)];
    pthread_t threads[LENGTH(BODIES)];
    peer_t *h = open_peer(PEER(ON_V4));
    ph_addr_t at = where(h);
    start_all(h, users, threads);
    for (int round = 0; round < 50; round++) {
        uint64_t received = counts_of(h).received;
        CHECK_EVENTUALLY(counts_of(h).received > received + 100);
        CHECK_IS(peer_reopen(h), 0);
        ph_addr_t now = where(h);
        CHECK(is_same_address(&now, &at));
    }
    CHECK_IS(peer_close(h), 0);
    for (size_t i = 0; i < LENGTH(BODIES); i++) {
        join(threads[i]);
        CHECK(says_closed(users[i].last));
    }
}

/* --- sharing the work --- */

enum { ALL = 20000, ON_THEIR_WAY = 100, SIZE = 12 };

/* What has come by now; numbers of `ALL`. */
static _Atomic uint8_t has_come[ALL];
static _Atomic uint32_t received;

static void note(const uint8_t *data, size_t length)
{
    uint32_t number;
    CHECK_IS(length, SIZE);
    memcpy(&number, data, sizeof number);
    CHECK(number < ALL);
    for (size_t i = sizeof number; i < SIZE; i++) CHECK_IS(data[i], (uint8_t)number);
    CHECK_IS(atomic_fetch_add(&has_come[number], 1), 0);
    atomic_fetch_add(&received, 1);
}

struct receiver {
    peer_t *h;
    /* Datagrams a call; 0: one at a time by peer_receive_from. */
    size_t n;
    uint64_t took;
};

static void *receive_several(void *argument)
{
    struct receiver *receiver = argument;
    ph_datagram_t items[64];
    uint8_t buffer[64 * SIZE];
    int64_t n;
    while ((n = peer_receive(receiver->h, items, NULL, receiver->n, buffer, sizeof buffer, -1)) > 0)
        for (int64_t i = 0; i < n; i++, receiver->took++) note(items[i].data, items[i].len);
    CHECK(says_closed(n));
    return NULL;
}

static void *receive_singly(void *argument)
{
    struct receiver *receiver = argument;
    uint8_t buffer[65535];
    for (;;) {
        ph_addr_t from;
        struct pollfd wanted = {.fd = peer_fd(receiver->h), .events = POLLIN};
        if (poll(&wanted, 1, 5) == 0 && atomic_load(&received) == ALL) return NULL;
        int64_t length = peer_receive_from(receiver->h, buffer, sizeof buffer, &from);
        if (length == -EAGAIN) continue;
        note(buffer, (size_t)length);
        receiver->took++;
    }
}

static void pour_out(peer_t *sender, ph_addr_t to)
{
    for (uint32_t sent = 0; sent < ALL;) {
        uint32_t run = 1 + sent % 23;
        if (run > ALL - sent) run = ALL - sent;
        CHECK_EVENTUALLY(sent + run - atomic_load(&received) <= ON_THEIR_WAY);
        CHECK_IS(send_numbers(sender, to, sent, run, SIZE), run);
        sent += run;
    }
    CHECK_EVENTUALLY(atomic_load(&received) == ALL);
}

static void receive_by(const size_t *modes, size_t count, uint32_t flags)
{
    peer_t *h = open_peer(PEER(ON_V4, .flags = flags)), *sender = open_peer(PEER(ON_V4));
    struct receiver receivers[4];
    pthread_t threads[4];
    for (size_t i = 0; i < count; i++) {
        receivers[i] = (struct receiver){.h = h, .n = modes[i]};
        threads[i] = start(modes[i] ? receive_several : receive_singly, &receivers[i]);
    }
    pour_out(sender, where(h));
    peer_stats_t stats = counts_of(h);
    CHECK_IS(stats.received, ALL);
    CHECK_IS(stats.received_bytes, ALL * SIZE);
    CHECK_IS(stats.kernel_drops, 0);
    nothing_more_comes(h);
    for (size_t i = 0; i < count; i++)
        if (!modes[i]) join(threads[i]);
    CHECK_IS(peer_close(h), 0);
    uint64_t took = 0;
    for (size_t i = 0; i < count; i++) {
        if (modes[i]) join(threads[i]);
        took += receivers[i].took;
    }
    CHECK_IS(took, ALL);
    CHECK_IS(peer_close(sender), 0);
}

static void threads_that_wait_for_batches_get_each_datagram_once(void)
{
    receive_by((size_t[]){64, 64, 64, 64}, 4, 0);
}

static void threads_that_wait_for_single_ones_get_each_datagram_once(void)
{
    receive_by((size_t[]){1, 1, 1, 1}, 4, 0);
}

static void threads_that_do_without_gro_get_each_datagram_once(void)
{
    receive_by((size_t[]){64, 7, 0, 1}, 4, PEER_NO_GRO);
}

static void threads_of_all_kinds_get_each_datagram_once(void)
{
    receive_by((size_t[]){64, 7, 0, 0}, 4, 0);
}

/* GRO goes on while others are about to receive single datagrams: none may get a run for one. */
static void gro_that_is_turned_on_meanwhile_confuses_nobody(void)
{
    enum { ROUNDS = 100, RUN = 40 };
    peer_t *h = open_peer(PEER(ON_V4)), *sender = open_peer(PEER(ON_V4));
    struct user users[2];
    pthread_t threads[2];
    faults_slow_receiving(MILLISECOND / 5);
    for (int i = 0; i < 2; i++) {
        users[i] = (struct user){.h = h};
        threads[i] = start(receive_from_for_ever, &users[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        ph_datagram_t items[64];
        uint8_t buffer[64 * 4];
        uint64_t received = counts_of(h).received;
        for (int i = 0; i < 2; i++) {
            int64_t n = peer_receive(h, items, NULL, 64, buffer, sizeof buffer, 0);
            for (int64_t at = 0; at < n; at++) CHECK_IS(items[at].len, 4);
            CHECK_IS(send_numbers(sender, where(h), 0, RUN, 4), RUN);
        }
        CHECK_EVENTUALLY(counts_of(h).received > received);
        CHECK_IS(counts_of(h).uses_gro, 1);
        CHECK_IS(peer_reopen(h), 0);
    }
    CHECK_IS(peer_close(h), 0);
    for (int i = 0; i < 2; i++) join(threads[i]);
    CHECK_IS(peer_close(sender), 0);
}

struct sender {
    peer_t *h;
    ph_addr_t to;
    uint32_t first, count;
};

static void *send_share(void *argument)
{
    struct sender *share = argument;
    for (uint32_t sent = 0; sent < share->count;) {
        uint32_t run = 1 + sent % 7;
        if (run > share->count - sent) run = share->count - sent;
        CHECK_EVENTUALLY(sent - atomic_load(&received) / 4 <= ON_THEIR_WAY / 4
                         || sent < atomic_load(&received) / 4);
        CHECK_IS(send_numbers(share->h, share->to, share->first + sent, run, SIZE), run);
        sent += run;
    }
    return NULL;
}

static void threads_that_send_by_one_peer_lose_nothing(void)
{
    enum { SENDERS = 4, SHARE = ALL / SENDERS };
    peer_t *h = open_peer(PEER(ON_V4)), *sender = open_peer(PEER(ON_V4));
    struct sender shares[SENDERS];
    pthread_t threads[SENDERS];
    uint32_t next[SENDERS];
    for (uint32_t i = 0; i < SENDERS; i++) {
        next[i] = i * SHARE;
        shares[i] = (struct sender){sender, where(h), next[i], SHARE};
        threads[i] = start(send_share, &shares[i]);
    }
    while (atomic_load(&received) < ALL) {
        ph_datagram_t items[64];
        uint8_t buffer[64 * SIZE];
        int64_t n = peer_receive(h, items, NULL, 64, buffer, sizeof buffer, PATIENCE_MS);
        CHECK(n > 0);
        for (int64_t i = 0; i < n; i++) {
            uint32_t number;
            memcpy(&number, items[i].data, sizeof number);
            CHECK(number < ALL);
            CHECK_IS(number, next[number / SHARE]++);
            note(items[i].data, items[i].len);
        }
    }
    for (int i = 0; i < SENDERS; i++) join(threads[i]);
    CHECK_IS(counts_of(sender).sent, ALL);
    nothing_more_comes(h);
    CHECK_IS(peer_close(h), 0);
    CHECK_IS(peer_close(sender), 0);
}

const struct test peer_thread_tests[] = {
    TEST(a_close_wakes_all_who_wait_for_a_peer),
    TEST(a_reopening_wakes_all_who_wait_for_the_old_socket),
    TEST(of_many_that_close_a_peer_exactly_one_succeeds),
    TEST(a_close_in_the_middle_of_every_call_of_a_peer_is_safe),
    TEST(a_reopening_in_the_middle_of_every_call_disturbs_none),
    TEST(threads_that_wait_for_batches_get_each_datagram_once),
    TEST(threads_that_wait_for_single_ones_get_each_datagram_once),
    TEST(threads_that_do_without_gro_get_each_datagram_once),
    TEST(threads_of_all_kinds_get_each_datagram_once),
    TEST(gro_that_is_turned_on_meanwhile_confuses_nobody),
    TEST(threads_that_send_by_one_peer_lose_nothing),
    END_OF_TESTS,
};

/* One receive queue and many threads or processes: what a policy promises, what a close does. */
#include "check.h"
#include "process.h"
#include "queues.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 8 };

/* What a thread that uses a queue hands back. */
struct user {
    rq_t *q;
    uint32_t number;
    int64_t last;
};

static pthread_barrier_t start_line;
static atomic_bool is_over;

static void start_all(struct user *users, pthread_t *threads, rq_t *q, void *(*body)(void *))
{
    for (uint32_t i = 0; i < THREADS; i++) {
        users[i] = (struct user){.q = q, .number = i};
        threads[i] = start(body, &users[i]);
    }
}

static void join_all(const pthread_t *threads)
{
    for (int i = 0; i < THREADS; i++) join(threads[i]);
}

/* --- exact totals --- */

enum { SHARE = 20000, BUFFERS = 4, BUFFER_LENGTH = 64 };

/* Which thread received it, and as its how manyth. */
struct numbered {
    uint32_t thread, number;
};

static void put_numbered(rq_t *q, const char *idx, struct numbered *first, size_t n)
{
    ph_bytes_t items[8];
    for (size_t i = 0; i < n; i++)
        items[i] = (ph_bytes_t){(const uint8_t *)&first[i], sizeof *first};
    CHECK_IS(rq_receive(q, KEY("a"), KEY(idx), items, n), n);
}

static void *receive_a_share(void *argument)
{
    const struct user *user = argument;
    static const char *const KEYS[BUFFERS] = {"0", "1", "2", "3"};
    for (uint32_t done = 0; done < SHARE;) {
        struct numbered values[8];
        uint32_t n = 1 + done % 8;
        if (n > SHARE - done) n = SHARE - done;
        for (uint32_t i = 0; i < n; i++) values[i] = (struct numbered){user->number, done + i};
        put_numbered(user->q, KEYS[(user->number + done) % BUFFERS], values, n);
        done += n;
    }
    return NULL;
}

/* Of each thread a buffer holds its values in the order in which that received them. */
static void check_order(const struct extract *held)
{
    uint32_t least[THREADS] = {0};
    for (size_t i = 0; i < held->n; i++) {
        struct numbered value;
        CHECK_IS(held->values[i].len, sizeof value);
        memcpy(&value, held->bytes + held->values[i].offset, sizeof value);
        CHECK(value.thread < THREADS && value.number < SHARE);
        bool is_new = i > 0 && held->values[i].idx_offset != held->values[i - 1].idx_offset;
        if (is_new) memset(least, 0, sizeof least);
        CHECK(value.number >= least[value.thread]);
        least[value.thread] = value.number + 1;
    }
}

static void *extract_until_over(void *argument)
{
    rq_t *q = argument;
    while (!atomic_load(&is_over)) {
        struct extract held = extract_group(q, "a");
        check_order(&held);
        free_extract(&held);
        held = extract_one(q, "a", KEY("1"));
        CHECK(held.n <= BUFFER_LENGTH);
        check_order(&held);
        free_extract(&held);
    }
    return NULL;
}

static void adds_up(rq_t *q)
{
    struct user users[THREADS];
    pthread_t threads[THREADS];
    atomic_store(&is_over, false);
    pthread_t extractor = start(extract_until_over, q);
    start_all(users, threads, q, receive_a_share);
    join_all(threads);
    atomic_store(&is_over, true);
    join(extractor);
    rq_stats_t all = queue_counts_of(q);
    CHECK_IS(all.received, THREADS * SHARE);
    CHECK_IS(all.refused, 0);
    CHECK_IS(all.buffers, BUFFERS);
    CHECK_IS(all.values, BUFFERS * BUFFER_LENGTH);
    CHECK_IS(all.discarded, THREADS * SHARE - BUFFERS * BUFFER_LENGTH);
    uint64_t received = 0;
    char idx[2] = "0";
    for (; *idx < '0' + BUFFERS; ++*idx) {
        rq_buffer_stats_t one = buffer_counts_of(q, "a", idx);
        CHECK_IS(one.received, one.discarded + one.held);
        received += one.received;
    }
    CHECK_IS(received, THREADS * SHARE);
    struct extract held = extract_group(q, "a");
    CHECK_IS(held.n, BUFFERS * BUFFER_LENGTH);
    check_order(&held);
    free_extract(&held);
}

static void eight_threads_lose_nothing_on_any_policy(void)
{
    on_each_policy(BUFFER_LENGTH, adds_up);
}

/* The key of a value, which is a number in digits. */
static uint32_t key_at(const struct extract *held, size_t at)
{
    char digits[16] = {0};
    CHECK(held->values[at].idx_len < sizeof digits);
    memcpy(digits, held->bytes + held->values[at].idx_offset, held->values[at].idx_len);
    return (uint32_t)atoi(digits);
}

/* New keys, forgotten ones, and extracts of what comes and goes. */
static void *come_and_go(void *argument)
{
    const struct user *user = argument;
    char idx[16];
    for (uint32_t i = 0; i < SHARE / 4; i++) {
        snprintf(idx, sizeof idx, "%u", i % 50);
        put_number(user->q, "b", idx, i);
        int32_t forgotten = 0;
        if (i % 3 == 0) forgotten = rq_forget(user->q, KEY("b"), KEY(idx));
        CHECK(forgotten >= 0 && forgotten <= BUFFER_LENGTH);
        if (i % 100 != 0) continue;
        struct extract held = extract_group(user->q, "b");
        for (size_t at = 0; at < held.n; at++)
            CHECK_IS(number_at(&held, at) % 50, key_at(&held, at));
        free_extract(&held);
    }
    return NULL;
}

static void survives_coming_and_going(rq_t *q)
{
    struct user users[THREADS];
    pthread_t threads[THREADS];
    start_all(users, threads, q, come_and_go);
    join_all(threads);
    rq_stats_t all = queue_counts_of(q);
    CHECK_IS(all.received, THREADS * (SHARE / 4));
    CHECK_IS(all.received, all.discarded + all.values);
    CHECK(all.buffers <= 50);
}

static void keys_come_and_go_in_eight_threads(void)
{
    on_each_policy(BUFFER_LENGTH, survives_coming_and_going);
}

/* The bound holds for all threads together. */
static void *invent_keys(void *argument)
{
    struct user *user = argument;
    const ph_bytes_t item = {KEY("value")};
    for (uint32_t i = 0; i < 1000; i++) {
        struct numbered key = {user->number, i};
        int32_t taken = rq_receive(user->q, KEY(i % 2 ? "a" : "b"), (uint8_t *)&key, sizeof key,
                                   &item, 1);
        CHECK(taken == 1 || taken == -ENOSPC);
        user->last += taken == 1;
    }
    return NULL;
}

static void eight_threads_that_invent_keys_are_bounded_exactly(void)
{
    enum { MOST = 777 };
    for (uint32_t policy = RQ_UNSYNC; policy <= RQ_EXCLUSIVE; policy++) {
        struct user users[THREADS];
        pthread_t threads[THREADS];
        rq_t *q = open_queue(2, policy, RQ(.buffers_max = MOST));
        start_all(users, threads, q, invent_keys);
        join_all(threads);
        int64_t taken = 0;
        for (int i = 0; i < THREADS; i++) taken += users[i].last;
        rq_stats_t all = queue_counts_of(q);
        CHECK(taken == MOST && all.buffers == MOST && all.received == MOST);
        CHECK_IS(all.refused, THREADS * 1000 - MOST);
        CHECK_IS(rq_close(q), 0);
    }
}

/* --- one instant --- */

enum { PAIRS = 3 };

/* Puts each number into "A<thread>" and then into "B<thread>". */
static void *put_one_then_the_other(void *argument)
{
    const struct user *user = argument;
    char first[8], second[8];
    snprintf(first, sizeof first, "A%u", user->number);
    snprintf(second, sizeof second, "B%u", user->number);
    for (uint32_t step = 1; !atomic_load(&is_over); step++) {
        put_number(user->q, "a", first, step);
        put_number(user->q, "a", second, step);
    }
    return NULL;
}

/* The newest number in a buffer of an extract; 0 when there is none. */
static uint32_t newest(const struct extract *held, char which, uint32_t pair)
{
    char idx[8];
    size_t length = (size_t)snprintf(idx, sizeof idx, "%c%u", which, pair);
    uint32_t number = 0;
    for (size_t i = 0; i < held->n; i++)
        if (held->values[i].idx_len == length
            && memcmp(held->bytes + held->values[i].idx_offset, idx, length) == 0)
            number = number_at(held, i);
    return number;
}

/* Extracts the group: B is never newer than A, nor more than one step behind. Gives how many pairs
 * were between the two. */
static uint32_t check_an_instant(rq_t *q)
{
    uint32_t in_the_middle = 0;
    struct extract held = extract_group(q, "a");
    for (uint32_t pair = 0; pair < PAIRS; pair++) {
        uint32_t first = newest(&held, 'A', pair), second = newest(&held, 'B', pair);
        CHECK(second == first || second + 1 == first);
        in_the_middle += second != first;
    }
    free_extract(&held);
    return in_the_middle;
}

/* Goes on until there was something to be seen. */
static void an_extract_of_all_is_of_one_instant(void)
{
    enum { EXTRACTS = 40000, IN_THE_MIDDLE = 10 };
    const uint32_t policies[] = {RQ_RW, RQ_EXCLUSIVE};
    for (size_t i = 0; i < LENGTH(policies); i++) {
        struct user users[PAIRS];
        pthread_t threads[PAIRS];
        rq_t *q = open_queue(3, policies[i], NULL);
        atomic_store(&is_over, false);
        for (uint32_t pair = 0; pair < PAIRS; pair++) {
            users[pair] = (struct user){.q = q, .number = pair};
            threads[pair] = start(put_one_then_the_other, &users[pair]);
        }
        uint32_t extracts = 0, in_the_middle = 0;
        for (int64_t begun = now_ns(); extracts < EXTRACTS || in_the_middle < IN_THE_MIDDLE;
             extracts++) {
            in_the_middle += check_an_instant(q);
            CHECK(now_ns() - begun < 20 * SECOND);
        }
        atomic_store(&is_over, true);
        for (int pair = 0; pair < PAIRS; pair++) join(threads[pair]);
        CHECK_IS(rq_close(q), 0);
    }
}

static void *wait_for_ever(void *argument)
{
    struct user *user = argument;
    user->last = rq_wait(user->q, KEY("a"), -1);
    return NULL;
}

/* --- closing --- */

static bool may_go_on(int64_t result)
{
    CHECK(result >= 0 || result == -EBADF || result == -ESHUTDOWN || result == -EMSGSIZE
          || result == -EAGAIN || result == -ETIMEDOUT);
    return result != -EBADF && result != -ESHUTDOWN;
}

static int64_t call_something(rq_t *q, uint32_t which)
{
    const ph_bytes_t items[] = {{KEY("some value")}, {KEY("another one")}};
    rq_value_t values[64];
    uint8_t out[1024];
    ph_need_t need;
    rq_stats_t stats = {.size = sizeof stats};
    rq_buffer_stats_t buffer = {.size = sizeof buffer};
    switch (which % 8) {
    case 0: return rq_wait(q, KEY("a"), -1);
    case 1: return rq_receive(q, KEY("a"), (uint8_t *)&which, 1, items, 2);
    case 2: return rq_extract(q, KEY("a"), KEY("i"), values, 64, out, sizeof out, &need);
    case 3: return rq_extract_all(q, KEY("a"), values, 64, out, sizeof out, &need);
    case 4: return rq_receive(q, KEY("a"), KEY("i"), items, 2);
    case 5: return rq_forget(q, KEY("a"), KEY("i"));
    case 6: return rq_stats(q, &stats) < 0 ? -EBADF
                                           : rq_buffer_stats(q, KEY("a"), KEY("i"), &buffer);
    default: return rq_wait(q, KEY("b"), which % 2 ? 1 : -1);
    }
}

static void *call_until_closed(void *argument)
{
    struct user *user = argument;
    pthread_barrier_wait(&start_line);
    for (uint32_t i = user->number; may_go_on(call_something(user->q, i)); i += user->number == 7)
        user->last++;
    return NULL;
}

static void a_close_in_the_middle_of_every_call_of_a_queue_is_safe(void)
{
    CHECK_IS(pthread_barrier_init(&start_line, NULL, THREADS + 1), 0);
    for (uint32_t round = 0; round < 60; round++) {
        struct user users[THREADS];
        pthread_t threads[THREADS];
        rq_t *q = open_queue(16, round % 3, NULL);
        start_all(users, threads, q, call_until_closed);
        pthread_barrier_wait(&start_line);
        for (uint32_t i = 0; i < round * 20; i++) put(q, "b", "i", "value");
        CHECK_IS(rq_close(q), 0);
        join_all(threads);
        every_queue_call_refuses(q);
    }
}

static void *close_at_once(void *argument)
{
    struct user *user = argument;
    pthread_barrier_wait(&start_line);
    user->last = rq_close(user->q);
    return NULL;
}

static void of_many_that_close_a_queue_exactly_one_succeeds(void)
{
    CHECK_IS(pthread_barrier_init(&start_line, NULL, THREADS), 0);
    for (uint32_t round = 0; round < 30; round++) {
        struct user users[THREADS];
        pthread_t threads[THREADS];
        rq_t *q = open_queue(3, round % 3, NULL);
        put(q, "a", "i", "value");
        start_all(users, threads, q, close_at_once);
        join_all(threads);
        int succeeded = 0;
        for (int i = 0; i < THREADS; i++) {
            CHECK(users[i].last == 0 || users[i].last == -EBADF);
            succeeded += users[i].last == 0;
        }
        CHECK_IS(succeeded, 1);
    }
}

/* --- processes --- */

static int live_with_an_own_queue(void *argument)
{
    every_queue_call_refuses(argument);
    rq_t *q = open_queue(3, RQ_RW, NULL);
    put(q, "a", "i", "one");
    CHECK(holds(q, "a", "i", "one"));
    CHECK_IS(rq_wait(q, KEY("a"), 0), 0);
    CHECK_IS(rq_close(q), 0);
    every_queue_call_refuses(argument);
    return 0;
}

static void a_child_is_refused_its_parents_queue_and_makes_its_own(void)
{
    rq_t *q = open_queue(3, RQ_RW, NULL);
    put(q, "a", "i", "one");
    CHECK(rq_fd(q, KEY("a")) >= 0);
    in_a_child(live_with_an_own_queue, q);
    CHECK(holds(q, "a", "i", "one"));
    CHECK_IS(rq_wait(q, KEY("a"), 0), 0);
    CHECK_IS(rq_close(q), 0);
}

static void *receive_until_over(void *argument)
{
    const struct user *user = argument;
    for (uint32_t i = 0; !atomic_load(&is_over); i++) put_number(user->q, "a", "i", i);
    return NULL;
}

/* Locks that some thread holds at the fork stay locked in the child. */
__attribute__((unused)) static void forks_while_others_receive_disturb_neither_side(void)
{
    for (uint32_t policy = RQ_UNSYNC; policy <= RQ_EXCLUSIVE; policy++) {
        rq_t *q = open_queue(3, policy, NULL);
        struct user user = {.q = q};
        atomic_store(&is_over, false);
        pthread_t thread = start(receive_until_over, &user);
        for (int i = 0; i < 10; i++) in_a_child(live_with_an_own_queue, q);
        atomic_store(&is_over, true);
        join(thread);
        CHECK_IS(rq_close(q), 0);
    }
}

static int exit_with_an_open_queue(void *nothing)
{
    (void)nothing;
    struct user user = {.q = open_queue(3, RQ_RW, NULL)};
    atomic_store(&is_over, false);
    start(receive_until_over, &user);
    start(wait_for_ever, &(struct user){.q = user.q});
    CHECK_EVENTUALLY(queue_counts_of(user.q).received > 100);
    exit(0);
}

static void a_process_ends_well_with_an_open_queue(void)
{
    for (int round = 0; round < 5; round++) in_a_child(exit_with_an_open_queue, NULL);
}

const struct test rq_thread_tests[] = {
    TEST(eight_threads_lose_nothing_on_any_policy),
    TEST(keys_come_and_go_in_eight_threads),
    TEST(eight_threads_that_invent_keys_are_bounded_exactly),
    TEST(an_extract_of_all_is_of_one_instant),
    TEST(a_close_in_the_middle_of_every_call_of_a_queue_is_safe),
    TEST(of_many_that_close_a_queue_exactly_one_succeeds),
    TEST(a_child_is_refused_its_parents_queue_and_makes_its_own),
#ifndef __SANITIZE_ADDRESS__
    /* The sanitizer's allocator hangs in a child forked while another thread was inside it. */
    TEST(forks_while_others_receive_disturb_neither_side),
#endif
    TEST(a_process_ends_well_with_an_open_queue),
    END_OF_TESTS,
};

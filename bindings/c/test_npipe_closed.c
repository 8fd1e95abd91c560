/* Named pipes that are closed while threads are inside, or open at the end of their process. */
#include "check.h"
#include "pipes.h"
#include "process.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { THREADS = 8 };

struct user {
    npipe_t *h;
    uint32_t number;
    int64_t last, ended;
};

static pthread_barrier_t start_line;

static bool says_closed(int64_t result)
{
    return result == -ESHUTDOWN || result == -EBADF;
}

static void *receive_for_ever(void *argument)
{
    struct user *user = argument;
    uint8_t out[64];
    user->last = receive_one(user->h, out, sizeof out, -1);
    user->ended = now_ns();
    return NULL;
}

static void *send_for_ever(void *argument)
{
    struct user *user = argument;
    uint8_t message[PART] = {0};
    do user->last = send_one(user->h, message, sizeof message, -1);
    while (user->last == 1);
    user->ended = now_ns();
    return NULL;
}

static void wakes_all_who(void *(*wait)(void *))
{
    for (int round = 0; round < 5; round++) {
        struct user users[THREADS];
        pthread_t threads[THREADS];
        struct place place = open_place();
        npipe_t *h = open_reader(place.path, NULL);
        for (int i = 0; i < THREADS; i++) {
            users[i] = (struct user){.h = h};
            threads[i] = start(wait, &users[i]);
        }
        if (wait == send_for_ever) CHECK_EVENTUALLY(pipe_counts_of(h).sent >= 16);
        CHECK_EVENTUALLY(all_others_sleep());
        int64_t begun = now_ns();
        CHECK_IS(npipe_close(h), 0);
        for (int i = 0; i < THREADS; i++) {
            join(threads[i]);
            CHECK(says_closed(users[i].last));
            CHECK(users[i].ended - begun < SECOND);
        }
        every_pipe_call_refuses(h);
        close_place(&place);
    }
}

static void a_close_wakes_all_who_receive(void)
{
    wakes_all_who(receive_for_ever);
}

static void a_close_wakes_all_who_send(void)
{
    wakes_all_who(send_for_ever);
}

static int64_t call_something(npipe_t *h, uint32_t which)
{
    static const uint8_t bytes[3 * PART];
    uint8_t out[4 * PART];
    npipe_stats_t stats = {.size = sizeof stats};
    switch (which % 8) {
    case 0: return receive_one(h, out, sizeof out, -1);
    case 1: return send_one(h, bytes, 10, -1);
    case 2: return send_one(h, bytes, sizeof bytes, -1);
    case 3: return receive_one(h, out, 5, 1);
    case 4: return send_one(h, bytes, 0, 0);
    case 5: return npipe_stats(h, &stats);
    case 6: return npipe_send(h, NULL, 0, 0);
    default: return receive_one(h, out, sizeof out, 0);
    }
}

static atomic_bool is_closing;

static void *call_until_closed(void *argument)
{
    struct user *user = argument;
    pthread_barrier_wait(&start_line);
    do {
        user->last = call_something(user->h, user->number);
        /* A message that the close has a sender give up is told of, to those who still can hear. */
        if (user->last == -ECONNABORTED) CHECK(atomic_load(&is_closing));
        else CHECK(user->last >= 0 || says_closed(user->last) || user->last == -EAGAIN
                   || user->last == -ETIMEDOUT || user->last == -EMSGSIZE);
    } while (!says_closed(user->last));
    return NULL;
}

static void a_close_in_the_middle_of_every_call_of_a_pipe_is_safe(void)
{
    CHECK_IS(pthread_barrier_init(&start_line, NULL, THREADS + 1), 0);
    for (uint32_t round = 0; round < 40; round++) {
        struct user users[THREADS];
        pthread_t threads[THREADS];
        struct place place = open_place();
        npipe_t *h = open_reader(place.path, NULL);
        for (uint32_t i = 0; i < THREADS; i++) {
            users[i] = (struct user){.h = h, .number = i};
            threads[i] = start(call_until_closed, &users[i]);
        }
        atomic_store(&is_closing, false);
        pthread_barrier_wait(&start_line);
        for (uint32_t i = 0; i < round * 20; i++) pipe_counts_of(h);
        atomic_store(&is_closing, true);
        CHECK_IS(npipe_close(h), 0);
        for (int i = 0; i < THREADS; i++) join(threads[i]);
        every_pipe_call_refuses(h);
        close_place(&place);
    }
}

static void *close_at_once(void *argument)
{
    struct user *user = argument;
    pthread_barrier_wait(&start_line);
    user->last = npipe_close(user->h);
    return NULL;
}

static void of_many_that_close_a_pipe_exactly_one_succeeds(void)
{
    CHECK_IS(pthread_barrier_init(&start_line, NULL, THREADS), 0);
    struct place place = open_place();
    for (int round = 0; round < 30; round++) {
        struct user users[THREADS];
        pthread_t threads[THREADS];
        npipe_t *h = open_reader(place.path, NULL);
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
    close_place(&place);
}

/* --- the end of the process --- */

static int exit_with_an_open_pipe(void *argument)
{
    npipe_t *h = open_reader(argument, NULL);
    struct user user = {.h = h};
    start(receive_for_ever, &user);
    say(h, "word");
    CHECK_EVENTUALLY(all_others_sleep());
    exit(0);
}

static void a_process_ends_well_with_an_open_pipe(void)
{
    struct place place = open_place();
    for (int round = 0; round < 3; round++) in_a_child(exit_with_an_open_pipe, place.path);
    npipe_t *h = open_npipe(place.path, NULL);
    CHECK(!has_a_reader(h));
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

const struct test npipe_closed_tests[] = {
    TEST(a_close_wakes_all_who_receive),
    TEST(a_close_wakes_all_who_send),
    TEST(a_close_in_the_middle_of_every_call_of_a_pipe_is_safe),
    TEST(of_many_that_close_a_pipe_exactly_one_succeeds),
    TEST(a_process_ends_well_with_an_open_pipe),
    END_OF_TESTS,
};

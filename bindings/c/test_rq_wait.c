/* Waiting for what comes into a group, and the descriptor that tells of it. */
#include "check.h"
#include "queues.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

enum { THREADS = 8 };

/* What a thread that uses a queue hands back. */
struct user {
    rq_t *q;
    int64_t last;
};

static void nothing_has_come(rq_t *q, const char *group)
{
    CHECK_IS(rq_wait(q, KEY(group), 0), -EAGAIN);
    CHECK(!is_readable(rq_fd(q, KEY(group))));
}

static void tells_what_came_once(rq_t *q)
{
    int fd = rq_fd(q, KEY("a"));
    CHECK(fd >= 0);
    CHECK_IS(rq_fd(q, KEY("a")), fd);
    CHECK(rq_fd(q, KEY("b")) != fd);
    nothing_has_come(q, "a");
    for (int round = 0; round < 3; round++) {
        put(q, "a", "i", "one");
        put(q, "a", "j", "two");
        CHECK(is_readable(fd));
        CHECK(is_readable(fd));
        nothing_has_come(q, "b");
        CHECK(holds(q, "a", "j", round == 0 ? "two" : round == 1 ? "two,two" : "two,two,two"));
        CHECK(is_readable(fd));
        CHECK_IS(rq_wait(q, KEY("a"), round - 1), 0);
        nothing_has_come(q, "a");
    }
    CHECK_IS(rq_forget(q, KEY("a"), KEY("j")), 3);
    nothing_has_come(q, "a");
    const ph_bytes_t none = {NULL, 0};
    CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), &none, 0), 0);
    nothing_has_come(q, "a");
    CHECK_IS(rq_receive(q, KEY(""), KEY(""), &none, 1), 1);
    CHECK_IS(rq_wait(q, KEY(""), -1), 0);
    nothing_has_come(q, "");
}

static void a_wait_is_told_once_of_what_came_into_its_group(void)
{
    on_each_policy(3, tells_what_came_once);
}

/* Whatever came before anybody asked for the descriptor. */
static void a_descriptor_tells_of_what_was_there_before_it(void)
{
    rq_t *q = open_queue(3, RQ_RW, NULL);
    put(q, "a", "i", "value");
    CHECK(is_readable(rq_fd(q, KEY("a"))));
    CHECK(!is_readable(rq_fd(q, KEY("b"))));
    CHECK_IS(rq_wait(q, KEY("a"), 0), 0);
    nothing_has_come(q, "a");
    CHECK_IS(rq_close(q), 0);
}

static void a_wait_ends_in_time(void)
{
    rq_t *q = open_queue(3, RQ_RW, NULL);
    int64_t begun = now_ns();
    CHECK_IS(rq_wait(q, KEY("a"), 30), -ETIMEDOUT);
    CHECK(now_ns() - begun >= 30 * MILLISECOND);
    CHECK(now_ns() - begun < SECOND);
    CHECK_IS(rq_wait(q, KEY("a"), 0), -EAGAIN);
    CHECK_IS(rq_wait(q, KEY("a"), -2), -EINVAL);
    CHECK_IS(rq_wait(q, KEY("a"), INT32_MIN), -EINVAL);
    CHECK_IS(rq_wait(q, KEY("none"), 0), -ENOENT);
    CHECK_IS(rq_wait(q, KEY("none"), -1), -ENOENT);
    CHECK_IS(rq_close(q), 0);
}

static void select_and_epoll_find_a_group_readable(void)
{
    rq_t *q = open_queue(3, RQ_RW, NULL);
    int fd = rq_fd(q, KEY("a")), epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK_IS(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN}), 0);
    for (int round = 0; round < 3; round++) {
        struct epoll_event event;
        fd_set set;
        CHECK_IS(epoll_wait(epoll, &event, 1, 0), 0);
        put(q, "a", "i", "value");
        for (int again = 0; again < 2; again++) {
            FD_ZERO(&set);
            FD_SET(fd, &set);
            CHECK_IS(select(fd + 1, &set, NULL, NULL, &(struct timeval){0}), 1);
            CHECK_IS(epoll_wait(epoll, &event, 1, 0), 1);
            CHECK_IS(event.events, EPOLLIN);
        }
        CHECK_IS(rq_wait(q, KEY("a"), 0), 0);
        FD_ZERO(&set);
        FD_SET(fd, &set);
        CHECK_IS(select(fd + 1, &set, NULL, NULL, &(struct timeval){0}), 0);
    }
    close(epoll);
    CHECK_IS(rq_close(q), 0);
}

static atomic_int told;

static void *wait_for_one(void *argument)
{
    struct user *user = argument;
    user->last = rq_wait(user->q, KEY("a"), -1);
    atomic_fetch_add(&told, 1);
    return NULL;
}

static void of_several_that_wait_each_arrival_wakes_one(void)
{
    for (uint32_t policy = RQ_UNSYNC; policy <= RQ_EXCLUSIVE; policy++) {
        struct user users[THREADS];
        pthread_t threads[THREADS];
        rq_t *q = open_queue(3, policy, NULL);
        atomic_store(&told, 0);
        for (int i = 0; i < THREADS; i++) {
            users[i] = (struct user){.q = q};
            threads[i] = start(wait_for_one, &users[i]);
        }
        for (int arrived = 1; arrived <= 3; arrived++) {
            CHECK_EVENTUALLY(all_others_sleep());
            CHECK_IS(atomic_load(&told), arrived - 1);
            put(q, "a", "i", "value");
            CHECK_EVENTUALLY(atomic_load(&told) == arrived);
        }
        put(q, "b", "i", "value");
        CHECK_EVENTUALLY(all_others_sleep());
        CHECK_IS(atomic_load(&told), 3);
        CHECK_IS(rq_close(q), 0);
        for (int i = 0; i < THREADS; i++) join(threads[i]);
        int got = 0;
        for (int i = 0; i < THREADS; i++) {
            CHECK(users[i].last == 0 || users[i].last == -ESHUTDOWN);
            got += users[i].last == 0;
        }
        CHECK_IS(got, 3);
        every_queue_call_refuses(q);
    }
}

/* Whoever waits after each thing that comes never sleeps through the last. */
static void *receive_slowly(void *argument)
{
    const struct user *user = argument;
    for (uint32_t i = 0; i < 3000; i++) {
        put_number(user->q, "a", "i", i);
        if (i % 16 == 0) CHECK_EVENTUALLY(!is_readable(rq_fd(user->q, KEY("a"))));
    }
    return NULL;
}

static void no_arrival_is_slept_through(void)
{
    rq_t *q = open_queue(1, RQ_RW, NULL);
    struct user user = {.q = q};
    pthread_t thread = start(receive_slowly, &user);
    for (uint32_t last = 0; last < 2999;) {
        CHECK_IS(rq_wait(q, KEY("a"), RQ_PATIENCE_MS), 0);
        struct extract held = extract_one(q, "a", KEY("i"));
        uint32_t number = number_at(&held, 0);
        CHECK(number >= last);
        last = number;
        free_extract(&held);
    }
    join(thread);
    CHECK_IS(rq_close(q), 0);
}

static void do_nothing(int number)
{
    (void)number;
}

static void a_signal_handler_ends_a_wait_for_a_group(void)
{
    struct sigaction action = {.sa_handler = do_nothing};
    CHECK_IS(sigaction(SIGUSR1, &action, NULL), 0);
    struct user user = {.q = open_queue(3, RQ_RW, NULL)};
    pthread_t thread = start(wait_for_one, &user);
    CHECK_EVENTUALLY(all_others_sleep());
    CHECK_IS(pthread_kill(thread, SIGUSR1), 0);
    join(thread);
    CHECK_IS(user.last, -EINTR);
    put(user.q, "a", "i", "value");
    CHECK_IS(rq_wait(user.q, KEY("a"), -1), 0);
    CHECK_IS(rq_close(user.q), 0);
}

const struct test rq_wait_tests[] = {
    TEST(a_wait_is_told_once_of_what_came_into_its_group),
    TEST(a_descriptor_tells_of_what_was_there_before_it),
    TEST(a_wait_ends_in_time),
    TEST(select_and_epoll_find_a_group_readable),
    TEST(of_several_that_wait_each_arrival_wakes_one),
    TEST(no_arrival_is_slept_through),
    TEST(a_signal_handler_ends_a_wait_for_a_group),
    END_OF_TESTS,
};

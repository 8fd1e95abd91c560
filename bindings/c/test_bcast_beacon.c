/* The beacon: its times, its end, and what it does when sending fails. */
#include "check.h"
#include "faults.h"
#include "peers.h"
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void beacon(bcast_t *h, const char *text, uint32_t period_ms)
{
    CHECK_IS(bcast_beacon(h, (const uint8_t *)text, strlen(text), period_ms), 0);
}

static bool is_text(const ph_datagram_t *item, const char *text)
{
    return item->len == strlen(text) && memcmp(item->data, text, item->len) == 0;
}

/* Messages of a beacon that was replaced may still be in the socket. */
static void take_until(bcast_t *h, const char *text)
{
    int64_t since = 0;
    for (;;) {
        ph_datagram_t item = take_message(h, NULL);
        if (is_text(&item, text)) return;
        CHECK(!check_is_out_of_time(&since));
    }
}

/* --- times --- */

/* Each message takes half a period to send. Were the times counted from the one before, all would
 * take half as long again. */
static void a_beacon_keeps_its_times_without_drift(void)
{
    enum { PERIOD_MS = 16, COUNT = 40 };
    const int64_t period = PERIOD_MS * MILLISECOND;
    bcast_t *h = open_bcast(NULL);
    faults_slow_sending(period / 2);
    beacon(h, "here", PERIOD_MS);
    take_message(h, NULL);
    int64_t started = now_ns();
    for (int i = 0; i < COUNT; i++) take_message(h, NULL);
    int64_t took = now_ns() - started;
    CHECK(took >= (COUNT - 1) * period);
    CHECK(took < COUNT * period * 5 / 4);
    faults_slow_sending(0);
    CHECK_IS(bcast_close(h), 0);
}

/* What happens in a second is neither more nor, the machine being busy, much less. */
static void a_beacons_count_follows_from_its_period(void)
{
    enum { PERIOD_MS = 5, WATCHED_MS = 400, MOST = WATCHED_MS / PERIOD_MS + 1 };
    bcast_t *h = open_bcast(NULL);
    int64_t end = now_ns() + WATCHED_MS * MILLISECOND;
    beacon(h, "here", PERIOD_MS);
    uint64_t count = 0;
    while (now_ns() < end) {
        count = bcast_counts_of(h).beacons;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CHECK(count <= MOST);
    CHECK(count >= MOST / 3);
    bcast_stats_t stats = bcast_counts_of(h);
    CHECK(stats.sent >= count && stats.send_errors == 0);
    CHECK_IS(bcast_close(h), 0);
}

static void stop_parent(pid_t parent, int64_t length_ms)
{
    kill(parent, SIGSTOP);
    nanosleep(&(struct timespec){.tv_nsec = length_ms * MILLISECOND}, NULL);
    kill(parent, SIGCONT);
    _exit(0);
}

/* Whoever was stopped for a while does not make up for it. */
static void times_that_were_missed_are_left_out(void)
{
    enum { PERIOD_MS = 5, STOPPED_MS = 200, MISSED = STOPPED_MS / PERIOD_MS };
    bcast_t *h = open_bcast(NULL);
    beacon(h, "here", PERIOD_MS);
    CHECK_EVENTUALLY(bcast_counts_of(h).beacons >= 3);
    int64_t started = now_ns();
    uint64_t before = bcast_counts_of(h).beacons;
    pid_t child = fork();
    if (child == 0) stop_parent(getppid(), STOPPED_MS);
    CHECK_IS(waitpid(child, NULL, 0), child);
    CHECK_EVENTUALLY(bcast_counts_of(h).beacons >= before + 3);
    uint64_t sent = bcast_counts_of(h).beacons - before;
    uint64_t periods = (uint64_t)((now_ns() - started) / (PERIOD_MS * MILLISECOND));
    CHECK(periods >= MISSED);
    CHECK(sent <= periods + 1 - MISSED / 2);
    CHECK_IS(bcast_close(h), 0);
}

static void a_period_may_be_as_long_as_it_likes(void)
{
    bcast_t *h = open_bcast(NULL);
    beacon(h, "once", UINT32_MAX);
    take_until(h, "once");
    no_message_comes(h);
    CHECK_EVENTUALLY(bcast_counts_of(h).beacons == 1);
    CHECK_IS(bcast_close(h), 0);
}

/* --- beginning and end --- */

static void a_beacon_is_replaced_and_stopped(void)
{
    size_t threads = count_threads(), descriptors;
    bcast_t *h = open_bcast(NULL);
    beacon(h, "never begun", 0);
    CHECK_IS(count_threads(), threads);
    /* It has a descriptor to wait on from the first wait on. */
    CHECK(bcast_fd(h) >= 0);
    descriptors = count_descriptors();
    char text[] = "one";
    beacon(h, text, 2);
    memset(text, '?', sizeof text);
    for (int i = 0; i < 5; i++) take_until(h, "one");
    for (int round = 0; round < 10; round++) {
        beacon(h, round % 2 ? "two" : "three", 2);
        CHECK_IS(count_threads(), threads + 1);
        for (int i = 0; i < 3; i++) take_until(h, round % 2 ? "two" : "three");
    }
    CHECK_IS(bcast_beacon(h, NULL, 0, 0), 0);
    CHECK_EVENTUALLY(count_threads() == threads);
    CHECK_IS(count_descriptors(), descriptors);
    uint64_t beacons = bcast_counts_of(h).beacons;
    while (is_readable(bcast_fd(h))) take_message(h, NULL);
    CHECK_IS(bcast_beacon(h, NULL, 0, 0), 0);
    no_message_comes(h);
    CHECK_IS(bcast_counts_of(h).beacons, beacons);
    beacon(h, "four", 2);
    take_until(h, "four");
    CHECK_IS(bcast_close(h), 0);
    CHECK_EVENTUALLY(count_threads() == threads);
}

static void a_beacon_of_nothing_is_one(void)
{
    bcast_t *h = open_bcast(NULL);
    CHECK_IS(bcast_beacon(h, NULL, 0, 2), 0);
    for (int i = 0; i < 5; i++) CHECK_IS(take_message(h, NULL).len, 0);
    CHECK_IS(bcast_close(h), 0);
}

/* A refused beacon leaves the one that is there alone. */
static void a_message_that_cannot_be_is_no_beacon(void)
{
    static const uint8_t payload[LONGEST_V6 + 1];
    bcast_t *h = open_bcast(NULL);
    beacon(h, "here", 2);
    CHECK_IS(bcast_beacon(h, payload, LONGEST_V4 + 1, 1), -EMSGSIZE);
    CHECK_IS(bcast_beacon(h, payload, SIZE_MAX, 1), -EINVAL);
    CHECK_IS(bcast_beacon(h, NULL, 1, 1), -EINVAL);
    for (int i = 0; i < 20; i++)
        CHECK(is_text(&(ph_datagram_t[]){take_message(h, NULL)}[0], "here"));
    CHECK_IS(bcast_close(h), 0);
}

static void a_beacon_for_which_descriptors_are_short_is_none(void)
{
    bcast_t *h = open_bcast(NULL);
    beacon(h, "here", 2);
    take_until(h, "here");
    size_t threads = count_threads();
    faults_fail(FAULTS_EVENTFD, EMFILE, 1, 1);
    CHECK_IS(bcast_beacon(h, (const uint8_t *)"x", 1, 2), -EMFILE);
    CHECK_IS(faults_end(FAULTS_EVENTFD), 1);
    CHECK_EVENTUALLY(count_threads() == threads - 1);
    while (is_readable(bcast_fd(h))) take_message(h, NULL);
    uint64_t beacons = bcast_counts_of(h).beacons;
    beacon(h, "again", 2);
    take_until(h, "again");
    CHECK_EVENTUALLY(bcast_counts_of(h).beacons > beacons);
    CHECK_IS(bcast_close(h), 0);
}

struct changer {
    bcast_t *h;
    atomic_bool is_over;
};

static void *change_for_ever(void *argument)
{
    struct changer *changer = argument;
    int32_t result = 0;
    for (uint32_t period = 0; result == 0; period = (period + 1) % 3)
        result = bcast_beacon(changer->h, (const uint8_t *)"x", 1, period);
    CHECK(result == -EBADF || result == -ESHUTDOWN);
    return NULL;
}

static void a_close_in_the_middle_of_changes_ends_every_beacon(void)
{
    size_t threads = count_threads();
    for (int round = 0; round < 20; round++) {
        pthread_t changers[4];
        struct changer changer = {.h = open_bcast(NULL)};
        for (int i = 0; i < 4; i++) changers[i] = start(change_for_ever, &changer);
        CHECK_EVENTUALLY(bcast_counts_of(changer.h).beacons > 20);
        CHECK_IS(bcast_close(changer.h), 0);
        for (int i = 0; i < 4; i++) join(changers[i]);
        CHECK_EVENTUALLY(count_threads() == threads);
    }
}

/* --- failures --- */

static void a_beacon_outlives_failures_and_counts_them(void)
{
    bcast_t *h = open_bcast(NULL);
    beacon(h, "here", 2);
    take_until(h, "here");
    CHECK_IS(bcast_counts_of(h).send_errors, 0);
    faults_fail(FAULTS_SENDMMSG, EPERM, 1, UINT32_MAX);
    CHECK_EVENTUALLY(bcast_counts_of(h).send_errors >= 5);
    uint64_t sent = bcast_counts_of(h).sent, beacons = bcast_counts_of(h).beacons;
    CHECK_IS(bcast_send(h, NULL, 0), -EPERM);
    CHECK_EVENTUALLY(bcast_counts_of(h).beacons >= beacons + 5);
    CHECK_IS(bcast_counts_of(h).sent, sent);
    while (is_readable(bcast_fd(h))) take_message(h, NULL);
    faults_end(FAULTS_SENDMMSG);
    take_until(h, "here");
    CHECK_IS(bcast_close(h), 0);
}

/* The interface that a message leaves by may go and come back; the message goes on with it. */
static void a_beacon_outlives_its_interface(void)
{
    static const char MAKE[] =
        "ip link add pair0 type veth peer name pair1 && ip link set pair0 up &&"
        " ip link set pair1 up && ip address add 198.51.100.1/24 brd + dev pair0";
    enter_own_network(MAKE);
    bcast_t *h = NULL;
    CHECK_IS(bcast_new(NULL, &h), 0);
    beacon(h, "here", 2);
    ph_arrival_t arrival = {.interface = 0};
    for (int round = 0; round < 3; round++) {
        /* Both interfaces deliver to this host itself. */
        uint64_t sent = bcast_counts_of(h).sent, beacons = bcast_counts_of(h).beacons;
        CHECK_EVENTUALLY(bcast_counts_of(h).beacons >= beacons + 3);
        CHECK(bcast_counts_of(h).sent >= sent + 4);
        run_command("ip link del pair0");
        beacons = bcast_counts_of(h).beacons;
        CHECK_EVENTUALLY(bcast_counts_of(h).beacons >= beacons + 3);
        while (is_readable(bcast_fd(h))) take_message(h, &arrival);
        CHECK(is_text(&(ph_datagram_t[]){take_message(h, &arrival)}[0], "here"));
        CHECK_IS(arrival.interface, loopback());
        run_command("ip link set lo down");
        beacons = bcast_counts_of(h).beacons;
        CHECK_EVENTUALLY(bcast_counts_of(h).beacons >= beacons + 3);
        while (is_readable(bcast_fd(h))) take_message(h, NULL);
        sent = bcast_counts_of(h).sent;
        beacons = bcast_counts_of(h).beacons;
        CHECK_EVENTUALLY(bcast_counts_of(h).beacons >= beacons + 3);
        CHECK_IS(bcast_counts_of(h).sent, sent);
        no_message_comes(h);
        run_command("ip link set lo up");
        run_command(MAKE);
        take_until(h, "here");
    }
    CHECK_IS(bcast_close(h), 0);
}

struct meddler {
    bcast_t *h;
    _Atomic int32_t closed, changed;
    atomic_int calls;
};

static void meddle(void *user, int32_t level, const char *message)
{
    struct meddler *meddler = user;
    (void)level, (void)message;
    atomic_store(&meddler->closed, bcast_close(meddler->h));
    atomic_store(&meddler->changed, bcast_beacon(meddler->h, NULL, 0, 0));
    atomic_fetch_add(&meddler->calls, 1);
}

/* The callback runs on the thread that the close would wait for. */
static void a_close_by_the_log_callback_on_the_beacons_thread_is_refused(void)
{
    struct meddler meddler = {.h = open_bcast(NULL)};
    CHECK_IS(ph_log_set(meddle, &meddler, PH_LOG_WARNING), 0);
    faults_fail(FAULTS_SENDMMSG, EPERM, 1, UINT32_MAX);
    beacon(meddler.h, "here", 2);
    CHECK_EVENTUALLY(atomic_load(&meddler.calls) >= 3);
    CHECK_IS(ph_log_set(NULL, NULL, PH_LOG_NONE), 0);
    faults_end(FAULTS_SENDMMSG);
    CHECK_IS(atomic_load(&meddler.closed), -EDEADLK);
    CHECK_IS(atomic_load(&meddler.changed), -EDEADLK);
    take_until(meddler.h, "here");
    CHECK_IS(bcast_close(meddler.h), 0);
}

const struct test bcast_beacon_tests[] = {
    TEST(a_beacon_keeps_its_times_without_drift),
    TEST(a_beacons_count_follows_from_its_period),
    TEST(times_that_were_missed_are_left_out),
    TEST(a_period_may_be_as_long_as_it_likes),
    TEST(a_beacon_is_replaced_and_stopped),
    TEST(a_beacon_of_nothing_is_one),
    TEST(a_message_that_cannot_be_is_no_beacon),
    TEST(a_beacon_for_which_descriptors_are_short_is_none),
    TEST(a_close_in_the_middle_of_changes_ends_every_beacon),
    TEST(a_beacon_outlives_failures_and_counts_them),
    TEST(a_beacon_outlives_its_interface),
    TEST(a_close_by_the_log_callback_on_the_beacons_thread_is_refused),
    END_OF_TESTS,
};

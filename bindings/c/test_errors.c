/* Datagrams that do not get there: ICMP, refused sends, a kernel out of buffers. */
#include "check.h"
#include "faults.h"
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- ICMP --- */

static ph_error_t next_error(udph_t *h)
{
    ph_error_t error;
    CHECK_EVENTUALLY(udph_get_error(h, &error, 1) == 1);
    return error;
}

/* A number to each of two destinations in turn, with few enough on their way; all that go to
 * `good` must arrive at `receiver`. */
static void serve_both(udph_t *h, ph_addr_t bad, ph_addr_t good, udph_t *receiver, uint32_t count)
{
    for (uint32_t number = 0; number < count;) {
        uint32_t first = number;
        for (; number < count && number < first + 32; number++) {
            dispatch_numbers(h, bad, number, 1);
            dispatch_numbers(h, good, number, 1);
        }
        for (; first < number; first++) CHECK_IS(receive_number(receiver), first);
    }
}

static void an_unreachable_port_is_reported_while_others_are_served(void)
{
    int refusing = open_refusing_socket(AF_INET);
    ph_addr_t bad = address_of(refusing);
    struct pair pair = open_pair(CONFIG(.send_reactors = 1), RECEIVING);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    serve_both(pair.sender, bad, pair.to, pair.receiver, 100);
    ph_error_t error = next_error(pair.sender);
    CHECK_IS(error.error, ECONNREFUSED);
    CHECK_IS(error.kind, PH_ERROR_ICMP);
    CHECK(is_same_address(&error.addr, &bad));
    int64_t age = error.time_ns - (now.tv_sec * SECOND + now.tv_nsec);
    CHECK(age > -SECOND && age < 60 * SECOND);
    udph_stats_t last = close_handler(pair.sender, 5000);
    CHECK_IS(last.send_errors, 0);
    CHECK_IS(last.sent, 200);
    CHECK(last.icmp_errors > 0);
    close_handler(pair.receiver, 0);
    close(refusing);
}

static atomic_bool is_over;

static void *ask_for_errors(void *h)
{
    ph_error_t errors[8];
    while (!atomic_load(&is_over)) {
        int64_t n = udph_get_error(h, errors, LENGTH(errors));
        CHECK(n > 0 || n == -EAGAIN);
        for (int64_t i = 0; i < n; i++) CHECK_IS(errors[i].kind, PH_ERROR_ICMP);
    }
    return NULL;
}

/* Whoever takes the kernel's report first, a sender must not take the error for its own. */
static void an_icmp_error_never_costs_another_destination_its_datagram(void)
{
    int refusing = open_refusing_socket(AF_INET);
    ph_addr_t bad = address_of(refusing);
    struct pair pair =
        open_pair(CONFIG(.send_reactors = 2, .recv_reactors = 1), RECEIVING);
    pthread_t asker = start(ask_for_errors, pair.sender);
    uint32_t number = 0;
    ph_datagram_t items[64];
    for (int i = 0; i < 64; i++)
        items[i] = (ph_datagram_t){
            .addr = i % 2 ? pair.to : bad, .data = (uint8_t *)&number, .len = sizeof number};
    for (int round = 0; round < 1000; round++) {
        CHECK_IS(udph_dispatch(pair.sender, items, LENGTH(items), 0), LENGTH(items));
        for (size_t i = 0; i < LENGTH(items) / 2; i++) receive_number(pair.receiver);
    }
    atomic_store(&is_over, true);
    join(asker);
    udph_stats_t last = close_handler(pair.sender, 5000);
    CHECK_IS(last.send_errors, 0);
    CHECK_IS(last.sent, 64000);
    close_handler(pair.receiver, 0);
    close(refusing);
}

/* An error report makes a socket "ready" for poll as long as nobody takes it. */
static void a_full_send_buffer_is_waited_for_asleep_though_icmp_errors_are_there(void)
{
    enum { WATCHED_MS = 200, WAITS_AT_MOST = 20 };
    int refusing = open_refusing_socket(AF_INET);
    udph_t *h = open_handler(open_socket(AF_INET), CONFIG(.send_reactors = 1));
    dispatch_numbers(h, address_of(refusing), 0, 1);
    CHECK_EVENTUALLY(udph_queued_send(h) == 0);
    faults_stall_sending();
    dispatch_numbers(h, address_of(refusing), 0, 1);
    CHECK_EVENTUALLY(faults_waits() > 0);
    int64_t end = now_ns() + WATCHED_MS * MILLISECOND;
    while (now_ns() < end) CHECK(faults_waits() <= WAITS_AT_MOST);
    faults_resume_sending();
    CHECK_IS(close_handler(h, 1000).sent, 2);
    close(refusing);
}

/* --- sends that the kernel refuses --- */

/* Errors that pass: nothing may be lost for them, nor reported. */
static void passing_errors_cost_no_datagram(void)
{
    const int errors[] = {EAGAIN, ENOBUFS, ENOMEM, EINTR};
    for (size_t i = 0; i < LENGTH(errors); i++)
        for (uint64_t period = 2; period < 5; period++) {
            struct pair pair = open_pair(NULL, RECEIVING);
            faults_fail_sending(errors[i], period);
            CHECK(pump(pair.sender, pair.receiver, pair.to, 300, 64));
            faults_fail_sending(0, 0);
            ph_error_t error;
            CHECK_IS(udph_get_error(pair.sender, &error, 1), -EAGAIN);
            udph_stats_t last = close_handler(pair.sender, 1000);
            CHECK_IS(last.sent, 300);
            CHECK_IS(last.send_errors, 0);
            CHECK_IS(last.send_retries > 0, errors[i] != EINTR);
            close_handler(pair.receiver, 0);
        }
}

/* Errors that stay: each datagram is reported once, and those that come later are sent. */
static void lasting_errors_are_reported_for_each_datagram(void)
{
    const int errors[] = {EMSGSIZE, EPERM, ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL, EIO, ENODEV};
    enum { COUNT = 100 };
    for (size_t i = 0; i < LENGTH(errors); i++) {
        struct pair pair = open_pair(NULL, RECEIVING);
        faults_fail_sending(errors[i], 1);
        dispatch_numbers(pair.sender, pair.to, 0, COUNT);
        for (int number = 0; number < COUNT; number++) {
            ph_error_t error = next_error(pair.sender);
            CHECK_IS(error.error, errors[i]);
            CHECK_IS(error.kind, PH_ERROR_SEND);
            CHECK(is_same_address(&error.addr, &pair.to));
        }
        CHECK_EVENTUALLY(udph_queued_send(pair.sender) == 0);
        faults_fail_sending(0, 0);
        dispatch_numbers(pair.sender, pair.to, COUNT, COUNT);
        for (uint32_t number = 0; number < COUNT; number++)
            CHECK_IS(receive_number(pair.receiver), COUNT + number);
        udph_stats_t last = close_handler(pair.sender, 1000);
        CHECK_IS(last.send_errors, COUNT);
        CHECK_IS(last.sent, COUNT);
        CHECK_IS(last.icmp_errors, 0);
        CHECK_IS(last.errors_dropped, 0);
        close_handler(pair.receiver, 0);
    }
}

/* A device without GSO says EIO, and is not asked again. Any other error may be the destination's,
 * and these datagrams are short enough for any route: the next runs are tried. */
static void a_refused_run_goes_out_one_by_one(void)
{
    const int errors[] = {EIO, EINVAL, EMSGSIZE, EOPNOTSUPP};
    for (size_t i = 0; i < LENGTH(errors); i++) {
        struct pair pair = open_pair(NULL, RECEIVING);
        CHECK_IS(stats_of(pair.sender).uses_gso, 1);
        faults_refuse_runs(errors[i]);
        dispatch_numbers(pair.sender, pair.to, 0, 100);
        for (uint32_t number = 0; number < 100; number++)
            CHECK_IS(receive_number(pair.receiver), number);
        udph_stats_t last = close_handler(pair.sender, 1000);
        CHECK_IS(last.sent, 100);
        CHECK_IS(last.send_errors, 0);
        CHECK_IS(last.uses_gso, errors[i] != EIO);
        CHECK_IS(last.gso_messages, 0);
        close_handler(pair.receiver, 0);
    }
}

/* A broadcast without SO_BROADCAST is refused by the kernel itself. */
static void a_destination_the_kernel_refuses_costs_the_others_nothing(void)
{
    ph_addr_t bad;
    CHECK_IS(ph_addr_parse("255.255.255.255", 15, 9, &bad), 0);
    struct pair pair = open_pair(CONFIG(.send_reactors = 1), RECEIVING);
    serve_both(pair.sender, bad, pair.to, pair.receiver, 200);
    CHECK_EVENTUALLY(udph_queued_send(pair.sender) == 0);
    for (int i = 0; i < 200; i++) {
        ph_error_t error = next_error(pair.sender);
        CHECK_IS(error.error, EACCES);
        CHECK_IS(error.kind, PH_ERROR_SEND);
        CHECK(is_same_address(&error.addr, &bad));
    }
    udph_stats_t last = close_handler(pair.sender, 1000);
    CHECK_IS(last.sent, 200);
    CHECK_IS(last.send_errors, 200);
    close_handler(pair.receiver, 0);
}

static void the_newest_errors_are_kept_and_the_others_counted(void)
{
    enum { COUNT = 1500, KEPT = 1024 };
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    ph_addr_t to;
    CHECK_IS(ph_addr_parse("127.0.0.1", 9, 1, &to), 0);
    faults_fail_sending(EPERM, 1);
    for (int64_t port = 1; port <= COUNT; port++)
        CHECK_IS(udph_dispatch_to(h, &to, port, NULL, 0), 0);
    CHECK_EVENTUALLY(udph_queued_send(h) == 0);
    faults_fail_sending(0, 0);
    ph_error_t errors[KEPT + 1];
    CHECK_IS(stats_of(h).errors_dropped, COUNT - KEPT);
    CHECK_IS(udph_get_error(h, errors, 10), 10);
    CHECK_IS(udph_get_error(h, errors + 10, KEPT), KEPT - 10);
    CHECK_IS(udph_get_error(h, errors, 1), -EAGAIN);
    for (int i = 0; i < KEPT; i++) CHECK_IS(errors[i].addr.port, COUNT - KEPT + 1 + i);
    CHECK_IS(close_handler(h, 0).send_errors, COUNT);
}

/* Whoever is out of buffers must not be asked without a pause. */
static void a_kernel_out_of_buffers_is_asked_with_pauses(void)
{
    enum { WATCHED_MS = 300, SENDS_AT_MOST = 60 };
    struct pair pair = open_pair(NULL, RECEIVING);
    faults_fail_sending(ENOBUFS, 1);
    dispatch_numbers(pair.sender, pair.to, 0, 1);
    int64_t end = now_ns() + WATCHED_MS * MILLISECOND;
    while (now_ns() < end) CHECK(faults_sends() <= SENDS_AT_MOST);
    CHECK(faults_sends() > 1);
    CHECK_IS(udph_queued_send(pair.sender), 1);
    faults_fail_sending(0, 0);
    CHECK_IS(receive_number(pair.receiver), 0);
    CHECK(stats_of(pair.sender).send_retries > 1);
    close_pair(&pair);
}

/* --- the other end --- */

static pid_t sleeping_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
    }
    CHECK(child > 0);
    return child;
}

static void the_kill_of_a_receiver_is_reported_while_others_are_served(void)
{
    int theirs = open_socket(AF_INET);
    ph_addr_t killed = address_of(theirs);
    pid_t owner = sleeping_child();
    close(theirs);
    struct pair pair = open_pair(CONFIG(.send_reactors = 1), RECEIVING);
    serve_both(pair.sender, killed, pair.to, pair.receiver, 50);
    ph_error_t error;
    CHECK_IS(udph_get_error(pair.sender, &error, 1), -EAGAIN);
    CHECK_IS(kill(owner, SIGKILL), 0);
    CHECK_IS(waitpid(owner, NULL, 0), owner);
    serve_both(pair.sender, killed, pair.to, pair.receiver, 50);
    error = next_error(pair.sender);
    CHECK_IS(error.error, ECONNREFUSED);
    CHECK(is_same_address(&error.addr, &killed));
    udph_stats_t last = close_handler(pair.sender, 1000);
    CHECK_IS(last.sent, 200);
    CHECK_IS(last.send_errors, 0);
    close_handler(pair.receiver, 0);
}

static void icmp_errors_of_both_families_name_their_destination(void)
{
    const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < LENGTH(families); i++) {
        int refusing = open_refusing_socket(families[i]);
        ph_addr_t nobody = address_of(refusing);
        udph_t *h = open_handler(open_socket(families[i]), RECEIVING);
        CHECK_IS(udph_dispatch_to(h, &nobody, 0, NULL, 0), 0);
        ph_error_t error = next_error(h);
        CHECK_IS(error.error, ECONNREFUSED);
        CHECK_IS(error.kind, PH_ERROR_ICMP);
        CHECK(is_same_address(&error.addr, &nobody));
        CHECK_IS(close_handler(h, 1000).icmp_errors, 1);
        close(refusing);
    }
}

const struct test error_tests[] = {
    TEST(passing_errors_cost_no_datagram),
    TEST(lasting_errors_are_reported_for_each_datagram),
    TEST(a_refused_run_goes_out_one_by_one),
    TEST(a_destination_the_kernel_refuses_costs_the_others_nothing),
    TEST(the_newest_errors_are_kept_and_the_others_counted),
    TEST(a_kernel_out_of_buffers_is_asked_with_pauses),
    TEST(the_kill_of_a_receiver_is_reported_while_others_are_served),
    TEST(icmp_errors_of_both_families_name_their_destination),
    TEST(a_full_send_buffer_is_waited_for_asleep_though_icmp_errors_are_there),
    TEST(an_unreachable_port_is_reported_while_others_are_served),
    TEST(an_icmp_error_never_costs_another_destination_its_datagram),
    END_OF_TESTS,
};

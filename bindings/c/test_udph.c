/* Runs the tests: all of them, or those whose name contains an argument. */
#include "check.h"
#include "faults.h"
#include "support.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHECK_SECONDS = 10, TEST_SECONDS = 40 };

/* How the process of a test ends. */
enum { PASSED = 0, FAILED = 1, SKIPPED = 2 };

extern const struct test ph_tests[], argument_tests[], traffic_tests[], queue_tests[],
    error_tests[], ending_tests[], process_tests[], peer_tests[], peer_argument_tests[],
    peer_receive_tests[], peer_wait_tests[], peer_send_tests[], peer_arrival_tests[],
    peer_thread_tests[], peer_fault_tests[], peer_wire_tests[], bcast_tests[],
    bcast_reach_tests[], bcast_beacon_tests[], evloop_tests[], evloop_argument_tests[],
    evloop_timer_tests[], evloop_watch_tests[], evloop_closed_tests[], evloop_thread_tests[],
    evloop_process_tests[], tcp_tests[], tcp_ending_tests[], tcp_argument_tests[],
    tcp_address_tests[], tcp_send_tests[], tcp_time_tests[], tcp_fault_tests[],
    tcp_thread_tests[], tcp_many_tests[], tcp_random_tests[], stopwatch_tests[], rq_tests[],
    rq_argument_tests[], rq_wait_tests[], rq_thread_tests[], rq_feed_tests[], rq_stream_tests[],
    npipe_tests[], npipe_argument_tests[], npipe_wire_tests[], npipe_fault_tests[],
    npipe_closed_tests[], npipe_process_tests[], virt_tests[];

static const struct test *const SUITES[] = {
    ph_tests, argument_tests, traffic_tests, queue_tests, error_tests, ending_tests,
    process_tests, peer_tests, peer_argument_tests, peer_receive_tests, peer_wait_tests,
    peer_send_tests, peer_arrival_tests, peer_thread_tests, peer_fault_tests, peer_wire_tests,
    bcast_tests, bcast_reach_tests, bcast_beacon_tests, evloop_tests, evloop_argument_tests,
    evloop_timer_tests, evloop_watch_tests, evloop_closed_tests, evloop_thread_tests,
    evloop_process_tests, tcp_tests, tcp_ending_tests, tcp_argument_tests, tcp_address_tests,
    tcp_send_tests, tcp_time_tests, tcp_fault_tests, tcp_thread_tests, tcp_many_tests,
    tcp_random_tests, stopwatch_tests, rq_tests, rq_argument_tests, rq_wait_tests,
    rq_thread_tests, rq_feed_tests, rq_stream_tests, npipe_tests, npipe_argument_tests,
    npipe_wire_tests, npipe_fault_tests, npipe_closed_tests, npipe_process_tests, virt_tests,
};

static const char *running;

void check_failed(const char *file, int line, const char *format, ...)
{
    char what[512];
    va_list values;
    va_start(values, format);
    vsnprintf(what, sizeof what, format, values);
    va_end(values);
    dprintf(STDOUT_FILENO, "FAIL %s: %s:%d: %s\n", running, file, line, what);
    _exit(FAILED);
}

void check_skipped(const char *reason)
{
    dprintf(STDOUT_FILENO, "skip %s: %s\n", running, reason);
    _exit(SKIPPED);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

bool check_is_out_of_time(int64_t *since)
{
    int64_t now = now_ns();
    if (*since == 0) *since = now;
    if (now - *since > CHECK_SECONDS * SECOND) return true;
    nap();
    return false;
}

/* Whatever a test did, its process must end with the threads and descriptors it began with. */
static _Noreturn void run_here(const struct test *test)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    faults_prepare();
    size_t threads = count_threads(), descriptors = count_descriptors();
    test->run();
    CHECK_EVENTUALLY(count_threads() == threads);
    CHECK_EVENTUALLY(count_descriptors() == descriptors);
    exit(PASSED);
}

static bool wait_for(pid_t child, int *status)
{
    int64_t deadline = now_ns() + TEST_SECONDS * SECOND;
    while (waitpid(child, status, WNOHANG) == 0) {
        if (now_ns() > deadline) {
            kill(child, SIGKILL);
            waitpid(child, status, 0);
            return false;
        }
        nap();
    }
    return true;
}

static int outcome_of(const struct test *test)
{
    running = test->name;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) run_here(test);
    int status;
    if (!wait_for(child, &status)) {
        printf("FAIL %s: %s:0: still running after %d s\n", test->name, __FILE__, TEST_SECONDS);
        return FAILED;
    }
    if (WIFSIGNALED(status)) {
        printf("FAIL %s: %s:0: %s\n", test->name, __FILE__, strsignal(WTERMSIG(status)));
        return FAILED;
    }
    if (WEXITSTATUS(status) > SKIPPED) {
        printf("FAIL %s: %s:0: the sanitizer says no\n", test->name, __FILE__);
        return FAILED;
    }
    if (WEXITSTATUS(status) == PASSED) printf("ok %s\n", test->name);
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "";
    int counts[3] = {0};
    for (size_t suite = 0; suite < sizeof SUITES / sizeof *SUITES; suite++)
        for (const struct test *test = SUITES[suite]; test->name; test++)
            if (strstr(test->name, wanted)) counts[outcome_of(test)]++;
    printf("%d passed; %d failed; %d ignored\n", counts[PASSED], counts[FAILED], counts[SKIPPED]);
    return counts[FAILED] || !(counts[PASSED] + counts[SKIPPED]);
}

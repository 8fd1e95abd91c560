/* Named pipes' bad days: full ones, readers that end in the middle, signals. */
#include "check.h"
#include "pipes.h"
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

/* --- full pipes --- */

/* Fills the pipe; gives how many messages it took. */
static uint32_t fill(npipe_t *h, int32_t timeout_ms, int32_t expected)
{
    uint8_t message[PART];
    for (uint32_t number = 0;; number++) {
        write_message(message, (struct head){1, number, sizeof message});
        int32_t sent = send_one(h, message, sizeof message, timeout_ms);
        if (sent == 1) continue;
        CHECK_IS(sent, expected);
        return number;
    }
}

static uint32_t drain(npipe_t *h, uint32_t number)
{
    uint8_t message[PART];
    for (int64_t n; (n = receive_one(h, message, sizeof message, 0)) != -EAGAIN; number++)
        CHECK_IS(check_message(message, (size_t)n).number, number);
    return number;
}

static void a_full_pipe_makes_a_sender_wait_as_long_as_it_says(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL), *sender = open_npipe(place.path, NULL);
    uint32_t count = fill(sender, 0, -EAGAIN);
    CHECK(count >= 16);
    int64_t begun = now_ns();
    CHECK_IS(send_one(sender, "word", 4, 50), -ETIMEDOUT);
    CHECK(now_ns() - begun >= 50 * MILLISECOND && now_ns() - begun < 2 * SECOND);
    CHECK_IS(send_one(sender, "word", 4, 0), -EAGAIN);
    CHECK_IS(npipe_send(sender, NULL, 0, 0), 1);
    const ph_bytes_t batch[] = {{(const uint8_t *)"1", 1}, {(const uint8_t *)"2", 1}};
    CHECK_IS(npipe_send(sender, batch, 2, 10), -ETIMEDOUT);
    CHECK_IS(drain(h, 0), count);
    CHECK_IS(npipe_send(sender, batch, 2, 0), 2);
    hears(h, "1");
    hears(h, "2");
    CHECK_IS(pipe_counts_of(sender).sent, count + 2);
    CHECK_IS(npipe_close(sender), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

struct waiting {
    npipe_t *h;
    int32_t timeout_ms;
    int64_t result, ended;
};

static void *send_a_word(void *argument)
{
    struct waiting *waiting = argument;
    waiting->result = send_one(waiting->h, "word", 4, waiting->timeout_ms);
    waiting->ended = now_ns();
    return NULL;
}

static void a_sender_goes_on_when_there_is_room(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL), *sender = open_npipe(place.path, NULL);
    uint32_t count = fill(sender, 0, -EAGAIN);
    struct waiting waiting[] = {{.h = sender, .timeout_ms = -1},
                                {.h = sender, .timeout_ms = PIPE_PATIENCE_MS},
                                {.h = h, .timeout_ms = -1}};
    pthread_t threads[LENGTH(waiting)];
    for (size_t i = 0; i < LENGTH(waiting); i++) threads[i] = start(send_a_word, &waiting[i]);
    CHECK_EVENTUALLY(all_others_sleep());
    uint8_t message[PART];
    for (uint32_t number = 0; number < count; number++)
        CHECK_IS(receive_one(h, message, sizeof message, 0), sizeof message);
    for (size_t i = 0; i < LENGTH(waiting); i++) {
        hears(h, "word");
        join(threads[i]);
    }
    for (size_t i = 0; i < LENGTH(waiting); i++) CHECK_IS(waiting[i].result, 1);
    no_word_comes(h);
    CHECK_IS(npipe_close(sender), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

/* Longer than any pipe. */
enum { TOO_MUCH = 4 << 20 };

static void a_message_that_nobody_takes_is_given_up(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL), *sender = open_npipe(place.path, NULL);
    uint8_t *bytes = calloc(1, TOO_MUCH), *out = malloc(TOO_MUCH);
    int64_t begun = now_ns();
    CHECK_IS(send_one(sender, bytes, TOO_MUCH, 100), -ETIMEDOUT);
    CHECK(now_ns() - begun >= SECOND && now_ns() - begun < 5 * SECOND);
    npipe_stats_t stats = pipe_counts_of(sender);
    CHECK(stats.sent == 0 && stats.unsent == 1);
    CHECK_IS(receive_one(h, out, TOO_MUCH, PIPE_PATIENCE_MS), -ECONNABORTED);
    CHECK_IS(pipe_counts_of(h).lost, 1);
    say(sender, "next");
    hears(h, "next");
    no_word_comes(h);
    free(bytes);
    free(out);
    CHECK_IS(npipe_close(sender), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

struct sending {
    npipe_t *h;
    const uint8_t *bytes;
    int64_t result;
};

static void *send_too_much(void *argument)
{
    struct sending *sending = argument;
    sending->result = send_one(sending->h, sending->bytes, TOO_MUCH, -1);
    return NULL;
}

/* Whoever receives only a part at a time loses nothing. */
static void a_receiver_that_runs_out_of_time_goes_on_where_it_was(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL), *sender = open_npipe(place.path, NULL);
    uint8_t *bytes = malloc(TOO_MUCH), *out = malloc(TOO_MUCH);
    for (int round = 0; round < 3; round++) {
        write_message(bytes, (struct head){7, (uint32_t)round, TOO_MUCH});
        struct sending sending = {.h = sender, .bytes = bytes};
        pthread_t thread = start(send_too_much, &sending);
        int64_t n;
        while ((n = receive_one(h, out, TOO_MUCH, 0)) < 0) CHECK_IS(n, -EAGAIN);
        join(thread);
        CHECK_IS(sending.result, 1);
        CHECK_IS(check_message(out, (size_t)n).number, round);
    }
    CHECK_IS(pipe_counts_of(h).lost, 0);
    free(bytes);
    free(out);
    CHECK_IS(npipe_close(sender), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

static void a_reader_that_ends_in_the_middle_ends_the_send(void)
{
    struct place place = open_place();
    npipe_t *sender = open_npipe(place.path, NULL);
    uint8_t *bytes = calloc(1, TOO_MUCH);
    uint64_t unsent = 0;
    for (int round = 0; round < 3; round++) {
        npipe_t *h = open_reader(place.path, NULL);
        struct sending sending = {.h = sender, .bytes = bytes};
        pthread_t thread = start(send_too_much, &sending);
        CHECK_EVENTUALLY(is_readable(npipe_fd(h)) && all_others_sleep());
        /* Begun, or not, or read as fast as it is sent; of the round before there may be parts. */
        int64_t n = round > 0 ? receive_one(h, NULL, 0, 0) : -EAGAIN;
        CHECK(n < 0);
        CHECK_IS(npipe_close(h), 0);
        join(thread);
        CHECK_IS(sending.result, n == -EMSGSIZE);
        unsent += n != -EMSGSIZE;
        CHECK_IS(npipe_send(sender, NULL, 0, 0), 0);
    }
    CHECK_IS(pipe_counts_of(sender).unsent, unsent);
    npipe_t *h = open_reader(place.path, NULL);
    pthread_t thread = start(send_a_word, &(struct waiting){.h = sender, .timeout_ms = -1});
    char out[16];
    int64_t n;
    while ((n = receive_one(h, out, sizeof out, PIPE_PATIENCE_MS)) != 4) CHECK_IS(n, -ECONNABORTED);
    join(thread);
    no_word_comes(h);
    free(bytes);
    CHECK_IS(npipe_close(sender), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

/* --- SIGPIPE --- */

static int send_to_readers_that_end(void *argument)
{
    sigset_t pending;
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    for (int round = 0; round < 50; round++) {
        const npipe_config_t *config = round % 2 ? NPIPE(.flags = NPIPE_UNFRAMED) : NULL;
        npipe_t *sender = open_npipe(argument, config), *reader = open_reader(argument, config);
        CHECK(has_a_reader(sender));
        CHECK_IS(send_one(sender, "word", 4, 0), 1);
        CHECK_IS(npipe_close(reader), 0);
        CHECK_IS(send_one(sender, "word", 4, 0), 0);
        CHECK_IS(sigpending(&pending), 0);
        CHECK_IS(sigismember(&pending, SIGPIPE), 0);
        CHECK_IS(npipe_close(sender), 0);
    }
    return 0;
}

static void no_signal_ends_a_program_that_sends_to_nobody(void)
{
    struct place place = open_place();
    in_a_child(send_to_readers_that_end, place.path);
    close_place(&place);
}

/* The program's own SIGPIPE is the program's. */
static int keep_an_own_signal(void *argument)
{
    npipe_t *sender = open_npipe(argument, NULL), *reader = open_reader(argument, NULL);
    sigset_t blocked, pending, mask;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    CHECK_IS(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    say(sender, "word");
    CHECK_IS(raise(SIGPIPE), 0);
    CHECK_IS(npipe_close(reader), 0);
    CHECK_IS(send_one(sender, "word", 4, 0), 0);
    CHECK_IS(sigpending(&pending), 0);
    CHECK_IS(sigismember(&pending, SIGPIPE), 1);
    CHECK_IS(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    CHECK_IS(sigismember(&mask, SIGPIPE), 1);
    CHECK_IS(npipe_close(sender), 0);
    return 0;
}

static void a_signal_that_was_pending_stays_pending(void)
{
    struct place place = open_place();
    in_a_child(keep_an_own_signal, place.path);
    close_place(&place);
}

static void do_nothing(int number)
{
    (void)number;
}

static void *receive_a_word(void *argument)
{
    struct waiting *waiting = argument;
    char out[16];
    waiting->result = receive_one(waiting->h, out, sizeof out, -1);
    waiting->ended = now_ns();
    return NULL;
}

static void a_signal_handler_ends_every_wait_of_a_pipe(void)
{
    struct sigaction action = {.sa_handler = do_nothing};
    CHECK_IS(sigaction(SIGUSR1, &action, NULL), 0);
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    struct waiting waiting = {.h = h, .timeout_ms = -1};
    pthread_t thread = start(receive_a_word, &waiting);
    CHECK_EVENTUALLY(all_others_sleep());
    CHECK_IS(pthread_kill(thread, SIGUSR1), 0);
    join(thread);
    CHECK_IS(waiting.result, -EINTR);
    uint32_t count = fill(h, 0, -EAGAIN);
    thread = start(send_a_word, &waiting);
    CHECK_EVENTUALLY(all_others_sleep());
    CHECK_IS(pthread_kill(thread, SIGUSR1), 0);
    join(thread);
    CHECK_IS(waiting.result, -EINTR);
    CHECK_IS(drain(h, 0), count);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

static void set_alarm_every(suseconds_t microseconds)
{
    struct timeval period = {.tv_usec = microseconds};
    struct itimerval timer = {.it_interval = period, .it_value = period};
    CHECK_IS(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void *send_in_a_storm(void *argument)
{
    struct sending *sending = argument;
    for (uint32_t number = 0; number < 300; number++) {
        static uint8_t message[30000];
        int32_t sent;
        write_message(message, (struct head){1, number, sizeof message - 90 * number});
        do sent = send_one(sending->h, message, sizeof message - 90 * number, -1);
        while (sent == -EINTR);
        CHECK_IS(sent, 1);
    }
    return NULL;
}

/* A message interrupted in the middle is not sent twice, nor is half of it. */
static void a_storm_of_signals_loses_no_message(void)
{
    struct sigaction action = {.sa_handler = do_nothing};
    CHECK_IS(sigaction(SIGALRM, &action, NULL), 0);
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL), *sender = open_npipe(place.path, NULL);
    struct sending sending = {.h = sender};
    set_alarm_every(500);
    pthread_t thread = start(send_in_a_storm, &sending);
    for (uint32_t number = 0; number < 300;) {
        static uint8_t out[30000];
        int64_t n = receive_one(h, out, sizeof out, PIPE_PATIENCE_MS);
        if (n == -EINTR) continue;
        CHECK(n > 0);
        CHECK_IS(check_message(out, (size_t)n).number, number++);
    }
    join(thread);
    set_alarm_every(0);
    no_word_comes(h);
    CHECK_IS(pipe_counts_of(h).lost, 0);
    CHECK_IS(npipe_close(sender), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

const struct test npipe_fault_tests[] = {
    TEST(a_full_pipe_makes_a_sender_wait_as_long_as_it_says),
    TEST(a_sender_goes_on_when_there_is_room),
    TEST(a_message_that_nobody_takes_is_given_up),
    TEST(a_receiver_that_runs_out_of_time_goes_on_where_it_was),
    TEST(a_reader_that_ends_in_the_middle_ends_the_send),
    TEST(no_signal_ends_a_program_that_sends_to_nobody),
    TEST(a_signal_that_was_pending_stays_pending),
    TEST(a_signal_handler_ends_every_wait_of_a_pipe),
    TEST(a_storm_of_signals_loses_no_message),
    END_OF_TESTS,
};

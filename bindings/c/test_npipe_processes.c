/* Many that send and many that receive, threads and processes, some of which are killed. */
#include "check.h"
#include "pipes.h"
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SENDERS = 64, MOST_NUMBERS = 4096, LONGEST = 1 << 20 };

/* What the processes of a test tell each other. */
struct board {
    struct place place;
    /* Messages of each sender that it was told have gone, and how often each was received. */
    atomic_uint sent[MOST_SENDERS];
    atomic_uchar received[MOST_SENDERS][MOST_NUMBERS];
    atomic_uint lost;
    /* For senders, that they have sent enough; for receivers, that nothing more is sent. */
    atomic_bool is_enough, is_over;
    uint32_t count, shortest, longest;
};

static struct board *open_board(uint32_t count, uint32_t shortest, uint32_t longest)
{
    struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(board != MAP_FAILED);
    CHECK(count <= MOST_NUMBERS && longest <= LONGEST);
    board->place = open_place();
    board->count = count;
    board->shortest = shortest;
    board->longest = longest;
    return board;
}

static void close_board(struct board *board)
{
    close_place(&board->place);
    CHECK_IS(munmap(board, sizeof *board), 0);
}

/* --- those who send and receive --- */

struct worker {
    struct board *board;
    npipe_t *h;
    uint32_t number;
    uint8_t *bytes;
};

static uint32_t length_of(const struct board *board, uint32_t number, unsigned *seed)
{
    /* Short ones are the many. */
    uint32_t range = board->longest - board->shortest + 1;
    uint32_t part = number % 4 == 0 ? range : range / 50 + 1;
    return board->shortest + (uint32_t)rand_r(seed) % part;
}

static void send_numbers_of(struct worker *worker)
{
    struct board *board = worker->board;
    unsigned seed = worker->number;
    for (uint32_t number = 0; number < board->count && !atomic_load(&board->is_enough); number++) {
        uint32_t length = length_of(board, number, &seed);
        write_message(worker->bytes, (struct head){worker->number, number, length});
        CHECK_IS(send_one(worker->h, worker->bytes, length, PIPE_PATIENCE_MS), 1);
        atomic_store(&board->sent[worker->number], number + 1);
    }
}

/* Notes what comes until all is over, and nothing more does. Of each sender a receiver gets later
 * messages later. */
static void receive_numbers(struct worker *worker)
{
    struct board *board = worker->board;
    uint32_t least[MOST_SENDERS] = {0};
    for (;;) {
        bool is_over = atomic_load(&board->is_over);
        int64_t n = receive_one(worker->h, worker->bytes, LONGEST, 20);
        if (n == -ETIMEDOUT && is_over) return;
        if (n == -ECONNABORTED) atomic_fetch_add(&board->lost, 1);
        if (n == -ETIMEDOUT || n == -ECONNABORTED) continue;
        CHECK(n >= 0);
        struct head head = check_message(worker->bytes, (size_t)n);
        CHECK(head.sender < MOST_SENDERS && head.number < MOST_NUMBERS);
        CHECK(head.number >= least[head.sender]);
        least[head.sender] = head.number + 1;
        CHECK_IS(atomic_fetch_add(&board->received[head.sender][head.number], 1), 0);
    }
}

static int send_in_a_process(void *argument)
{
    struct worker *worker = argument;
    worker->h = open_npipe(worker->board->place.path, NULL);
    worker->bytes = malloc(LONGEST);
    send_numbers_of(worker);
    free(worker->bytes);
    return npipe_close(worker->h);
}

static int receive_in_a_process(void *argument)
{
    struct worker *worker = argument;
    worker->h = open_reader(worker->board->place.path, NULL);
    worker->bytes = malloc(LONGEST);
    receive_numbers(worker);
    free(worker->bytes);
    return npipe_close(worker->h);
}

static void *send_in_a_thread(void *argument)
{
    struct worker worker = *(struct worker *)argument;
    worker.bytes = malloc(LONGEST);
    send_numbers_of(&worker);
    free(worker.bytes);
    return NULL;
}

static void *receive_in_a_thread(void *argument)
{
    struct worker worker = *(struct worker *)argument;
    worker.bytes = malloc(LONGEST);
    receive_numbers(&worker);
    free(worker.bytes);
    return NULL;
}

/* --- processes and threads in order --- */

static void check_that_each_came_once(const struct board *board, uint32_t senders)
{
    for (uint32_t sender = 0; sender < senders; sender++)
        for (uint32_t number = 0; number < board->count; number++)
            CHECK_IS(atomic_load(&board->received[sender][number]), 1);
    CHECK_IS(atomic_load(&board->lost), 0);
}

static void processes_exchange(uint32_t senders, uint32_t receivers, uint32_t count,
                               uint32_t longest)
{
    struct board *board = open_board(count, sizeof(struct head), longest);
    struct worker workers[8] = {0};
    pid_t children[8];
    npipe_t *h = open_npipe(board->place.path, NULL);
    for (uint32_t i = 0; i < receivers; i++) {
        workers[i].board = board;
        children[i] = start_child(receive_in_a_process, &workers[i]);
    }
    CHECK_EVENTUALLY(has_a_reader(h));
    for (uint32_t i = receivers; i < senders + receivers; i++) {
        workers[i] = (struct worker){.board = board, .number = i - receivers};
        children[i] = start_child(send_in_a_process, &workers[i]);
    }
    for (uint32_t i = receivers; i < senders + receivers; i++) await_child(children[i]);
    atomic_store(&board->is_over, true);
    for (uint32_t i = 0; i < receivers; i++) await_child(children[i]);
    check_that_each_came_once(board, senders);
    CHECK(!has_a_reader(h));
    CHECK_IS(npipe_close(h), 0);
    close_board(board);
}

static void of_many_readers_each_message_reaches_one_whole(void)
{
    processes_exchange(1, 4, 3000, 20000);
}

static void of_many_writers_no_message_is_torn(void)
{
    processes_exchange(4, 1, 800, 20000);
}

static void many_writers_and_readers_exchange_long_messages(void)
{
    processes_exchange(3, 3, 60, LONGEST);
}

/* Handles of their own, or one for all. */
static void threads_exchange(bool is_shared)
{
    enum { SENDERS = 3, RECEIVERS = 3, WORKERS = SENDERS + RECEIVERS };
    struct board *board = open_board(500, sizeof(struct head), 50000);
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    npipe_t *h = open_reader(board->place.path, NULL);
    for (uint32_t i = 0; i < WORKERS; i++) {
        bool sends = i < SENDERS;
        npipe_t *own = is_shared ? h : open_npipe(board->place.path, NULL);
        workers[i] = (struct worker){.board = board, .h = own, .number = sends ? i : 0};
        threads[i] = start(sends ? send_in_a_thread : receive_in_a_thread, &workers[i]);
    }
    for (int i = 0; i < SENDERS; i++) join(threads[i]);
    atomic_store(&board->is_over, true);
    for (int i = SENDERS; i < WORKERS; i++) join(threads[i]);
    check_that_each_came_once(board, SENDERS);
    for (int i = 0; i < WORKERS && !is_shared; i++) CHECK_IS(npipe_close(workers[i].h), 0);
    CHECK_IS(npipe_close(h), 0);
    close_board(board);
}

static void threads_with_a_handle_each_get_each_message_once(void)
{
    threads_exchange(false);
}

static void threads_with_one_handle_get_each_message_once(void)
{
    threads_exchange(true);
}

/* --- kill -9 --- */

static void nap_at_random(unsigned *seed)
{
    long nanoseconds = (long)rand_r(seed) % (8 * MILLISECOND);
    nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
}

static void kill_child(pid_t child)
{
    CHECK_IS(kill(child, SIGKILL), 0);
    await_child_killed_by(child, SIGKILL);
}

/* What a writer knows to have gone comes, whole and once; of the rest nothing does, or one. */
static void check_what_came_of_killed_writers(const struct board *board, uint32_t senders)
{
    for (uint32_t sender = 0; sender < senders; sender++) {
        uint32_t sent = atomic_load(&board->sent[sender]);
        for (uint32_t number = 0; number < sent; number++)
            CHECK_IS(atomic_load(&board->received[sender][number]), 1);
        for (uint32_t number = sent + 1; number < board->count; number++)
            CHECK_IS(atomic_load(&board->received[sender][number]), 0);
    }
    CHECK(atomic_load(&board->lost) <= senders);
}

static void a_writer_killed_at_any_byte_loses_its_own_message_at_most(void)
{
    enum { KILLS = 40 };
    struct board *board = open_board(MOST_NUMBERS, sizeof(struct head), LONGEST);
    struct worker reader = {.board = board};
    pid_t receiver = start_child(receive_in_a_process, &reader);
    npipe_t *h = open_npipe(board->place.path, NULL);
    CHECK_EVENTUALLY(has_a_reader(h));
    unsigned seed = 42;
    for (uint32_t i = 0; i < KILLS; i += 2) {
        struct worker workers[2] = {{.board = board, .number = i},
                                    {.board = board, .number = i + 1}};
        pid_t children[2];
        for (int at = 0; at < 2; at++) children[at] = start_child(send_in_a_process, &workers[at]);
        nap_at_random(&seed);
        for (int at = 0; at < 2; at++) kill_child(children[at]);
    }
    /* Nobody is held up by the dead. */
    struct worker last = {.board = board, .number = KILLS};
    board->count = 20;
    in_a_child(send_in_a_process, &last);
    atomic_store(&board->is_over, true);
    await_child(receiver);
    board->count = MOST_NUMBERS;
    check_what_came_of_killed_writers(board, KILLS + 1);
    CHECK_IS(atomic_load(&board->sent[KILLS]), 20);
    CHECK_IS(npipe_close(h), 0);
    close_board(board);
}

/* What a killed reader has begun or not yet noted is lost, and nothing else. */
static void a_reader_killed_at_any_byte_loses_one_message_at_most(void)
{
    enum { KILLS = 40 };
    struct board *board = open_board(MOST_NUMBERS, sizeof(struct head), LONGEST);
    struct worker reader = {.board = board}, sender = {.board = board};
    npipe_t *h = open_reader(board->place.path, NULL);
    pid_t writer = start_child(send_in_a_process, &sender);
    unsigned seed = 42;
    for (int i = 0; i < KILLS; i += 2) {
        pid_t children[2];
        for (int at = 0; at < 2; at++)
            children[at] = start_child(receive_in_a_process, &reader);
        nap_at_random(&seed);
        for (int at = 0; at < 2; at++) kill_child(children[at]);
    }
    atomic_store(&board->is_enough, true);
    struct worker rest = {.board = board, .h = h};
    pthread_t thread = start(receive_in_a_thread, &rest);
    await_child(writer);
    atomic_store(&board->is_over, true);
    join(thread);
    uint32_t sent = atomic_load(&board->sent[0]), missing = 0;
    CHECK(sent > 0);
    for (uint32_t number = 0; number < sent; number++)
        missing += atomic_load(&board->received[0][number]) == 0;
    CHECK(missing <= KILLS);
    CHECK(atomic_load(&board->lost) <= KILLS);
    CHECK_IS(npipe_close(h), 0);
    close_board(board);
}

/* --- forks --- */

static int wait_until_over(void *argument)
{
    struct board *board = argument;
    CHECK_EVENTUALLY(atomic_load(&board->is_over));
    return 0;
}

/* A child has copies of all descriptors: it must not count as a reader, nor hold up its parent. */
static void a_child_that_lives_on_is_no_reader(void)
{
    struct board *board = open_board(1, sizeof(struct head), LONGEST);
    npipe_t *h = open_reader(board->place.path, NULL);
    npipe_t *sender = open_npipe(board->place.path, NULL);
    say(sender, "word");
    hears(h, "word");
    pid_t child = start_child(wait_until_over, board);
    say(sender, "word");
    hears(h, "word");
    CHECK_IS(npipe_close(h), 0);
    CHECK_EVENTUALLY(send_one(sender, "word", 4, 0) == 0);
    atomic_store(&board->is_over, true);
    await_child(child);
    CHECK_IS(npipe_close(sender), 0);
    close_board(board);
}

const struct test npipe_process_tests[] = {
    TEST(of_many_readers_each_message_reaches_one_whole),
    TEST(of_many_writers_no_message_is_torn),
    TEST(many_writers_and_readers_exchange_long_messages),
    TEST(threads_with_a_handle_each_get_each_message_once),
    TEST(threads_with_one_handle_get_each_message_once),
    TEST(a_writer_killed_at_any_byte_loses_its_own_message_at_most),
    TEST(a_reader_killed_at_any_byte_loses_one_message_at_most),
    TEST(a_child_that_lives_on_is_no_reader),
    END_OF_TESTS,
};

/* The two queues: bounds, policies, exact counts, and what happens when many use them at once. */
#include "check.h"
#include "faults.h"
#include "support.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BOUND = 10, OFFERED = 30 };

/* A pair whose sender's socket is full and whose reactor holds datagram 0 in hand, so that its
 * queue is empty and stays as it is filled. */
static struct pair open_stalled_pair(const udph_config_t *sender)
{
    struct pair pair = open_pair(sender, RECEIVING);
    faults_stall_sending();
    dispatch_numbers(pair.sender, pair.to, 0, 1);
    CHECK_EVENTUALLY(faults_waits() > 0);
    return pair;
}

static int64_t dispatch_some(udph_t *h, ph_addr_t to, uint32_t first, uint32_t count, int32_t wait)
{
    uint32_t numbers[OFFERED];
    ph_datagram_t items[OFFERED];
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = first + i;
        items[i] = (ph_datagram_t){
            .addr = to, .data = (const uint8_t *)&numbers[i], .len = sizeof numbers[i]};
    }
    return udph_dispatch(h, items, count, wait);
}

static void receive_range(udph_t *h, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) CHECK_IS(receive_number(h), first + i);
    ph_datagram_t item;
    CHECK_IS(udph_get_recved(h, &item, 1, NULL, 0, 0), -EAGAIN);
}

/* --- sending --- */

static void a_full_send_queue_refuses_exactly_what_is_beyond_its_bound(void)
{
    struct pair pair = open_stalled_pair(CONFIG(.send_queue_items = BOUND));
    for (uint32_t i = 0; i < OFFERED; i++)
        CHECK_IS(dispatch_some(pair.sender, pair.to, 1 + i, 1, -1), i < BOUND ? 1 : -EAGAIN);
    udph_stats_t stats = stats_of(pair.sender);
    CHECK_IS(stats.dispatched, 1 + BOUND);
    CHECK_IS(stats.send_refused, OFFERED - BOUND);
    CHECK_IS(stats.queued_send, 1 + BOUND);
    CHECK_IS(udph_queued_send(pair.sender), 1 + BOUND);
    CHECK_IS(udph_dispatch_to(pair.sender, &pair.to, 0, NULL, 0), -EAGAIN);
    faults_resume_sending();
    receive_range(pair.receiver, 0, 1 + BOUND);
    CHECK_EVENTUALLY(udph_queued_send(pair.sender) == 0);
    close_pair(&pair);
}

static void a_batch_is_taken_up_to_the_bound_and_dispatched_again_from_there(void)
{
    struct pair pair = open_stalled_pair(CONFIG(.send_queue_items = BOUND));
    CHECK_IS(dispatch_some(pair.sender, pair.to, 1, OFFERED, 0), BOUND);
    CHECK_IS(dispatch_some(pair.sender, pair.to, 1 + BOUND, OFFERED - BOUND, 0), -EAGAIN);
    CHECK_IS(stats_of(pair.sender).dispatched, 1 + BOUND);
    faults_resume_sending();
    receive_range(pair.receiver, 0, 1 + BOUND);
    close_pair(&pair);
}

static void the_bound_in_bytes_holds_to_the_byte(void)
{
    struct pair pair = open_stalled_pair(CONFIG(.send_queue_bytes = 1000));
    uint8_t payload[1000] = {0};
    ph_datagram_t item = {.addr = pair.to, .data = payload, .len = 400};
    CHECK_IS(udph_dispatch(pair.sender, &item, 1, 0), 1);
    CHECK_IS(udph_dispatch(pair.sender, &item, 1, 0), 1);
    item.len = 201;
    CHECK_IS(udph_dispatch(pair.sender, &item, 1, 0), -EAGAIN);
    item.len = 200;
    CHECK_IS(udph_dispatch(pair.sender, &item, 1, 0), 1);
    item.len = 1;
    CHECK_IS(udph_dispatch(pair.sender, &item, 1, 0), -EAGAIN);
    item.len = 0;
    CHECK_IS(udph_dispatch(pair.sender, &item, 1, 0), 1);
    item.len = 1001;
    CHECK_IS(udph_dispatch(pair.sender, &item, 1, 0), -EMSGSIZE);
    faults_resume_sending();
    close_pair(&pair);
}

static void dropping_the_oldest_keeps_the_newest_and_counts_the_rest(void)
{
    const udph_config_t *config =
        CONFIG(.send_queue_items = BOUND, .send_policy = UDPH_DROP_OLDEST);
    struct pair pair = open_stalled_pair(config);
    CHECK_IS(dispatch_some(pair.sender, pair.to, 1, OFFERED, 0), OFFERED);
    CHECK_IS(udph_queued_send(pair.sender), 1 + BOUND);
    CHECK_IS(stats_of(pair.sender).send_dropped, OFFERED - BOUND);
    faults_resume_sending();
    CHECK_IS(receive_number(pair.receiver), 0);
    receive_range(pair.receiver, 1 + OFFERED - BOUND, BOUND);
    udph_stats_t last = close_handler(pair.sender, 5000);
    CHECK_IS(last.sent, 1 + BOUND);
    CHECK_IS(last.dispatched, 1 + OFFERED);
    close_handler(pair.receiver, 0);
}

static void dropping_the_newest_keeps_the_oldest_and_counts_the_rest(void)
{
    const udph_config_t *config =
        CONFIG(.send_queue_items = BOUND, .send_policy = UDPH_DROP_NEWEST);
    struct pair pair = open_stalled_pair(config);
    CHECK_IS(dispatch_some(pair.sender, pair.to, 1, OFFERED, 0), OFFERED);
    CHECK_IS(stats_of(pair.sender).send_dropped, OFFERED - BOUND);
    faults_resume_sending();
    receive_range(pair.receiver, 0, 1 + BOUND);
    udph_stats_t last = close_handler(pair.sender, 5000);
    CHECK_IS(last.sent, 1 + BOUND);
    CHECK_IS(last.dispatched, 1 + OFFERED);
    close_handler(pair.receiver, 0);
}

static void waiting_for_room_ends_in_time_and_never_early(void)
{
    const udph_config_t *config = CONFIG(.send_queue_items = BOUND, .send_policy = UDPH_WAIT);
    struct pair pair = open_stalled_pair(config);
    int64_t started = now_ns();
    CHECK_IS(dispatch_some(pair.sender, pair.to, 1, OFFERED, 50), BOUND);
    CHECK(now_ns() - started >= 50 * MILLISECOND);
    started = now_ns();
    CHECK_IS(dispatch_some(pair.sender, pair.to, 99, 1, 50), -ETIMEDOUT);
    CHECK(now_ns() - started >= 50 * MILLISECOND);
    CHECK(now_ns() - started < 5 * SECOND);
    CHECK_IS(dispatch_some(pair.sender, pair.to, 99, 1, 0), -EAGAIN);
    CHECK_IS(udph_dispatch_to(pair.sender, &pair.to, 0, NULL, 0), -EAGAIN);
    faults_resume_sending();
    receive_range(pair.receiver, 0, 1 + BOUND);
    close_pair(&pair);
}

static void *dispatch_the_rest(void *argument)
{
    struct pair *pair = argument;
    CHECK_IS(dispatch_some(pair->sender, pair->to, 1, OFFERED, -1), OFFERED);
    return NULL;
}

static void a_batch_that_waits_for_room_goes_on_when_there_is_some(void)
{
    const udph_config_t *config = CONFIG(.send_queue_items = BOUND, .send_policy = UDPH_WAIT);
    struct pair pair = open_stalled_pair(config);
    pthread_t waiter = start(dispatch_the_rest, &pair);
    CHECK_EVENTUALLY(udph_queued_send(pair.sender) == 1 + BOUND);
    faults_resume_sending();
    join(waiter);
    receive_range(pair.receiver, 0, 1 + OFFERED);
    close_pair(&pair);
}

enum { DISPATCHERS = 4, BATCH_MAX = 100 };

struct crowd {
    udph_t *h;
    ph_addr_t to;
    uint32_t each, batch;
    atomic_bool is_over;
    _Atomic uint64_t done;
};

static void *dispatch_each(void *argument)
{
    struct crowd *crowd = argument;
    ph_datagram_t items[BATCH_MAX];
    for (uint32_t i = 0; i < crowd->batch; i++) items[i] = (ph_datagram_t){.addr = crowd->to};
    for (uint32_t sent = 0; sent < crowd->each; sent += crowd->batch)
        CHECK_IS(udph_dispatch(crowd->h, items, crowd->batch, -1), crowd->batch);
    return NULL;
}

/* Several threads dispatch `each` datagrams, `batch` a call, to a socket that nobody reads. All
 * that is dispatched must leave, and every thread of the handler must live through it. */
static void crowd_through(const udph_config_t *config, uint32_t each, uint32_t batch)
{
    int nobody = open_socket(AF_INET), own = open_socket(AF_INET);
    struct crowd crowd = {.to = address_of(nobody), .each = each, .batch = batch};
    crowd.h = open_handler(own, config);
    size_t before = count_threads();
    pthread_t threads[DISPATCHERS];
    for (int i = 0; i < DISPATCHERS; i++) threads[i] = start(dispatch_each, &crowd);
    for (int i = 0; i < DISPATCHERS; i++) join(threads[i]);
    CHECK_EVENTUALLY(udph_queued_send(crowd.h) == 0);
    CHECK_EVENTUALLY(count_threads() <= before);
    CHECK_IS(count_threads(), before);
    udph_stats_t last = close_handler(crowd.h, 5000);
    CHECK_IS(last.dispatched, DISPATCHERS * each);
    CHECK_IS(last.sent + last.send_dropped, DISPATCHERS * each);
    close(nobody);
}

static void many_dispatchers_that_wait_for_ever_are_never_told_that_time_is_over(void)
{
    /* Each of them is woken for each datagram: fewer take as long. */
    crowd_through(CONFIG(.send_queue_items = 1, .send_policy = UDPH_WAIT), 20000, 1);
}

static void several_senders_all_live_until_the_close(void)
{
    crowd_through(CONFIG(.send_reactors = 4), 100000, BATCH_MAX);
}

static void dropping_the_oldest_never_ends_the_sender(void)
{
    crowd_through(CONFIG(.send_queue_items = 1, .send_policy = UDPH_DROP_OLDEST), 100000, 1);
}

/* --- receiving --- */

struct inbox {
    int client;
    udph_t *h;
    ph_addr_t at;
};

static struct inbox open_inbox(const udph_config_t *config)
{
    int own = open_socket(AF_INET);
    struct inbox inbox = {.client = open_socket(AF_INET), .at = address_of(own)};
    inbox.h = open_handler(own, config);
    return inbox;
}

static void send_numbers(struct inbox *inbox, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        send_plainly(inbox->client, inbox->at, &i, sizeof i);
}

static udph_stats_t close_inbox(struct inbox *inbox)
{
    close(inbox->client);
    return close_handler(inbox->h, 0);
}

static void a_receiver_that_drops_the_newest_keeps_the_oldest(void)
{
    struct inbox inbox = open_inbox(CONFIG(
        .recv_reactors = 1, .recv_queue_items = BOUND, .recv_policy = UDPH_DROP_NEWEST));
    send_numbers(&inbox, 0, OFFERED);
    CHECK_EVENTUALLY(stats_of(inbox.h).received == OFFERED);
    CHECK_EVENTUALLY(stats_of(inbox.h).recv_dropped == OFFERED - BOUND);
    CHECK_IS(udph_queued_recved(inbox.h), BOUND);
    receive_range(inbox.h, 0, BOUND);
    CHECK_IS(close_inbox(&inbox).delivered, BOUND);
}

static void a_receiver_that_drops_the_oldest_keeps_the_newest(void)
{
    struct inbox inbox = open_inbox(CONFIG(
        .recv_reactors = 1, .recv_queue_items = BOUND, .recv_policy = UDPH_DROP_OLDEST));
    send_numbers(&inbox, 0, OFFERED);
    CHECK_EVENTUALLY(stats_of(inbox.h).received == OFFERED);
    CHECK_EVENTUALLY(stats_of(inbox.h).recv_dropped == OFFERED - BOUND);
    CHECK_IS(udph_queued_recved(inbox.h), BOUND);
    receive_range(inbox.h, OFFERED - BOUND, BOUND);
    CHECK_IS(close_inbox(&inbox).delivered, BOUND);
}

static void what_a_full_receiver_refuses_stays_in_the_kernel(void)
{
    for (uint32_t policy = 0; policy < 2; policy++) {
        struct inbox inbox = open_inbox(CONFIG(
            .recv_reactors = 1, .recv_queue_items = BOUND,
            .recv_policy = policy ? UDPH_WAIT : UDPH_REFUSE));
        send_numbers(&inbox, 0, OFFERED);
        CHECK_EVENTUALLY(udph_queued_recved(inbox.h) == BOUND);
        receive_range(inbox.h, 0, OFFERED);
        CHECK_IS(stats_of(inbox.h).recv_dropped, 0);
        udph_stats_t last = close_inbox(&inbox);
        CHECK_IS(last.delivered, OFFERED);
        CHECK_IS(last.kernel_drops, 0);
    }
}

/* What could never be let in does not keep out what can. */
static void a_datagram_longer_than_the_receive_queue_is_dropped_alone(void)
{
    for (uint32_t policy = UDPH_REFUSE; policy <= UDPH_WAIT; policy++) {
        struct inbox inbox = open_inbox(
            CONFIG(.recv_reactors = 1, .recv_queue_bytes = 100, .recv_policy = policy));
        const uint8_t payload[101] = {0};
        send_numbers(&inbox, 0, 3);
        send_plainly(inbox.client, inbox.at, payload, sizeof payload);
        send_numbers(&inbox, 3, 3);
        for (uint32_t i = 0; i < 6; i++) CHECK_IS(receive_number(inbox.h), i);
        udph_stats_t last = close_inbox(&inbox);
        CHECK_IS(last.received, 7);
        CHECK_IS(last.recv_dropped, 1);
    }
}

static void a_consumer_that_stops_leaves_the_queue_at_its_bound(void)
{
    struct inbox inbox = open_inbox(CONFIG(.recv_reactors = 1, .recv_queue_bytes = 1000));
    uint8_t payload[100] = {0};
    for (int i = 0; i < 10000; i++) send_plainly(inbox.client, inbox.at, payload, sizeof payload);
    CHECK_EVENTUALLY(udph_queued_recved(inbox.h) == 10);
    CHECK(stats_of(inbox.h).kernel_drops > 0);
    uint8_t buffer[1000];
    ph_datagram_t items[11];
    CHECK_IS(udph_get_recved(inbox.h, items, 11, buffer, sizeof buffer, 0), 10);
    udph_stats_t last = close_inbox(&inbox);
    CHECK_IS(last.recv_dropped, 0);
    CHECK(last.received + last.kernel_drops <= 10000);
}

static void *receive_until_over(void *argument)
{
    struct crowd *crowd = argument;
    uint8_t buffer[64];
    while (!atomic_load(&crowd->is_over)) {
        ph_datagram_t item;
        int64_t n = udph_get_recved(crowd->h, &item, 1, buffer, sizeof buffer, 10);
        CHECK(n == 1 || n == -ETIMEDOUT);
        if (n == 1) atomic_fetch_add(&crowd->done, 1);
    }
    return NULL;
}

static void several_receivers_before_a_full_queue_lose_nothing(void)
{
    enum { AT_ONCE = 75, DATAGRAMS = 600 * AT_ONCE };
    struct inbox inbox =
        open_inbox(CONFIG(.recv_reactors = 4, .recv_queue_items = 2, .recv_policy = UDPH_WAIT));
    struct crowd crowd = {.h = inbox.h};
    pthread_t consumers[2] = {start(receive_until_over, &crowd), start(receive_until_over, &crowd)};
    for (uint64_t sent = 0; sent < DATAGRAMS; sent += AT_ONCE) {
        CHECK_EVENTUALLY(sent - atomic_load(&crowd.done) <= AT_ONCE);
        send_numbers(&inbox, 0, AT_ONCE);
    }
    CHECK_EVENTUALLY(atomic_load(&crowd.done) == DATAGRAMS);
    atomic_store(&crowd.is_over, true);
    join(consumers[0]);
    join(consumers[1]);
    udph_stats_t last = close_inbox(&inbox);
    CHECK_IS(last.recv_dropped, 0);
    CHECK_IS(last.recv_unread, 0);
}

/* --- memory --- */

static void check_growth(size_t before, size_t most)
{
#ifdef __SANITIZE_ADDRESS__
    /* The sanitizer's allocator keeps what was freed. */
    (void)before, (void)most;
#else
    CHECK(resident_memory() <= before + most);
#endif
}

static void a_queued_datagram_of_64_bytes_takes_at_most_192(void)
{
    enum { COUNT = 200000, BYTES_A_DATAGRAM = 192 };
    struct pair pair = open_stalled_pair(CONFIG(.send_reactors = 1));
    uint8_t payload[64] = {0};
    size_t before = resident_memory();
    for (int i = 0; i < COUNT; i++)
        CHECK_IS(udph_dispatch_to(pair.sender, &pair.to, 1 + i % 60000, payload, 64), 0);
    CHECK_IS(udph_queued_send(pair.sender), COUNT + 1);
    check_growth(before, (size_t)COUNT * BYTES_A_DATAGRAM);
    CHECK_IS(close_handler(pair.sender, 0).send_unsent, COUNT + 1);
    faults_resume_sending();
    close_handler(pair.receiver, 0);
}

/* Whatever is offered: the payloads within their bound, and 64 bytes beside each. */
static void memory_stays_within_the_bounds_of_the_queue(void)
{
    enum { OFFERED_IN_ALL = 40000, BYTES = 4 << 20, SIZE = 1000, SLACK = 2 << 20 };
    struct pair pair = open_stalled_pair(
        CONFIG(.send_queue_bytes = BYTES, .send_policy = UDPH_DROP_OLDEST));
    static const uint8_t payload[SIZE];
    size_t before = resident_memory();
    for (int i = 0; i < OFFERED_IN_ALL; i++)
        CHECK_IS(udph_dispatch_to(pair.sender, &pair.to, 0, payload, SIZE), 0);
    check_growth(before, BYTES + BYTES / SIZE * 64 + SLACK);
    CHECK_IS(close_handler(pair.sender, 0).send_unsent, 1 + BYTES / SIZE);
    faults_resume_sending();
    close_handler(pair.receiver, 0);
}

const struct test queue_tests[] = {
    TEST(a_full_send_queue_refuses_exactly_what_is_beyond_its_bound),
    TEST(a_batch_is_taken_up_to_the_bound_and_dispatched_again_from_there),
    TEST(the_bound_in_bytes_holds_to_the_byte),
    TEST(dropping_the_oldest_keeps_the_newest_and_counts_the_rest),
    TEST(dropping_the_newest_keeps_the_oldest_and_counts_the_rest),
    TEST(waiting_for_room_ends_in_time_and_never_early),
    TEST(a_batch_that_waits_for_room_goes_on_when_there_is_some),
    TEST(many_dispatchers_that_wait_for_ever_are_never_told_that_time_is_over),
    TEST(several_senders_all_live_until_the_close),
    TEST(dropping_the_oldest_never_ends_the_sender),
    TEST(a_receiver_that_drops_the_newest_keeps_the_oldest),
    TEST(a_receiver_that_drops_the_oldest_keeps_the_newest),
    TEST(what_a_full_receiver_refuses_stays_in_the_kernel),
    TEST(a_datagram_longer_than_the_receive_queue_is_dropped_alone),
    TEST(a_consumer_that_stops_leaves_the_queue_at_its_bound),
    TEST(several_receivers_before_a_full_queue_lose_nothing),
    TEST(a_queued_datagram_of_64_bytes_takes_at_most_192),
    TEST(memory_stays_within_the_bounds_of_the_queue),
    END_OF_TESTS,
};

/* Messages to and from all neighbours. */
#include "check.h"
#include "faults.h"
#include "peers.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const ph_addr_t NO_GROUP = {.family = 0};
static const ph_addr_t GROUP = {.ip = {239, 77, 3, 1}, .family = 4};

/* --- making --- */

static void making_gives(const bcast_config_t *config, int32_t expected)
{
    bcast_t *const untouched = (bcast_t *)(uintptr_t)42;
    bcast_t *h = untouched;
    size_t descriptors = count_descriptors();
    CHECK_IS(bcast_new(config, &h), expected);
    CHECK(h == untouched);
    CHECK_IS(count_descriptors(), descriptors);
}

static void a_broadcasts_configuration_out_of_range_is_refused(void)
{
    making_gives(BCAST(.port = 65536), -EINVAL);
    making_gives(BCAST(.port = UINT32_MAX), -EINVAL);
    making_gives(BCAST(.recv_size = 65536), -EINVAL);
    making_gives(BCAST(.recv_size = UINT32_MAX), -EINVAL);
    making_gives(BCAST(.ttl = 256), -EINVAL);
    making_gives(BCAST(.ttl = UINT32_MAX), -EINVAL);
    making_gives(BCAST(.flags = BCAST_SEND_ONLY << 1), -EINVAL);
    making_gives(BCAST(.flags = UINT32_MAX), -EINVAL);
    making_gives(BCAST(.group = {.family = 5}), -EINVAL);
    making_gives(BCAST(.group = address_from("127.0.0.1", 0)), -EINVAL);
    making_gives(BCAST(.group = address_from("::1", 0)), -EINVAL);
    making_gives(BCAST(.group = address_from("255.255.255.255", 0)), -EINVAL);
    making_gives(MISALIGNED(bcast_config_t), -EINVAL);
    const size_t bad_sizes[] = {0, 1, sizeof(size_t) - 1, (1 << 16) + 1, SIZE_MAX};
    for (size_t i = 0; i < LENGTH(bad_sizes); i++)
        making_gives(&(bcast_config_t){.size = bad_sizes[i]}, -EINVAL);
    CHECK_IS(bcast_new(NULL, NULL), -EINVAL);
    CHECK_IS(bcast_new(NULL, MISALIGNED(bcast_t *)), -EINVAL);
}

static void an_interface_that_is_not_there_is_refused(void)
{
    const uint32_t missing[] = {UINT32_MAX, INT32_MAX, INT32_MAX + 1u};
    for (size_t i = 0; i < LENGTH(missing); i++) {
        making_gives(BCAST(.interface = missing[i]), -ENODEV);
        making_gives(BCAST(.interface = missing[i], .group = GROUP), -ENODEV);
        making_gives(BCAST(.interface = missing[i], .flags = BCAST_SEND_ONLY), -ENODEV);
    }
}

static void a_port_in_use_is_refused_to_a_broadcast(void)
{
    int fd = open_socket(AF_INET);
    uint32_t port = address_of(fd).port;
    for (int round = 0; round < 3; round++) making_gives(BCAST(.port = port), -EADDRINUSE);
    /* Whoever only sends has no need of it. */
    bcast_t *sender = open_bcast(BCAST(.port = port, .flags = BCAST_SEND_ONLY));
    CHECK_IS(bcast_port(sender), port);
    CHECK_IS(bcast_close(sender), 0);
    close(fd);
    bcast_t *h = open_bcast(BCAST(.port = port));
    CHECK_IS(bcast_close(h), 0);
}

static void a_broadcast_is_made_again_at_once_on_its_port(void)
{
    bcast_t *sender = open_bcast(NULL);
    uint32_t port = (uint32_t)bcast_port(sender);
    for (int round = 0; round < 100; round++) {
        bcast_t *h = open_bcast(BCAST(.port = port, .group = round % 2 ? GROUP : NO_GROUP));
        CHECK_IS(bcast_port(h), port);
        if (round % 2) send_message(h, "hello");
        else send_message(sender, "hello");
        check_text(take_message(h, NULL), "hello");
        CHECK_IS(bcast_close(h), 0);
    }
    CHECK_IS(bcast_close(sender), 0);
}

/* Each such call that making takes fails in turn: making must, too, and leave nothing; or do
 * without, where that is no more than a wish. Gives how many of them are. */
static uint64_t making_survives(const bcast_config_t *config, enum faults_call call, int error)
{
    bcast_config_t own = *config;
    own.interface = loopback();
    uint64_t refused = 0, wishes = 0;
    for (bool is_through = false; !is_through;) {
        size_t descriptors = count_descriptors();
        bcast_t *h = NULL;
        faults_fail(call, error, refused + wishes + 1, 1);
        int32_t result = bcast_new(&own, &h);
        is_through = faults_end(call) == 0;
        if (result == 0) {
            wishes += !is_through;
            CHECK_IS(bcast_close(h), 0);
        } else {
            CHECK_IS(result, -error);
            CHECK(!is_through && h == NULL);
            refused++;
        }
        CHECK_IS(count_descriptors(), descriptors);
    }
    CHECK(refused > 0);
    return wishes;
}

static void a_broadcast_is_made_whole_or_not_at_all(void)
{
    const bcast_config_t *const configs[] = {BCAST(.ttl = 2), BCAST(.group = GROUP)};
    for (size_t i = 0; i < LENGTH(configs); i++) {
        CHECK_IS(making_survives(configs[i], FAULTS_SOCKET, EMFILE), 0);
        CHECK_IS(making_survives(configs[i], FAULTS_BIND, EADDRINUSE), 0);
        CHECK_IS(making_survives(configs[i], FAULTS_BIND, EACCES), 0);
        CHECK_IS(making_survives(configs[i], FAULTS_EVENTFD, EMFILE), 0);
        /* Not to be given the messages of others' groups is a wish. */
        CHECK_IS(making_survives(configs[i], FAULTS_SETSOCKOPT, ENOBUFS), 1);
    }
    bcast_t *h = open_bcast(NULL);
    size_t descriptors = count_descriptors();
    faults_fail(FAULTS_EPOLL_CREATE, EMFILE, 1, 1);
    CHECK_IS(bcast_fd(h), -EMFILE);
    faults_end(FAULTS_EPOLL_CREATE);
    CHECK_IS(count_descriptors(), descriptors);
    CHECK(bcast_fd(h) >= 0);
    CHECK_IS(bcast_close(h), 0);
}

/* --- sizes --- */

static void messages_of_every_size_arrive_whole(void)
{
    const size_t sizes[] = {0, 1, 8192, LONGEST_V4};
    static uint8_t payload[LONGEST_V4 + 1];
    bcast_t *h = open_bcast(BCAST(.recv_size = 65535));
    memset(payload, 7, sizeof payload);
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        CHECK_IS(bcast_send(h, payload, sizes[i]), 1);
        ph_datagram_t item = take_message(h, NULL);
        CHECK_IS(item.len, sizes[i]);
        CHECK_IS(memcmp(item.data, payload, item.len), 0);
    }
    CHECK_IS(bcast_send(h, payload, LONGEST_V4 + 1), -EMSGSIZE);
    CHECK_IS(bcast_send(h, payload, SIZE_MAX), -EINVAL);
    CHECK_IS(bcast_send(h, NULL, 1), -EINVAL);
    no_message_comes(h);
    CHECK_IS(bcast_close(h), 0);
}

static void a_message_longer_than_recv_size_is_flagged(void)
{
    const uint32_t asked[] = {0, 1, 100}, kept[] = {8192, 1, 100};
    static uint8_t payload[8193];
    for (size_t i = 0; i < LENGTH(asked); i++) {
        bcast_t *h = open_bcast(BCAST(.recv_size = asked[i]));
        for (size_t longer = 0; longer < 2; longer++) {
            CHECK_IS(bcast_send(h, payload, kept[i] + longer), 1);
            ph_datagram_t item = take_message(h, NULL);
            CHECK_IS(item.len, kept[i]);
            CHECK_IS(item.flags, longer ? PH_TRUNCATED : 0);
        }
        CHECK_IS(bcast_counts_of(h).truncated, 1);
        CHECK_IS(bcast_close(h), 0);
    }
}

static void a_buffer_too_small_for_a_message_loses_nothing(void)
{
    bcast_t *h = open_bcast(NULL);
    ph_datagram_t items[4];
    ph_arrival_t arrivals[4];
    uint8_t buffer[8];
    for (int i = 0; i < 3; i++) send_message(h, "four");
    CHECK_IS(bcast_receive(h, items, NULL, 4, NULL, 0, 0), -EMSGSIZE);
    CHECK_IS(bcast_receive(h, items, NULL, 4, buffer, 3, -1), -EMSGSIZE);
    CHECK(is_readable(bcast_fd(h)));
    for (int taken = 0; taken < 3;) {
        int64_t n = bcast_receive(h, items, arrivals, 4, buffer, sizeof buffer, 0);
        CHECK(n == 1 || n == 2);
        for (int64_t i = 0; i < n; i++, taken++) {
            check_text(items[i], "four");
            CHECK_IS(arrivals[i].interface, loopback());
        }
    }
    no_message_comes(h);
    CHECK_IS(bcast_close(h), 0);
}

static void arguments_of_a_broadcasts_calls_are_checked(void)
{
    bcast_t *h = open_bcast(NULL);
    ph_datagram_t item;
    uint8_t byte;
    CHECK_IS(bcast_receive(h, NULL, NULL, 1, &byte, 1, 0), -EINVAL);
    CHECK_IS(bcast_receive(h, &item, NULL, 0, &byte, 1, 0), -EINVAL);
    CHECK_IS(bcast_receive(h, &item, NULL, SIZE_MAX, &byte, 1, 0), -EINVAL);
    CHECK_IS(bcast_receive(h, MISALIGNED(ph_datagram_t), NULL, 1, &byte, 1, 0), -EINVAL);
    CHECK_IS(bcast_receive(h, &item, MISALIGNED(ph_arrival_t), 1, &byte, 1, 0), -EINVAL);
    CHECK_IS(bcast_receive(h, &item, NULL, 1, NULL, 1, 0), -EINVAL);
    CHECK_IS(bcast_receive(h, &item, NULL, 1, &byte, 1, -2), -EINVAL);
    CHECK_IS(bcast_receive(h, &item, NULL, 1, &byte, 1, 0), -EAGAIN);
    CHECK_IS(bcast_receive(h, &item, NULL, 1, &byte, 1, 20), -ETIMEDOUT);
    CHECK_IS(bcast_stats(h, NULL), -EINVAL);
    CHECK_IS(bcast_stats(h, MISALIGNED(bcast_stats_t)), -EINVAL);
    CHECK_IS(bcast_stats(h, &(bcast_stats_t){.size = 1}), -EINVAL);
    struct {
        bcast_stats_t known;
        uint64_t unknown[2];
    } longer = {.known = {.size = sizeof longer}, .unknown = {7, 7}};
    CHECK_IS(bcast_stats(h, &longer.known), 0);
    CHECK(longer.known.size == sizeof longer && longer.unknown[0] == 0 && longer.unknown[1] == 0);
    CHECK_IS(bcast_close(h), 0);
}

/* --- the descriptor, the end --- */

static void a_broadcasts_fd_is_readable_exactly_while_messages_are_there(void)
{
    bcast_t *h = open_bcast(NULL);
    int fd = bcast_fd(h);
    for (int round = 0; round < 50; round++) {
        CHECK(!is_readable(fd));
        for (int i = 0; i < 3; i++) send_message(h, "x");
        for (int i = 0; i < 3; i++) {
            CHECK(is_readable(fd));
            take_message(h, NULL);
        }
    }
    CHECK(!is_readable(fd));
    CHECK_IS(bcast_close(h), 0);
}

static void what_is_no_handle_of_a_broadcast_is_refused(void)
{
    int on_stack;
    const uint64_t forged[] = {0, 1, 8, 4096, INT64_MAX, UINT64_MAX, (uintptr_t)&on_stack};
    bcast_t *h = open_bcast(NULL);
    for (size_t i = 0; i < LENGTH(forged); i++)
        every_bcast_call_refuses((bcast_t *)(uintptr_t)forged[i]);
    for (int bit = 0; bit < 64; bit++)
        every_bcast_call_refuses((bcast_t *)((uintptr_t)h ^ UINT64_C(1) << bit));
    CHECK_IS(bcast_close(h), 0);
    every_bcast_call_refuses(h);
}

struct waiter {
    bcast_t *h;
    int64_t result, ended;
};

static void *wait_for_ever(void *argument)
{
    struct waiter *waiter = argument;
    ph_datagram_t item;
    waiter->result = bcast_receive(waiter->h, &item, NULL, 1, NULL, 0, -1);
    waiter->ended = now_ns();
    return NULL;
}

static void a_close_wakes_all_who_wait_for_messages(void)
{
    enum { WAITERS = 8 };
    for (int round = 0; round < 10; round++) {
        bcast_t *h = open_bcast(round % 2 ? NULL : BCAST(.group = GROUP));
        struct waiter waiters[WAITERS];
        pthread_t threads[WAITERS];
        for (int i = 0; i < WAITERS; i++) {
            waiters[i] = (struct waiter){.h = h};
            threads[i] = start(wait_for_ever, &waiters[i]);
        }
        CHECK_EVENTUALLY(faults_readers() == WAITERS);
        int64_t started = now_ns();
        CHECK_IS(bcast_close(h), 0);
        for (int i = 0; i < WAITERS; i++) {
            join(threads[i]);
            CHECK_IS(waiters[i].result, -ESHUTDOWN);
            CHECK(waiters[i].ended - started < SECOND);
        }
    }
}

static void what_the_kernel_drops_of_messages_is_counted(void)
{
    enum { MESSAGES = 2000 };
    static uint8_t payload[1000];
    bcast_t *h = open_bcast(NULL);
    uint64_t received = 0;
    for (int i = 0; i < MESSAGES; i++) CHECK_IS(bcast_send(h, payload, sizeof payload), 1);
    for (; is_readable(bcast_fd(h)); received++) take_message(h, NULL);
    bcast_stats_t stats = bcast_counts_of(h);
    CHECK_IS(stats.received, received);
    CHECK_IS(stats.sent, MESSAGES);
    CHECK(stats.kernel_drops > 0);
    CHECK_IS(stats.received + stats.kernel_drops, stats.sent);
    CHECK_IS(bcast_close(h), 0);
}

const struct test bcast_tests[] = {
    TEST(a_broadcasts_configuration_out_of_range_is_refused),
    TEST(an_interface_that_is_not_there_is_refused),
    TEST(a_port_in_use_is_refused_to_a_broadcast),
    TEST(a_broadcast_is_made_again_at_once_on_its_port),
    TEST(a_broadcast_is_made_whole_or_not_at_all),
    TEST(messages_of_every_size_arrive_whole),
    TEST(a_message_longer_than_recv_size_is_flagged),
    TEST(a_buffer_too_small_for_a_message_loses_nothing),
    TEST(arguments_of_a_broadcasts_calls_are_checked),
    TEST(a_broadcasts_fd_is_readable_exactly_while_messages_are_there),
    TEST(what_is_no_handle_of_a_broadcast_is_refused),
    TEST(a_close_wakes_all_who_wait_for_messages),
    TEST(what_the_kernel_drops_of_messages_is_counted),
    END_OF_TESTS,
};

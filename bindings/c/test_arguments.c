/* Handles and arguments that are wrong in every way a program can get them wrong. */
#include "check.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- handles --- */

static udph_t *token(uint64_t bits)
{
    return (udph_t *)(uintptr_t)bits;
}

static void what_was_never_a_handle_is_refused(void)
{
    int on_stack;
    void *on_heap = malloc(1);
    const uint64_t forged[] = {0, 1, 2, 8, 4096, INT64_MAX, INT64_MAX + UINT64_C(1), UINT64_MAX,
                               (uintptr_t)&on_stack, (uintptr_t)on_heap,
                               (uintptr_t)what_was_never_a_handle_is_refused};
    for (size_t i = 0; i < LENGTH(forged); i++) every_call_refuses(token(forged[i]));
    udph_t *h = open_handler(open_socket(AF_INET), RECEIVING);
    for (size_t i = 0; i < LENGTH(forged); i++) every_call_refuses(token(forged[i]));
    close_handler(h, 0);
    free(on_heap);
}

static uint64_t random_bits(void)
{
    return (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
}

/* Kind, process, generation and slot are parts of a token: each bit of each counts. */
static void a_handle_with_other_bits_is_refused(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), RECEIVING);
    uint64_t good = (uintptr_t)h;
    for (int bit = 0; bit < 64; bit++) every_call_refuses(token(good ^ UINT64_C(1) << bit));
    for (uint64_t kind = 1; kind < 256; kind++) every_call_refuses(token(good ^ kind << 56));
    for (int i = 0; i < 2000; i++) every_call_refuses(token(good ^ (random_bits() | 1)));
    CHECK_IS(udph_queued_send(h), 0);
    close_handler(h, 0);
}

static void a_closed_handle_is_refused_for_ever(void)
{
    enum { LIVES = 300 };
    udph_t *closed[LIVES];
    for (int i = 0; i < LIVES; i++) {
        udph_t *h = open_handler(open_socket(AF_INET), NULL);
        for (int old = 0; old < i; old++) CHECK_IS(udph_queued_send(closed[old]), -EBADF);
        CHECK_IS(udph_close(h, 0, NULL), 0);
        CHECK_IS(udph_close(h, 0, NULL), -EBADF);
        every_call_refuses(h);
        closed[i] = h;
    }
}

struct haunting {
    udph_t *stale;
    atomic_bool is_over;
};

static void *haunt(void *argument)
{
    struct haunting *haunting = argument;
    while (!atomic_load(&haunting->is_over)) every_call_refuses(haunting->stale);
    return NULL;
}

/* A stale token leads to the slot of a live handler, where it must leave no trace. */
static void stale_handles_disturb_nobody(void)
{
    udph_t *stale = open_handler(open_socket(AF_INET), RECEIVING);
    close_handler(stale, 0);
    struct haunting haunting = {.stale = stale};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) threads[i] = start(haunt, &haunting);
    for (int i = 0; i < 200; i++) {
        struct pair pair = open_pair(NULL, RECEIVING);
        dispatch_numbers(pair.sender, pair.to, (uint32_t)i, 1);
        CHECK_IS(receive_number(pair.receiver), i);
        close_pair(&pair);
    }
    atomic_store(&haunting.is_over, true);
    for (int i = 0; i < 4; i++) join(threads[i]);
}

/* --- arguments of calls --- */

static ph_datagram_t datagram(void)
{
    static const uint8_t payload[1 << 16];
    return (ph_datagram_t){.addr = address_from("127.0.0.1", 9), .data = payload, .len = 1};
}

static void dispatch_refuses_arrays_that_cannot_be(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    ph_datagram_t item = datagram();
    CHECK_IS(udph_dispatch(h, NULL, 1, 0), -EINVAL);
    CHECK_IS(udph_dispatch(h, NULL, 0, 0), -EINVAL);
    CHECK_IS(udph_dispatch(h, &item, 0, 0), -EINVAL);
    CHECK_IS(udph_dispatch(h, &item, SIZE_MAX, 0), -EINVAL);
    CHECK_IS(udph_dispatch(h, &item, SIZE_MAX / sizeof item, 0), -EINVAL);
    CHECK_IS(udph_dispatch(h, MISALIGNED(ph_datagram_t), 1, 0), -EINVAL);
    CHECK_IS(udph_dispatch(h, &item, 1, -2), -EINVAL);
    CHECK_IS(udph_dispatch(h, &item, 1, INT32_MIN), -EINVAL);
    CHECK_IS(close_handler(h, 0).dispatched, 0);
}

/* What both ways of dispatching say to one datagram. */
static void dispatching_gives(udph_t *h, ph_datagram_t item, int64_t expected)
{
    CHECK_IS(udph_dispatch(h, &item, 1, 0), expected);
    CHECK_IS(udph_dispatch_to(h, &item.addr, 0, item.data, item.len), expected);
}

static void dispatch_refuses_datagrams_that_cannot_be(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    ph_datagram_t bad = datagram();
    bad.data = NULL;
    dispatching_gives(h, bad, -EINVAL);
    bad = datagram();
    bad.len = SIZE_MAX;
    dispatching_gives(h, bad, -EINVAL);
    bad = datagram();
    bad.addr.port = 0;
    dispatching_gives(h, bad, -EINVAL);
    bad = datagram();
    bad.addr = address_from("::1", 9);
    dispatching_gives(h, bad, -EAFNOSUPPORT);
    for (int family = 0; family < 256; family++) {
        bad = datagram();
        bad.addr.family = (uint8_t)family;
        if (family != 4 && family != 6) dispatching_gives(h, bad, -EINVAL);
    }
    CHECK_IS(close_handler(h, 0).dispatched, 0);
}

static void a_payload_is_as_long_as_its_protocol_allows(void)
{
    enum { V4 = 65507, V6 = 65527 };
    udph_t *four = open_handler(open_socket(AF_INET), NULL);
    udph_t *both = open_handler(open_dual_stack_socket(), NULL);
    ph_datagram_t item = datagram();
    item.len = V4 + 1;
    dispatching_gives(four, item, -EMSGSIZE);
    dispatching_gives(both, item, -EMSGSIZE);
    item.addr = address_from("::ffff:127.0.0.1", 9);
    dispatching_gives(four, item, -EMSGSIZE);
    dispatching_gives(both, item, -EMSGSIZE);
    item.addr = address_from("::1", 9);
    item.len = V6 + 1;
    dispatching_gives(both, item, -EMSGSIZE);
    item.len = SIZE_MAX / 2;
    dispatching_gives(both, item, -EMSGSIZE);
    CHECK_IS(close_handler(four, 0).dispatched, 0);
    CHECK_IS(close_handler(both, 0).dispatched, 0);
}

static void a_batch_stops_before_its_first_bad_datagram(void)
{
    int nobody = open_socket(AF_INET);
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    ph_datagram_t items[3] = {datagram(), datagram(), datagram()};
    for (int i = 0; i < 3; i++) items[i].addr = address_of(nobody);
    items[1].len = 65508;
    CHECK_IS(udph_dispatch(h, items, 3, 0), 1);
    CHECK_IS(udph_dispatch(h, items + 1, 2, 0), -EMSGSIZE);
    items[1].len = 1;
    items[1].addr.family = 5;
    CHECK_IS(udph_dispatch(h, items, 3, 0), 1);
    CHECK_IS(udph_dispatch(h, items + 1, 2, 0), -EINVAL);
    items[1] = items[0];
    items[2].data = NULL;
    CHECK_IS(udph_dispatch(h, items, 3, 0), 2);
    CHECK_IS(close_handler(h, 1000).sent, 4);
    close(nobody);
}

static void dispatch_to_refuses_wrong_ports_and_pointers(void)
{
    const int64_t ports[] = {-1, 65536, 65536 + 9, INT32_MAX, INT64_C(1) << 32 | 9, INT64_MAX,
                             INT64_MIN};
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    ph_addr_t to = address_from("127.0.0.1", 9);
    for (size_t i = 0; i < LENGTH(ports); i++)
        CHECK_IS(udph_dispatch_to(h, &to, ports[i], NULL, 0), -EINVAL);
    CHECK_IS(udph_dispatch_to(h, NULL, 9, NULL, 0), -EINVAL);
    CHECK_IS(udph_dispatch_to(h, MISALIGNED(ph_addr_t), 9, NULL, 0), -EINVAL);
    CHECK_IS(close_handler(h, 0).dispatched, 0);
}

static void the_port_given_takes_the_place_of_that_of_the_address(void)
{
    int first = open_socket(AF_INET), second = open_socket(AF_INET);
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    ph_addr_t to = address_of(first);
    char text[2];
    CHECK_IS(udph_dispatch_to(h, &to, 0, (const uint8_t *)"1", 1), 0);
    CHECK_IS(udph_dispatch_to(h, &to, address_of(second).port, (const uint8_t *)"2", 1), 0);
    CHECK_IS(receive_plainly(first, text, sizeof text), 1);
    CHECK_IS(text[0], '1');
    CHECK_IS(receive_plainly(second, text, sizeof text), 1);
    CHECK_IS(text[0], '2');
    close_handler(h, 1000);
    close(first);
    close(second);
}

static void get_recved_refuses_arrays_that_cannot_be(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), RECEIVING);
    ph_datagram_t item;
    uint8_t buf[1];
    CHECK_IS(udph_get_recved(h, NULL, 1, buf, 1, 0), -EINVAL);
    CHECK_IS(udph_get_recved(h, NULL, 0, buf, 1, 0), -EINVAL);
    CHECK_IS(udph_get_recved(h, &item, 0, buf, 1, 0), -EINVAL);
    CHECK_IS(udph_get_recved(h, &item, SIZE_MAX, buf, 1, 0), -EINVAL);
    CHECK_IS(udph_get_recved(h, &item, SIZE_MAX / sizeof item, buf, 1, 0), -EINVAL);
    CHECK_IS(udph_get_recved(h, MISALIGNED(ph_datagram_t), 1, buf, 1, 0), -EINVAL);
    CHECK_IS(udph_get_recved(h, &item, 1, NULL, 1, 0), -EINVAL);
    CHECK_IS(udph_get_recved(h, &item, 1, buf, SIZE_MAX, 0), -EINVAL);
    CHECK_IS(udph_get_recved(h, &item, 1, buf, 1, -2), -EINVAL);
    CHECK_IS(udph_get_recved(h, &item, 1, buf, 1, INT32_MIN), -EINVAL);
    CHECK_IS(udph_get_recved(h, &item, 1, buf, 1, 0), -EAGAIN);
    close_handler(h, 0);
}

static void a_handler_that_does_not_receive_cannot_be_waited_for(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    ph_datagram_t item;
    CHECK_IS(udph_fd(h), -EOPNOTSUPP);
    CHECK_IS(udph_get_recved(h, &item, 1, NULL, 0, 0), -EAGAIN);
    CHECK_IS(udph_get_recved(h, &item, 1, NULL, 0, 1), -EOPNOTSUPP);
    CHECK_IS(udph_get_recved(h, &item, 1, NULL, 0, -1), -EOPNOTSUPP);
    close_handler(h, 0);
}

static void get_error_refuses_arrays_that_cannot_be(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    ph_error_t error;
    CHECK_IS(udph_get_error(h, NULL, 1), -EINVAL);
    CHECK_IS(udph_get_error(h, NULL, 0), -EINVAL);
    CHECK_IS(udph_get_error(h, &error, 0), -EINVAL);
    CHECK_IS(udph_get_error(h, &error, SIZE_MAX), -EINVAL);
    CHECK_IS(udph_get_error(h, MISALIGNED(ph_error_t), 1), -EINVAL);
    CHECK_IS(udph_get_error(h, &error, 1), -EAGAIN);
    close_handler(h, 0);
}

static void reactor_stats_writes_no_more_than_there_is_room(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), CONFIG(.send_reactors = 2, .recv_reactors = 3));
    udph_reactor_stats_t stats[6], before[6];
    memset(stats, 0x55, sizeof stats);
    memset(before, 0x55, sizeof before);
    CHECK_IS(udph_reactor_stats(h, NULL, 0), 5);
    CHECK_IS(udph_reactor_stats(h, stats, 4), 5);
    CHECK_IS(memcmp(&stats[4], &before[4], 2 * sizeof *stats), 0);
    CHECK_IS(udph_reactor_stats(h, stats, 6), 5);
    CHECK_IS(memcmp(&stats[5], &before[5], sizeof *stats), 0);
    for (int i = 0; i < 5; i++) CHECK_IS(stats[i].datagrams, 0);
    CHECK_IS(udph_reactor_stats(h, NULL, 1), -EINVAL);
    CHECK_IS(udph_reactor_stats(h, stats, SIZE_MAX), -EINVAL);
    CHECK_IS(udph_reactor_stats(h, MISALIGNED(udph_reactor_stats_t), 1), -EINVAL);
    close_handler(h, 0);
}

/* Sizes of a structure that its maker never set, or set by accident. */
static const size_t BAD_SIZES[] = {0, 1, sizeof(size_t) - 1, (1 << 16) + 1, SIZE_MAX};

static void stats_without_a_size_are_refused(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    CHECK_IS(udph_stats(h, NULL), -EINVAL);
    CHECK_IS(udph_stats(h, MISALIGNED(udph_stats_t)), -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++) {
        udph_stats_t stats = {.size = BAD_SIZES[i], .sent = 7};
        CHECK_IS(udph_stats(h, &stats), -EINVAL);
        CHECK_IS(stats.sent, 7);
    }
    close_handler(h, 0);
}

/* Reads the stats into a structure of `size` bytes that held nothing but 0x55. */
static const uint8_t *stats_of_size(udph_t *h, size_t size)
{
    static union {
        udph_stats_t stats;
        uint8_t bytes[2 * sizeof(udph_stats_t)];
    } out;
    memset(&out, 0x55, sizeof out);
    out.stats.size = size;
    CHECK_IS(udph_stats(h, &out.stats), 0);
    for (size_t i = size; i < sizeof out; i++) CHECK_IS(out.bytes[i], 0x55);
    return out.bytes;
}

static void stats_fill_exactly_the_size_asked_for(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    udph_stats_t stats;
    for (size_t size = sizeof(size_t); size <= sizeof stats; size++) stats_of_size(h, size);
    memcpy(&stats, stats_of_size(h, sizeof stats), sizeof stats);
    CHECK_IS(stats.send_reactors, 1);
    CHECK_IS(stats.recv_reactors, 0);
    /* A program that knows more fields than the library reads zeros in them. */
    const uint8_t *longer = stats_of_size(h, sizeof stats + 64);
    for (size_t i = sizeof stats; i < sizeof stats + 64; i++) CHECK_IS(longer[i], 0);
    close_handler(h, 0);
}

static void a_close_with_wrong_arguments_closes_nothing(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    udph_stats_t last = {.size = sizeof last};
    CHECK_IS(udph_close(h, -1, NULL), -EINVAL);
    CHECK_IS(udph_close(h, INT32_MIN, &last), -EINVAL);
    CHECK_IS(udph_close(h, 0, MISALIGNED(udph_stats_t)), -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++) {
        last.size = BAD_SIZES[i];
        CHECK_IS(udph_close(h, 0, &last), -EINVAL);
    }
    CHECK_IS(udph_queued_send(h), 0);
    last.size = sizeof last;
    CHECK_IS(udph_close(h, INT32_MAX, &last), 0);
}

/* --- construction --- */

/* The constructor must say `expected` and leave nothing behind, on the socket neither. */
static void making_gives(int fd, const udph_config_t *config, int32_t expected)
{
    udph_t *const untouched = token(42);
    udph_t *h = untouched;
    size_t threads = count_threads(), descriptors = count_descriptors();
    CHECK_IS(udph_new(fd, config, &h), expected);
    CHECK(h == untouched);
    CHECK_IS(count_threads(), threads);
    CHECK_IS(count_descriptors(), descriptors);
    int receives_errors = 0;
    socklen_t size = sizeof receives_errors;
    getsockopt(fd, IPPROTO_IP, IP_RECVERR, &receives_errors, &size);
    CHECK_IS(receives_errors, 0);
}

static int closed_descriptor(void)
{
    int fd = dup(STDOUT_FILENO);
    close(fd);
    return fd;
}

static void a_descriptor_that_is_no_udp_socket_is_refused(void)
{
    const int numbers[] = {-1, INT32_MIN, INT32_MAX, closed_descriptor()};
    for (size_t i = 0; i < LENGTH(numbers); i++) making_gives(numbers[i], NULL, -EBADF);
    int ends[2];
    CHECK_IS(pipe(ends), 0);
    const int others[] = {ends[0], ends[1], open("/dev/null", O_RDWR), eventfd(0, 0)};
    for (size_t i = 0; i < LENGTH(others); i++) {
        making_gives(others[i], NULL, -ENOTSOCK);
        close(others[i]);
    }
}

static void a_socket_of_another_kind_is_refused(void)
{
    static const struct {
        int family, type, protocol;
        int32_t expected;
    } KINDS[] = {
        {AF_INET, SOCK_STREAM, 0, -EPROTOTYPE},
        {AF_INET6, SOCK_STREAM, 0, -EPROTOTYPE},
        {AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, -EPROTOTYPE},
        {AF_INET, SOCK_DGRAM, IPPROTO_ICMP, -EPROTOTYPE},
        {AF_INET, SOCK_RAW, IPPROTO_UDP, -EPROTOTYPE},
        {AF_UNIX, SOCK_DGRAM, 0, -EAFNOSUPPORT},
        {AF_UNIX, SOCK_STREAM, 0, -EAFNOSUPPORT},
        {AF_NETLINK, SOCK_RAW, 0, -EAFNOSUPPORT},
    };
    for (size_t i = 0; i < LENGTH(KINDS); i++) {
        int fd = socket(KINDS[i].family, KINDS[i].type, KINDS[i].protocol);
        /* Some kinds are not every kernel's, or only root's. */
        if (fd < 0) continue;
        making_gives(fd, NULL, KINDS[i].expected);
        close(fd);
    }
}

static void an_event_fd_that_is_none_is_refused(void)
{
    int fd = open_socket(AF_INET), ends[2];
    CHECK_IS(pipe(ends), 0);
    const int others[] = {ends[0], ends[1], fd, open("/dev/null", O_RDWR)};
    making_gives(fd, CONFIG(.recv_reactors = 1, .event_fd = INT32_MAX), -EBADF);
    for (size_t i = 0; i < LENGTH(others); i++)
        making_gives(fd, CONFIG(.recv_reactors = 1, .event_fd = others[i]), -EINVAL);
    close(ends[0]);
    close(ends[1]);
    close(others[3]);
    close_handler(open_handler(fd, CONFIG(.recv_reactors = 1, .event_fd = -5)), 0);
}

/* The kernel gives the lowest free numbers to the descriptors that the handler makes for itself:
 * none of them may be taken for the program's. */
static void a_closed_event_fd_is_refused_whichever_number_it_had(void)
{
    enum { CLOSED = 12 };
    int fd = open_socket(AF_INET), closed[CLOSED];
    for (int i = 0; i < CLOSED; i++) closed[i] = eventfd(0, EFD_CLOEXEC);
    for (int i = 0; i < CLOSED; i++) close(closed[i]);
    for (int i = 0; i < CLOSED; i++)
        making_gives(fd, CONFIG(.recv_reactors = 1, .event_fd = closed[i]), -EBADF);
    close(fd);
}

static void a_configuration_out_of_range_is_refused(void)
{
    int fd = open_socket(AF_INET);
    making_gives(fd, CONFIG(.send_reactors = 257), -EINVAL);
    making_gives(fd, CONFIG(.send_reactors = UINT32_MAX), -EINVAL);
    making_gives(fd, CONFIG(.recv_reactors = 257), -EINVAL);
    making_gives(fd, CONFIG(.recv_reactors = UINT32_MAX), -EINVAL);
    making_gives(fd, CONFIG(.recv_reactors = 1, .recv_sockets_a_reactor = 4097), -EINVAL);
    making_gives(fd, CONFIG(.recv_sockets_a_reactor = UINT32_MAX), -EINVAL);
    making_gives(fd, CONFIG(.recv_size = 65536), -EINVAL);
    making_gives(fd, CONFIG(.recv_size = UINT32_MAX), -EINVAL);
    making_gives(fd, CONFIG(.send_policy = 4), -EINVAL);
    making_gives(fd, CONFIG(.recv_policy = UINT32_MAX), -EINVAL);
    making_gives(fd, CONFIG(.send_flags = MSG_OOB), -EINVAL);
    making_gives(fd, CONFIG(.send_flags = -1), -EINVAL);
    making_gives(fd, CONFIG(.debug_level = -1), -EINVAL);
    making_gives(fd, CONFIG(.debug_level = PH_LOG_WIRE + 1), -EINVAL);
    making_gives(fd, CONFIG(.flags = 4), -EINVAL);
    making_gives(fd, CONFIG(.flags = UINT32_MAX), -EINVAL);
    close(fd);
}

/* The bounds themselves are in range; one reactor may have all the sockets there may be. */
static void the_ends_of_each_range_are_taken(void)
{
    close_handler(open_handler(open_socket(AF_INET), CONFIG(
        .send_reactors = 256, .recv_reactors = 256, .recv_sockets_a_reactor = 16)), 0);
    close_handler(open_handler(open_socket(AF_INET), CONFIG(
        .recv_reactors = 1, .recv_sockets_a_reactor = 4096, .recv_size = 65535)), 0);
    close_handler(open_handler(open_socket(AF_INET), CONFIG(
        .recv_reactors = 1, .recv_size = 1, .send_queue_items = 1, .send_queue_bytes = 1,
        .recv_queue_items = UINT64_MAX, .recv_queue_bytes = UINT64_MAX)), 0);
}

static void a_configuration_without_a_size_is_refused(void)
{
    int fd = open_socket(AF_INET);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++)
        making_gives(fd, &(udph_config_t){.size = BAD_SIZES[i]}, -EINVAL);
    making_gives(fd, MISALIGNED(udph_config_t), -EINVAL);
    close(fd);
}

static void no_place_for_the_handle_is_refused(void)
{
    int fd = open_socket(AF_INET);
    CHECK_IS(udph_new(fd, NULL, NULL), -EINVAL);
    CHECK_IS(udph_new(fd, NULL, MISALIGNED(udph_t *)), -EINVAL);
    close(fd);
}

static void a_configuration_ends_where_its_size_says(void)
{
    udph_config_t shorter = {.size = offsetof(udph_config_t, recv_reactors), .send_reactors = 2};
    shorter.recv_reactors = UINT32_MAX;
    udph_t *h = open_handler(open_socket(AF_INET), &shorter);
    CHECK_IS(stats_of(h).send_reactors, 2);
    CHECK_IS(stats_of(h).recv_reactors, 0);
    close_handler(h, 0);
    struct {
        udph_config_t known;
        uint64_t unknown[4];
    } longer = {.known = {.size = sizeof longer, .recv_reactors = 2}};
    h = open_handler(open_socket(AF_INET), &longer.known);
    CHECK_IS(stats_of(h).recv_reactors, 2);
    close_handler(h, 0);
}

static void no_configuration_means_the_defaults(void)
{
    udph_t *h = open_handler(open_socket(AF_INET), NULL);
    CHECK_IS(stats_of(h).send_reactors, 1);
    CHECK_IS(stats_of(h).recv_reactors, 0);
    close_handler(h, 0);
}

const struct test argument_tests[] = {
    TEST(what_was_never_a_handle_is_refused),
    TEST(a_handle_with_other_bits_is_refused),
    TEST(a_closed_handle_is_refused_for_ever),
    TEST(stale_handles_disturb_nobody),
    TEST(dispatch_refuses_arrays_that_cannot_be),
    TEST(dispatch_refuses_datagrams_that_cannot_be),
    TEST(a_payload_is_as_long_as_its_protocol_allows),
    TEST(a_batch_stops_before_its_first_bad_datagram),
    TEST(dispatch_to_refuses_wrong_ports_and_pointers),
    TEST(the_port_given_takes_the_place_of_that_of_the_address),
    TEST(get_recved_refuses_arrays_that_cannot_be),
    TEST(a_handler_that_does_not_receive_cannot_be_waited_for),
    TEST(get_error_refuses_arrays_that_cannot_be),
    TEST(reactor_stats_writes_no_more_than_there_is_room),
    TEST(stats_without_a_size_are_refused),
    TEST(stats_fill_exactly_the_size_asked_for),
    TEST(a_close_with_wrong_arguments_closes_nothing),
    TEST(a_descriptor_that_is_no_udp_socket_is_refused),
    TEST(a_socket_of_another_kind_is_refused),
    TEST(an_event_fd_that_is_none_is_refused),
    TEST(a_closed_event_fd_is_refused_whichever_number_it_had),
    TEST(a_configuration_out_of_range_is_refused),
    TEST(the_ends_of_each_range_are_taken),
    TEST(a_configuration_without_a_size_is_refused),
    TEST(no_place_for_the_handle_is_refused),
    TEST(a_configuration_ends_where_its_size_says),
    TEST(no_configuration_means_the_defaults),
    END_OF_TESTS,
};

/* Connections to libvirt: its test driver, which lives in libvirt itself, and hosts that are not
 * there or do not answer. Where libvirt.so.0 is not installed (apt install libvirt0) each test that
 * needs it checks that a client is told so. */
#include "check.h"
#include "loops.h"
#include "peers.h"
#include "process.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A configuration in which the fields given differ from the default. */
#define VIRT(...) (&(virt_config_t){.size = sizeof(virt_config_t), __VA_ARGS__})

/* virDomainState. */
enum { RUNNING = 1, PAUSED = 3 };

/* Sizes of a structure that its maker never set, or set by accident. */
static const size_t BAD_SIZES[] = {0, 1, sizeof(size_t) - 1, (1 << 16) + 1, SIZE_MAX};

static virt_t *open_client(const virt_config_t *config)
{
    virt_t *h = NULL;
    CHECK_IS(virt_new(config, &h), 0);
    CHECK(h != NULL);
    return h;
}

static virt_stats_t client_counts_of(virt_t *h)
{
    virt_stats_t stats = {.size = sizeof stats};
    CHECK_IS(virt_stats(h, &stats), 0);
    return stats;
}

static virt_info_t info_of(virt_t *h, const char *host, const char *domain)
{
    virt_info_t info = {.size = sizeof info};
    CHECK_IS(virt_get_info(h, host, domain, &info), 0);
    return info;
}

static int32_t ask(virt_t *h, const char *host, const char *domain)
{
    virt_info_t info = {.size = sizeof info, .state = 77};
    int32_t result = virt_get_info(h, host, domain, &info);
    if (result < 0) CHECK_IS(info.state, 77);
    return result;
}

/* What a client says where libvirt is not installed. */
static void is_told_what_to_install(void)
{
    CHECK(dlopen("libvirt.so.0", RTLD_LAZY | RTLD_LOCAL) == NULL);
    CHECK(strstr(ph_strerror(PH_ENOLIBVIRT), "libvirt0") != NULL);
    virt_t *h = open_client(NULL);
    for (int again = 0; again < 2; again++) {
        CHECK_IS(virt_connect(h, "here", "test:///default"), PH_ENOLIBVIRT);
        CHECK_IS(ask(h, "here", "test"), -ENOTCONN);
    }
    CHECK_IS(virt_close(h), 0);
}

static int run_or_be_told(void *argument)
{
    int (*const *body)(void) = argument;
    virt_t *h = open_client(NULL);
    int32_t result = virt_connect(h, "here", "test:///default");
    CHECK_IS(virt_close(h), 0);
    if (result != PH_ENOLIBVIRT) return (*body)();
    is_told_what_to_install();
    return 0;
}

/* libvirt's event loop has a thread, and descriptors, for as long as the process lives: what loads
 * it has a process of its own. */
static void with_libvirt(int (*body)(void))
{
    in_a_child(run_or_be_told, &body);
}

/* --- domains --- */

static int tell_of_the_test_domain(void)
{
    virt_t *h = open_client(NULL);
    CHECK_IS(virt_connect(h, "here", "test:///default"), 0);
    for (int again = 0; again < 10; again++) {
        virt_info_t info = info_of(h, "here", "test");
        CHECK_IS(info.state, RUNNING);
        CHECK(info.vcpus >= 1 && info.vcpus < 1000);
        CHECK(info.memory_kib > 0 && info.memory_kib <= info.max_memory_kib);
        CHECK(info.cpu_time_ns > 0);
    }
    virt_stats_t stats = client_counts_of(h);
    CHECK(stats.connects == 1 && stats.lookups == 1 && stats.calls == 10);
    CHECK_IS(virt_close(h), 0);
    return 0;
}

static void a_kept_connection_tells_of_a_domain(void)
{
    with_libvirt(tell_of_the_test_domain);
}

static int suspend_and_resume(void)
{
    virt_t *h = open_client(NULL);
    CHECK_IS(virt_connect(h, "here", "test:///default"), 0);
    for (int again = 0; again < 3; again++) {
        CHECK_IS(virt_suspend(h, "here", "test"), 0);
        CHECK_IS(info_of(h, "here", "test").state, PAUSED);
        CHECK_IS(virt_resume(h, "here", "test"), 0);
        CHECK_IS(info_of(h, "here", "test").state, RUNNING);
    }
    int32_t result = virt_resume(h, "here", "test");
    CHECK(result == -EBUSY || result == -EIO);
    CHECK_IS(info_of(h, "here", "test").state, RUNNING);
    CHECK_IS(virt_close(h), 0);
    return 0;
}

static void a_domain_is_suspended_and_goes_on(void)
{
    with_libvirt(suspend_and_resume);
}

/* --- hosts of the test driver, each with domains of its own --- */

/* Writes what a host has: `count` domains of this much memory, called by `format` and a number. */
static void write_host(char *path, const char *format, int count, int memory_kib)
{
    strcpy(path, "/tmp/virt.XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    dprintf(fd, "<node>");
    for (int i = 0; i < count; i++) {
        dprintf(fd, "<domain type='test'><name>");
        dprintf(fd, format, i);
        dprintf(fd, "</name><memory>%d</memory><os><type>hvm</type></os></domain>", memory_kib);
    }
    dprintf(fd, "</node>");
    close(fd);
}

static int32_t connect_to_file(virt_t *h, const char *host, const char *path)
{
    char uri[64];
    snprintf(uri, sizeof uri, "test://%s", path);
    return virt_connect(h, host, uri);
}

static int tell_two_hosts_apart(void)
{
    char first[32], second[32];
    write_host(first, "twin", 1, 100000);
    write_host(second, "twin", 1, 200000);
    virt_t *h = open_client(NULL);
    CHECK_IS(connect_to_file(h, "first", first), 0);
    CHECK_IS(connect_to_file(h, "second", second), 0);
    for (int again = 0; again < 5; again++) {
        CHECK_IS(info_of(h, "first", "twin").max_memory_kib, 100000);
        CHECK_IS(info_of(h, "second", "twin").max_memory_kib, 200000);
    }
    CHECK_IS(virt_suspend(h, "first", "twin"), 0);
    CHECK_IS(info_of(h, "first", "twin").state, PAUSED);
    CHECK_IS(info_of(h, "second", "twin").state, RUNNING);
    virt_stats_t stats = client_counts_of(h);
    CHECK(stats.connects == 2 && stats.lookups == 2);
    /* The name may be another host's from now on; what fails changes nothing. */
    CHECK_IS(connect_to_file(h, "first", second), 0);
    CHECK_IS(info_of(h, "first", "twin").max_memory_kib, 200000);
    CHECK(virt_connect(h, "first", "nonsense:///default") < 0);
    CHECK_IS(info_of(h, "first", "twin").max_memory_kib, 200000);
    CHECK_IS(virt_close(h), 0);
    CHECK(unlink(first) == 0 && unlink(second) == 0);
    return 0;
}

static void two_hosts_with_one_domains_name_are_told_apart(void)
{
    with_libvirt(tell_two_hosts_apart);
}

static int list_many(void)
{
    enum { COUNT = 200, NAME = 4 };
    char path[32];
    write_host(path, "d%03d", COUNT, 1000);
    virt_t *h = open_client(NULL);
    CHECK_IS(connect_to_file(h, "here", path), 0);
    ph_need_t need = {0};
    ph_span_t names[COUNT];
    uint8_t out[COUNT * NAME + 1];
    memset(out, 0x55, sizeof out);
    CHECK_IS(virt_list(h, "here", NULL, 0, NULL, 0, &need), -EMSGSIZE);
    CHECK(need.items == COUNT && need.bytes == COUNT * NAME);
    CHECK_IS(virt_list(h, "here", names, COUNT - 1, out, sizeof out, &need), -EMSGSIZE);
    CHECK_IS(virt_list(h, "here", names, COUNT, out, COUNT * NAME - 1, NULL), -EMSGSIZE);
    for (size_t i = 0; i < sizeof out; i++) CHECK_IS(out[i], 0x55);
    CHECK_IS(virt_list(h, "here", names, COUNT, out, COUNT * NAME, &need), COUNT);
    CHECK(need.items == COUNT && need.bytes == COUNT * NAME);
    CHECK_IS(out[COUNT * NAME], 0x55);
    for (int i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%03d", i);
        CHECK_IS(names[i].len, NAME);
        CHECK(memcmp(out + names[i].offset, name, NAME) == 0);
        CHECK_IS(info_of(h, "here", name).max_memory_kib, 1000);
    }
    CHECK_IS(virt_list(h, "nowhere", names, COUNT, out, sizeof out, &need), -ENOTCONN);
    CHECK_IS(virt_close(h), 0);
    CHECK_IS(unlink(path), 0);
    return 0;
}

static void all_domains_are_listed_in_order(void)
{
    with_libvirt(list_many);
}

/* --- hosts and domains that are not there --- */

static int ask_for_what_is_not_there(void)
{
    virt_t *h = open_client(NULL);
    CHECK_IS(virt_connect(h, "here", "test:///default"), 0);
    for (int again = 0; again < 3; again++) {
        CHECK_IS(ask(h, "here", "none"), -ENOENT);
        CHECK_IS(ask(h, "here", ""), -ENOENT);
        CHECK_IS(virt_suspend(h, "here", "none"), -ENOENT);
        CHECK_IS(virt_resume(h, "here", "none"), -ENOENT);
        CHECK_IS(ask(h, "nowhere", "test"), -ENOTCONN);
        CHECK_IS(ask(h, "", "test"), -ENOTCONN);
    }
    CHECK_IS(virt_connect(h, "nowhere", "test"), -EPROTONOSUPPORT);
    CHECK_IS(virt_connect(h, "nowhere", "test:"), -EINVAL);
    CHECK_IS(virt_connect(h, "nowhere", "test+nonsense://host/default"),
             -EPROTONOSUPPORT);
    CHECK(virt_connect(h, "nowhere", "%%%") < 0);
    /* What the library does not know itself is its daemon's to know, where there is one. */
    CHECK(virt_connect(h, "nowhere", "nonsense:///default") < 0);
    CHECK_IS(ask(h, "nowhere", "test"), -ENOTCONN);
    CHECK_IS(ask(h, "here", "test"), 0);
    CHECK_IS(client_counts_of(h).connects, 1);
    /* Any text is a name. */
    CHECK_IS(virt_connect(h, "", "test:///default"), 0);
    CHECK_IS(ask(h, "", "test"), 0);
    CHECK_IS(virt_close(h), 0);
    return 0;
}

static void what_is_not_there_is_told_of(void)
{
    with_libvirt(ask_for_what_is_not_there);
}

/* libvirt would tell each error on stderr, which is the program's. */
static int look_at_stderr(void)
{
    FILE *file = tmpfile();
    CHECK(file != NULL);
    CHECK_IS(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
    virt_t *h = open_client(NULL);
    CHECK_IS(virt_connect(h, "here", "test:///default"), 0);
    CHECK_IS(ask(h, "here", "none"), -ENOENT);
    CHECK(virt_resume(h, "here", "test") < 0);
    CHECK(virt_connect(h, "nowhere", "test:") < 0);
    CHECK_IS(virt_close(h), 0);
    CHECK_IS(lseek(STDERR_FILENO, 0, SEEK_END), 0);
    fclose(file);
    return 0;
}

static void nothing_is_said_on_stderr(void)
{
    with_libvirt(look_at_stderr);
}

static void name_port(char *uri, size_t room, uint16_t port)
{
    snprintf(uri, room, "test+tcp://127.0.0.1:%u/default", (unsigned)port);
}

/* A listener that accepts nobody: the connection is there, and nothing ever comes by it. */
static int connect_to_those_who_do_not_answer(void)
{
    enum { TIMEOUT_MS = 300 };
    char uri[64];
    ph_addr_t at;
    int listener = listen_plainly(8, &at);
    name_port(uri, sizeof uri, at.port);
    virt_t *h = open_client(VIRT(.timeout_ms = TIMEOUT_MS));
    for (int again = 0; again < 3; again++) {
        int64_t begun = now_ns();
        CHECK_IS(virt_connect(h, "silent", uri), -ETIMEDOUT);
        int64_t elapsed = now_ns() - begun;
        CHECK(elapsed >= TIMEOUT_MS * MILLISECOND && elapsed < 2 * SECOND);
        CHECK_IS(ask(h, "silent", "test"), -ENOTCONN);
    }
    close(listener);
    CHECK_IS(virt_connect(h, "gone", uri), -ECONNREFUSED);
    CHECK_IS(virt_connect(h, "here", "test:///default"), 0);
    CHECK_IS(ask(h, "here", "test"), 0);
    int64_t begun = now_ns();
    CHECK_IS(virt_close(h), 0);
    CHECK(now_ns() - begun < 2 * SECOND);
    return 0;
}

__attribute__((unused)) static void a_host_that_does_not_answer_is_not_waited_for(void)
{
    with_libvirt(connect_to_those_who_do_not_answer);
}

/* --- threads --- */

enum { THREADS = 8, CALLS = 300 };

struct user {
    virt_t *h;
    const char *uri;
    int64_t last, ended;
};

static void *ask_often(void *argument)
{
    const struct user *user = argument;
    for (int i = 0; i < CALLS; i++) CHECK(info_of(user->h, "here", "test").vcpus >= 1);
    return NULL;
}

static int ask_in_threads(void)
{
    struct user user = {.h = open_client(NULL)};
    pthread_t threads[THREADS];
    CHECK_IS(virt_connect(user.h, "here", "test:///default"), 0);
    for (int i = 0; i < THREADS; i++) threads[i] = start(ask_often, &user);
    for (int i = 0; i < THREADS; i++) join(threads[i]);
    virt_stats_t stats = client_counts_of(user.h);
    CHECK(stats.connects == 1 && stats.calls == THREADS * CALLS);
    CHECK(stats.lookups >= 1 && stats.lookups <= THREADS);
    CHECK_IS(virt_close(user.h), 0);
    return 0;
}

static void threads_share_a_connection(void)
{
    with_libvirt(ask_in_threads);
}

static atomic_int asking;

static void *ask_until_closed(void *argument)
{
    struct user *user = argument;
    atomic_fetch_add(&asking, 1);
    do user->last = user->uri ? virt_connect(user->h, "here", user->uri)
                              : ask(user->h, "here", "test");
    while (user->last == 0);
    user->ended = now_ns();
    return NULL;
}

/* Half of them ask, the others connect to a host that does not answer. */
static int close_in_the_middle(void)
{
    char uri[64];
    ph_addr_t at;
    int listener = listen_plainly(64, &at);
    name_port(uri, sizeof uri, at.port);
    for (int round = 0; round < 3; round++) {
        struct user users[THREADS];
        pthread_t threads[THREADS];
        virt_t *h = open_client(NULL);
        CHECK_IS(virt_connect(h, "here", "test:///default"), 0);
        atomic_store(&asking, 0);
        for (int i = 0; i < THREADS; i++) {
            users[i] = (struct user){.h = h, .uri = i % 2 ? uri : NULL};
            threads[i] = start(ask_until_closed, &users[i]);
        }
        CHECK_EVENTUALLY(atomic_load(&asking) == THREADS && client_counts_of(h).calls > 100);
        int64_t begun = now_ns();
        CHECK_IS(virt_close(h), 0);
        for (int i = 0; i < THREADS; i++) {
            join(threads[i]);
            CHECK(users[i].last == -ESHUTDOWN || users[i].last == -EBADF);
            CHECK(users[i].ended - begun < 2 * SECOND);
        }
    }
    close(listener);
    return 0;
}

__attribute__((unused)) static void a_close_ends_calls_of_a_client(void)
{
    with_libvirt(close_in_the_middle);
}

/* --- arguments --- */

static void every_virt_call_says(virt_t *h, const char *host, const char *domain, int32_t expected)
{
    virt_info_t info = {.size = sizeof info};
    ph_need_t need;
    CHECK_IS(virt_get_info(h, host, domain, &info), expected);
    CHECK_IS(virt_suspend(h, host, domain), expected);
    CHECK_IS(virt_resume(h, host, domain), expected);
    if (!domain && host) return;
    CHECK_IS(virt_list(h, host, NULL, 0, NULL, 0, &need), expected);
}

static void every_virt_call_refuses(virt_t *h)
{
    virt_stats_t stats = {.size = sizeof stats};
    every_virt_call_says(h, "here", "test", -EBADF);
    CHECK_IS(virt_connect(h, "here", "test:///default"), -EBADF);
    CHECK_IS(virt_stats(h, &stats), -EBADF);
    CHECK_IS(virt_close(h), -EBADF);
}

/* Nothing of this loads libvirt. */
static void a_client_that_was_never_connected_knows_no_host(void)
{
    virt_t *h = open_client(NULL);
    every_virt_call_says(h, "here", "test", -ENOTCONN);
    every_virt_call_says(h, NULL, "test", -EINVAL);
    every_virt_call_says(h, "here", NULL, -EINVAL);
    CHECK_IS(virt_connect(h, NULL, NULL), -EINVAL);
    CHECK_IS(virt_connect(h, NULL, "test:///default"), -EINVAL);
    virt_stats_t stats = client_counts_of(h);
    CHECK(stats.connects == 0 && stats.lookups == 0 && stats.calls == 0);
    CHECK_IS(virt_close(h), 0);
}

static int be_refused(void *h)
{
    every_virt_call_refuses(h);
    virt_t *own = open_client(NULL);
    every_virt_call_says(own, "here", "test", -ENOTCONN);
    CHECK_IS(virt_close(own), 0);
    every_virt_call_refuses(h);
    return 0;
}

static void a_client_that_is_none_is_refused_by_every_call(void)
{
    virt_t *h = open_client(NULL);
    peer_t *peer = open_peer(PEER(ON_V4));
    virt_t *const none[] = {NULL, (virt_t *)1, (virt_t *)(uintptr_t)-1, (virt_t *)&h,
                            (virt_t *)peer, (virt_t *)((uintptr_t)h + 1)};
    for (size_t i = 0; i < LENGTH(none); i++) every_virt_call_refuses(none[i]);
    every_peer_call_refuses((peer_t *)h);
    in_a_child(be_refused, h);
    CHECK_IS(virt_close(h), 0);
    every_virt_call_refuses(h);
    CHECK_IS(peer_close(peer), 0);
}

static void making_gives(const virt_config_t *config, int32_t expected)
{
    virt_t *const untouched = (virt_t *)(uintptr_t)42;
    virt_t *h = untouched;
    CHECK_IS(virt_new(config, &h), expected);
    CHECK((h == untouched) == (expected != 0));
    if (expected == 0) CHECK_IS(virt_close(h), 0);
}

static void a_clients_configuration_is_as_long_as_its_size_says(void)
{
    struct {
        virt_config_t known;
        uint64_t unknown[4];
    } longer = {.known = {.size = sizeof longer}, .unknown = {[3] = 1}};
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++)
        making_gives(&(virt_config_t){.size = BAD_SIZES[i]}, -EINVAL);
    making_gives(VIRT(.flags = 1), -EINVAL);
    making_gives(MISALIGNED(virt_config_t), -EINVAL);
    making_gives(&longer.known, -EINVAL);
    longer.unknown[3] = 0;
    making_gives(&longer.known, 0);
    making_gives(&(virt_config_t){.size = offsetof(virt_config_t, flags), .flags = 7}, 0);
    making_gives(NULL, 0);
    CHECK_IS(virt_new(NULL, NULL), -EINVAL);
    CHECK_IS(virt_new(NULL, MISALIGNED(virt_t *)), -EINVAL);
}

static void a_clients_counts_fill_exactly_the_size_asked_for(void)
{
    virt_t *h = open_client(NULL);
    union {
        virt_stats_t stats;
        uint8_t bytes[2 * sizeof(virt_stats_t)];
    } out;
    CHECK_IS(virt_stats(h, NULL), -EINVAL);
    CHECK_IS(virt_stats(h, MISALIGNED(virt_stats_t)), -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++) {
        out.stats = (virt_stats_t){.size = BAD_SIZES[i], .calls = 7};
        CHECK_IS(virt_stats(h, &out.stats), -EINVAL);
        CHECK_IS(out.stats.calls, 7);
    }
    for (size_t size = sizeof(size_t); size <= sizeof out; size += 4) {
        memset(&out, 0x55, sizeof out);
        out.stats.size = size;
        CHECK_IS(virt_stats(h, &out.stats), 0);
        for (size_t i = size; i < sizeof out; i++) CHECK_IS(out.bytes[i], 0x55);
        for (size_t i = sizeof out.stats; i < size; i++) CHECK_IS(out.bytes[i], 0);
    }
    CHECK_IS(virt_close(h), 0);
}

static int refuse_room_that_cannot_be(void)
{
    virt_t *h = open_client(NULL);
    CHECK_IS(virt_connect(h, "here", "test:///default"), 0);
    ph_span_t name, *askew = MISALIGNED(ph_span_t);
    ph_need_t need;
    uint8_t out[8];
    CHECK_IS(virt_list(h, "here", NULL, 1, out, 8, &need), -EINVAL);
    CHECK_IS(virt_list(h, "here", askew, 1, out, 8, &need), -EINVAL);
    CHECK_IS(virt_list(h, "here", &name, SIZE_MAX, out, 8, &need), -EINVAL);
    CHECK_IS(virt_list(h, "here", &name, 1, NULL, 8, &need), -EINVAL);
    CHECK_IS(virt_list(h, "here", &name, 1, out, SIZE_MAX, &need), -EINVAL);
    CHECK_IS(virt_list(h, "here", &name, 1, out, 8, MISALIGNED(ph_need_t)), -EINVAL);
    CHECK_IS(virt_list(h, "here", &name, 1, out, 8, NULL), 1);
    CHECK(name.len == 4 && memcmp(out + name.offset, "test", 4) == 0);
    CHECK_IS(virt_get_info(h, "here", "test", NULL), -EINVAL);
    CHECK_IS(virt_get_info(h, "here", "test", MISALIGNED(virt_info_t)), -EINVAL);
    union {
        virt_info_t info;
        uint8_t bytes[2 * sizeof(virt_info_t)];
    } room;
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++) {
        room.info = (virt_info_t){.size = BAD_SIZES[i], .vcpus = 7};
        CHECK_IS(virt_get_info(h, "here", "test", &room.info), -EINVAL);
        CHECK_IS(room.info.vcpus, 7);
    }
    for (size_t size = sizeof(size_t); size <= sizeof room; size += 4) {
        memset(&room, 0x55, sizeof room);
        room.info.size = size;
        CHECK_IS(virt_get_info(h, "here", "test", &room.info), 0);
        for (size_t i = size; i < sizeof room; i++) CHECK_IS(room.bytes[i], 0x55);
        for (size_t i = sizeof room.info; i < size; i++) CHECK_IS(room.bytes[i], 0);
    }
    CHECK_IS(virt_close(h), 0);
    return 0;
}

static void answers_that_have_no_place_are_refused(void)
{
    with_libvirt(refuse_room_that_cannot_be);
}

const struct test virt_tests[] = {
    TEST(a_kept_connection_tells_of_a_domain),
    TEST(a_domain_is_suspended_and_goes_on),
    TEST(two_hosts_with_one_domains_name_are_told_apart),
    TEST(all_domains_are_listed_in_order),
    TEST(what_is_not_there_is_told_of),
    TEST(nothing_is_said_on_stderr),
#ifndef __SANITIZE_ADDRESS__
    /* The sanitizer's xdrmem_create does not find the one that came with libvirt, and calls it. */
    TEST(a_host_that_does_not_answer_is_not_waited_for),
    TEST(a_close_ends_calls_of_a_client),
#endif
    TEST(threads_share_a_connection),
    TEST(a_client_that_was_never_connected_knows_no_host),
    TEST(a_client_that_is_none_is_refused_by_every_call),
    TEST(a_clients_configuration_is_as_long_as_its_size_says),
    TEST(a_clients_counts_fill_exactly_the_size_asked_for),
    TEST(answers_that_have_no_place_are_refused),
    END_OF_TESTS,
};

/* ph_*: versions, texts, logging, addresses. */
#include "check.h"
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- versions and texts --- */

static void the_version_has_three_numbers(void)
{
    unsigned major, minor, patch;
    char rest;
    CHECK_IS(sscanf(ph_version(), "%u.%u.%u%c", &major, &minor, &patch, &rest), 3);
}

static void the_library_is_of_the_headers_abi(void)
{
    CHECK_IS(ph_abi_version(), PH_ABI_VERSION);
}

static void every_errno_is_named_as_the_system_names_it(void)
{
    enum { LAST = 133 };
    for (int32_t code = 1; code <= LAST; code++)
        CHECK(strstr(ph_strerror(-code), strerror(code)) != NULL);
}

static void codes_that_are_no_errno_have_texts_of_their_own(void)
{
    const int32_t unknown[] = {-134, -4095, -4100, -1000000, INT32_MIN};
    CHECK(strcmp(ph_strerror(0), "success") == 0);
    CHECK(strcmp(ph_strerror(1), "success") == 0);
    CHECK(strcmp(ph_strerror(INT32_MAX), "success") == 0);
    CHECK(strstr(ph_strerror(PH_EPANIC), "panic") != NULL);
    CHECK(strstr(ph_strerror(PH_ENOLIBVIRT), "libvirt0") != NULL);
    for (size_t i = 0; i < LENGTH(unknown); i++)
        CHECK(strcmp(ph_strerror(unknown[i]), "unknown error") == 0);
}

static void *read_all_texts(void *first)
{
    for (int32_t code = 1; code > -200; code--) CHECK(*ph_strerror(code) != 0);
    *(const char **)first = ph_strerror(-EAGAIN);
    return NULL;
}

static void a_text_is_static_whichever_threads_ask_for_it_first(void)
{
    pthread_t threads[8];
    const char *texts[8];
    for (int i = 0; i < 8; i++) threads[i] = start(read_all_texts, &texts[i]);
    for (int i = 0; i < 8; i++) join(threads[i]);
    for (int i = 0; i < 8; i++) CHECK(texts[i] == texts[0]);
}

/* --- logging --- */

struct heard {
    atomic_int messages, loudest;
    atomic_int set_again;
    atomic_bool is_inside, may_leave;
};

static void hear(void *user, int32_t level, const char *message)
{
    struct heard *heard = user;
    CHECK(level > PH_LOG_NONE && level <= PH_LOG_WIRE);
    CHECK(*message != 0);
    if (level > atomic_load(&heard->loudest)) atomic_store(&heard->loudest, level);
    atomic_fetch_add(&heard->messages, 1);
}

/* A handler's start and end are messages of level DEBUG. */
static void open_and_close(int32_t debug_level)
{
    const udph_config_t *config = CONFIG(.debug_level = debug_level);
    close_handler(open_handler(open_socket(AF_INET), config), 0);
}

static void stop_logging(void)
{
    CHECK_IS(ph_log_set(NULL, NULL, PH_LOG_NONE), 0);
}

static void the_callback_gets_what_the_level_asks_for_and_its_pointer(void)
{
    struct heard heard = {0};
    for (int32_t level = PH_LOG_NONE; level <= PH_LOG_WIRE; level++) {
        atomic_store(&heard.messages, 0);
        CHECK_IS(ph_log_set(hear, &heard, level), 0);
        open_and_close(PH_LOG_NONE);
        CHECK_IS(atomic_load(&heard.messages) > 0, level >= PH_LOG_DEBUG);
        CHECK(atomic_load(&heard.loudest) <= level);
    }
    stop_logging();
}

static void a_handlers_own_level_may_be_higher(void)
{
    struct heard heard = {0};
    CHECK_IS(ph_log_set(hear, &heard, PH_LOG_NONE), 0);
    open_and_close(PH_LOG_INFO);
    CHECK_IS(atomic_load(&heard.messages), 0);
    open_and_close(PH_LOG_DEBUG);
    CHECK(atomic_load(&heard.messages) > 0);
    stop_logging();
}

static void a_callback_that_was_replaced_is_not_called_again(void)
{
    struct heard first = {0}, second = {0};
    CHECK_IS(ph_log_set(hear, &first, PH_LOG_DEBUG), 0);
    CHECK_IS(ph_log_set(hear, &second, PH_LOG_DEBUG), 0);
    open_and_close(PH_LOG_NONE);
    CHECK_IS(atomic_load(&first.messages), 0);
    int before = atomic_load(&second.messages);
    CHECK(before > 0);
    stop_logging();
    open_and_close(PH_LOG_NONE);
    CHECK_IS(atomic_load(&second.messages), before);
}

static void an_unknown_level_changes_nothing(void)
{
    struct heard heard = {0};
    CHECK_IS(ph_log_set(hear, &heard, PH_LOG_DEBUG), 0);
    CHECK_IS(ph_log_set(NULL, NULL, -1), -EINVAL);
    CHECK_IS(ph_log_set(NULL, NULL, PH_LOG_WIRE + 1), -EINVAL);
    CHECK_IS(ph_log_set(NULL, NULL, INT32_MIN), -EINVAL);
    CHECK_IS(ph_log_set(NULL, NULL, INT32_MAX), -EINVAL);
    open_and_close(PH_LOG_NONE);
    CHECK(atomic_load(&heard.messages) > 0);
    stop_logging();
}

static void set_from_inside(void *user, int32_t level, const char *message)
{
    struct heard *heard = user;
    hear(user, level, message);
    atomic_store(&heard->set_again, ph_log_set(NULL, NULL, PH_LOG_NONE));
}

static void the_callback_itself_cannot_replace_the_callback(void)
{
    struct heard heard = {0};
    CHECK_IS(ph_log_set(set_from_inside, &heard, PH_LOG_DEBUG), 0);
    open_and_close(PH_LOG_NONE);
    CHECK_IS(atomic_load(&heard.set_again), -EDEADLK);
    CHECK(atomic_load(&heard.messages) >= 2);
    stop_logging();
}

static void call_everything(void *user, int32_t level, const char *message)
{
    hear(user, level, message);
    ph_version();
    ph_strerror(-EIO);
    open_and_close(PH_LOG_WIRE);
}

static void what_the_callback_causes_is_not_logged(void)
{
    struct heard heard = {0};
    CHECK_IS(ph_log_set(call_everything, &heard, PH_LOG_DEBUG), 0);
    open_and_close(PH_LOG_NONE);
    stop_logging();
    CHECK(atomic_load(&heard.messages) < 10);
}

static void stay(void *user, int32_t level, const char *message)
{
    struct heard *heard = user;
    hear(user, level, message);
    atomic_store(&heard->is_inside, true);
    CHECK_EVENTUALLY(atomic_load(&heard->may_leave));
    atomic_store(&heard->is_inside, false);
}

static void *open_and_close_aside(void *argument)
{
    (void)argument;
    open_and_close(PH_LOG_NONE);
    return NULL;
}

static void *remove_and_look(void *user)
{
    struct heard *heard = user;
    stop_logging();
    CHECK(atomic_load(&heard->may_leave));
    CHECK(!atomic_load(&heard->is_inside));
    return NULL;
}

static void removing_a_callback_waits_until_it_has_left(void)
{
    struct heard heard = {0};
    CHECK_IS(ph_log_set(stay, &heard, PH_LOG_DEBUG), 0);
    pthread_t speaker = start(open_and_close_aside, NULL);
    CHECK_EVENTUALLY(atomic_load(&heard.is_inside));
    pthread_t remover = start(remove_and_look, &heard);
    CHECK_EVENTUALLY(all_others_sleep());
    atomic_store(&heard.may_leave, true);
    join(remover);
    join(speaker);
}

/* What a handler's life writes to standard error. */
static size_t written_to_stderr(int32_t level, char *text, size_t capacity)
{
    int ends[2], kept = dup(STDERR_FILENO);
    CHECK_IS(pipe(ends), 0);
    CHECK(dup2(ends[1], STDERR_FILENO) >= 0);
    CHECK_IS(ph_log_set(NULL, NULL, level), 0);
    open_and_close(PH_LOG_NONE);
    stop_logging();
    CHECK(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    close(ends[1]);
    ssize_t length = read(ends[0], text, capacity - 1);
    close(ends[0]);
    CHECK(length >= 0);
    text[length] = 0;
    return (size_t)length;
}

static void without_a_callback_messages_go_to_standard_error(void)
{
    char text[4096];
    CHECK_IS(written_to_stderr(PH_LOG_NONE, text, sizeof text), 0);
    CHECK(written_to_stderr(PH_LOG_DEBUG, text, sizeof text) > 0);
    CHECK(strncmp(text, "pyhelpers: ", 11) == 0);
    CHECK(text[strlen(text) - 1] == '\n');
}

/* --- addresses --- */

static int32_t parse(const char *text, ph_addr_t *out)
{
    return ph_addr_parse(text, strlen(text), 53, out);
}

static void an_address_survives_the_round_trip(void)
{
    const char *const texts[] = {
        "0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::a:b",
        "::ffff:10.1.2.3", "fe80::1%1", "fe80::1%4294967295",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295",
    };
    for (size_t i = 0; i < LENGTH(texts); i++) {
        ph_addr_t addr;
        char text[PH_ADDR_TEXT_MAX];
        CHECK_IS(parse(texts[i], &addr), 0);
        CHECK_IS(addr.port, 53);
        CHECK_IS(addr.reserved, 0);
        CHECK_IS(addr.family, strchr(texts[i], ':') ? 6 : 4);
        CHECK_IS(ph_addr_format(&addr, text, sizeof text), strlen(texts[i]));
        CHECK(strcmp(text, texts[i]) == 0);
    }
}

static void an_address_is_read_as_the_system_reads_it(void)
{
    for (int i = 0; i < 20000; i++) {
        bool is_v4 = i % 2;
        ph_addr_t addr = {.family = is_v4 ? 4 : 6}, again;
        uint8_t native[16] = {0};
        char text[PH_ADDR_TEXT_MAX];
        /* Zeros often, as their runs are what IPv6 shortens. */
        for (int at = 0; at < (is_v4 ? 4 : 16); at++)
            addr.ip[at] = rand() % 3 ? 0 : (uint8_t)rand();
        CHECK(ph_addr_format(&addr, text, sizeof text) > 0);
        CHECK_IS(inet_pton(is_v4 ? AF_INET : AF_INET6, text, native), 1);
        CHECK_IS(memcmp(native, addr.ip, sizeof native), 0);
        CHECK_IS(ph_addr_parse(text, strlen(text), 0, &again), 0);
        CHECK(is_same_address(&addr, &again));
    }
}

static void an_interface_is_known_by_name_and_by_number(void)
{
    ph_addr_t addr;
    CHECK_IS(parse("fe80::1%lo", &addr), 0);
    CHECK_IS(addr.scope_id, if_nametoindex("lo"));
    CHECK_IS(parse("fe80::1%nosuchinterface", &addr), -ENODEV);
}

static void any_other_text_is_refused_and_nothing_written(void)
{
    const char *const texts[] = {
        "", " ", "localhost", "example.org", "1.2.3", "1.2.3.4.5", "256.1.1.1", "-1.2.3.4",
        "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4:53", "1.2.3.4%lo", "1.2.3.4%1", "0x7f.1",
        "127.1", "2130706433", ":", ":::", "::1%", "[::1]", "::1 ", "1::2::3", "12345::", "g::",
        "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "::1.2.3", "\xff\xfe", "fe80::1%+1",
    };
    const ph_addr_t before = {.ip = {7}, .scope_id = 7, .port = 7, .family = 7, .reserved = 7};
    for (size_t i = 0; i < LENGTH(texts); i++) {
        ph_addr_t addr = before;
        int32_t result = parse(texts[i], &addr);
        if (result != -EINVAL && result != -ENODEV)
            check_failed(__FILE__, __LINE__, "\"%s\" gives %d", texts[i], result);
        CHECK_IS(memcmp(&addr, &before, sizeof addr), 0);
    }
}

static void the_length_alone_says_where_a_text_ends(void)
{
    ph_addr_t addr;
    CHECK_IS(ph_addr_parse("127.0.0.1234", 9, 1, &addr), 0);
    CHECK_IS(addr.ip[3], 1);
    CHECK_IS(ph_addr_parse("127.0.0.1\0", 10, 1, &addr), -EINVAL);
    CHECK_IS(ph_addr_parse("fe80::1%l\0o", 11, 1, &addr), -EINVAL);
    size_t length = 1 << 20;
    char *text = malloc(length);
    memset(text, '1', length);
    CHECK_IS(ph_addr_parse(text, length, 1, &addr), -EINVAL);
    memcpy(text, "fe80::1%", 8);
    CHECK(ph_addr_parse(text, length, 1, &addr) < 0);
    free(text);
}

static void a_port_has_16_bits(void)
{
    ph_addr_t addr;
    const uint32_t good[] = {0, 1, 65535}, bad[] = {65536, 65537, 1 << 20, UINT32_MAX};
    for (size_t i = 0; i < LENGTH(good); i++) {
        CHECK_IS(ph_addr_parse("::1", 3, good[i], &addr), 0);
        CHECK_IS(addr.port, good[i]);
    }
    for (size_t i = 0; i < LENGTH(bad); i++)
        CHECK_IS(ph_addr_parse("::1", 3, bad[i], &addr), -EINVAL);
}

static void a_buffer_too_small_for_an_address_stays_as_it_was(void)
{
    const char text[] = "2001:db8::1234%42";
    ph_addr_t addr;
    CHECK_IS(parse(text, &addr), 0);
    for (size_t capacity = 0; capacity < sizeof text; capacity++) {
        char out[PH_ADDR_TEXT_MAX] = {0};
        CHECK_IS(ph_addr_format(&addr, out, capacity), -ENOSPC);
        for (size_t i = 0; i < sizeof out; i++) CHECK_IS(out[i], 0);
    }
    char out[sizeof text + 1] = {0};
    out[sizeof text] = '!';
    CHECK_IS(ph_addr_format(&addr, out, sizeof text), strlen(text));
    CHECK_IS(out[sizeof text], '!');
}

static void wrong_pointers_and_families_are_refused(void)
{
    ph_addr_t addrs[2] = {{.family = 4}, {.family = 4}};
    ph_addr_t *misaligned = (ph_addr_t *)((char *)addrs + 1);
    char out[PH_ADDR_TEXT_MAX];
    CHECK_IS(ph_addr_parse(NULL, 9, 1, addrs), -EINVAL);
    CHECK_IS(ph_addr_parse(NULL, 0, 1, addrs), -EINVAL);
    CHECK_IS(ph_addr_parse("::1", SIZE_MAX, 1, addrs), -EINVAL);
    CHECK_IS(ph_addr_parse("::1", 3, 1, NULL), -EINVAL);
    CHECK_IS(ph_addr_parse("::1", 3, 1, misaligned), -EINVAL);
    CHECK_IS(ph_addr_format(NULL, out, sizeof out), -EINVAL);
    CHECK_IS(ph_addr_format(misaligned, out, sizeof out), -EINVAL);
    CHECK_IS(ph_addr_format(addrs, NULL, sizeof out), -EINVAL);
    CHECK_IS(ph_addr_format(addrs, NULL, 0), -EINVAL);
    CHECK_IS(ph_addr_format(addrs, out, SIZE_MAX), -EINVAL);
    for (int family = 0; family < 256; family++) {
        addrs->family = (uint8_t)family;
        CHECK_IS(ph_addr_format(addrs, out, sizeof out) > 0, family == 4 || family == 6);
    }
}

const struct test ph_tests[] = {
    TEST(the_version_has_three_numbers),
    TEST(the_library_is_of_the_headers_abi),
    TEST(every_errno_is_named_as_the_system_names_it),
    TEST(codes_that_are_no_errno_have_texts_of_their_own),
    TEST(a_text_is_static_whichever_threads_ask_for_it_first),
    TEST(the_callback_gets_what_the_level_asks_for_and_its_pointer),
    TEST(a_handlers_own_level_may_be_higher),
    TEST(a_callback_that_was_replaced_is_not_called_again),
    TEST(an_unknown_level_changes_nothing),
    TEST(the_callback_itself_cannot_replace_the_callback),
    TEST(what_the_callback_causes_is_not_logged),
    TEST(removing_a_callback_waits_until_it_has_left),
    TEST(without_a_callback_messages_go_to_standard_error),
    TEST(an_address_survives_the_round_trip),
    TEST(an_address_is_read_as_the_system_reads_it),
    TEST(an_interface_is_known_by_name_and_by_number),
    TEST(any_other_text_is_refused_and_nothing_written),
    TEST(the_length_alone_says_where_a_text_ends),
    TEST(a_port_has_16_bits),
    TEST(a_buffer_too_small_for_an_address_stays_as_it_was),
    TEST(wrong_pointers_and_families_are_refused),
    END_OF_TESTS,
};

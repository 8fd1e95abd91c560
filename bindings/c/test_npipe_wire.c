/* What a named pipe's receiver makes of bytes that no sender sends: junk, headers that cannot be,
 * parts without the rest. */
#include "check.h"
#include "pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A receiver, and a writer that knows nothing of messages. */
struct victim {
    struct place place;
    npipe_t *h;
    int fd;
};

static struct victim open_victim(const npipe_config_t *config)
{
    struct victim victim = {.place = open_place()};
    victim.h = open_reader(victim.place.path, config);
    victim.fd = open_to_write(victim.place.path);
    return victim;
}

static void close_victim(struct victim *victim)
{
    close(victim->fd);
    CHECK_IS(npipe_close(victim->h), 0);
    close_place(&victim->place);
}

static int64_t receive_something(struct victim *victim, int32_t timeout_ms)
{
    static uint8_t out[1 << 16];
    return receive_one(victim->h, out, sizeof out, timeout_ms);
}

/* A message sent now must come, whatever errors come before; gives how many. */
static int recovers(struct victim *victim)
{
    npipe_t *sender = open_npipe(victim->place.path, NULL);
    say(sender, "recovered");
    CHECK_IS(npipe_close(sender), 0);
    for (int errors = 0;; errors++) {
        char out[64];
        int64_t n = receive_one(victim->h, out, sizeof out, PIPE_PATIENCE_MS);
        if (n == 9 && memcmp(out, "recovered", 9) == 0) {
            no_word_comes(victim->h);
            return errors;
        }
        CHECK(n == -EBADMSG || n == -ECONNABORTED || n >= 0 || n == -EMSGSIZE);
        if (n == -EMSGSIZE) CHECK(receive_something(victim, 0) > 64);
    }
}

/* --- bytes that are no messages --- */

static void junk_is_told_of_and_thrown_away(void)
{
    static const char *const JUNK[] = {"x", "hi\n", "no header, but as long as one or even longer"};
    uint8_t much[PACKET];
    struct victim victim = open_victim(NULL);
    uint64_t rejected = 0;
    for (size_t i = 0; i < LENGTH(JUNK); i++) {
        CHECK_IS(write(victim.fd, JUNK[i], strlen(JUNK[i])), strlen(JUNK[i]));
        CHECK(is_readable(npipe_fd(victim.h)));
        CHECK_IS(receive_something(&victim, PIPE_PATIENCE_MS), -EBADMSG);
        CHECK_IS(pipe_counts_of(victim.h).rejected, ++rejected);
        CHECK_IS(recovers(&victim), 0);
    }
    for (int value = 0; value < 256; value += 51) {
        memset(much, value, sizeof much);
        CHECK_IS(write(victim.fd, much, sizeof much), sizeof much);
        CHECK(recovers(&victim) >= 1);
    }
    CHECK_IS(pipe_counts_of(victim.h).lost, 0);
    close_victim(&victim);
}

/* As by a shell: what it writes and the messages behind it may come in one read. */
static void messages_behind_junk_are_found(void)
{
    struct packet packet;
    CHECK_IS(packets_of(100, &packet, 1), 1);
    struct victim victim = open_victim(NULL);
    CHECK_IS(fcntl(victim.fd, F_SETFL, O_NONBLOCK), 0);
    for (int count = 1; count <= 4; count++) {
        CHECK_IS(write(victim.fd, "hi\n", 3), 3);
        for (int i = 0; i < count; i++) write_packet(victim.fd, &packet);
        CHECK_IS(receive_something(&victim, PIPE_PATIENCE_MS), -EBADMSG);
        for (int i = 0; i < count; i++) {
            CHECK(is_readable(npipe_fd(victim.h)));
            CHECK_IS(receive_something(&victim, PIPE_PATIENCE_MS), 100);
        }
        no_word_comes(victim.h);
    }
    CHECK_IS(recovers(&victim), 0);
    close_victim(&victim);
}

static void headers_that_cannot_be_are_told_of(void)
{
    static const struct {
        size_t at;
        uint8_t value;
    } CHANGES[] = {{0, 0}, {1, 0xff}, {2, 0}, {3, 0xff}, {AT_FLAGS, 0}, {AT_FLAGS, 0xff},
                   {AT_FLAGS, LAST}, {AT_FLAGS, FIRST}, {AT_ZERO, 1}, {AT_ZERO + 1, 1},
                   {AT_ZERO + 2, 0x80}, {AT_TOTAL, 99}, {AT_TOTAL, 101}, {AT_TOTAL, 0},
                   {AT_TOTAL + 7, 0x80}, {AT_TOTAL + 4, 1}};
    struct packet good;
    CHECK_IS(packets_of(100, &good, 1), 1);
    CHECK_IS(good.bytes[AT_FLAGS], FIRST | LAST);
    for (size_t i = 0; i < LENGTH(CHANGES); i++) {
        struct victim victim = open_victim(NULL);
        struct packet bad = good;
        bad.bytes[CHANGES[i].at] = CHANGES[i].value;
        write_packet(victim.fd, &bad);
        int64_t n = receive_something(&victim, PIPE_PATIENCE_MS);
        if (n != -EBADMSG && n != -ECONNABORTED)
            check_failed(__FILE__, __LINE__, "%u at %zu of a header gives %lld",
                         CHANGES[i].value, CHANGES[i].at, (long long)n);
        CHECK_IS(recovers(&victim), 0);
        close_victim(&victim);
    }
    for (size_t length = 1; length < HEADER; length++) {
        struct victim victim = open_victim(NULL);
        struct packet bad = good;
        bad.length = length;
        write_packet(victim.fd, &bad);
        CHECK_IS(receive_something(&victim, PIPE_PATIENCE_MS), -EBADMSG);
        CHECK_IS(recovers(&victim), 0);
        close_victim(&victim);
    }
}

/* Nobody has memory set aside for what only a header claims. */
static void a_length_that_is_only_claimed_takes_no_memory(void)
{
    enum { A_LOT = 64 << 20 };
    struct packet packets[2];
    CHECK_IS(packets_of(PART + 10, packets, 2), 2);
    CHECK_IS(packets[0].bytes[AT_FLAGS], FIRST);
    struct victim victim = open_victim(NULL);
    size_t before = resident_memory();
    for (int round = 0; round < 5; round++) {
        set_u64(&packets[0], AT_ID, (uint64_t)round + 1);
        set_u64(&packets[0], AT_TOTAL, 1 << 30);
        write_packet(victim.fd, &packets[0]);
        int64_t n = receive_something(&victim, 1);
        CHECK(n == -ETIMEDOUT || n == -ECONNABORTED);
    }
    CHECK(resident_memory() < before + A_LOT);
    recovers(&victim);
    /* Above what is allowed it is refused at once. */
    set_u64(&packets[0], AT_TOTAL, UINT64_C(1) << 40);
    write_packet(victim.fd, &packets[0]);
    int64_t n;
    while ((n = receive_something(&victim, PIPE_PATIENCE_MS)) != -EBADMSG)
        CHECK_IS(n, -ECONNABORTED);
    recovers(&victim);
    close_victim(&victim);
}

/* A good packet with some bytes changed, cut or repeated. */
static struct packet mutated(const struct packet *good, unsigned *seed)
{
    struct packet packet = *good;
    int changes = rand_r(seed) % 4;
    for (int i = 0; i < changes; i++) {
        size_t reach = rand_r(seed) % 3 ? HEADER : packet.length;
        packet.bytes[(size_t)rand_r(seed) % reach] = (uint8_t)(rand_r(seed) >> 8);
    }
    if (rand_r(seed) % 4 == 0) packet.length = 1 + (size_t)rand_r(seed) % packet.length;
    if (rand_r(seed) % 8 == 0) packet.length = PACKET;
    return packet;
}

static void random_packets_never_confuse_a_receiver_for_long(void)
{
    struct packet good[4] = {0};
    CHECK_IS(packets_of(100, good, 1), 1);
    CHECK_IS(packets_of(2 * PART + 10, good + 1, 3), 3);
    struct victim victim = open_victim(NPIPE(.message_max = 100000));
    unsigned seed = 42;
    for (int round = 0; round < 400; round++) {
        int count = 1 + rand_r(&seed) % 8;
        for (int i = 0; i < count; i++) {
            struct packet packet = mutated(&good[rand_r(&seed) % 4], &seed);
            write_packet(victim.fd, &packet);
        }
        CHECK(recovers(&victim) <= 4 * count);
    }
    close_victim(&victim);
}

/* --- parts without the rest --- */

static void parts_whose_first_was_anothers_are_skipped(void)
{
    struct packet packets[4];
    CHECK_IS(packets_of(3 * PART + 5, packets, 4), 4);
    struct victim victim = open_victim(NULL);
    for (size_t from = 1; from < 4; from++) {
        uint64_t lost = pipe_counts_of(victim.h).lost;
        for (size_t i = from; i < 4; i++) write_packet(victim.fd, &packets[i]);
        CHECK_IS(receive_something(&victim, PIPE_PATIENCE_MS), -ECONNABORTED);
        CHECK_IS(pipe_counts_of(victim.h).lost, lost + 1);
        CHECK_IS(recovers(&victim), 0);
    }
    /* Without a last one. */
    write_packet(victim.fd, &packets[1]);
    write_packet(victim.fd, &packets[2]);
    CHECK_IS(recovers(&victim), 1);
    close_victim(&victim);
}

static void a_message_that_another_one_interrupts_is_lost_alone(void)
{
    struct packet packets[4], next[2];
    CHECK_IS(packets_of(3 * PART + 5, packets, 4), 4);
    CHECK_IS(packets_of(PART + 77, next, 2), 2);
    struct victim victim = open_victim(NULL);
    for (size_t count = 1; count < 4; count++) {
        for (size_t i = 0; i < count; i++) write_packet(victim.fd, &packets[i]);
        for (size_t i = 0; i < 2; i++) write_packet(victim.fd, &next[i]);
        CHECK_IS(receive_something(&victim, PIPE_PATIENCE_MS), -ECONNABORTED);
        CHECK(is_readable(npipe_fd(victim.h)));
        CHECK_IS(receive_something(&victim, PIPE_PATIENCE_MS), PART + 77);
        CHECK_IS(recovers(&victim), 0);
        CHECK_IS(pipe_counts_of(victim.h).lost, count);
    }
    close_victim(&victim);
}

static void a_part_left_out_or_told_twice_is_found_out(void)
{
    struct packet packets[4];
    CHECK_IS(packets_of(3 * PART + 5, packets, 4), 4);
    struct victim victim = open_victim(NULL);
    write_packet(victim.fd, &packets[0]);
    write_packet(victim.fd, &packets[3]);
    int64_t n = receive_something(&victim, PIPE_PATIENCE_MS);
    CHECK(n == -EBADMSG || n == -ECONNABORTED);
    recovers(&victim);
    for (size_t i = 0; i < 5; i++) write_packet(victim.fd, &packets[i < 2 ? i : i - 1]);
    n = receive_something(&victim, PIPE_PATIENCE_MS);
    CHECK(n == -EBADMSG || n == -ECONNABORTED);
    recovers(&victim);
    CHECK_IS(pipe_counts_of(victim.h).received, 2 /* that say that it has recovered */);
    close_victim(&victim);
}

/* A message of one packet waits for nobody's long one. */
static void a_short_message_may_pass_in_the_middle_of_a_long_one(void)
{
    struct packet packets[4];
    CHECK_IS(packets_of(3 * PART + 5, packets, 4), 4);
    struct victim victim = open_victim(NULL);
    npipe_t *sender = open_npipe(victim.place.path, NULL);
    for (size_t i = 0; i < 4; i++) {
        write_packet(victim.fd, &packets[i]);
        if (i < 3) say(sender, "short");
    }
    uint32_t words = 0, longs = 0;
    while (words + longs < 4) {
        int64_t n = receive_something(&victim, PIPE_PATIENCE_MS);
        CHECK(n == 5 || n == 3 * PART + 5);
        words += n == 5;
        longs += n != 5;
    }
    CHECK(words == 3 && longs == 1);
    no_word_comes(victim.h);
    CHECK_IS(pipe_counts_of(victim.h).lost, 0);
    CHECK_IS(npipe_close(sender), 0);
    close_victim(&victim);
}

/* However much else comes: nobody waits for the dead. */
static void a_lost_message_is_told_of_amid_short_ones(void)
{
    struct packet packets[2];
    CHECK_IS(packets_of(PART + 5, packets, 2), 2);
    struct victim victim = open_victim(NULL);
    npipe_t *sender = open_npipe(victim.place.path, NULL);
    write_packet(victim.fd, &packets[0]);
    int64_t n;
    int64_t begun = now_ns();
    do {
        say(sender, "short");
        n = receive_something(&victim, PIPE_PATIENCE_MS);
        CHECK(n == 5 || n == -ECONNABORTED);
        CHECK(now_ns() - begun < 5 * SECOND);
    } while (n == 5);
    CHECK_IS(pipe_counts_of(victim.h).lost, 1);
    CHECK_IS(npipe_close(sender), 0);
    recovers(&victim);
    close_victim(&victim);
}

/* No further message comes to tell. */
/* A change of its attributes is told to a reader that is in a message, too. */
static void a_change_of_the_fifo_does_not_keep_a_reader_awake(void)
{
    struct packet packets[2];
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    uint8_t out[2 * PART];
    CHECK_IS(packets_of(2 * PART, packets, 2), 2);
    int fd = open_to_write(place.path);
    write_packet(fd, &packets[0]);
    CHECK_IS(receive_one(h, out, sizeof out, 0), -EAGAIN);
    CHECK_IS(chmod(place.path, 0640), 0);
    CHECK_IS(receive_one(h, out, sizeof out, 0), -EAGAIN);
    CHECK(!is_readable(npipe_fd(h)));
    write_packet(fd, &packets[1]);
    CHECK_IS(receive_one(h, out, sizeof out, PIPE_PATIENCE_MS), 2 * PART);
    close(fd);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

static void a_message_whose_writer_has_ended_is_told_of(void)
{
    struct packet packets[4];
    CHECK_IS(packets_of(3 * PART + 5, packets, 4), 4);
    struct victim victim = open_victim(NULL);
    for (int round = 0; round < 2; round++) {
        write_packet(victim.fd, &packets[0]);
        write_packet(victim.fd, &packets[1]);
        int64_t begun = now_ns();
        CHECK_IS(receive_something(&victim, -1), -ECONNABORTED);
        CHECK(now_ns() - begun < 5 * SECOND);
        CHECK_IS(pipe_counts_of(victim.h).lost, (uint64_t)round + 1);
        CHECK_IS(recovers(&victim), 0);
    }
    close_victim(&victim);
}

const struct test npipe_wire_tests[] = {
    TEST(junk_is_told_of_and_thrown_away),
    TEST(messages_behind_junk_are_found),
    TEST(headers_that_cannot_be_are_told_of),
    TEST(a_length_that_is_only_claimed_takes_no_memory),
    TEST(random_packets_never_confuse_a_receiver_for_long),
    TEST(parts_whose_first_was_anothers_are_skipped),
    TEST(a_message_that_another_one_interrupts_is_lost_alone),
    TEST(a_part_left_out_or_told_twice_is_found_out),
    TEST(a_short_message_may_pass_in_the_middle_of_a_long_one),
    TEST(a_lost_message_is_told_of_amid_short_ones),
    TEST(a_change_of_the_fifo_does_not_keep_a_reader_awake),
    TEST(a_message_whose_writer_has_ended_is_told_of),
    END_OF_TESTS,
};

/* Named pipes: messages of every length, who is there to read, what a call waits for. */
#include "check.h"
#include "pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- messages --- */

static const size_t LENGTHS[] = {0, 1, 2, PART - 1, PART, PART + 1, 2 * PART - 1, 2 * PART,
                                 2 * PART + 1, 65535, 65536, 1 << 20, (10 << 20) + 3};

struct sending {
    npipe_t *h;
    const uint8_t *bytes;
};

static void *send_all_lengths(void *argument)
{
    const struct sending *sending = argument;
    for (size_t i = 0; i < LENGTH(LENGTHS); i++)
        CHECK_IS(send_one(sending->h, sending->bytes + i, LENGTHS[i], -1), 1);
    return NULL;
}

/* Random bytes: whatever is mistaken for a header is found out. */
static uint8_t *some_bytes(size_t length)
{
    uint8_t *bytes = malloc(length);
    uint32_t state = 42;
    for (size_t i = 0; i < length; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
    return bytes;
}

static void messages_of_every_length_come_whole(void)
{
    size_t most = LENGTHS[LENGTH(LENGTHS) - 1];
    struct place place = open_place();
    npipe_t *receiver = open_reader(place.path, NULL), *sender = open_npipe(place.path, NULL);
    uint8_t *bytes = some_bytes(most + LENGTH(LENGTHS)), *out = malloc(most);
    pthread_t thread = start(send_all_lengths, &(struct sending){sender, bytes});
    uint64_t all = 0;
    for (size_t i = 0; i < LENGTH(LENGTHS); i++) {
        /* No byte more than it takes. */
        uint8_t *room = LENGTHS[i] ? out : NULL;
        CHECK_IS(receive_one(receiver, room, LENGTHS[i], PIPE_PATIENCE_MS), LENGTHS[i]);
        CHECK(memcmp(out, bytes + i, LENGTHS[i]) == 0);
        all += LENGTHS[i];
    }
    join(thread);
    no_word_comes(receiver);
    npipe_stats_t sent = pipe_counts_of(sender), received = pipe_counts_of(receiver);
    CHECK(sent.sent == LENGTH(LENGTHS) && sent.sent_bytes == all && sent.unsent == 0);
    CHECK(received.received == LENGTH(LENGTHS) && received.received_bytes == all);
    CHECK(received.lost == 0 && received.rejected == 0);
    CHECK(sent.received == 0 && received.sent == 0);
    free(bytes);
    free(out);
    CHECK_IS(npipe_close(sender), 0);
    CHECK_IS(npipe_close(receiver), 0);
    close_place(&place);
}

static void one_handle_talks_to_itself(void)
{
    struct place place = open_place();
    npipe_t *h = open_npipe(place.path, NULL);
    CHECK_IS(npipe_send(h, NULL, 0, 0), 0);
    no_word_comes(h);
    CHECK_IS(npipe_send(h, NULL, 0, 0), 1);
    say(h, "one");
    say(h, "");
    say(h, "three");
    hears(h, "one");
    hears(h, "");
    hears(h, "three");
    no_word_comes(h);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

/* Sends numbers of various lengths in batches, with a few at a time in the pipe. */
static void *send_batches(void *argument)
{
    npipe_t *h = argument;
    static uint8_t bytes[20][300];
    for (uint32_t number = 0; number < 5000;) {
        ph_bytes_t messages[20];
        for (uint32_t i = 0; i < 20; i++) {
            uint32_t length = (uint32_t)sizeof(struct head) + (number + i) % 250;
            write_message(bytes[i], (struct head){1, number + i, length});
            messages[i] = (ph_bytes_t){bytes[i], length};
        }
        int32_t sent = npipe_send(h, messages, 20, -1);
        CHECK(sent >= 1 && sent <= 20);
        number += (uint32_t)sent;
    }
    return NULL;
}

static void batches_come_in_order(void)
{
    struct place place = open_place();
    npipe_t *receiver = open_reader(place.path, NULL), *sender = open_npipe(place.path, NULL);
    pthread_t thread = start(send_batches, sender);
    uint8_t out[4000];
    ph_span_t spans[50];
    size_t need;
    uint32_t calls = 0, number = 0;
    for (; number < 5000; calls++) {
        int32_t n = npipe_receive(receiver, spans, 50, out, sizeof out, PIPE_PATIENCE_MS, &need);
        CHECK(n >= 1 && n <= 50);
        for (int32_t i = 0; i < n; i++) {
            CHECK(spans[i].len <= sizeof out && spans[i].offset <= sizeof out - spans[i].len);
            CHECK_IS(check_message(out + spans[i].offset, spans[i].len).number, number++);
        }
    }
    CHECK(calls < 5000);
    join(thread);
    no_word_comes(receiver);
    CHECK_IS(npipe_close(sender), 0);
    CHECK_IS(npipe_close(receiver), 0);
    close_place(&place);
}

/* As many as are there, as are asked for, and as there is room for. */
static void a_call_receives_what_is_there_and_fits(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    for (int i = 0; i < 8; i++) say(h, "word");
    ph_span_t spans[16];
    uint8_t out[64];
    size_t need;
    CHECK_IS(npipe_receive(h, spans, 3, out, sizeof out, -1, &need), 3);
    CHECK_IS(npipe_receive(h, spans, 16, out, 11, -1, &need), 2);
    for (size_t i = 0; i < 2; i++)
        CHECK(spans[i].len == 4 && memcmp(out + spans[i].offset, "word", 4) == 0);
    CHECK(spans[0].offset != spans[1].offset);
    CHECK_IS(npipe_receive(h, spans, 16, out, sizeof out, -1, NULL), 3);
    no_word_comes(h);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

/* --- room for what comes --- */

struct word {
    npipe_t *h;
    const uint8_t *bytes;
    size_t length;
};

static void *send_word(void *argument)
{
    const struct word *word = argument;
    CHECK_IS(send_one(word->h, word->bytes, word->length, -1), 1);
    return NULL;
}

static void a_message_for_which_there_is_no_room_is_kept(void)
{
    static const size_t KEPT[] = {5, PART + 1, 1 << 20};
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL), *sender = open_npipe(place.path, NULL);
    uint8_t *bytes = some_bytes(1 << 20), *out = malloc(1 << 20);
    for (size_t i = 0; i < LENGTH(KEPT); i++) {
        size_t need = 0;
        ph_span_t span;
        struct word word = {sender, bytes, KEPT[i]};
        pthread_t thread = start(send_word, &word);
        CHECK_IS(npipe_receive(h, &span, 1, out, KEPT[i] - 1, -1, &need), -EMSGSIZE);
        CHECK_IS(need, KEPT[i]);
        join(thread);
        say(sender, "next");
        for (int again = 0; again < 3; again++) {
            CHECK(is_readable(npipe_fd(h)));
            need = 0;
            CHECK_IS(npipe_receive(h, &span, 1, NULL, 0, again - 1, &need), -EMSGSIZE);
            CHECK_IS(need, KEPT[i]);
            CHECK_IS(npipe_receive(h, &span, 1, out, KEPT[i] - 1, 0, NULL), -EMSGSIZE);
        }
        CHECK_IS(receive_one(h, out, KEPT[i], 0), KEPT[i]);
        CHECK(memcmp(out, bytes, KEPT[i]) == 0);
        hears(h, "next");
        no_word_comes(h);
    }
    CHECK_IS(pipe_counts_of(h).received, 2 * LENGTH(KEPT));
    free(bytes);
    free(out);
    CHECK_IS(npipe_close(sender), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

static void a_message_is_as_long_as_is_allowed(void)
{
    enum { MOST = 10000 };
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NPIPE(.message_max = MOST));
    uint8_t *bytes = some_bytes(MOST + 1), out[MOST];
    const ph_bytes_t batch[] = {{bytes, 3}, {bytes, MOST}, {bytes, MOST + 1}, {bytes, 4}};
    CHECK_IS(send_one(h, bytes, MOST + 1, 0), -EMSGSIZE);
    CHECK_IS(npipe_send(h, batch, 4, 0), 2);
    CHECK_IS(npipe_send(h, batch + 2, 2, 0), -EMSGSIZE);
    CHECK_IS(receive_one(h, out, MOST, 0), 3);
    CHECK_IS(receive_one(h, out, MOST, 0), MOST);
    CHECK(memcmp(out, bytes, MOST) == 0);
    no_word_comes(h);
    CHECK_IS(pipe_counts_of(h).sent, 2);
    /* A sender that is allowed more than its receiver. */
    npipe_t *other = open_npipe(place.path, NULL);
    CHECK_IS(send_one(other, bytes, MOST + 1, 0), 1);
    say(other, "next");
    CHECK_IS(receive_one(h, out, MOST, PIPE_PATIENCE_MS), -EBADMSG);
    hears(h, "next");
    CHECK_IS(pipe_counts_of(h).rejected, 1);
    free(bytes);
    CHECK_IS(npipe_close(other), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

/* --- readers --- */

static void whoever_sends_without_a_reader_is_told_at_once(void)
{
    struct place place = open_place();
    npipe_t *sender = open_npipe(place.path, NULL);
    int64_t begun = now_ns();
    for (int round = 0; round < 3; round++) {
        CHECK_IS(send_one(sender, "word", 4, -1), 0);
        CHECK_IS(npipe_send(sender, NULL, 0, -1), 0);
        npipe_t *reader = open_npipe(place.path, NULL);
        CHECK_IS(npipe_send(sender, NULL, 0, -1), 0);
        uint8_t byte;
        CHECK_IS(receive_one(reader, &byte, 1, 0), -EAGAIN);
        CHECK_IS(npipe_send(sender, NULL, 0, -1), 1);
        say(sender, "word");
        hears(reader, "word");
        CHECK_IS(npipe_close(reader), 0);
    }
    CHECK_IS(send_one(sender, "word", 4, -1), 0);
    CHECK(now_ns() - begun < 2 * SECOND);
    npipe_stats_t stats = pipe_counts_of(sender);
    CHECK(stats.sent == 3 && stats.sent_bytes == 12 && stats.unsent == 4);
    CHECK_IS(npipe_close(sender), 0);
    close_place(&place);
}

/* For whichever reader comes to it, whoever was there when it was sent. */
static void a_message_waits_for_a_reader_that_is_there(void)
{
    struct place place = open_place();
    npipe_t *sender = open_npipe(place.path, NULL);
    npipe_t *first = open_reader(place.path, NULL), *second = open_reader(place.path, NULL);
    say(sender, "one");
    say(sender, "two");
    hears(first, "one");
    CHECK_IS(npipe_close(first), 0);
    hears(second, "two");
    CHECK_IS(npipe_close(sender), 0);
    sender = open_npipe(place.path, NULL);
    say(sender, "three");
    CHECK_IS(npipe_close(sender), 0);
    hears(second, "three");
    no_word_comes(second);
    CHECK_IS(npipe_close(second), 0);
    close_place(&place);
}

/* --- waiting --- */

static void receiving_ends_in_time(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    uint8_t byte;
    int64_t begun = now_ns();
    CHECK_IS(receive_one(h, &byte, 1, 40), -ETIMEDOUT);
    CHECK(now_ns() - begun >= 40 * MILLISECOND && now_ns() - begun < 2 * SECOND);
    begun = now_ns();
    CHECK_IS(receive_one(h, &byte, 1, 0), -EAGAIN);
    CHECK(now_ns() - begun < SECOND);
    struct word word = {h, (const uint8_t *)"word", 4};
    pthread_t thread = start(send_word, &word);
    hears(h, "word");
    join(thread);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

static void the_descriptor_is_readable_while_something_is_there(void)
{
    struct place place = open_place();
    npipe_t *h = open_npipe(place.path, NULL), *sender = open_npipe(place.path, NULL);
    int fd = npipe_fd(h), epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_IS(npipe_fd(h), fd);
    CHECK_IS(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN}), 0);
    for (int round = 0; round < 3; round++) {
        struct epoll_event event;
        fd_set set;
        CHECK(!is_readable(fd));
        CHECK_IS(epoll_wait(epoll, &event, 1, 0), 0);
        say(sender, "one");
        say(sender, "two");
        for (int held = 2; held > 0; held--) {
            FD_ZERO(&set);
            FD_SET(fd, &set);
            CHECK(is_readable(fd) && is_readable(fd));
            CHECK_IS(select(fd + 1, &set, NULL, NULL, &(struct timeval){0}), 1);
            CHECK_IS(epoll_wait(epoll, &event, 1, 0), 1);
            hears(h, held == 2 ? "one" : "two");
        }
        FD_ZERO(&set);
        FD_SET(fd, &set);
        CHECK_IS(select(fd + 1, &set, NULL, NULL, &(struct timeval){0}), 0);
        CHECK_IS(npipe_close(sender), 0);
        CHECK(!is_readable(fd));
        sender = open_npipe(place.path, NULL);
    }
    close(epoll);
    CHECK_IS(npipe_close(sender), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

/* --- the path --- */

/* What is at the path may be gone, or another FIFO by the time somebody sends. */
static void a_sender_finds_the_fifo_that_was_made_anew(void)
{
    struct place place = open_place();
    npipe_t *sender = open_npipe(place.path, NULL);
    for (int round = 0; round < 3; round++) {
        npipe_t *reader = open_reader(place.path, NULL);
        say(sender, "word");
        hears(reader, "word");
        CHECK_IS(npipe_close(reader), 0);
        CHECK_IS(unlink(place.path), 0);
        if (round == 1) CHECK_IS(mkfifo(place.path, 0600), 0);
        if (round == 2) CHECK_IS(send_one(sender, "word", 4, -1), 0);
    }
    CHECK_IS(npipe_close(sender), 0);
    close_place(&place);
}

static atomic_int heard;

static void *hear_three(void *argument)
{
    npipe_t *h = argument;
    const char *const words[] = {"one", "two", "three"};
    for (size_t i = 0; i < LENGTH(words); i++) {
        hears(h, words[i]);
        atomic_fetch_add(&heard, 1);
    }
    return NULL;
}

/* Whether somebody reads what is sent to the path. */
static bool is_sent(const char *path, const char *text)
{
    npipe_t *sender = open_npipe(path, NULL);
    int32_t sent = send_one(sender, text, strlen(text), 0);
    CHECK_IS(npipe_close(sender), 0);
    CHECK(sent == 0 || sent == 1);
    return sent == 1;
}

/* The receiver waits all the while. */
static void a_receiver_finds_the_fifo_that_was_made_anew(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    struct stat info;
    atomic_store(&heard, 0);
    pthread_t thread = start(hear_three, h);
    CHECK_EVENTUALLY(all_others_sleep());
    char aside[sizeof place.path + 8];
    snprintf(aside, sizeof aside, "%s.aside", place.path);
    CHECK_IS(mkfifo(aside, 0600), 0);
    CHECK_IS(rename(aside, place.path), 0);
    CHECK_EVENTUALLY(is_sent(place.path, "one"));
    CHECK_EVENTUALLY(atomic_load(&heard) == 1);
    /* Nobody makes it but the receiver. */
    CHECK_IS(unlink(place.path), 0);
    CHECK_EVENTUALLY(stat(place.path, &info) == 0);
    CHECK(S_ISFIFO(info.st_mode));
    CHECK_IS(info.st_mode & 07777, 0600);
    CHECK_EVENTUALLY(is_sent(place.path, "two"));
    CHECK_EVENTUALLY(atomic_load(&heard) == 2);
    CHECK_IS(rename(place.path, aside), 0);
    CHECK_EVENTUALLY(stat(place.path, &info) == 0);
    CHECK_EVENTUALLY(is_sent(place.path, "three"));
    join(thread);
    no_word_comes(h);
    CHECK_IS(unlink(aside), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

/* What was sent before the path was removed is received first. */
static void what_the_old_fifo_held_is_not_lost(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL), *sender = open_npipe(place.path, NULL);
    say(sender, "one");
    say(sender, "two");
    CHECK_IS(unlink(place.path), 0);
    hears(h, "one");
    hears(h, "two");
    uint8_t byte;
    CHECK_IS(receive_one(h, &byte, 1, 10), -ETIMEDOUT);
    CHECK_EVENTUALLY(is_sent(place.path, "three"));
    hears(h, "three");
    CHECK_IS(npipe_close(sender), 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

/* --- without frames --- */

static void without_frames_bytes_are_sent_and_received_as_they_are(void)
{
    struct place place = open_place();
    npipe_t *h = open_npipe(place.path, NPIPE(.flags = NPIPE_UNFRAMED));
    CHECK_IS(send_one(h, "word", 4, -1), 0);
    CHECK_IS(npipe_send(h, NULL, 0, 0), 0);
    int plain = open_to_read(place.path);
    char out[16] = {0};
    CHECK_IS(npipe_send(h, NULL, 0, 0), 1);
    say(h, "word");
    CHECK_IS(read(plain, out, sizeof out), 4);
    CHECK(memcmp(out, "word", 4) == 0);
    CHECK(npipe_fd(h) >= 0);
    no_word_comes(h);
    CHECK_IS(write(plain, "plain bytes", 11), 11);
    CHECK(is_readable(npipe_fd(h)));
    hears(h, "plain bytes");
    close(plain);
    say(h, "one");
    hears(h, "one");
    no_word_comes(h);
    npipe_stats_t stats = pipe_counts_of(h);
    CHECK(stats.sent == 2 && stats.received == 2 && stats.unsent == 1);
    CHECK(stats.lost == 0 && stats.rejected == 0);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

static void without_frames_much_is_sent_in_pieces(void)
{
    enum { MUCH = 3 << 20 };
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NPIPE(.flags = NPIPE_UNFRAMED, .message_max = 10));
    uint8_t *bytes = some_bytes(MUCH), *out = malloc(65536);
    struct word word = {h, bytes, MUCH};
    pthread_t thread = start(send_word, &word);
    for (size_t at = 0; at < MUCH;) {
        int64_t n = receive_one(h, out, 65536, PIPE_PATIENCE_MS);
        CHECK(n > 0 && n <= 65536);
        CHECK(memcmp(out, bytes + at, (size_t)n) == 0);
        at += (size_t)n;
    }
    join(thread);
    no_word_comes(h);
    free(bytes);
    free(out);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

const struct test npipe_tests[] = {
    TEST(messages_of_every_length_come_whole),
    TEST(one_handle_talks_to_itself),
    TEST(batches_come_in_order),
    TEST(a_call_receives_what_is_there_and_fits),
    TEST(a_message_for_which_there_is_no_room_is_kept),
    TEST(a_message_is_as_long_as_is_allowed),
    TEST(whoever_sends_without_a_reader_is_told_at_once),
    TEST(a_message_waits_for_a_reader_that_is_there),
    TEST(receiving_ends_in_time),
    TEST(the_descriptor_is_readable_while_something_is_there),
    TEST(a_sender_finds_the_fifo_that_was_made_anew),
    TEST(a_receiver_finds_the_fifo_that_was_made_anew),
    TEST(what_the_old_fifo_held_is_not_lost),
    TEST(without_frames_bytes_are_sent_and_received_as_they_are),
    TEST(without_frames_much_is_sent_in_pieces),
    END_OF_TESTS,
};

#include "pipes.h"
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct place open_place(void)
{
    struct place place;
    const char *root = getenv("TMPDIR");
    int length = snprintf(place.folder, sizeof place.folder, "%s/npipe.XXXXXX",
                          root && strlen(root) < 32 ? root : "/tmp");
    CHECK(length > 0 && length < (int)sizeof place.folder);
    CHECK(mkdtemp(place.folder) != NULL);
    snprintf(place.path, sizeof place.path, "%s/pipe", place.folder);
    return place;
}

void close_place(const struct place *place)
{
    CHECK(unlink(place->path) == 0 || errno == ENOENT);
    CHECK_IS(rmdir(place->folder), 0);
}

npipe_t *open_npipe(const char *path, const npipe_config_t *config)
{
    npipe_t *h = NULL;
    CHECK_IS(npipe_new(path, config, &h), 0);
    CHECK(h != NULL);
    return h;
}

npipe_t *open_reader(const char *path, const npipe_config_t *config)
{
    npipe_t *h = open_npipe(path, config);
    CHECK(npipe_fd(h) >= 0);
    return h;
}

npipe_stats_t pipe_counts_of(npipe_t *h)
{
    npipe_stats_t stats = {.size = sizeof stats};
    CHECK_IS(npipe_stats(h, &stats), 0);
    return stats;
}

bool has_a_reader(npipe_t *h)
{
    int32_t result = npipe_send(h, NULL, 0, 0);
    CHECK(result == 0 || result == 1);
    return result == 1;
}

int32_t send_one(npipe_t *h, const void *data, size_t length, int32_t timeout_ms)
{
    return npipe_send_one(h, length ? data : NULL, length, timeout_ms);
}

void say(npipe_t *h, const char *text)
{
    CHECK_IS(send_one(h, text, strlen(text), PIPE_PATIENCE_MS), 1);
}

int64_t receive_one(npipe_t *h, void *out, size_t cap, int32_t timeout_ms)
{
    int64_t n = npipe_receive_one(h, out, cap, timeout_ms);
    CHECK(n < 0 || (size_t)n <= cap);
    return n;
}

void hears(npipe_t *h, const char *text)
{
    char out[256];
    CHECK_IS(receive_one(h, out, sizeof out, PIPE_PATIENCE_MS), strlen(text));
    CHECK(memcmp(out, text, strlen(text)) == 0);
}

void no_word_comes(npipe_t *h)
{
    uint8_t byte;
    CHECK_IS(receive_one(h, &byte, 1, 0), -EAGAIN);
    CHECK(!is_readable(npipe_fd(h)));
}

/* --- messages --- */

/* Calls `part` for each part of what follows a head, which is a part of the pattern. */
static void each_part(struct head head, void (*part)(uint8_t *, const uint8_t *, size_t),
                      uint8_t *body)
{
    size_t length = head.length - sizeof head;
    for (size_t at = 0; at < length;) {
        size_t size = length - at < PATTERN_MAX ? length - at : PATTERN_MAX;
        part(body + at, pattern_from(head.sender * 7 + head.number + at), size);
        at += size;
    }
}

static void write_part(uint8_t *body, const uint8_t *pattern, size_t length)
{
    memcpy(body, pattern, length);
}

static void check_part(uint8_t *body, const uint8_t *pattern, size_t length)
{
    CHECK(memcmp(body, pattern, length) == 0);
}

void write_message(uint8_t *message, struct head head)
{
    CHECK(head.length >= sizeof head);
    memcpy(message, &head, sizeof head);
    each_part(head, write_part, message + sizeof head);
}

struct head check_message(const uint8_t *message, size_t length)
{
    struct head head;
    CHECK(length >= sizeof head);
    memcpy(&head, message, sizeof head);
    CHECK_IS(head.length, length);
    each_part(head, check_part, (uint8_t *)(uintptr_t)message + sizeof head);
    return head;
}

/* --- refusals --- */

static void check_refusal(int64_t result, const char *call, const void *h)
{
    if (result != -EBADF)
        check_failed(__FILE__, __LINE__, "%s of %p gives %lld, not -EBADF", call, h,
                     (long long)result);
}

#define REFUSES(call) check_refusal(call, #call, h)

void every_pipe_call_refuses(npipe_t *h)
{
    const ph_bytes_t message = {(const uint8_t *)"word", 4};
    npipe_stats_t stats = {.size = sizeof stats};
    ph_span_t span;
    uint8_t byte;
    size_t need;
    REFUSES(npipe_send(h, &message, 1, -1));
    REFUSES(npipe_send(h, NULL, 0, 0));
    REFUSES(npipe_send_one(h, &byte, 1, -1));
    REFUSES(npipe_receive(h, &span, 1, &byte, 1, -1, &need));
    REFUSES(npipe_receive_one(h, &byte, 1, -1));
    REFUSES(npipe_fd(h));
    REFUSES(npipe_stats(h, &stats));
    REFUSES(npipe_close(h));
}

/* --- the wire --- */

int open_to_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_IS(fcntl(fd, F_SETFL, O_NONBLOCK | O_DIRECT), 0);
    return fd;
}

int open_to_read(const char *path)
{
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

size_t packets_of(size_t length, struct packet *packets, size_t most)
{
    struct place place = open_place();
    npipe_t *h = open_npipe(place.path, NULL);
    int fd = open_to_read(place.path);
    uint8_t *message = malloc(length + sizeof(struct head));
    for (size_t i = 0; i < length; i++) message[i] = (uint8_t)(i * 7 + i / 256);
    CHECK_IS(send_one(h, message, length, 0), 1);
    size_t count = 0;
    for (ssize_t n; count < most; count++) {
        n = read(fd, packets[count].bytes, PACKET);
        if (n <= 0) break;
        CHECK(n >= HEADER);
        packets[count].length = (size_t)n;
        CHECK_IS(get_u64(&packets[count], AT_TOTAL), length);
    }
    free(message);
    close(fd);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
    return count;
}

void write_packet(int fd, const struct packet *packet)
{
    CHECK_IS(write(fd, packet->bytes, packet->length), packet->length);
}

uint64_t get_u64(const struct packet *packet, size_t at)
{
    uint64_t value;
    memcpy(&value, packet->bytes + at, sizeof value);
    return value;
}

void set_u64(struct packet *packet, size_t at, uint64_t value)
{
    memcpy(packet->bytes + at, &value, sizeof value);
}

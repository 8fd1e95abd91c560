/* Arguments of named pipes' functions that are wrong, paths where there can be none, and owners. */
#include "check.h"
#include "peers.h"
#include "pipes.h"
#include "process.h"
#include "queues.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Sizes of a structure that its maker never set, or set by accident. */
static const size_t BAD_SIZES[] = {0, 1, sizeof(size_t) - 1, (1 << 16) + 1, SIZE_MAX};

/* --- making it --- */

static void the_fifo_is_made_for_its_owner_alone(void)
{
    const mode_t masks[] = {0, 022, 077};
    struct place place = open_place();
    for (size_t i = 0; i < LENGTH(masks); i++) {
        struct stat info;
        mode_t before = umask(masks[i]);
        npipe_t *h = open_npipe(place.path, NULL), *again = open_npipe(place.path, NULL);
        umask(before);
        CHECK_IS(lstat(place.path, &info), 0);
        CHECK(S_ISFIFO(info.st_mode));
        CHECK_IS(info.st_mode & 07777, 0600);
        CHECK_IS(npipe_close(h), 0);
        CHECK_IS(npipe_close(again), 0);
        CHECK_IS(lstat(place.path, &info), 0);
        CHECK_IS(unlink(place.path), 0);
    }
    CHECK_IS(mkfifo(place.path, 0640), 0);
    struct stat info;
    CHECK_IS(npipe_close(open_reader(place.path, NULL)), 0);
    CHECK_IS(lstat(place.path, &info), 0);
    CHECK_IS(info.st_mode & 0777, 0640);
    close_place(&place);
}

static void making_gives(const char *path, const npipe_config_t *config, int32_t expected)
{
    npipe_t *const untouched = (npipe_t *)(uintptr_t)42;
    npipe_t *h = untouched;
    int32_t result = npipe_new(path, config, &h);
    if (result != expected)
        check_failed(__FILE__, __LINE__, "%s gives %d, not %d", path, result, expected);
    CHECK((h == untouched) == (expected != 0));
    if (expected == 0) CHECK_IS(npipe_close(h), 0);
}

static void a_path_where_there_can_be_no_fifo_is_refused(void)
{
    struct place place = open_place();
    char path[5000];
    int fd = open(place.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK_IS(write(fd, "kept", 4), 4);
    making_gives(place.path, NULL, -EEXIST);
    CHECK_IS(lseek(fd, 0, SEEK_END), 4);
    close(fd);
    snprintf(path, sizeof path, "%s/below", place.path);
    making_gives(path, NULL, -ENOTDIR);
    CHECK_IS(unlink(place.path), 0);
    making_gives(place.folder, NULL, -EEXIST);
    making_gives("/dev/null", NULL, -EEXIST);
    snprintf(path, sizeof path, "%s/none/pipe", place.folder);
    making_gives(path, NULL, -ENOENT);
    CHECK_IS(symlink("elsewhere", place.path), 0);
    making_gives(place.path, NULL, -EEXIST);
    CHECK_IS(unlink(place.path), 0);
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = 0;
    making_gives(path, NULL, -ENAMETOOLONG);
    path[300] = 0;
    path[0] = '/';
    making_gives(path, NULL, -ENAMETOOLONG);
    close_place(&place);
}

/* --- owners --- */

static int be_kept_out(void *argument)
{
    const struct place *place = argument;
    making_gives(place->path, NULL, -EACCES);
    return 0;
}

static int use_anothers_only_when_asked_to(void *argument)
{
    const struct place *place = argument;
    making_gives(place->path, NULL, -EPERM);
    npipe_t *h = open_npipe(place->path, NPIPE(.flags = NPIPE_ANY_OWNER));
    say(h, "from nobody");
    CHECK_IS(npipe_close(h), 0);
    return 0;
}

static void a_fifo_of_somebody_else_is_used_only_when_asked_for(void)
{
    if (geteuid() != 0) check_skipped("only root can be two users");
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    in_a_child_of_nobody(be_kept_out, &place);
    CHECK_IS(chmod(place.folder, 0711), 0);
    CHECK_IS(chmod(place.path, 0666), 0);
    in_a_child_of_nobody(use_anothers_only_when_asked_to, &place);
    hears(h, "from nobody");
    CHECK_IS(npipe_close(h), 0);
    CHECK_IS(chown(place.path, 65534, 65534), 0);
    making_gives(place.path, NULL, -EPERM);
    making_gives(place.path, NPIPE(.flags = NPIPE_ANY_OWNER), 0);
    CHECK_IS(unlink(place.path), 0);
    CHECK_IS(chmod(place.folder, 0555), 0);
    in_a_child_of_nobody(be_kept_out, &place);
    close_place(&place);
}

/* --- construction --- */

static void a_pipe_that_cannot_be_is_refused(void)
{
    struct place place = open_place();
    struct {
        npipe_config_t known;
        uint64_t unknown[4];
    } longer = {.known = {.size = sizeof longer}, .unknown = {[3] = 1}};
    making_gives(NULL, NULL, -EINVAL);
    making_gives("", NULL, -ENOENT);
    making_gives(place.path, NPIPE(.flags = NPIPE_ANY_OWNER << 1), -EINVAL);
    making_gives(place.path, NPIPE(.flags = UINT32_MAX), -EINVAL);
    making_gives(place.path, MISALIGNED(npipe_config_t), -EINVAL);
    making_gives(place.path, &longer.known, -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++)
        making_gives(place.path, &(npipe_config_t){.size = BAD_SIZES[i]}, -EINVAL);
    CHECK_IS(npipe_new(place.path, NULL, NULL), -EINVAL);
    CHECK_IS(npipe_new(place.path, NULL, MISALIGNED(npipe_t *)), -EINVAL);
    struct stat info;
    CHECK(lstat(place.path, &info) != 0);
    longer.unknown[3] = 0;
    making_gives(place.path, &longer.known, 0);
    const npipe_config_t shorter = {.size = offsetof(npipe_config_t, message_max),
                                    .message_max = 1, .flags = UINT32_MAX};
    npipe_t *h = open_reader(place.path, &shorter);
    say(h, "word");
    CHECK_IS(npipe_close(h), 0);
    making_gives(place.path, NPIPE(.message_max = UINT64_MAX), 0);
    making_gives(place.path, NPIPE(.message_max = 1), 0);
    close_place(&place);
}

/* --- handles --- */

static int be_refused_and_make_an_own_pipe(void *argument)
{
    every_pipe_call_refuses(argument);
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    say(h, "word");
    hears(h, "word");
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
    every_pipe_call_refuses(argument);
    return 0;
}

static void a_pipe_that_is_none_is_refused_by_every_call(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    peer_t *peer = open_peer(PEER(ON_V4));
    rq_t *q = open_queue(3, RQ_RW, NULL);
    npipe_t *const none[] = {NULL, (npipe_t *)1, (npipe_t *)(uintptr_t)-1, (npipe_t *)&h,
                             (npipe_t *)peer, (npipe_t *)q, (npipe_t *)((uintptr_t)h + 1)};
    for (size_t i = 0; i < LENGTH(none); i++) every_pipe_call_refuses(none[i]);
    every_peer_call_refuses((peer_t *)h);
    every_queue_call_refuses((rq_t *)h);
    say(h, "word");
    in_a_child(be_refused_and_make_an_own_pipe, h);
    hears(h, "word");
    CHECK_IS(npipe_close(h), 0);
    for (int i = 0; i < 20; i++) {
        npipe_t *next = open_npipe(place.path, NULL);
        CHECK(next != h);
        every_pipe_call_refuses(h);
        CHECK_IS(npipe_close(next), 0);
    }
    CHECK_IS(peer_close(peer), 0);
    CHECK_IS(rq_close(q), 0);
    close_place(&place);
}

/* --- sending and receiving --- */

static void sending_refuses_messages_that_cannot_be(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    const ph_bytes_t good = {(const uint8_t *)"word", 4};
    const ph_bytes_t bad[] = {{NULL, 1}, {NULL, SIZE_MAX}, {good.data, SIZE_MAX},
                              {good.data, SIZE_MAX / 2 + 1}};
    CHECK_IS(npipe_send(h, NULL, 1, 0), -EINVAL);
    CHECK_IS(npipe_send(h, MISALIGNED(ph_bytes_t), 1, 0), -EINVAL);
    CHECK_IS(npipe_send(h, &good, SIZE_MAX, 0), -EINVAL);
    CHECK_IS(npipe_send(h, &good, SIZE_MAX / sizeof good, 0), -EINVAL);
    CHECK_IS(npipe_send(h, &good, 1, -2), -EINVAL);
    CHECK_IS(npipe_send(h, &good, 1, INT32_MIN), -EINVAL);
    CHECK_IS(npipe_send(h, NULL, 0, -2), -EINVAL);
    for (size_t i = 0; i < LENGTH(bad); i++) {
        CHECK_IS(npipe_send(h, &bad[i], 1, 0), -EINVAL);
        const ph_bytes_t batch[] = {good, good, bad[i], good};
        int32_t sent = npipe_send(h, batch, 4, 0);
        CHECK(sent == 2 || sent == -EINVAL);
        for (int32_t at = 0; at < sent; at++) hears(h, "word");
    }
    no_word_comes(h);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

static void receiving_refuses_room_that_cannot_be(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    ph_span_t span;
    uint8_t out[8];
    size_t need;
    say(h, "kept");
    CHECK_IS(npipe_receive(h, NULL, 1, out, 8, 0, &need), -EINVAL);
    CHECK_IS(npipe_receive(h, NULL, 0, out, 8, 0, &need), -EINVAL);
    CHECK_IS(npipe_receive(h, &span, 0, out, 8, 0, &need), -EINVAL);
    CHECK_IS(npipe_receive(h, &span, SIZE_MAX, out, 8, 0, &need), -EINVAL);
    CHECK_IS(npipe_receive(h, &span, SIZE_MAX / sizeof span, out, 8, 0, &need), -EINVAL);
    CHECK_IS(npipe_receive(h, MISALIGNED(ph_span_t), 1, out, 8, 0, &need), -EINVAL);
    CHECK_IS(npipe_receive(h, &span, 1, NULL, 8, 0, &need), -EINVAL);
    CHECK_IS(npipe_receive(h, &span, 1, out, SIZE_MAX, 0, &need), -EINVAL);
    CHECK_IS(npipe_receive(h, &span, 1, out, 8, 0, MISALIGNED(size_t)), -EINVAL);
    CHECK_IS(npipe_receive(h, &span, 1, out, 8, -2, &need), -EINVAL);
    CHECK_IS(npipe_receive(h, &span, 1, out, 8, INT32_MIN, &need), -EINVAL);
    CHECK_IS(npipe_receive_one(h, NULL, 8, 0), -EINVAL);
    CHECK_IS(npipe_receive_one(h, out, SIZE_MAX, 0), -EINVAL);
    CHECK_IS(npipe_receive_one(h, out, 8, -2), -EINVAL);
    CHECK_IS(npipe_send_one(h, NULL, 8, 0), -EINVAL);
    CHECK_IS(npipe_send_one(h, out, SIZE_MAX, 0), -EINVAL);
    CHECK_IS(npipe_send_one(h, out, 8, -2), -EINVAL);
    CHECK_IS(pipe_counts_of(h).received, 0);
    hears(h, "kept");
    no_word_comes(h);
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

static void a_pipes_counts_fill_exactly_the_size_asked_for(void)
{
    struct place place = open_place();
    npipe_t *h = open_reader(place.path, NULL);
    union {
        npipe_stats_t stats;
        uint8_t bytes[2 * sizeof(npipe_stats_t)];
    } out;
    say(h, "word");
    hears(h, "word");
    CHECK_IS(npipe_stats(h, NULL), -EINVAL);
    CHECK_IS(npipe_stats(h, MISALIGNED(npipe_stats_t)), -EINVAL);
    for (size_t i = 0; i < LENGTH(BAD_SIZES); i++) {
        out.stats = (npipe_stats_t){.size = BAD_SIZES[i], .sent = 7};
        CHECK_IS(npipe_stats(h, &out.stats), -EINVAL);
        CHECK_IS(out.stats.sent, 7);
    }
    for (size_t size = sizeof(size_t); size <= sizeof out; size += 4) {
        memset(&out, 0x55, sizeof out);
        out.stats.size = size;
        CHECK_IS(npipe_stats(h, &out.stats), 0);
        CHECK_IS(out.stats.size, size);
        for (size_t i = size; i < sizeof out; i++) CHECK_IS(out.bytes[i], 0x55);
        for (size_t i = sizeof out.stats; i < size; i++) CHECK_IS(out.bytes[i], 0);
        if (size >= sizeof out.stats) CHECK(out.stats.sent == 1 && out.stats.received == 1);
    }
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

/* --- want of descriptors --- */

static void a_pipe_for_which_descriptors_are_short_is_not_made(void)
{
    struct place place = open_place();
    for (int what = 0; what < 3; what++) {
        size_t descriptors = count_descriptors();
        npipe_t *h = NULL;
        int lowest = dup(STDIN_FILENO), refused = 0;
        close(lowest);
        int32_t result = -EMFILE;
        for (uint64_t most = (uint64_t)lowest; result == -EMFILE; most++) {
            uint64_t before = limit_descriptors(most);
            result = npipe_new(place.path, NULL, &h);
            if (result == 0 && what == 1) result = npipe_fd(h);
            if (result == 0 && what == 2) result = send_one(h, "word", 4, 0);
            limit_descriptors(before);
            if (h) CHECK_IS(npipe_close(h), 0);
            h = NULL;
            refused += result == -EMFILE;
            CHECK_IS(count_descriptors(), descriptors);
            CHECK(most < (uint64_t)lowest + 40);
        }
        CHECK(result >= 0);
        if (what == 1) CHECK(refused > 0);
    }
    close_place(&place);
}

static void a_pipes_descriptors_do_not_survive_an_exec(void)
{
    enum { ABOVE_ALL = 100 };
    struct place place = open_place();
    bool was_open[ABOVE_ALL];
    for (int i = 0; i < ABOVE_ALL; i++) was_open[i] = fcntl(i, F_GETFD) >= 0;
    npipe_t *h = open_reader(place.path, NULL);
    say(h, "word");
    for (int i = 0; i < ABOVE_ALL; i++) {
        int flags = fcntl(i, F_GETFD);
        if (flags >= 0 && !was_open[i]) CHECK_IS(flags & FD_CLOEXEC, FD_CLOEXEC);
    }
    CHECK_IS(npipe_close(h), 0);
    close_place(&place);
}

const struct test npipe_argument_tests[] = {
    TEST(the_fifo_is_made_for_its_owner_alone),
    TEST(a_path_where_there_can_be_no_fifo_is_refused),
    TEST(a_fifo_of_somebody_else_is_used_only_when_asked_for),
    TEST(a_pipe_that_cannot_be_is_refused),
    TEST(a_pipe_that_is_none_is_refused_by_every_call),
    TEST(sending_refuses_messages_that_cannot_be),
    TEST(receiving_refuses_room_that_cannot_be),
    TEST(a_pipes_counts_fill_exactly_the_size_asked_for),
    TEST(a_pipe_for_which_descriptors_are_short_is_not_made),
    TEST(a_pipes_descriptors_do_not_survive_an_exec),
    END_OF_TESTS,
};

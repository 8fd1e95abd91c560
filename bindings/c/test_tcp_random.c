/* Whatever is done in whatever order: no byte is lost, comes twice or is another's, and each
 * connection ends once. The choices are random, and the same each time. */
#include "check.h"
#include "loops.h"

#include <errno.h>
#include <string.h>

enum { LINKS = 12, STEPS = 5000, LIMIT = 300000 };

/* A connection, and how it is dealt with. */
struct pupil {
    struct link link;
    bool is_open;
    /* It may be closed and reset at any time; otherwise all that is sent must come. */
    bool is_rough;
};

static uint64_t seed = 1;

/* Below `bound`. */
static uint64_t choose(uint64_t bound)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % bound;
}

static bool may_have_ended(int64_t result)
{
    return result == -EBADF || result == -EPIPE || result == -ECONNRESET
           || result == -ECONNABORTED;
}

static void send_some(struct end *end, bool is_rough)
{
    static const size_t SIZES[] = {1, 10, 1000, 20000, 200000};
    int64_t result = send_more(end, 1 + choose(SIZES[choose(LENGTH(SIZES))]));
    CHECK(result >= 0 || result == -EAGAIN || (is_rough && may_have_ended(result)));
}

static void read_some(struct end *end, bool is_rough)
{
    int64_t length = read_more(end, 1 + choose(30000));
    CHECK(length > 0 || length == -EAGAIN || (is_rough && (length == 0 || may_have_ended(length))));
}

static void change_rates(struct end *end)
{
    tcp_set_rate(end->loop, end->id, choose(2) * (1 + choose(100000000)),
                 choose(2) * (1 + choose(100000000)));
}

static void change_watermarks(struct end *end)
{
    size_t low = choose(100000), high = low + choose(100000);
    tcp_set_watermarks(end->loop, end->id, low, high, high + LIMIT);
}

/* One thing that a caller may do to one end. */
static void do_something(struct end *end, bool is_rough)
{
    switch (choose(is_rough ? 22 : 20)) {
    case 0: change_rates(end); break;
    case 1: change_watermarks(end); break;
    case 2: case 3: tcp_set_reading(end->loop, end->id, (uint32_t)choose(3)); break;
    case 4: tcp_set_timeouts(end->loop, end->id, 30000, (uint32_t)choose(2) * 30000); break;
    case 5: case 6: case 7: read_some(end, is_rough); break;
    case 20: tcp_close(end->loop, end->id); break;
    case 21: choose(2) ? tcp_abort(end->loop, end->id) : tcp_shutdown_write(end->loop, end->id);
             break;
    default: send_some(end, is_rough);
    }
}

static void enter(struct pupil *pupil, evloop_t *loop)
{
    pupil->is_rough = choose(2);
    open_link(&pupil->link, loop, TCP(.limit = LIMIT, .send_buffer = 8192), TCP(.limit = LIMIT));
    close_host(&pupil->link.host);
    pupil->is_open = true;
}

/* Lets come what is on its way, and ends both ways. */
static void leave(struct pupil *pupil)
{
    struct end *const ends[] = {&pupil->link.client, &pupil->link.server};
    for (int i = 0; i < 2; i++) {
        tcp_set_reading(ends[i]->loop, ends[i]->id, TCP_READ_DATA);
        tcp_set_rate(ends[i]->loop, ends[i]->id, 0, 0);
        tcp_shutdown_write(ends[i]->loop, ends[i]->id);
    }
    for (int i = 0; i < 2; i++) {
        if (pupil->is_rough) tcp_close(ends[i]->loop, ends[i]->id);
        TURN_UNTIL(ends[i]->loop, ends[i]->closed);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(ends[1 - i]->received + ends[i]->unsent <= ends[i]->sent);
        if (pupil->is_rough) continue;
        CHECK_IS(ends[1 - i]->received, ends[i]->sent);
        CHECK_IS(ends[i]->error, 0);
        CHECK_IS(ends[i]->unsent, 0);
    }
    pupil->is_open = false;
}

static void keeps_its_word(evloop_t *loop)
{
    static struct pupil pupils[LINKS];
    memset(pupils, 0, sizeof pupils);
    for (int step = 0; step < STEPS; step++) {
        struct pupil *pupil = &pupils[choose(LINKS)];
        if (!pupil->is_open) enter(pupil, loop);
        else if (choose(300) == 0) leave(pupil);
        else do_something(choose(2) ? &pupil->link.client : &pupil->link.server, pupil->is_rough);
        if (choose(3) == 0) turn(loop, 0);
    }
    for (int i = 0; i < LINKS; i++)
        if (pupils[i].is_open) leave(&pupils[i]);
    evloop_stats_t stats = loop_counts_of(loop);
    CHECK_IS(stats.connections, 0);
    CHECK_IS(stats.closed, stats.accepted + stats.connected);
    no_event_comes(loop);
}

static void no_order_of_calls_confuses_a_connection(void)
{
    on_each_backend(keeps_its_word);
}

const struct test tcp_random_tests[] = {
    TEST(no_order_of_calls_confuses_a_connection),
    END_OF_TESTS,
};

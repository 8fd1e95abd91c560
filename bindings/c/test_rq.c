/* Receive queues: what is held, what falls out, what an extract gives, what the counts say. */
#include "check.h"
#include "queues.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- order and falling out --- */

static void keeps_order_and_loses_the_oldest(rq_t *q)
{
    CHECK(holds(q, "a", "i", NULL));
    put(q, "a", "i", "one");
    put(q, "a", "i", "two");
    CHECK(holds(q, "a", "i", "one,two"));
    put(q, "a", "i", "three");
    CHECK(holds(q, "a", "i", "one,two,three"));
    put(q, "a", "i", "four");
    for (int again = 0; again < 3; again++) CHECK(holds(q, "a", "i", "two,three,four"));
    const ph_bytes_t many[] = {{KEY("5")}, {KEY("6")}, {KEY("7")}, {KEY("8")}, {KEY("9")}};
    CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), many, 5), 5);
    CHECK(holds(q, "a", "i", "7,8,9"));
    CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), many, 2), 2);
    CHECK(holds(q, "a", "i", "9,5,6"));
    CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), many, 0), 0);
    CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), NULL, 0), 0);
    CHECK(holds(q, "a", "i", "9,5,6"));
}

static void the_newest_are_held_in_order_and_kept_by_an_extract(void)
{
    on_each_policy(3, keeps_order_and_loses_the_oldest);
}

static void a_buffer_of_one_holds_the_newest(void)
{
    rq_t *q = open_queue(1, RQ_RW, NULL);
    for (uint32_t i = 0; i < 100; i++) put_number(q, "a", "i", i);
    struct extract held = extract_one(q, "a", KEY("i"));
    CHECK_IS(held.n, 1);
    CHECK_IS(number_at(&held, 0), 99);
    free_extract(&held);
    CHECK_IS(rq_close(q), 0);
}

/* Room is taken for what is there, not for what might come. */
static void the_longest_buffer_takes_no_memory_of_its_own(void)
{
    enum { LONGEST = 1 << 24, A_LOT = 64 << 20 };
    size_t before = resident_memory();
    rq_t *q = open_queue(LONGEST, RQ_RW, NULL);
    for (uint32_t i = 0; i < 1000; i++) put_number(q, "a", "i", i);
    put(q, "a", "j", "value");
    CHECK(resident_memory() < before + A_LOT);
    struct extract held = extract_one(q, "a", KEY("i"));
    CHECK_IS(held.n, 1000);
    CHECK_IS(number_at(&held, 0), 0);
    CHECK_IS(number_at(&held, 999), 999);
    free_extract(&held);
    CHECK_IS(rq_close(q), 0);
}

/* --- keys --- */

static void tells_buffers_apart(rq_t *q)
{
    static const struct {
        const char *bytes;
        size_t length;
    } KEYS[] = {{"", 0}, {"\0", 1}, {"\0\0", 2}, {"i", 1}, {"i\0", 2}, {"ii", 2}, {"\xff\xfe", 2},
                {"I", 1}, {"i\0i", 3}};
    static const char *const GROUPS[] = {"a", "b", ""};
    for (uint32_t i = 0; i < LENGTH(KEYS) * LENGTH(GROUPS); i++) {
        const ph_bytes_t item = {(const uint8_t *)&i, sizeof i};
        size_t key = i / LENGTH(GROUPS);
        CHECK_IS(rq_receive(q, KEY(GROUPS[i % LENGTH(GROUPS)]), (const uint8_t *)KEYS[key].bytes,
                            KEYS[key].length, &item, 1), 1);
    }
    for (uint32_t i = 0; i < LENGTH(KEYS) * LENGTH(GROUPS); i++) {
        size_t key = i / LENGTH(GROUPS);
        struct extract held = extract_one(q, GROUPS[i % LENGTH(GROUPS)],
                                          (const uint8_t *)KEYS[key].bytes, KEYS[key].length);
        CHECK_IS(held.n, 1);
        CHECK_IS(number_at(&held, 0), i);
        free_extract(&held);
    }
    CHECK_IS(queue_counts_of(q).buffers, LENGTH(KEYS) * LENGTH(GROUPS));
}

static void keys_are_bytes_of_any_kind_and_number(void)
{
    on_each_policy(2, tells_buffers_apart);
}

static void a_key_may_be_empty_without_a_pointer(void)
{
    rq_t *q = open_queue(2, RQ_RW, NULL);
    const ph_bytes_t item = {KEY("value")};
    CHECK_IS(rq_receive(q, NULL, 0, NULL, 0, &item, 1), 1);
    CHECK(holds(q, "", "", "value"));
    CHECK_IS(buffer_counts_of(q, "", "").held, 1);
    CHECK_IS(rq_forget(q, NULL, 0, NULL, 0), 1);
    CHECK(holds(q, "", "", NULL));
    CHECK_IS(rq_close(q), 0);
}

static void a_long_key_is_one(void)
{
    enum { LONG = 1 << 20 };
    rq_t *q = open_queue(2, RQ_RW, NULL);
    uint8_t *key = malloc(LONG);
    memset(key, 'k', LONG);
    const ph_bytes_t item = {KEY("value")};
    CHECK_IS(rq_receive(q, KEY("a"), key, LONG, &item, 1), 1);
    CHECK_IS(rq_receive(q, KEY("a"), key, LONG - 1, &item, 1), 1);
    key[LONG - 1] = 'x';
    CHECK_IS(rq_receive(q, KEY("a"), key, LONG, &item, 1), 1);
    struct extract held = extract_group(q, "a");
    CHECK_IS(held.n, 3);
    for (size_t i = 0; i < held.n; i++)
        CHECK(memcmp(held.bytes + held.values[i].idx_offset, key, LONG - 1) == 0);
    free_extract(&held);
    free(key);
    CHECK_IS(rq_close(q), 0);
}

/* --- values --- */

static void keeps_values_whole(rq_t *q)
{
    enum { LONGEST = 3 << 20 };
    static const size_t LENGTHS[] = {0, 1, 7, 0, 255, 256, 4095, 65536, 0, LONGEST};
    uint8_t *value = malloc(LONGEST);
    for (size_t i = 0; i < LENGTH(LENGTHS); i++) {
        memset(value, (int)i + 1, LENGTHS[i]);
        const ph_bytes_t item = {LENGTHS[i] ? value : NULL, LENGTHS[i]};
        CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), &item, 1), 1);
    }
    memset(value, 0, LONGEST);
    struct extract held = extract_one(q, "a", KEY("i"));
    CHECK_IS(held.n, LENGTH(LENGTHS));
    for (size_t i = 0; i < held.n; i++) {
        CHECK_IS(held.values[i].len, LENGTHS[i]);
        for (size_t at = 0; at < LENGTHS[i]; at++)
            CHECK(held.bytes[held.values[i].offset + at] == i + 1);
    }
    free_extract(&held);
    free(value);
}

static void values_of_every_length_are_kept_whole(void)
{
    on_each_policy(16, keeps_values_whole);
}

/* --- the room that an extract needs --- */

static void an_extract_without_room_says_what_it_needs_and_writes_nothing(void)
{
    rq_t *q = open_queue(4, RQ_RW, NULL);
    put(q, "a", "i", "one");
    put(q, "a", "i", "");
    put(q, "a", "i", "three");
    rq_value_t values[3];
    uint8_t out[8], untouched[8];
    memset(untouched, 0x55, sizeof untouched);
    memset(values, 0x55, sizeof values);
    memset(out, 0x55, sizeof out);
    const struct {
        size_t n, cap;
    } short_of[] = {{0, 0}, {3, 7}, {2, 8}, {0, 8}, {3, 0}};
    for (size_t i = 0; i < LENGTH(short_of); i++) {
        ph_need_t need = {0};
        rq_value_t *room = short_of[i].n ? values : NULL;
        uint8_t *bytes = short_of[i].cap ? out : NULL;
        CHECK_IS(rq_extract(q, KEY("a"), KEY("i"), room, short_of[i].n, bytes, short_of[i].cap,
                            &need), -EMSGSIZE);
        CHECK(need.items == 3 && need.bytes == 8);
        CHECK_IS(rq_extract(q, KEY("a"), KEY("i"), room, short_of[i].n, bytes, short_of[i].cap,
                            NULL), -EMSGSIZE);
        CHECK(memcmp(out, untouched, sizeof out) == 0);
        for (size_t at = 0; at < sizeof values; at++) CHECK_IS(((uint8_t *)values)[at], 0x55);
    }
    ph_need_t need = {0};
    CHECK_IS(rq_extract(q, KEY("a"), KEY("i"), values, 3, out, 8, &need), 3);
    CHECK(need.items == 3 && need.bytes == 8);
    CHECK(memcmp(out + values[0].offset, "one", 3) == 0);
    CHECK(memcmp(out + values[2].offset, "three", 5) == 0);
    CHECK_IS(rq_extract(q, KEY("a"), KEY("i"), values, 3, out, 8, NULL), 3);
    need = (ph_need_t){7, 7};
    CHECK_IS(rq_extract(q, KEY("a"), KEY("none"), NULL, 0, NULL, 0, &need), 0);
    CHECK(need.items == 0 && need.bytes == 0);
    CHECK_IS(rq_close(q), 0);
}

static void extracting_a_group_without_room_writes_nothing(void)
{
    rq_t *q = open_queue(4, RQ_RW, NULL);
    ph_need_t need = {7, 7};
    CHECK_IS(rq_extract_all(q, KEY("a"), NULL, 0, NULL, 0, &need), 0);
    CHECK(need.items == 0 && need.bytes == 0);
    put(q, "a", "first", "1");
    put(q, "a", "first", "2");
    put(q, "a", "second", "3");
    put(q, "b", "first", "4");
    CHECK_IS(rq_extract_all(q, KEY("a"), NULL, 0, NULL, 0, &need), -EMSGSIZE);
    CHECK_IS(need.items, 3);
    CHECK(need.bytes >= strlen("firstsecond123"));
    rq_value_t values[3];
    uint8_t out[64];
    size_t cap = need.bytes;
    CHECK(cap <= sizeof out);
    memset(out, 0x55, sizeof out);
    CHECK_IS(rq_extract_all(q, KEY("a"), values, 2, out, cap, &need), -EMSGSIZE);
    CHECK_IS(rq_extract_all(q, KEY("a"), values, 3, out, cap - 1, &need), -EMSGSIZE);
    CHECK_IS(rq_extract_all(q, KEY("a"), values, 3, out, cap - 1, NULL), -EMSGSIZE);
    for (size_t i = 0; i < sizeof out; i++) CHECK_IS(out[i], 0x55);
    CHECK_IS(rq_extract_all(q, KEY("a"), values, 3, out, cap, &need), 3);
    CHECK(need.items == 3 && need.bytes == cap);
    for (size_t i = cap; i < sizeof out; i++) CHECK_IS(out[i], 0x55);
    CHECK_IS(rq_close(q), 0);
}

/* --- whole groups --- */

static void gives_groups_whole(rq_t *q)
{
    enum { BUFFERS = 500, VALUES = 6, LENGTH_OF_BUFFER = 4 };
    char idx[16];
    for (uint32_t i = 0; i < BUFFERS * VALUES; i++) {
        snprintf(idx, sizeof idx, "%u", i % BUFFERS);
        put_number(q, "a", idx, i);
        put_number(q, "b", idx, i + 1);
    }
    struct extract held = extract_group(q, "a");
    CHECK_IS(held.n, BUFFERS * LENGTH_OF_BUFFER);
    bool has_come[BUFFERS] = {false};
    for (size_t i = 0; i < held.n; i += LENGTH_OF_BUFFER) {
        const rq_value_t *first = &held.values[i];
        CHECK(first->idx_len < sizeof idx);
        memcpy(idx, held.bytes + first->idx_offset, first->idx_len);
        idx[first->idx_len] = 0;
        uint32_t number = (uint32_t)atoi(idx);
        CHECK(number < BUFFERS && !has_come[number]);
        has_come[number] = true;
        for (uint32_t at = 0; at < LENGTH_OF_BUFFER; at++) {
            CHECK_IS(first[at].idx_offset, first->idx_offset);
            CHECK_IS(first[at].idx_len, first->idx_len);
            CHECK_IS(number_at(&held, i + at), number + (VALUES - LENGTH_OF_BUFFER + at) * BUFFERS);
        }
    }
    free_extract(&held);
    held = extract_group(q, "");
    CHECK_IS(held.n, 0);
    free_extract(&held);
}

static void a_group_is_extracted_buffer_by_buffer(void)
{
    on_each_policy(4, gives_groups_whole);
}

static void a_huge_group_is_extracted_at_once(void)
{
    enum { BUFFERS = 20000, VALUES = 8 };
    rq_t *q = open_queue(VALUES, RQ_RW, NULL);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        ph_bytes_t items[VALUES];
        for (size_t at = 0; at < VALUES; at++) items[at] = (ph_bytes_t){(uint8_t *)&i, sizeof i};
        CHECK_IS(rq_receive(q, KEY("a"), (uint8_t *)&i, sizeof i, items, VALUES), VALUES);
    }
    struct extract held = extract_group(q, "a");
    CHECK_IS(held.n, BUFFERS * VALUES);
    uint64_t sum = 0;
    for (size_t i = 0; i < held.n; i++) {
        CHECK_IS(held.values[i].idx_len, sizeof(uint32_t));
        uint32_t number = number_at(&held, i);
        CHECK(memcmp(held.bytes + held.values[i].idx_offset, &number, sizeof number) == 0);
        sum += number;
    }
    CHECK_IS(sum, (uint64_t)VALUES * BUFFERS * (BUFFERS - 1) / 2);
    free_extract(&held);
    CHECK_IS(rq_close(q), 0);
}

/* --- counts and bounds --- */

static void counts_add_up(rq_t *q)
{
    uint64_t empty = queue_counts_of(q).bytes;
    for (uint32_t i = 0; i < 10; i++) put_number(q, "a", "i", i);
    put(q, "a", "j", "value");
    put(q, "b", "i", "");
    rq_buffer_stats_t i = buffer_counts_of(q, "a", "i"), none = buffer_counts_of(q, "a", "k");
    CHECK(i.received == 10 && i.discarded == 6 && i.held == 4);
    CHECK(i.bytes >= 4 * sizeof(uint32_t));
    CHECK(none.received == 0 && none.discarded == 0 && none.held == 0 && none.bytes == 0);
    rq_stats_t all = queue_counts_of(q);
    CHECK(all.buffers == 3 && all.values == 6 && all.received == 12 && all.discarded == 6);
    CHECK_IS(all.refused, 0);
    CHECK(all.bytes >= empty + 4 * sizeof(uint32_t) + 5);
    CHECK_IS(rq_forget(q, KEY("a"), KEY("i")), 4);
    CHECK_IS(rq_forget(q, KEY("a"), KEY("i")), 0);
    CHECK_IS(rq_forget(q, KEY("a"), KEY("j")), 1);
    CHECK(holds(q, "a", "i", NULL));
    CHECK(holds(q, "b", "i", ""));
    CHECK_IS(rq_forget(q, KEY("b"), KEY("i")), 1);
    all = queue_counts_of(q);
    CHECK(all.buffers == 0 && all.values == 0 && all.received == 12 && all.discarded == 12);
    CHECK_IS(all.bytes, empty);
    put(q, "a", "i", "anew");
    CHECK(holds(q, "a", "i", "anew"));
    i = buffer_counts_of(q, "a", "i");
    CHECK(i.received == 1 && i.discarded == 0 && i.held == 1);
}

static void what_came_fell_out_and_was_forgotten_is_counted(void)
{
    on_each_policy(4, counts_add_up);
}

static void a_key_too_many_is_refused_and_the_known_ones_go_on(void)
{
    enum { MOST = 100 };
    for (uint32_t policy = RQ_UNSYNC; policy <= RQ_EXCLUSIVE; policy++) {
        rq_t *q = open_queue(2, policy, RQ(.buffers_max = MOST));
        const ph_bytes_t item = {KEY("value")};
        for (uint32_t i = 0; i < MOST; i++)
            CHECK_IS(rq_receive(q, KEY(i % 2 ? "a" : "b"), (uint8_t *)&i, sizeof i, &item, 1), 1);
        for (int again = 0; again < 3; again++) {
            CHECK_IS(rq_receive(q, KEY("a"), KEY("one more"), &item, 1), -ENOSPC);
            CHECK_IS(rq_receive(q, KEY(""), KEY("one more"), &item, 1), -ENOSPC);
        }
        rq_stats_t all = queue_counts_of(q);
        CHECK(all.buffers == MOST && all.received == MOST && all.refused == 6);
        uint32_t known = 7;
        CHECK_IS(rq_receive(q, KEY("a"), (uint8_t *)&known, sizeof known, &item, 1), 1);
        CHECK_IS(rq_forget(q, KEY("a"), (uint8_t *)&known, sizeof known), 2);
        CHECK_IS(rq_receive(q, KEY("a"), KEY("one more"), &item, 1), 1);
        CHECK_IS(rq_receive(q, KEY("a"), KEY("yet one"), &item, 1), -ENOSPC);
        CHECK_IS(rq_close(q), 0);
    }
}

/* What an attacker who invents keys can do: fill the queue to its bound. */
static void a_million_keys_are_bounded(void)
{
    enum { MOST = 1 << 20, TOO_MANY = 100 };
    rq_t *q = open_queue(10, RQ_RW, NULL);
    const ph_bytes_t item = {KEY("value")};
    uint32_t i = 0;
    while (i < MOST && rq_receive(q, KEY("a"), (uint8_t *)&i, sizeof i, &item, 1) == 1) i++;
    CHECK_IS(i, MOST);
    for (; i < MOST + TOO_MANY; i++)
        CHECK_IS(rq_receive(q, KEY("a"), (uint8_t *)&i, sizeof i, &item, 1), -ENOSPC);
    rq_stats_t all = queue_counts_of(q);
    CHECK(all.buffers == MOST && all.values == MOST && all.refused == TOO_MANY);
    ph_need_t need;
    CHECK_IS(rq_extract_all(q, KEY("a"), NULL, 0, NULL, 0, &need), -EMSGSIZE);
    CHECK_IS(need.items, MOST);
    i = MOST / 2;
    struct extract held = extract_one(q, "a", (uint8_t *)&i, sizeof i);
    CHECK_IS(held.n, 1);
    free_extract(&held);
    CHECK_IS(rq_close(q), 0);
}

static void values_beyond_the_memory_allowed_are_refused(void)
{
    enum { MOST = 1 << 20, SIZE = 10000 };
    static const uint8_t value[SIZE];
    for (uint32_t policy = RQ_UNSYNC; policy <= RQ_EXCLUSIVE; policy++) {
        rq_t *q = open_queue(1000, policy, RQ(.bytes_max = MOST));
        ph_bytes_t items[200];
        for (size_t i = 0; i < LENGTH(items); i++) items[i] = (ph_bytes_t){value, SIZE};
        int32_t taken = rq_receive(q, KEY("a"), KEY("i"), items, LENGTH(items));
        CHECK(taken >= MOST / SIZE / 2 && taken <= MOST / SIZE);
        CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), items, 1), -ENOBUFS);
        CHECK_IS(rq_receive(q, KEY("b"), KEY("new"), items, 1), -ENOBUFS);
        rq_stats_t all = queue_counts_of(q);
        CHECK_IS(all.values, taken);
        CHECK(all.bytes <= MOST && all.bytes >= (uint64_t)taken * SIZE);
        CHECK_IS(all.received, taken);
        CHECK(all.refused >= 2);
        CHECK_IS(buffer_counts_of(q, "a", "i").held, taken);
        CHECK_IS(rq_forget(q, KEY("a"), KEY("i")), taken);
        CHECK_IS(rq_receive(q, KEY("b"), KEY("new"), items, 1), 1);
        const ph_bytes_t too_long = {value, SIZE};
        CHECK_IS(rq_close(q), 0);
        q = open_queue(2, policy, RQ(.bytes_max = SIZE / 2));
        CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), &too_long, 1), -ENOBUFS);
        put(q, "a", "i", "short");
        CHECK(holds(q, "a", "i", "short"));
        CHECK_IS(rq_close(q), 0);
    }
}

/* What falls out makes room for what comes. */
static void a_full_buffer_goes_on_taking_within_its_memory(void)
{
    enum { MOST = 64 << 10, SIZE = 1000, LENGTH_OF_BUFFER = 8 };
    uint8_t value[SIZE];
    rq_t *q = open_queue(LENGTH_OF_BUFFER, RQ_RW, RQ(.bytes_max = MOST));
    for (uint32_t i = 0; i < 10000; i++) {
        memset(value, (uint8_t)i, sizeof value);
        const ph_bytes_t item = {value, 1 + i % SIZE};
        CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), &item, 1), 1);
    }
    CHECK(queue_counts_of(q).bytes <= MOST);
    CHECK_IS(queue_counts_of(q).values, LENGTH_OF_BUFFER);
    CHECK_IS(rq_close(q), 0);
}

static void what_a_queue_held_is_freed_when_it_closes(void)
{
    enum { ROUNDS = 20, SIZE = 1 << 20, A_LOT = 100 << 20 };
    uint8_t *value = calloc(1, SIZE);
    size_t before = 0;
    for (int round = 0; round < ROUNDS; round++) {
        rq_t *q = open_queue(16, RQ_RW, NULL);
        const ph_bytes_t item = {value, SIZE};
        for (int i = 0; i < 20; i++)
            CHECK_IS(rq_receive(q, KEY("a"), KEY("i"), &item, 1), 1);
        CHECK_IS(rq_close(q), 0);
        if (round == 0) before = resident_memory();
    }
    free(value);
#ifndef __SANITIZE_ADDRESS__
    /* The sanitizer keeps what was freed. */
    CHECK(resident_memory() < before + A_LOT);
#else
    (void)before;
#endif
}

/* --- all of it at random, beside what a queue is to be --- */

enum { MODEL_BUFFERS = 8, MODEL_LENGTH = 5, MODEL_LONGEST = 40 };

struct model {
    uint8_t held[MODEL_LENGTH][MODEL_LONGEST];
    size_t lengths[MODEL_LENGTH], count;
};

static void model_put(struct model *model, const uint8_t *value, size_t length)
{
    if (model->count == MODEL_LENGTH) {
        memmove(model->held, model->held + 1, sizeof model->held - sizeof *model->held);
        memmove(model->lengths, model->lengths + 1,
                sizeof model->lengths - sizeof *model->lengths);
        model->count--;
    }
    memcpy(model->held[model->count], value, length);
    model->lengths[model->count++] = length;
}

static void check_model(rq_t *q, const char *group, uint8_t idx, const struct model *model)
{
    struct extract held = extract_one(q, group, &idx, 1);
    CHECK_IS(held.n, model->count);
    for (size_t i = 0; i < held.n; i++) {
        CHECK_IS(held.values[i].len, model->lengths[i]);
        CHECK(memcmp(held.bytes + held.values[i].offset, model->held[i], model->lengths[i]) == 0);
    }
    free_extract(&held);
}

static void behaves_as_the_model(rq_t *q)
{
    static const char *const GROUPS[] = {"a", "b"};
    static struct model models[2][MODEL_BUFFERS];
    memset(models, 0, sizeof models);
    unsigned seed = 42;
    for (int step = 0; step < 5000; step++) {
        int group = rand_r(&seed) % 2;
        uint8_t idx = (uint8_t)(rand_r(&seed) % MODEL_BUFFERS);
        struct model *model = &models[group][idx];
        uint8_t values[7][MODEL_LONGEST];
        ph_bytes_t items[7];
        size_t n = (size_t)rand_r(&seed) % 7;
        for (size_t i = 0; i < n; i++) {
            size_t length = (size_t)rand_r(&seed) % MODEL_LONGEST;
            memset(values[i], rand_r(&seed), length);
            items[i] = (ph_bytes_t){values[i], length};
            model_put(model, values[i], length);
        }
        CHECK_IS(rq_receive(q, KEY(GROUPS[group]), &idx, 1, items, n), n);
        if (rand_r(&seed) % 20 == 0) {
            CHECK_IS(rq_forget(q, KEY(GROUPS[group]), &idx, 1), model->count);
            model->count = 0;
        }
        check_model(q, GROUPS[group], idx, model);
    }
    for (int i = 0; i < 2 * MODEL_BUFFERS; i++)
        check_model(q, GROUPS[i % 2], (uint8_t)(i / 2), &models[i % 2][i / 2]);
}

static void five_thousand_steps_at_random_are_those_of_a_model(void)
{
    on_each_policy(MODEL_LENGTH, behaves_as_the_model);
}

const struct test rq_tests[] = {
    TEST(the_newest_are_held_in_order_and_kept_by_an_extract),
    TEST(a_buffer_of_one_holds_the_newest),
    TEST(the_longest_buffer_takes_no_memory_of_its_own),
    TEST(keys_are_bytes_of_any_kind_and_number),
    TEST(a_key_may_be_empty_without_a_pointer),
    TEST(a_long_key_is_one),
    TEST(values_of_every_length_are_kept_whole),
    TEST(an_extract_without_room_says_what_it_needs_and_writes_nothing),
    TEST(extracting_a_group_without_room_writes_nothing),
    TEST(a_group_is_extracted_buffer_by_buffer),
    TEST(a_huge_group_is_extracted_at_once),
    TEST(what_came_fell_out_and_was_forgotten_is_counted),
    TEST(a_key_too_many_is_refused_and_the_known_ones_go_on),
    TEST(a_million_keys_are_bounded),
    TEST(values_beyond_the_memory_allowed_are_refused),
    TEST(a_full_buffer_goes_on_taking_within_its_memory),
    TEST(what_a_queue_held_is_freed_when_it_closes),
    TEST(five_thousand_steps_at_random_are_those_of_a_model),
    END_OF_TESTS,
};

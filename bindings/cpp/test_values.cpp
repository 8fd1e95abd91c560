// What is no handle: views, addresses, errors, times, buffers.
#include <pyhelpers.hpp>

#include "check.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <unordered_set>
#if __cplusplus >= 202002L
#include <span>
#endif

namespace ph = pyhelpers;
using namespace std::chrono_literals;

template <class Handle> constexpr bool is_handle = std::is_nothrow_move_constructible_v<Handle> &&
                                                   std::is_nothrow_move_assignable_v<Handle> &&
                                                   std::is_nothrow_destructible_v<Handle> &&
                                                   !std::is_copy_constructible_v<Handle> &&
                                                   !std::is_copy_assignable_v<Handle>;
static_assert(is_handle<ph::udp_handler> && sizeof(ph::udp_handler) == sizeof(udph_t *));
static_assert(is_handle<ph::peer> && is_handle<ph::broadcast> && is_handle<ph::event_loop>);
static_assert(is_handle<ph::receive_queue> && is_handle<ph::named_pipe> && is_handle<ph::libvirt>);
static_assert(is_handle<ph::timer> && is_handle<ph::watch> && is_handle<ph::signal_watch>);
static_assert(is_handle<ph::tcp_listener> && is_handle<ph::feed>);
static_assert(std::is_nothrow_copy_constructible_v<ph::tcp_connection>);
static_assert(noexcept(ph::version()) && noexcept(ph::has_abi()));
static_assert(noexcept(std::declval<ph::peer &>().get()));
static_assert(noexcept(std::declval<ph::peer &>().release()));
static_assert(noexcept(ph::address() == ph::address()));

/// `Handle({})` would be a handle of nullptr, where the default configuration is meant.
template <class Handle, class = void> constexpr bool takes_braces = false;
template <class Handle>
constexpr bool takes_braces<Handle, std::void_t<decltype(Handle({}))>> = true;
static_assert(!takes_braces<ph::peer> && !takes_braces<ph::event_loop>);

static_assert(!std::is_copy_constructible_v<ph::datagram_buffer>); // Its items point into it.
static_assert(std::is_nothrow_move_assignable_v<ph::datagram_buffer>);
static_assert(!std::is_constructible_v<ph::bytes, std::nullptr_t>);
static_assert(!std::is_constructible_v<ph::bytes, std::vector<int>>);
static_assert(!std::is_constructible_v<ph::bytes, int>);
static_assert(!std::is_constructible_v<ph::span<int>, const std::vector<int> &>);
static_assert(!std::is_constructible_v<ph::span<int>, std::initializer_list<int>>);
static_assert(!std::is_constructible_v<ph::span<int>, std::vector<int>>); // It would dangle.
static_assert(std::is_constructible_v<ph::span<int>, std::vector<int> &>);
static_assert(std::is_constructible_v<ph::span<const int>, const std::vector<int> &>);
static_assert(!std::is_constructible_v<ph::span<std::uint8_t>, std::string &>);
static_assert(std::is_convertible_v<std::error_code &, ph::or_throw>);
static_assert(!std::is_convertible_v<std::error_code, ph::or_throw>);

template <class From> static bool views(const From &from) {
    const ph::bytes view = from;
    return view.data == static_cast<const void *>(std::data(from)) &&
           view.size() == std::size(from);
}

TEST(bytes_view_what_they_are_made_from) {
    const std::uint8_t raw[3] = {1, 2, 3};
    CHECK(views(std::string("text")) && views(std::string_view("text")));
    CHECK(views(std::vector<std::uint8_t>{1, 2}) && views(std::vector<char>{'a'}) && views(raw));
    CHECK(views(std::array<std::byte, 4>{}) && views(std::vector<std::uint8_t>{}));
    CHECK(views(ph::span<const std::uint8_t>(raw)));
#if __cplusplus >= 202002L
    CHECK(views(std::span<const std::uint8_t>(raw)) && views(std::span(raw)));
#endif
    const char text[10] = "hello";
    CHECK_IS(ph::bytes(text).size(), 5u);
    CHECK_IS(ph::bytes("a\0b").size(), 1u);
    CHECK_IS(ph::bytes(std::string_view("a\0b", 3)).size(), 3u);
    CHECK(ph::bytes("one") == "one" && ph::bytes("one") != "two" && ph::bytes() == "");
    CHECK(ph::bytes("abc")[2] == 'c' && ph::bytes("abc").str() == "abc" && ph::bytes().empty());
}

static std::size_t sum(ph::span<const std::size_t> numbers) {
    std::size_t total = 0;
    for (const std::size_t number : numbers) total += number;
    return total;
}

static std::string joined(ph::span<const ph::bytes> texts) {
    std::string all;
    for (const ph::bytes text : texts) all += text.str();
    return all;
}

TEST(spans_view_what_they_are_made_from) {
    const std::size_t raw[] = {1, 2};
    std::vector<std::size_t> vector{1, 2, 3};
    CHECK_IS(sum(raw), 3u);
    CHECK_IS(sum(vector), 6u);
    CHECK_IS(sum(std::array<std::size_t, 2>{3, 4}), 7u);
    CHECK_IS(sum({4, 5}), 9u);
    CHECK_IS(sum({}), 0u);
#if __cplusplus >= 202002L
    CHECK_IS(sum(std::span(vector)), 6u);
    const ph::span<std::size_t> ours = vector;
    CHECK_IS(std::span<std::size_t>(ours).size(), 3u);
#endif
    CHECK_IS(joined({"one", std::string("two"), std::string_view("three")}), "onetwothree");
    const ph::span<std::size_t> span = vector;
    span[0] = 9;
    CHECK(vector[0] == 9 && span.data() == vector.data());
    CHECK(span.first(2).size() == 2 && span.first(9).size() == 3 && span.from(9).empty());
    CHECK(span.from(1).data() == vector.data() + 1 && span.from(1).size() == 2);
}

TEST(addresses_are_values) {
    const ph::address four("192.0.2.1", 80), six("2001:db8::1", 80), other("192.0.2.1", 81);
    CHECK_IS(four.str(), "192.0.2.1");
    CHECK_IS(six.str(), "2001:db8::1");
    CHECK(four == ph::address("192.0.2.1", 80) && four != other && four != six);
    CHECK((four < other) != (other < four) && !(four < four));
    CHECK(!ph::address() && four && ph::address().str().empty());
    const std::unordered_set<ph::address> set{four, six, other, four};
    CHECK(set.size() == 3 && set.count(ph::address("2001:db8::1", 80)) == 1);
    CHECK_FAILS(std::errc::invalid_argument, ph::address("example.com", 0, ec...));
    CHECK_FAILS(std::errc::invalid_argument, ph::address("", 0, ec...));
    CHECK_FAILS(std::errc::invalid_argument, ph::address("192.0.2.1", 65536, ec...));
    CHECK_FAILS(std::errc::no_such_device, ph::address("fe80::1%nothere", 0, ec...));
}

TEST(errors_compare_and_say_what_they_are) {
    ph::peer peer;
    std::error_code code;
    peer.stats(code);
    CHECK(!code);
    peer.send_to(ph::address("127.0.0.1", 9), "", code);
    CHECK(code == std::errc::not_connected && code != std::errc::bad_file_descriptor);
    CHECK(code.category() == ph::category() && code.value() == ENOTCONN);
    CHECK_IS(code.message(), ph_strerror(-ENOTCONN));
    CHECK_IS(std::string(ph::category().name()), "pyhelpers");
    peer.open(code);
    CHECK(!code); // Success clears it.
    try {
        peer.open();
        CHECK(false && "opened twice");
    } catch (const std::system_error &error) {
        CHECK(error.code() == std::errc::already_connected);
        CHECK_IS(std::string(error.what()).rfind("peer_open: ", 0), 0u);
    }
    const std::error_code ours[] = {ph::errc::panic, ph::errc::no_name, ph::errc::resolve,
                                    ph::errc::no_libvirt, ph::errc::shut_down};
    for (const std::error_code &one : ours) {
        CHECK_IS(one.message(), ph_strerror(-one.value()));
        CHECK(one == one.default_error_condition());
    }
    CHECK(ours[0].default_error_condition().category() == ph::category());
    CHECK(ours[4].default_error_condition().category() == std::generic_category());
}

TEST(the_library_is_that_of_the_header) {
    CHECK(ph::has_abi());
    CHECK_IS(ph::version(), ph_version());
}

TEST(times_out_of_range_are_the_nearest) {
    ph::receive_queue queue({"group"}, 1);
    queue.receive("group", "idx", "value");
    CHECK(queue.wait("group", ph::milliseconds::max()));
    CHECK(!queue.wait("group", ph::no_wait));
    CHECK(!queue.wait("group", 1ms));
    CHECK_FAILS(std::errc::invalid_argument, queue.wait("group", ph::milliseconds::min(), ec...));
    CHECK_FAILS(std::errc::invalid_argument, queue.wait("group", -2ms, ec...));
}

TEST(buffers_that_were_moved_from_receive_nothing) {
    ph::peer peer;
    peer.open();
    ph::datagram_buffer datagrams(4);
    const ph::datagram_buffer taken = std::move(datagrams);
    CHECK_FAILS(std::errc::invalid_argument, peer.receive(datagrams, 0ms, ec...));
    CHECK(datagrams.items().empty() && datagrams.arrivals().empty() && taken.items().empty());
    ph::event_loop loop;
    ph::event_buffer events;
    const ph::event_buffer other = std::move(events);
    CHECK_FAILS(std::errc::invalid_argument, loop.poll(events, 0ms, ec...));
}

/// How many allocations succeed; -1: all.
static thread_local int allocations_left = -1;

void *operator new(std::size_t size) {
    if (allocations_left == 0) throw std::bad_alloc();
    if (allocations_left > 0) allocations_left--;
    if (void *const memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void *memory) noexcept {
    std::free(memory);
}
void operator delete(void *memory, std::size_t) noexcept {
    std::free(memory);
}

TEST(a_buffer_that_could_not_grow_is_used_again) {
    ph::receive_queue queue({"group"}, 1000);
    for (int i = 0; i < 1000; i++) queue.receive("group", "idx", "value");
    for (const int enough_for : {0, 1}) {
        ph::value_buffer buffer(1, 1 << 16); // Room for the bytes, not for the values.
        bool is_thrown = false;
        allocations_left = enough_for;
        try {
            queue.extract("group", "idx", buffer);
        } catch (const std::bad_alloc &) {
            is_thrown = true;
        }
        allocations_left = -1;
        CHECK(is_thrown);
        CHECK_IS(queue.extract("group", "idx", buffer).size(), 1000u);
    }
}

TEST(a_stopwatch_counts) {
    ph::stopwatch watch;
    CHECK_FAILS(ph::errc::no_data, watch.toc(ec...));
    CHECK(check::error_of([](auto &...ec) { ph::stopwatch().round(ec...); }) == ph::errc::no_data);
    CHECK_FAILS(std::errc::invalid_argument, watch.sleep_until_next(0ns, ec...));
    watch.tic();
    watch.sleep_until_next(1ms);
    const ph::stopwatch copy = watch;
    CHECK(watch.round() >= 1ms && copy.toc() >= 1ms);
}

// In test_alone.cpp, which sees nothing but the header.
const std::error_category &category_elsewhere();
std::string message_elsewhere(int code);

// In test_no_exceptions.cpp, which is built without them.
bool works_without_exceptions();

TEST(code_without_exceptions_works_beside_code_with_them) {
    CHECK(works_without_exceptions());
}

TEST(two_translation_units_share_the_header) {
    CHECK(&category_elsewhere() == &ph::category());
    CHECK_IS(message_elsewhere(EBADF), ph_strerror(-EBADF));
}

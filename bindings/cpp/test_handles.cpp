// What all handles share: who owns them, how they end, and what answers when there is none.
#include <pyhelpers.hpp>

#include "check.hpp"

#include <csignal>
#include <sys/socket.h>
#include <unistd.h>

namespace ph = pyhelpers;
using namespace std::chrono_literals;

static constexpr auto bad = std::errc::bad_file_descriptor;

/// A path of its own, which goes with it.
struct fifo {
    fifo() : path("/tmp/pyhelpers.XXXXXX") {
        CHECK(mkdtemp(path.data()));
        folder = path;
        path += "/pipe";
    }
    ~fifo() {
        unlink(path.c_str());
        rmdir(folder.c_str());
    }
    std::string path, folder;
};

static ph::udp_handler make_handler() {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ph::udp_handler::config config;
    config.recv_reactors = 1;
    ph::udp_handler handler(fd, config);
    close(fd);
    return handler;
}

static ph::peer make_peer() {
    ph::peer peer;
    peer.open();
    return peer;
}

static ph::broadcast make_broadcast() {
    ph::broadcast broadcast;
    broadcast.beacon("here", 1000ms);
    return broadcast;
}

static ph::receive_queue make_queue() {
    ph::receive_queue queue({"group"}, 1);
    queue.fd("group");
    return queue;
}

/// Calls `test(make)` for each kind of handle.
template <class Test> static void each(Test test) {
    static const fifo at;
    test(make_handler);
    test(make_peer);
    test(make_broadcast);
    test([] { return ph::event_loop(); });
    test(make_queue);
    test([] { return ph::named_pipe(at.path); });
    test([] { return ph::libvirt(); });
}

TEST(what_was_moved_from_is_empty) {
    each([](auto make) {
        auto first = make();
        auto *const token = first.get();
        auto second = std::move(first);
        CHECK(second.get() == token && !first.get());
        CHECK_FAILS(bad, first.stats(ec...));
        CHECK_FAILS(bad, first.close(ec...));
        second.stats();
        first = std::move(second);
        first.stats();
        CHECK_FAILS(bad, second.stats(ec...));
    });
}

TEST(moving_to_itself_changes_nothing) {
    each([](auto make) {
        auto handle = make();
        auto &same = handle;
        handle = std::move(same);
        handle.stats();
        std::swap(handle, same);
        handle.stats();
        handle.close();
    });
}

TEST(a_second_close_is_an_error) {
    each([](auto make) {
        auto handle = make();
        handle.close();
        CHECK_FAILS(bad, handle.close(ec...));
        CHECK_FAILS(bad, handle.stats(ec...));
    });
}

TEST(assigning_closes_what_was_there) {
    each([](auto make) {
        auto handle = make(), other = make();
        auto *const former = handle.get();
        handle = std::move(other);
        decltype(make()) stale(former);
        CHECK_FAILS(bad, stale.stats(ec...));
        handle.stats();
    });
}

TEST(the_end_of_life_gives_all_back) {
    each([](auto make) { make().stats(); }); // What the library keeps for good is there now.
    each([](auto make) {
        const std::size_t descriptors = check::descriptors(), threads = check::threads();
        {
            auto handle = make();
            const auto moved = std::move(handle);
        }
        CHECK_IS(check::descriptors(), descriptors);
        CHECK(check::eventually([&] { return check::threads() == threads; }));
    });
}

TEST(an_exception_closes_what_it_leaves) {
    each([](auto make) {
        auto *token = make().get();
        try {
            auto handle = make();
            token = handle.get();
            throw 1;
        } catch (int) {
        }
        decltype(make()) stale(token);
        CHECK_FAILS(bad, stale.stats(ec...));
    });
}

TEST(what_is_released_is_the_callers) {
    each([](auto make) {
        decltype(make()) again(make().release());
        again.stats();
        again.close();
    });
}

TEST(what_cannot_be_made_answers_ebadf) {
    constexpr auto invalid = std::errc::invalid_argument;
    std::error_code code;
    ph::udp_handler::config handler;
    handler.send_reactors = 1000;
    CHECK_FAILS(bad, ph::udp_handler(-1, {}, ec...));
    CHECK_FAILS(invalid, ph::udp_handler(0, handler, ec...));
    ph::peer::config peer;
    peer.flags = 1u << 30;
    CHECK_FAILS(invalid, ph::peer(peer, ec...));
    ph::broadcast::config broadcast;
    broadcast.port = 65536;
    CHECK_FAILS(invalid, ph::broadcast(broadcast, ec...));
    ph::event_loop::config loop;
    loop.backend = 9;
    CHECK_FAILS(invalid, ph::event_loop(loop, ec...));
    CHECK_FAILS(invalid, ph::receive_queue({"one", "one"}, 1, RQ_RW, {}, ec...));
    CHECK_FAILS(invalid, ph::receive_queue({}, 1, RQ_RW, {}, ec...));
    CHECK_FAILS(std::errc::no_such_file_or_directory, ph::named_pipe("/no/such", {}, ec...));
    CHECK_FAILS(invalid, ph::named_pipe(nullptr, {}, ec...));
    ph::libvirt::config virt;
    virt.flags = 1;
    CHECK_FAILS(invalid, ph::libvirt(virt, ec...));
    ph::peer none(peer, code);
    CHECK_FAILS(bad, none.open(ec...));
}

// The functions of handles that are none: each gives its error on, thrown and as a code.

TEST(a_handler_that_is_none_answers_ebadf) {
    ph::udp_handler none(nullptr);
    ph::datagram_buffer buffer;
    ph::datagram one(ph::address("127.0.0.1", 9), "x");
    std::vector<ph_error_t> errors(1);
    udph_stats_t last;
    CHECK_FAILS(bad, none.dispatch({one}, 0ms, ec...));
    CHECK_FAILS(bad, none.dispatch_to(one.addr, "x", ec...));
    CHECK_FAILS(bad, none.receive(buffer, 0ms, ec...));
    CHECK_FAILS(bad, none.queued_send(ec...));
    CHECK_FAILS(bad, none.queued_received(ec...));
    CHECK_FAILS(bad, none.average_send_time(true, ec...));
    CHECK_FAILS(bad, none.reactor_stats({}, ec...));
    CHECK_FAILS(bad, none.errors(errors, ec...));
    CHECK_FAILS(bad, none.fd(ec...));
    CHECK_FAILS(bad, none.close(0ms, &last, ec...));
}

TEST(a_peer_that_is_none_answers_ebadf) {
    ph::peer none(nullptr);
    ph::datagram_buffer buffer;
    ph::datagram one(ph::address("127.0.0.1", 9), "x");
    ph::address from;
    std::vector<ph_error_t> errors(1);
    std::uint8_t room[1];
    const auto log = [](bool, const ph::address &, ph::bytes) {};
    CHECK_FAILS(bad, none.open(ec...));
    CHECK_FAILS(bad, none.reopen(ec...));
    CHECK_FAILS(bad, none.receive(buffer, 0ms, ec...));
    CHECK_FAILS(bad, none.receive_from(room, from, ec...));
    CHECK_FAILS(bad, none.send({one}, {}, ec...));
    CHECK_FAILS(bad, none.send_to(one.addr, "x", ec...));
    CHECK_FAILS(bad, none.actual_buffer_sizes(ec...));
    CHECK_FAILS(bad, none.local(ec...));
    CHECK_FAILS(bad, none.fd(ec...));
    CHECK_FAILS(bad, none.socket(ec...));
    CHECK_FAILS(bad, none.set(PEER_TTL, 1, ec...));
    CHECK_FAILS(bad, none.join(ph::address("239.1.2.3"), 0, ec...));
    CHECK_FAILS(bad, none.leave(ph::address("239.1.2.3"), 0, ec...));
    CHECK_FAILS(bad, none.errors(errors, ec...));
    CHECK_FAILS(bad, none.wire_log(log, ec...));
    CHECK_FAILS(bad, none.wire_log(nullptr, ec...));
}

TEST(a_broadcast_that_is_none_answers_ebadf) {
    ph::broadcast none(nullptr);
    ph::datagram_buffer buffer;
    CHECK_FAILS(bad, none.receive(buffer, 0ms, ec...));
    CHECK_FAILS(bad, none.send("x", ec...));
    CHECK_FAILS(bad, none.beacon("x", 1ms, ec...));
    CHECK_FAILS(bad, none.port(ec...));
    CHECK_FAILS(bad, none.fd(ec...));
}

TEST(a_loop_that_is_none_answers_ebadf) {
    ph::event_loop none(nullptr);
    ph::event_buffer buffer;
    std::vector<evloop_timer_t> timers(1);
    std::vector<ph::tcp_message> messages(1);
    const auto handler = [](const ph::event &) {};
    CHECK_FAILS(bad, none.poll(buffer, 0ms, ec...));
    CHECK_FAILS(bad, none.run(handler, ec...));
    CHECK_FAILS(bad, none.run_once(handler, 0ms, ec...));
    CHECK_FAILS(bad, none.stop(ec...));
    CHECK_FAILS(bad, none.wake(ec...));
    CHECK_FAILS(bad, none.fd(ec...));
    CHECK_FAILS(bad, none.add_watch(0, EVLOOP_READ, nullptr, ec...));
    CHECK_FAILS(bad, none.add_timer(1s, 0s, nullptr, ec...));
    CHECK_FAILS(bad, none.add_timers(timers, ec...));
    CHECK_FAILS(bad, none.remove_timers({1}, ec...));
    CHECK_FAILS(bad, none.next_timer(ec...));
    CHECK_FAILS(bad, none.add_signal(SIGUSR1, nullptr, ec...));
    CHECK_FAILS(bad, none.set_user(1, nullptr, ec...));
    CHECK_FAILS(bad, none.listen("127.0.0.1", "0", {}, nullptr, ec...));
    CHECK_FAILS(bad, none.connect("127.0.0.1", "9", {}, nullptr, ec...));
    CHECK_FAILS(bad, none.adopt(0, {}, nullptr, ec...));
    CHECK_FAILS(bad, none.write(messages, ec...));
    CHECK_FAILS(bad, none.shutdown(0ms, ec...));
}

TEST(a_part_of_a_loop_that_is_none_answers_ebadf) {
    ph::tcp_connection none;
    std::uint8_t room[1];
    CHECK_FAILS(bad, none.send("x", ec...));
    CHECK_FAILS(bad, none.read(room, ec...));
    CHECK_FAILS(bad, none.set_reading(TCP_READ_OFF, ec...));
    CHECK_FAILS(bad, none.shutdown_write(ec...));
    CHECK_FAILS(bad, none.close(ec...));
    CHECK_FAILS(bad, none.abort(ec...));
    CHECK_FAILS(bad, none.set_rate(1, 1, ec...));
    CHECK_FAILS(bad, none.set_watermarks(1, 2, 3, ec...));
    CHECK_FAILS(bad, none.set_timeouts(1ms, 1ms, ec...));
    CHECK_FAILS(bad, none.local(ec...));
    CHECK_FAILS(bad, none.remote(ec...));
    CHECK_FAILS(bad, none.socket(ec...));
    CHECK_FAILS(bad, none.stats(ec...));
    CHECK_FAILS(bad, ph::timer().again(1s, ec...));
    CHECK_FAILS(bad, ph::timer().remove(ec...));
    CHECK_FAILS(bad, ph::watch().modify(0, ec...));
    CHECK_FAILS(bad, ph::signal_watch().remove(ec...));
    CHECK_FAILS(bad, ph::tcp_listener().local(ec...));
    CHECK_FAILS(bad, ph::tcp_listener().socket(ec...));
    CHECK_FAILS(bad, ph::feed().stats(ec...));
    CHECK_FAILS(bad, ph::feed().remove(ec...));
}

TEST(a_queue_that_is_none_answers_ebadf) {
    ph::receive_queue none(nullptr);
    ph::value_buffer buffer;
    CHECK_FAILS(bad, none.receive("group", "idx", {"one", "two"}, ec...));
    CHECK_FAILS(bad, none.receive("group", "idx", "one", ec...));
    CHECK_FAILS(bad, none.extract("group", "idx", buffer, ec...));
    CHECK_FAILS(bad, none.extract_all("group", buffer, ec...));
    CHECK_FAILS(bad, none.wait("group", 0ms, ec...));
    CHECK_FAILS(bad, none.fd("group", ec...));
    CHECK_FAILS(bad, none.forget("group", "idx", ec...));
    CHECK_FAILS(bad, none.stats("group", "idx", ec...));
    ph::receive_queue queue({"group"}, 1);
    CHECK_FAILS(bad, queue.feed_from("group", ph::udp_handler(nullptr), {}, ec...));
    CHECK_FAILS(bad, queue.feed_from("group", ph::peer(nullptr), {}, ec...));
    CHECK_FAILS(bad, queue.feed_from("group", ph::tcp_connection(), {}, ec...));
}

TEST(a_pipe_that_is_none_answers_ebadf) {
    ph::named_pipe none(nullptr);
    ph::message_buffer buffer;
    std::uint8_t room[1];
    CHECK_FAILS(bad, none.send("x", 0ms, ec...));
    CHECK_FAILS(bad, none.send({"x", "y"}, 0ms, ec...));
    CHECK_FAILS(bad, none.receive(buffer, 0ms, ec...));
    CHECK_FAILS(bad, none.receive(room, 0ms, ec...));
    CHECK_FAILS(bad, none.fd(ec...));
}

TEST(a_libvirt_that_is_none_answers_ebadf) {
    ph::libvirt none(nullptr);
    CHECK_FAILS(bad, none.connect("host", "test:///default", ec...));
    CHECK_FAILS(bad, none.info("host", "domain", ec...));
    CHECK_FAILS(bad, none.suspend("host", "domain", ec...));
    CHECK_FAILS(bad, none.resume("host", std::string("domain"), ec...));
    CHECK_FAILS(bad, none.list("host", ec...));
    CHECK_FAILS(std::errc::not_connected, ph::libvirt().list("host", ec...));
    CHECK_FAILS(std::errc::invalid_argument, ph::libvirt().connect(nullptr, nullptr, ec...));
}

// The event loop: its parts, and what handlers throw.
#include <pyhelpers.hpp>

#include "check.hpp"

#include <csignal>
#include <memory>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace ph = pyhelpers;
using namespace std::chrono_literals;

/// A descriptor that is ready to be read, and closes itself.
struct ready_fd {
    ready_fd() : fd(eventfd(1, EFD_CLOEXEC)) {}
    ~ready_fd() { close(fd); }
    const int fd;
};

static void ignore(const ph::event &) {}
/// Of the same type as what test_no_exceptions.cpp runs.
static void thrower(const ph::event &) {
    throw 1;
}

TEST(the_end_of_a_part_takes_it_out) {
    ph::event_loop loop;
    const ready_fd ready;
    ph::event_buffer buffer;
    {
        const ph::timer timer = loop.add_timer(1h);
        const ph::watch watch = loop.add_watch(ready.fd, EVLOOP_READ);
        const ph::tcp_listener listener = loop.listen("127.0.0.1", "0");
        const ph::signal_watch signal = loop.add_signal(SIGUSR1);
        const auto stats = loop.stats();
        CHECK(stats.timers == 1 && stats.watches == 1 && stats.listeners == 1);
        raise(SIGUSR1); // It would end this process, were it not heard.
    }
    const auto stats = loop.stats();
    CHECK(stats.timers == 0 && stats.watches == 0 && stats.listeners == 0);
    struct sigaction now;
    sigaction(SIGUSR1, nullptr, &now);
    CHECK(now.sa_handler == SIG_DFL);
}

TEST(a_part_moves_and_is_released) {
    ph::event_loop loop;
    ph::timer first = loop.add_timer(1h), second = std::move(first);
    CHECK(first.id() == 0 && second.id() > 0);
    CHECK_FAILS(std::errc::bad_file_descriptor, first.again(1h, ec...));
    auto &same = second;
    second = std::move(same);
    second.again(2h);
    CHECK_IS(loop.stats().timers, 1u);
    second = loop.add_timer(3h); // The former is taken out.
    CHECK_IS(loop.stats().timers, 1u);
    const std::int64_t id = second.release();
    second = ph::timer();
    CHECK_IS(loop.stats().timers, 1u);
    CHECK_IS(loop.remove_timers({id, id, 12345}), 1u);
    CHECK(!loop.next_timer());
}

TEST(a_part_may_outlive_its_loop) {
    ph::timer timer;
    ph::tcp_listener listener;
    {
        ph::event_loop loop;
        timer = loop.add_timer(1h);
        listener = loop.listen("127.0.0.1", "0");
        const ph::event_loop moved = std::move(loop);
        timer.again(2h);
    }
    CHECK_FAILS(std::errc::bad_file_descriptor, timer.again(1h, ec...));
    CHECK_FAILS(std::errc::bad_file_descriptor, listener.local(ec...));
}

TEST(parts_that_cannot_be_made_are_errors) {
    ph::event_loop loop;
    CHECK_FAILS(std::errc::bad_file_descriptor, loop.add_watch(-1, EVLOOP_READ, nullptr, ec...));
    CHECK_FAILS(std::errc::invalid_argument, loop.add_signal(SIGKILL, nullptr, ec...));
    CHECK_FAILS(std::errc::invalid_argument, loop.add_timer(1s, -1ns, nullptr, ec...));
    CHECK_FAILS(std::errc::invalid_argument, loop.listen("127.0.0.1", nullptr, {}, nullptr, ec...));
    ph::tcp_config config;
    config.reading = 9;
    CHECK_FAILS(std::errc::invalid_argument, loop.connect("", "9", config, nullptr, ec...));
    CHECK_FAILS(std::errc::bad_file_descriptor, loop.adopt(-1, {}, nullptr, ec...));
    std::error_code code;
    const ph::timer none = loop.add_timer(1s, -1ns, nullptr, code);
    CHECK(none.id() == 0 && code);
}

TEST(events_come_with_what_the_caller_gave) {
    ph::event_loop loop;
    ph::event_buffer buffer;
    std::string text = "text", other = "other";
    CHECK(loop.poll(buffer, 0ms).empty() && loop.poll(buffer, 1ms).empty());
    const ph::timer timer = loop.add_timer(1ms, 0ns, &text);
    CHECK(loop.next_timer() <= 1ms);
    auto batch = loop.poll(buffer, 5s);
    CHECK(batch.size() == 1 && batch[0].kind == EVLOOP_TIMER && batch[0].id == timer.id());
    CHECK(&batch[0].as<std::string>() == &text && batch[0].payload().empty() && !batch[0].code());
    const ready_fd ready;
    ph::watch watch = loop.add_watch(ready.fd, 0);
    loop.set_user(watch.id(), &other);
    CHECK(loop.poll(buffer, 0ms).empty());
    watch.modify(EVLOOP_READ);
    batch = loop.poll(buffer, 5s);
    CHECK(batch.size() == 1 && batch[0].value == EVLOOP_READ &&
          &batch[0].as<std::string>() == &other);
    watch.remove();
    CHECK_FAILS(std::errc::bad_file_descriptor, watch.remove(ec...));
    std::vector<evloop_timer_t> timers(3, {0, 0, 0, nullptr});
    loop.add_timers(timers);
    std::size_t count = 0;
    while (count < 3) count += loop.run_once(ignore, 5s);
    CHECK_IS(loop.run_once(ignore, 0ms), 0u);
    CHECK(loop.fd() >= 0);
}

TEST(an_exception_leaves_run_and_no_event_is_lost) {
    ph::event_loop loop;
    const ph::timer first = loop.add_timer(0ns), second = loop.add_timer(0ns);
    std::vector<std::int64_t> seen;
    const auto handler = [&](const ph::event &event) {
        seen.push_back(event.id);
        if (event.id == first.id()) throw std::runtime_error("of the first");
        if (event.id == second.id()) throw std::runtime_error("of the second");
    };
    try {
        loop.run(handler);
        CHECK(false && "nothing was thrown");
    } catch (const std::runtime_error &error) {
        CHECK_IS(std::string(error.what()), "of the first");
    }
    CHECK(seen == std::vector<std::int64_t>{first.id(), second.id()});
    const ph::timer third = loop.add_timer(0ns);
    CHECK_IS(loop.run_once(handler, 5s), 1u);
    CHECK_IS(seen.back(), third.id());
}

TEST(a_stop_beside_an_exception_is_not_forgotten) {
    ph::event_loop loop;
    loop.stop();
    try {
        loop.run(thrower);
        CHECK(false && "nothing was thrown");
    } catch (int) {
    }
    loop.run(ignore);
}

TEST(handlers_may_do_anything_but_poll) {
    ph::event_loop loop;
    ph::event_buffer buffer;
    ph::timer timer = loop.add_timer(0ns), removed = loop.add_timer(0ns);
    std::error_code polled, run;
    int events = 0;
    loop.run([&](const ph::event &event) {
        events++;
        if (event.id != timer.id()) return;
        loop.poll(buffer, 0ms, polled);
        loop.run(ignore, run);
        removed.remove();
        loop.stop();
    });
    CHECK(polled == std::errc::device_or_resource_busy && run == polled);
    CHECK(events == 1 || events == 2); // Of `timer`, and of stop where it comes the same batch.
    CHECK_IS(loop.stats().timers, 0u);
}

TEST(a_loop_that_a_handler_closes_ends_with_an_error) {
    const auto close_and_run = [](auto &...ec) {
        ph::event_loop loop;
        const ph::timer timer = loop.add_timer(0ns);
        loop.run([&](const ph::event &) { loop.close(); }, ec...);
    };
    CHECK(check::error_of(close_and_run) == std::errc::bad_file_descriptor ||
          check::error_of(close_and_run) == ph::errc::shut_down);
}

TEST(a_handler_may_end_the_life_of_its_loop) {
    const auto end_and_run = [](auto &...ec) {
        auto loop = std::make_unique<ph::event_loop>();
        const ph::timer timer = loop->add_timer(0ns);
        loop->run([&](const ph::event &) { loop.reset(); }, ec...);
    };
    CHECK(check::error_of(end_and_run) == std::errc::bad_file_descriptor);
}

/// Two connections of one loop that are each other's ends.
struct pair_of_ends {
    pair_of_ends(ph::event_loop &loop, const ph::tcp_config &config = {}) {
        int fds[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        one = loop.adopt(fds[0], config);
        other = loop.adopt(fds[1], config);
        for (const int fd : fds) close(fd);
    }
    ph::tcp_connection one, other;
};

TEST(connections_carry_batches_both_ways) {
    ph::event_loop loop;
    pair_of_ends ends(loop);
    std::vector<ph::tcp_message> messages{
        {ends.one.id(), "one "}, {ends.one.id(), "two"}, {12345, "nobody"}};
    CHECK_IS(loop.write(messages), 2u);
    CHECK(messages[0].result == 0 && messages[2].result == -EBADF);
    std::string received;
    bool is_closed = false;
    ends.other.shutdown_write();
    loop.run([&](const ph::event &event) {
        if (event.kind == TCP_DATA) received += event.payload().str();
        if (received == "one two" && !is_closed) {
            is_closed = true;
            ends.one.close();
        }
        if (event.kind == TCP_CLOSED && loop.stats().connections == 0) loop.stop();
    });
    CHECK_IS(received, "one two");
    CHECK_FAILS(std::errc::bad_file_descriptor, ends.one.close(ec...));
}

TEST(a_connection_is_read_and_refuses_and_is_told) {
    ph::event_loop loop;
    ph::tcp_config config;
    config.reading = TCP_READ_NOTICE;
    pair_of_ends ends(loop, config);
    std::uint8_t room[16];
    CHECK(!ends.other.read(room)); // Nothing is there, which is no error.
    CHECK(ends.one.send("hello") == 0u);
    CHECK(ends.other.read(room) == 5u && ph::bytes(room, 5) == "hello");
    ends.one.set_watermarks(0, 1, 1);
    ends.one.set_timeouts(1h, 1h);
    ends.one.set_rate(1 << 30, 1 << 30);
    ends.other.set_reading(TCP_READ_OFF);
    const std::string big(1 << 20, 'x');
    std::optional<std::size_t> waiting = 0;
    const auto send_big = [one = ends.one, &big] { return one.send(big); }; // A copy, const here.
    while (waiting == 0u) waiting = send_big();
    CHECK(waiting > 0u && !ends.one.send(big)); // Refused, which is no error.
    CHECK(ends.one.stats().waiting > 0 && ends.one.socket() >= 0);
    CHECK(!ends.one.local() && !ends.one.remote()); // Unix sockets have no IP address.
    CHECK_FAILS(std::errc::invalid_argument, ends.one.set_watermarks(3, 2, 1, ec...));
    ends.one.abort();
    std::error_code why;
    loop.run([&](const ph::event &event) {
        if (event.kind != TCP_CLOSED || event.id != ends.one.id()) return;
        why = event.code();
        loop.stop();
    });
    CHECK(why == std::errc::connection_aborted);
}

TEST(a_connection_that_timed_out_is_an_error) {
    ph::event_loop loop;
    ph::tcp_config config;
    config.reading = TCP_READ_NOTICE;
    pair_of_ends ends(loop, config);
    ends.one.set_timeouts(1ms, 0ms);
    loop.run([&](const ph::event &event) {
        if (event.kind != TCP_CLOSED || event.id != ends.one.id()) return;
        CHECK_FAILS(std::errc::timed_out, ends.one.send("x", ec...));
        loop.stop();
    });
}

TEST(a_shutdown_ends_run_without_an_error) {
    ph::event_loop loop;
    const ph::tcp_listener listener = loop.listen("127.0.0.1", "0");
    CHECK(listener.local().str() == "127.0.0.1" && listener.socket() >= 0);
    ph::tcp_connection client = loop.connect("127.0.0.1", std::to_string(listener.local().port), {},
                                             &loop);
    bool is_accepted = false, is_connected = false;
    loop.run([&](const ph::event &event) {
        is_accepted |= event.kind == TCP_ACCEPTED;
        is_connected |= event.kind == TCP_CONNECTED && &event.as<ph::event_loop>() == &loop;
        if (event.kind == TCP_CONNECTED) CHECK(client.remote() == listener.local());
        if (is_accepted && is_connected) loop.shutdown(0ms);
    });
    CHECK_IS(loop.stats().connections, 0u);
    CHECK_FAILS(ph::errc::shut_down, loop.connect("127.0.0.1", "9", {}, nullptr, ec...));
}

TEST(another_thread_stops_and_wakes_a_loop) {
    ph::event_loop loop;
    std::thread other([&] {
        loop.wake();
        loop.stop();
    });
    loop.run(ignore);
    other.join();
}

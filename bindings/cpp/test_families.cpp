// Each family does through its class what the C header says; the examples do the rest.
#include <pyhelpers.hpp>

#include "check.hpp"

#include <atomic>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace ph = pyhelpers;
using namespace std::chrono_literals;

static bool is_readable(int fd, int timeout_ms = 0) {
    pollfd item{fd, POLLIN, 0};
    return poll(&item, 1, timeout_ms) == 1;
}

static ph::peer open_peer(std::uint32_t flags = 0) {
    ph::peer::config config;
    config.addr = ph::address("127.0.0.1");
    config.flags = flags;
    ph::peer peer(config);
    peer.open();
    return peer;
}

static ph::udp_handler open_handler(std::uint32_t receivers) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ph::udp_handler::config config;
    config.recv_reactors = receivers;
    ph::udp_handler handler(fd, config);
    close(fd);
    return handler;
}

TEST(a_handler_sends_and_tells) {
    ph::peer server = open_peer();
    ph::udp_handler handler = open_handler(1);
    const std::vector<ph::datagram> items{{server.local(), "one"}, {server.local(), "two"}};
    CHECK_IS(handler.dispatch(items), 2u);
    ph::datagram_buffer buffer;
    std::size_t received = 0;
    while (received < 2) received += server.receive(buffer, 5s).size();
    CHECK(check::eventually([&] { return handler.queued_send() == 0; }));
    CHECK(handler.average_send_time() > 0ns && handler.queued_received() == 0);
    CHECK(handler.receive(buffer, 0ms).empty() && handler.receive(buffer, 1ms).empty());
    CHECK(handler.fd() >= 0 && !is_readable(handler.fd()));
    std::vector<udph_reactor_stats_t> reactors(2);
    CHECK_IS(handler.reactor_stats(reactors), 2u);
    CHECK_IS(reactors[0].datagrams, 2u);
    const ph::address refused = server.local();
    server.close();
    std::vector<ph_error_t> errors(8);
    CHECK(handler.errors(errors).empty());
    CHECK(handler.dispatch_to(refused, "x"));
    ph::span<ph_error_t> seen;
    CHECK(check::eventually([&] { return !(seen = handler.errors(errors)).empty(); }));
    CHECK(seen[0].error == ECONNREFUSED && ph::address(seen[0].addr) == refused);
    udph_stats_t last{};
    CHECK_IS(handler.close(1s, &last), 0u);
    CHECK(last.dispatched == 3 && last.sent == 3);
}

TEST(a_handler_refuses_what_it_must) {
    ph::udp_handler handler = open_handler(0);
    ph::datagram_buffer buffer;
    const ph::address six("::1", 9), four("127.0.0.1", 9);
    CHECK_FAILS(std::errc::operation_not_supported, handler.fd(ec...));
    CHECK_FAILS(std::errc::operation_not_supported, handler.receive(buffer, 1ms, ec...));
    CHECK_FAILS(std::errc::address_family_not_supported, handler.dispatch_to(six, "x", ec...));
    CHECK_FAILS(std::errc::message_size,
                handler.dispatch_to(four, std::vector<char>(70000), ec...));
    CHECK_FAILS(std::errc::invalid_argument, handler.dispatch({}, 0ms, ec...));
}

TEST(a_peer_receives_into_the_callers_memory) {
    ph::peer server = open_peer(PEER_ARRIVAL), client = open_peer();
    std::uint8_t room[8];
    ph::address from;
    CHECK(!server.receive_from(room, from));
    CHECK(client.send_to(server.local(), "hello"));
    CHECK(is_readable(server.fd(), 5000));
    CHECK(server.receive_from(room, from) == 5u);
    CHECK(from == client.local() && ph::bytes(room, 5) == "hello");
    CHECK(client.send_to(server.local(), "longer than that"));
    CHECK(is_readable(server.fd(), 5000));
    CHECK_FAILS(std::errc::message_size, server.receive_from(room, from, ec...));
    ph::datagram_buffer buffer;
    const auto batch = server.receive(buffer, 5s);
    CHECK(batch.size() == 1 && batch[0].payload() == "longer than that");
    CHECK(ph::address(buffer.arrivals()[0].local).str() == "127.0.0.1");
    CHECK(server.receive(buffer, 1ms).empty() && buffer.items().empty());
    CHECK_IS(server.stats().received, 2u);
}

TEST(a_batch_is_a_view_of_its_buffer) {
    ph::peer server = open_peer(), client = open_peer();
    ph::datagram_buffer buffer(4, 65536);
    const std::uint8_t *first = nullptr;
    for (int round = 0; round < 3; round++) {
        client.send_to(server.local(), std::to_string(round));
        const auto batch = server.receive(buffer, 5s);
        CHECK(batch.size() == 1 && batch.data() == buffer.items().data());
        if (round == 0) first = batch[0].data;
        CHECK(batch[0].data == first && batch[0].payload() == std::to_string(round));
    }
    server.close();
    try {
        server.receive(buffer, 0ms);
        CHECK(false && "received from a closed peer");
    } catch (const ph::error &error) {
        CHECK(error.code() == std::errc::bad_file_descriptor && buffer.items().empty());
    }
}

TEST(a_peer_has_options_and_groups) {
    ph::peer peer = open_peer();
    const ph::address group("239.1.2.3"), former = peer.local();
    peer.set(PEER_TTL, 5);
    CHECK_FAILS(std::errc::invalid_argument, peer.set(PEER_TTL, 256, ec...));
    peer.join(group, 1);
    CHECK_FAILS(std::errc::address_in_use, peer.join(group, 1, ec...));
    peer.leave(group, 1);
    CHECK_FAILS(std::errc::address_not_available, peer.leave(group, 1, ec...));
    CHECK(peer.socket() >= 0 && peer.actual_buffer_sizes().send > 0);
    CHECK(peer.actual_buffer_sizes().receive > 0);
    peer.reopen();
    CHECK(peer.local() == former);
    const std::vector<ph::datagram> two{{former, "a"}, {former, "b"}};
    CHECK_FAILS(std::errc::invalid_argument, peer.send(two, {ph::arrival{}}, ec...));
}

TEST(a_peer_tells_of_errors_that_come_back) {
    ph::peer client = open_peer(), server = open_peer();
    const ph::address refused = server.local();
    server.close();
    std::vector<ph_error_t> errors(4);
    CHECK(client.errors(errors).empty());
    client.send_to(refused, "x");
    CHECK(is_readable(client.fd(), 5000));
    const auto seen = client.errors(errors);
    CHECK(seen.size() == 1 && seen[0].error == ECONNREFUSED && seen.data() == errors.data());
}

TEST(a_wire_log_hears_all_and_may_throw) {
    ph::peer peer = open_peer();
    std::string heard;
    const auto log = [&](bool is_sent, const ph::address &who, ph::bytes payload) {
        heard += (is_sent ? ">" : "<") + payload.str() + (who == peer.local() ? " " : "? ");
        throw std::runtime_error("dropped");
    };
    peer.wire_log(log);
    peer.send_to(peer.local(), "x");
    ph::datagram_buffer buffer;
    CHECK_IS(peer.receive(buffer, 5s).size(), 1u);
    peer.wire_log(nullptr);
    peer.send_to(peer.local(), "y");
    CHECK_IS(heard, ">x <x ");
}

TEST(a_log_hears_of_threads_and_may_throw) {
    std::atomic<int> heard{0};
    auto log = [&](std::int32_t level, std::string_view message) {
        if (level <= PH_LOG_DEBUG && !message.empty()) heard++;
        throw std::runtime_error("dropped");
    };
    ph::log_to(log, PH_LOG_DEBUG);
    open_handler(1).close(1s);
    CHECK(heard > 0);
    ph::log_to_stderr(PH_LOG_NONE);
    const int before = heard;
    open_handler(1).close(1s);
    CHECK_IS(heard, before);
    CHECK_FAILS(std::errc::invalid_argument, ph::log_to(log, 99, ec...));
    CHECK_FAILS(std::errc::invalid_argument, ph::log_to_stderr(-1, ec...));
}

static std::atomic<int> logged{0};
static void count_log(std::int32_t, std::string_view) {
    logged++;
}
static void count_wire_log(bool, const ph::address &, ph::bytes) {
    logged++;
}

TEST(a_function_may_log) {
    ph::log_to(count_log, PH_LOG_DEBUG);
    open_handler(1).close(1s);
    ph::log_to_stderr(PH_LOG_NONE);
    CHECK(logged.exchange(0) > 0);
    ph::peer peer = open_peer();
    peer.wire_log(count_wire_log);
    peer.send_to(peer.local(), "x");
    CHECK_IS(logged, 1);
}

TEST(a_broadcast_sends_now_and_tells) {
    ph::broadcast::config config;
    config.interface = 1;
    ph::broadcast receiver(config);
    config.port = receiver.port();
    config.flags = BCAST_SEND_ONLY;
    ph::broadcast sender(config);
    CHECK_IS(sender.send("now"), 1u);
    CHECK(is_readable(receiver.fd(), 5000));
    ph::datagram_buffer buffer;
    const auto batch = receiver.receive(buffer, 5s);
    CHECK(batch.size() == 1 && batch[0].payload() == "now");
    CHECK(buffer.arrivals()[0].interface == 1 && receiver.receive(buffer, 0ms).empty());
    sender.beacon("again", 1h);
    sender.beacon("", 0ms);
    CHECK(sender.stats().sent >= 1 && receiver.stats().received == 1);
    CHECK_FAILS(std::errc::message_size, sender.send(std::vector<char>(70000), ec...));
}

TEST(a_queue_grows_its_buffer_and_forgets) {
    ph::receive_queue queue({"a", std::string_view("b\0c", 3)}, 1000);
    const std::string big(10000, 'x');
    for (int i = 0; i < 100; i++) queue.receive("a", std::to_string(i), {big, "small"});
    ph::value_buffer buffer(1, 1);
    const auto all = queue.extract_all("a", buffer);
    CHECK_IS(all.size(), 200u);
    std::size_t bigs = 0;
    for (const auto &value : all) bigs += value.data == big && value.idx.size() <= 2;
    CHECK_IS(bigs, 100u);
    CHECK(queue.extract("a", "7", buffer)[1].data == "small");
    CHECK(queue.extract("a", "never seen", buffer).empty());
    CHECK(queue.stats("a", "7").held == 2 && queue.stats().values == 200);
    CHECK(queue.forget("a", "7") == 2 && queue.forget("a", "7") == 0);
    CHECK(queue.wait("a") && !queue.wait("a", 0ms) && !is_readable(queue.fd("a")));
    queue.receive(std::string_view("b\0c", 3), "idx", "value");
    CHECK_FAILS(std::errc::no_such_file_or_directory, queue.extract("b", "idx", buffer, ec...));
}

TEST(a_queue_is_fed_by_all_sources) {
    ph::receive_queue queue({"g"}, 10);
    ph::event_loop loop;
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    ph::receive_queue::feed_config lines;
    lines.framing = RQ_LINES;
    ph::udp_handler handler = open_handler(1);
    {
        const ph::feed of_tcp = queue.feed_from("g", loop.adopt(fds[0]), lines);
        ph::feed of_handler = queue.feed_from("g", handler);
        CHECK_FAILS(std::errc::connection_already_in_progress,
                    queue.feed_from("g", handler, {}, ec...));
        CHECK(write(fds[1], "one\ntwo\n", 8) == 8);
        ph::event_buffer buffer;
        CHECK(check::eventually([&] {
            loop.poll(buffer, 10ms);
            return of_tcp.stats().received == 2;
        }));
        of_handler.remove();
        CHECK_FAILS(std::errc::no_such_file_or_directory, of_handler.stats(ec...));
        ph::feed again = queue.feed_from("g", handler);
        again = ph::feed();
        const ph::feed moved = queue.feed_from("g", handler);
    }
    const ph::feed ended_by_its_destructor = queue.feed_from("g", handler);
    ph::value_buffer values;
    CHECK_IS(queue.extract_all("g", values).size(), 2u);
    for (const int fd : fds) close(fd);
}

TEST(a_pipe_says_what_happened_to_a_message) {
    std::string folder = "/tmp/pyhelpers.XXXXXX";
    CHECK(mkdtemp(folder.data()));
    const std::string path = folder + "/pipe", long_one(100000, 'x');
    {
        ph::named_pipe pipe(path);
        CHECK(pipe.send("nobody reads") == 0u);
        CHECK(!is_readable(pipe.fd()));
        ph::message_buffer buffer(2, 1);
        CHECK(pipe.receive(buffer, 0ms).empty() && pipe.receive(buffer, 1ms).empty());
        CHECK(pipe.send({"one", "two", "three"}) == 3u);
        auto batch = pipe.receive(buffer);
        std::size_t received = 0;
        for (; received < 3; batch = pipe.receive(buffer, 0ms)) {
            CHECK(!batch.empty());
            received += batch.size();
        }
        std::size_t sent = 0;
        while (pipe.send(long_one, 0ms) == 1u) sent++;
        CHECK(!pipe.send("no room", 0ms) || sent == 0); // No room is no error.
        std::uint8_t room[10];
        CHECK_FAILS(std::errc::message_size, pipe.receive(room, 0ms, ec...));
        for (batch = pipe.receive(buffer); !batch.empty(); batch = pipe.receive(buffer, 0ms))
            CHECK(batch[0].size() == long_one.size());
        CHECK(pipe.send("x") == 1u && pipe.receive(room) == 1u && !pipe.receive(room, 0ms));
        CHECK_IS(pipe.stats().sent, sent + 4);
    }
    unlink(path.c_str());
    rmdir(folder.c_str());
}

TEST(libvirt_answers_or_is_not_installed) {
    ph::libvirt hosts;
    CHECK_FAILS(std::errc::not_connected, hosts.info("here", "test", ec...));
    std::error_code code;
    hosts.connect("here", "test:///default", code);
    if (code == ph::errc::no_libvirt) return;
    CHECK(!code && hosts.list("here") == std::vector<std::string>{"test"});
    CHECK_IS(hosts.info("here", "test").state, 1u);
    hosts.suspend("here", "test");
    CHECK_IS(hosts.info("here", "test").state, 3u);
    hosts.resume("here", "test");
    CHECK_IS(hosts.info("here", "test").state, 1u);
    CHECK_FAILS(std::errc::no_such_file_or_directory, hosts.suspend("here", "none", ec...));
    CHECK_IS(hosts.stats().connects, 1u);
}

TEST(a_close_wakes_who_waits) {
    ph::receive_queue queue({"group"}, 1);
    ph::peer peer = open_peer();
    std::error_code of_queue, of_peer;
    std::atomic<int> waiting{0};
    std::thread first([&] {
        waiting++;
        queue.wait("group", ph::forever, of_queue);
    });
    std::thread second([&] {
        ph::datagram_buffer buffer;
        waiting++;
        try {
            peer.receive(buffer);
        } catch (const ph::error &error) {
            of_peer = error.code();
        }
    });
    CHECK(check::eventually([&] { return waiting == 2; }));
    queue.close();
    peer.close();
    first.join();
    second.join();
    const auto is_the_end = [](std::error_code code) {
        return code == ph::errc::shut_down || code == std::errc::bad_file_descriptor;
    };
    CHECK(is_the_end(of_queue) && is_the_end(of_peer));
}

TEST(threads_share_one_handle) {
    ph::receive_queue queue({"group"}, 1000, RQ_UNSYNC);
    std::vector<std::thread> writers;
    for (int i = 0; i < 4; i++)
        writers.emplace_back([&queue, name = std::to_string(i)] {
            ph::value_buffer buffer;
            for (int n = 0; n < 1000; n++) queue.receive("group", name, std::to_string(n));
            CHECK_IS(queue.extract("group", name, buffer).size(), 1000u);
        });
    for (std::thread &writer : writers) writer.join();
    CHECK_IS(queue.stats().received, 4000u);
}

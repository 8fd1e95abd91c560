// The header as C++ sees it: each kind of handle as one that closes itself.
#include "../../include/pyhelpers.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <net/if.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

static_assert(std::is_standard_layout_v<udph_config_t> && std::is_trivial_v<udph_config_t>);
static_assert(std::is_standard_layout_v<ph_datagram_t> && std::is_trivial_v<ph_datagram_t>);
static_assert(std::is_standard_layout_v<peer_config_t> && std::is_trivial_v<peer_config_t>);
static_assert(std::is_standard_layout_v<bcast_config_t> && std::is_trivial_v<bcast_config_t>);

static_assert(std::is_standard_layout_v<evloop_event_t> && sizeof(evloop_event_t) == 48);
static_assert(std::is_standard_layout_v<tcp_config_t> && std::is_trivial_v<tcp_config_t>);
static_assert(std::is_standard_layout_v<stopwatch_t> && std::is_trivial_v<stopwatch_t>);
static_assert(std::is_standard_layout_v<rq_config_t> && std::is_trivial_v<rq_config_t>);
static_assert(std::is_standard_layout_v<rq_feed_config_t> && std::is_trivial_v<rq_feed_config_t>);
static_assert(std::is_standard_layout_v<npipe_config_t> && std::is_trivial_v<npipe_config_t>);
static_assert(std::is_standard_layout_v<virt_info_t> && std::is_trivial_v<virt_info_t>);

struct Close {
    void operator()(udph_t *h) const { udph_close(h, 1000, nullptr); }
    void operator()(peer_t *h) const { peer_close(h); }
    void operator()(bcast_t *h) const { bcast_close(h); }
    void operator()(evloop_t *h) const { evloop_close(h); }
    void operator()(rq_t *h) const { rq_close(h); }
    void operator()(npipe_t *h) const { npipe_close(h); }
    void operator()(virt_t *h) const { virt_close(h); }
};
using Handler = std::unique_ptr<udph_t, Close>;
using Peer = std::unique_ptr<peer_t, Close>;
using Broadcast = std::unique_ptr<bcast_t, Close>;
using Loop = std::unique_ptr<evloop_t, Close>;
using Queue = std::unique_ptr<rq_t, Close>;
using Pipe = std::unique_ptr<npipe_t, Close>;
using Hosts = std::unique_ptr<virt_t, Close>;

std::int64_t check(std::int64_t result)
{
    if (result < 0) throw std::runtime_error(ph_strerror(static_cast<std::int32_t>(result)));
    return result;
}

const std::uint8_t *bytes(std::string_view text)
{
    return reinterpret_cast<const std::uint8_t *>(text.data());
}

ph_addr_t loopback(std::uint16_t port)
{
    constexpr std::string_view text = "127.0.0.1";
    ph_addr_t out{};
    check(ph_addr_parse(text.data(), text.size(), port, &out));
    return out;
}

class Socket {
public:
    Socket() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(fd_, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0)
            throw std::system_error(errno, std::generic_category());
    }
    Socket(const Socket &) = delete;
    Socket &operator=(const Socket &) = delete;
    ~Socket() { close(fd_); }

    int fd() const { return fd_; }

    ph_addr_t address() const
    {
        sockaddr_in address{};
        socklen_t size = sizeof address;
        getsockname(fd_, reinterpret_cast<sockaddr *>(&address), &size);
        return loopback(ntohs(address.sin_port));
    }

private:
    int fd_;
};

Handler make(const Socket &socket)
{
    udph_config_t config{};
    config.size = sizeof config;
    config.recv_reactors = 1;
    udph_t *h = nullptr;
    check(udph_new(socket.fd(), &config, &h));
    return Handler(h);
}

void dispatch(const Handler &handler, const ph_addr_t &to, std::string_view text)
{
    check(udph_dispatch_to(handler.get(), &to, 0, bytes(text), text.size()));
}

struct Letter {
    ph_addr_t from;
    std::string text;
};

Letter receive(const Handler &handler)
{
    std::array<std::uint8_t, 65535> buffer;
    ph_datagram_t item{};
    check(udph_get_recved(handler.get(), &item, 1, buffer.data(), buffer.size(), 10000));
    return {item.addr, std::string(reinterpret_cast<const char *>(item.data), item.len)};
}

bool echoes()
{
    const Socket client_socket, server_socket;
    const Handler client = make(client_socket), server = make(server_socket);
    dispatch(client, server_socket.address(), "hello");
    const Letter question = receive(server);
    dispatch(server, question.from, question.text);
    return receive(client).text == "hello";
}

Peer open_peer()
{
    peer_config_t config{};
    config.size = sizeof config;
    config.addr = loopback(0);
    config.flags = PEER_ARRIVAL;
    peer_t *h = nullptr;
    check(peer_new(&config, &h));
    Peer peer(h);
    check(peer_open(h));
    return peer;
}

ph_addr_t address_of(const Peer &peer)
{
    ph_addr_t out{};
    check(peer_addr(peer.get(), &out));
    return out;
}

void note(void *log, std::int32_t is_sent, const ph_addr_t *, const std::uint8_t *data, size_t size)
{
    auto *lines = static_cast<std::vector<std::string> *>(log);
    lines->push_back((is_sent ? "> " : "< ") + std::string(data, data + size));
}

bool peers_talk()
{
    const Peer client = open_peer(), server = open_peer();
    std::vector<std::string> log;
    check(peer_wire_log(client.get(), note, &log));
    const ph_addr_t to = address_of(server);
    check(peer_send_to(client.get(), &to, 0, bytes("hello"), 5));
    std::array<std::uint8_t, 65535> buffer;
    ph_datagram_t item{};
    ph_arrival_t arrival{};
    check(peer_receive(server.get(), &item, &arrival, 1, buffer.data(), buffer.size(), 10000));
    check(peer_send(server.get(), &item, &arrival, 1));
    check(peer_receive(client.get(), &item, nullptr, 1, buffer.data(), buffer.size(), 10000));
    return log == std::vector<std::string>{"> hello", "< hello"} && item.addr.port == to.port;
}

bool a_broadcast_is_heard()
{
    bcast_config_t config{};
    config.size = sizeof config;
    config.interface = if_nametoindex("lo");
    bcast_t *h = nullptr;
    check(bcast_new(&config, &h));
    const Broadcast caller(h);
    config.port = static_cast<std::uint32_t>(check(bcast_port(h)));
    check(bcast_new(&config, &h));
    const Broadcast listener(h);
    check(bcast_beacon(caller.get(), bytes("here"), 4, 5));
    std::array<std::uint8_t, 8192> buffer;
    ph_datagram_t item{};
    for (int i = 0; i < 3; i++)
        check(bcast_receive(h, &item, nullptr, 1, buffer.data(), buffer.size(), 10000));
    return std::string(item.data, item.data + item.len) == "here";
}

// An echo server and its client in one loop, whose callback has a pointer to this.
class Echo {
public:
    Echo()
    {
        evloop_t *h = nullptr;
        check(evloop_new(nullptr, &h));
        loop_.reset(h);
        const auto listener = check(tcp_listen(h, "127.0.0.1", "0", nullptr, nullptr));
        ph_addr_t at{};
        check(tcp_local(h, listener, &at));
        client_ = check(
            tcp_connect(h, "127.0.0.1", std::to_string(at.port).c_str(), nullptr, nullptr));
    }

    std::string ask(std::string_view question)
    {
        check(tcp_send(loop_.get(), client_, bytes(question), question.size()));
        check(evloop_run(loop_.get(), call, this));
        return answer_;
    }

private:
    static void call(void *self, const evloop_event_t *event)
    {
        if (event->kind == TCP_DATA) static_cast<Echo *>(self)->take(*event);
    }

    void take(const evloop_event_t &event)
    {
        if (event.id == client_) {
            answer_.assign(event.data, event.data + event.len);
            evloop_stop(loop_.get());
        } else {
            tcp_send(loop_.get(), event.id, event.data, event.len);
        }
    }

    Loop loop_;
    std::int64_t client_ = 0;
    std::string answer_;
};

bool a_loop_echoes()
{
    return Echo().ask("hello") == "hello";
}

bool a_stopwatch_runs()
{
    stopwatch_t watch{};
    if (stopwatch_toc(&watch) != -ENODATA) return false;
    check(stopwatch_tic(&watch));
    check(stopwatch_sleep_until_next(&watch, 1000000));
    return check(stopwatch_round(&watch)) >= 1000000 && check(stopwatch_toc(&watch)) >= 0;
}

ph_bytes_t item(std::string_view text)
{
    return {bytes(text), text.size()};
}

bool a_queue_holds_what_came_last()
{
    const ph_bytes_t group = item("health");
    const std::array values{item("one"), item("two"), item("three")};
    rq_t *h = nullptr;
    check(rq_new(&group, 1, 2, RQ_RW, nullptr, &h));
    const Queue queue(h);
    check(rq_receive(h, bytes("health"), 6, bytes("node"), 4, values.data(), values.size()));
    check(rq_wait(h, bytes("health"), 6, 0));
    std::array<rq_value_t, 2> held{};
    std::array<std::uint8_t, 64> buffer;
    check(rq_extract_all(h, bytes("health"), 6, held.data(), held.size(), buffer.data(),
                         buffer.size(), nullptr));
    std::string all;
    for (const rq_value_t &value : held)
        all.append(reinterpret_cast<const char *>(buffer.data()) + value.offset, value.len);
    return all == "twothree" && held[0].idx_len == 4;
}

bool a_pipe_carries_a_message()
{
    std::string folder = "/tmp/npipe.XXXXXX";
    if (!mkdtemp(folder.data())) throw std::system_error(errno, std::generic_category());
    const std::string path = folder + "/pipe";
    npipe_t *h = nullptr;
    check(npipe_new(path.c_str(), nullptr, &h));
    const Pipe pipe(h);
    const ph_bytes_t message = item("hello");
    const bool had_no_reader = check(npipe_send(h, &message, 1, 0)) == 0;
    check(npipe_fd(h));
    check(npipe_send(h, &message, 1, 0));
    ph_span_t span{};
    std::array<std::uint8_t, 64> buffer;
    check(npipe_receive(h, &span, 1, buffer.data(), buffer.size(), 10000, nullptr));
    unlink(path.c_str());
    rmdir(folder.c_str());
    const auto *begin = buffer.data() + span.offset;
    return had_no_reader && std::string(begin, begin + span.len) == "hello";
}

bool no_host_is_known()
{
    virt_t *h = nullptr;
    check(virt_new(nullptr, &h));
    const Hosts hosts(h);
    virt_info_t info{};
    info.size = sizeof info;
    return virt_get_info(h, "host", "domain", &info) == -ENOTCONN;
}

using Test = bool (*)();

bool passes(const char *name, Test test)
{
    bool is_well = false;
    try {
        is_well = test();
    } catch (const std::exception &error) {
        std::printf("%s\n", error.what());
    }
    std::printf("%s %s\n", is_well ? "ok" : "FAIL", name);
    return is_well;
}

} // namespace

int main()
{
    const std::pair<const char *, Test> tests[] = {
        {"the_abi_is_the_headers_in_cpp", [] { return ph_abi_version() == PH_ABI_VERSION; }},
        {"an_echo_in_cpp", echoes},
        {"peers_talk_in_cpp", peers_talk},
        {"a_broadcast_is_heard_in_cpp", a_broadcast_is_heard},
        {"a_loop_echoes_in_cpp", a_loop_echoes},
        {"a_stopwatch_runs_in_cpp", a_stopwatch_runs},
        {"a_queue_holds_what_came_last_in_cpp", a_queue_holds_what_came_last},
        {"a_pipe_carries_a_message_in_cpp", a_pipe_carries_a_message},
        {"no_host_is_known_in_cpp", no_host_is_known},
    };
    int passed = 0, failed = 0;
    for (const auto &[name, test] : tests) (passes(name, test) ? passed : failed)++;
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}

// The header as C++ sees it: an echo with a handle that closes itself.
#include "../../include/pyhelpers.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <type_traits>
#include <unistd.h>

namespace {

static_assert(std::is_standard_layout_v<udph_config_t> && std::is_trivial_v<udph_config_t>);
static_assert(std::is_standard_layout_v<ph_datagram_t> && std::is_trivial_v<ph_datagram_t>);

struct Close {
    void operator()(udph_t *h) const { udph_close(h, 1000, nullptr); }
};
using Handler = std::unique_ptr<udph_t, Close>;

std::int64_t check(std::int64_t result)
{
    if (result < 0) throw std::runtime_error(ph_strerror(static_cast<std::int32_t>(result)));
    return result;
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
        constexpr std::string_view text = "127.0.0.1";
        sockaddr_in address{};
        socklen_t size = sizeof address;
        getsockname(fd_, reinterpret_cast<sockaddr *>(&address), &size);
        ph_addr_t out{};
        check(ph_addr_parse(text.data(), text.size(), ntohs(address.sin_port), &out));
        return out;
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
    const auto *bytes = reinterpret_cast<const std::uint8_t *>(text.data());
    check(udph_dispatch_to(handler.get(), &to, 0, bytes, text.size()));
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

} // namespace

int main()
{
    bool is_well = false;
    try {
        is_well = ph_abi_version() == PH_ABI_VERSION && echoes();
    } catch (const std::exception &error) {
        std::printf("%s\n", error.what());
    }
    std::printf("%s an_echo_in_cpp\n", is_well ? "ok" : "FAIL");
    std::printf("%d passed, %d failed\n", is_well ? 1 : 0, is_well ? 0 : 1);
    return is_well ? 0 : 1;
}

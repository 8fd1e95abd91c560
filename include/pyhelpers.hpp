/* pyhelpers in C++17: pyhelpers.h with objects that close themselves. Header-only.
 *
 * Meaning    is pyhelpers.h's: units, ranges, errors and constants (PEER_ARRIVAL, TCP_DATA, ...)
 *            stand there, under the name in C, and are not said again here.
 * Errors     Each function that can fail takes an `or_throw` last. Left out, a failure throws
 *            pyhelpers::error; a std::error_code in its place gets it instead, and is cleared on
 *            success. Codes compare equal to std::errc. Without exceptions (-fno-exceptions)
 *            leaving it out does not compile.
 * Nothing    there, no room, out of time (-EAGAIN, -ETIMEDOUT) are answers where something is
 *            received, sent or waited for: an empty span, 0, false, an empty std::optional.
 * Ownership  An object closes its handle; it can be moved, not copied. One that was moved from, was
 *            closed, or could not be made answers EBADF.
 * Views      `bytes` and `span` are good as long as what they view. What is received lies in a
 *            buffer of the caller's, and is good until that buffer is used again.
 * Memory     is allocated by buffers when they are made or grow, by functions that return a
 *            std::string or std::vector, and for an exception; by nothing else.
 * Threads    may call any functions of one object together, but for moving it, assigning to it and
 *            ending its life. A buffer, and a stopwatch, is for one thread at a time.
 *
 * Only what C has for interpreters is left out: peer_receive_room, tcp_write_packed.
 */

#ifndef PYHELPERS_HPP
#define PYHELPERS_HPP

#include "pyhelpers.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace pyhelpers {

// --- Times

using milliseconds = std::chrono::milliseconds;
using nanoseconds = std::chrono::nanoseconds;

inline constexpr milliseconds forever{-1};
inline constexpr milliseconds no_wait{0};

// --- Errors

/// Codes that std::errc has no name for, or one that is deprecated.
enum class errc {
    no_data = ENODATA,
    shut_down = ESHUTDOWN,
    panic = -(PH_EPANIC),
    no_name = -(PH_ENONAME),
    resolve = -(PH_ERESOLVE),
    no_libvirt = -(PH_ENOLIBVIRT),
};

/// The category of all codes of the library: errno(3), and those of `errc`.
inline const std::error_category &category() noexcept {
    class category_t final : public std::error_category {
        const char *name() const noexcept override { return "pyhelpers"; }
        std::string message(int code) const override { return ph_strerror(-code); }
        std::error_condition default_error_condition(int code) const noexcept override {
            return code < -(PH_EPANIC) ? std::generic_category().default_error_condition(code)
                                       : std::error_condition(code, *this);
        }
    };
    static const category_t instance;
    return instance;
}

inline std::error_code make_error_code(errc code) noexcept {
    return {static_cast<int>(code), category()};
}

/// What functions throw; what() begins with the name of the function in C, or "close", "remove".
class error : public std::system_error {
public:
    using std::system_error::system_error;
};

#ifndef __cpp_exceptions
// It is in the name of each function that throws or catches: a program may have both variants, and
// the linker is not to take one for the other.
inline namespace without_exceptions {
#endif

/// Where an error goes: thrown, or into the std::error_code given. Its functions take the name of a
/// function in C and what that has returned; they return it as what it means, and 0 or nothing when
/// there is a code.
class or_throw {
public:
#ifdef __cpp_exceptions
    or_throw() noexcept = default;
#else
    [[gnu::error("without exceptions a call needs a std::error_code")]] or_throw() noexcept;
#endif
    or_throw(std::error_code &code) noexcept : code_(&code) {}

    /// As it is: below 0 for an error.
    template <class Int> Int operator()(const char *function, Int result) const {
        if (code_)
            *code_ = result < 0 ? make(result) : std::error_code();
        else if (result < 0)
            fail(function, result);
        return result;
    }

    /// A number that may be 0, or nothing: -EAGAIN, and -ETIMEDOUT of what waits.
    std::optional<std::size_t> maybe(const char *function, std::int64_t result,
                                     bool waits = true) const {
        const bool is_nothing = result == -EAGAIN || (waits && result == -ETIMEDOUT);
        if ((*this)(function, is_nothing ? 0 : result) < 0 || is_nothing) return std::nullopt;
        return static_cast<std::size_t>(result);
    }

    /// A count: 0 for nothing.
    std::size_t some(const char *function, std::int64_t result) const {
        return maybe(function, result).value_or(0);
    }

    /// A time in nanoseconds.
    nanoseconds time(const char *function, std::int64_t result) const {
        return nanoseconds(std::max<std::int64_t>((*this)(function, result), 0));
    }

    /// What `function(arguments..., &out)` writes; all 0 when it failed.
    template <class Out, class Function, class... Arguments>
    Out read(const char *name, Function function, Arguments... arguments) const {
        Out out{};
        (*this)(name, function(arguments..., &out));
        return out;
    }

    /// As `read`, of a structure that starts with its size.
    template <class Out, class Function, class... Arguments>
    Out stats(const char *name, Function function, Arguments... arguments) const {
        Out out{};
        out.size = sizeof out;
        (*this)(name, function(arguments..., &out));
        return out;
    }

private:
    static std::error_code make(std::int64_t result) noexcept {
        return {static_cast<int>(-result), category()};
    }

    [[noreturn]] static void fail([[maybe_unused]] const char *function,
                                  [[maybe_unused]] std::int64_t result) {
#ifdef __cpp_exceptions
        throw error(make(result), function);
#else
        std::abort();
#endif
    }

    std::error_code *code_ = nullptr;
};

#ifndef __cpp_exceptions
} // namespace without_exceptions
#endif

// --- Views

/// A view of `T`s that lie one behind the other: of a std::vector, std::array, std::span, `T[N]`,
/// and of a braced list as an argument.
template <class T> class span {
    // `const`: nothing is written into a temporary, unless that is a view.
    template <class Range>
    using element = std::remove_pointer_t<decltype(std::data(std::declval<const Range &>()))>;
    template <class Range>
    using if_fits = std::enable_if_t<!std::is_same_v<std::decay_t<Range>, span> &&
                                     std::is_convertible_v<element<Range> (*)[], T (*)[]>>;
    struct never;
    using listed = std::conditional_t<std::is_const_v<T>, std::remove_cv_t<T>, never>;

public:
    using value_type = std::remove_cv_t<T>;
    using iterator = T *;

    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <class Range, class = if_fits<Range>> constexpr span(Range &&range) noexcept
        : span(std::data(range), std::size(range)) {}
    constexpr span(std::initializer_list<listed> list) noexcept : span(list.begin(), list.size()) {}

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }
    /// The first `count`, or all when there are fewer; and what is behind them.
    constexpr span first(std::size_t count) const noexcept {
        return span(data_, std::min(count, size_));
    }
    constexpr span from(std::size_t index) const noexcept {
        const auto start = std::min(index, size_);
        return span(data_ + start, size_ - start);
    }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/// A view of bytes to send, or received: of text, and of whatever holds char, unsigned char or
/// std::byte one behind the other. A `const char *`, or array of char, ends at its NUL.
class bytes : public ph_bytes_t {
    template <class Range> using element =
        std::remove_cv_t<std::remove_pointer_t<decltype(std::data(std::declval<const Range &>()))>>;
    template <class Range>
    using if_bytes = std::enable_if_t<!std::is_same_v<std::remove_extent_t<Range>, char> &&
                                      (std::is_same_v<element<Range>, char> ||
                                       std::is_same_v<element<Range>, unsigned char> ||
                                       std::is_same_v<element<Range>, std::byte>)>;

public:
    using value_type = std::uint8_t;
    using iterator = const std::uint8_t *;

    constexpr bytes() noexcept : ph_bytes_t{} {}
    bytes(const void *at, std::size_t size) noexcept
        : ph_bytes_t{static_cast<const std::uint8_t *>(at), size} {}
    bytes(const char *text) noexcept : bytes(text, std::strlen(text)) {}
    bytes(std::nullptr_t) = delete;
    template <class Range, class = if_bytes<Range>> bytes(const Range &range) noexcept
        : bytes(std::data(range), std::size(range)) {}

    constexpr std::size_t size() const noexcept { return len; }
    constexpr bool empty() const noexcept { return len == 0; }
    constexpr const std::uint8_t *begin() const noexcept { return data; }
    constexpr const std::uint8_t *end() const noexcept { return data + len; }
    constexpr std::uint8_t operator[](std::size_t index) const noexcept { return data[index]; }
    /// The same bytes as text, and a copy.
    std::string_view text() const noexcept { return {reinterpret_cast<const char *>(data), len}; }
    std::string str() const { return std::string(text()); }

    friend bool operator==(bytes a, bytes b) noexcept { return a.text() == b.text(); }
    friend bool operator!=(bytes a, bytes b) noexcept { return !(a == b); }
};

/// Text that ends with a NUL, or none at all.
class c_string {
public:
    c_string(const char *text) noexcept : text_(text) {}
    c_string(const std::string &text) noexcept : text_(text.c_str()) {}
    const char *get() const noexcept { return text_; }

private:
    const char *text_;
};

// --- What all parts share

namespace detail {

/// A time in C; the nearest that C can say.
template <class Int = std::int32_t> Int in_c(milliseconds time) noexcept {
    using limits = std::numeric_limits<Int>;
    return static_cast<Int>(
        std::clamp<milliseconds::rep>(time.count(), limits::min(), limits::max()));
}

/// Owns a handle. Its destructor closes it. A token that was closed stays here: it gives EBADF, so
/// that any thread may close while others call.
template <class Token, std::int64_t (*Close)(Token *)> class handle {
public:
    /// Takes a handle over from C; nullptr: none. A template, so that `{}` is no nullptr.
    template <class Taken, class = std::enable_if_t<std::is_same_v<Taken, Token *> ||
                                                    std::is_null_pointer_v<Taken>>>
    explicit handle(Taken taken) noexcept : token_(taken) {}
    handle(handle &&other) noexcept : token_(other.release()) {}
    handle &operator=(handle &&other) noexcept {
        handle taken(std::move(other));
        std::swap(token_, taken.token_);
        return *this;
    }
    ~handle() {
        if (token_) Close(token_);
    }

    /// The handle for functions in C; it stays this object's.
    Token *get() const noexcept { return token_; }

    /// The handle, from now on the caller's to close.
    Token *release() noexcept { return std::exchange(token_, nullptr); }

    /// Ends it, as the function in C says. Returns how much was left unsent, for those that send
    /// later.
    std::size_t close(or_throw ec = {}) { return ec.some("close", Close(token_)); }

private:
    Token *token_;
};

template <class Token, std::int32_t (*Close)(Token *)> std::int64_t close(Token *token) {
    return Close(token);
}

inline std::int64_t close_handler(udph_t *token) {
    return udph_close(token, 1000, nullptr);
}

/// Owns what has a number in something else: a timer of a loop, a feed of a queue. Its destructor
/// takes it out. It may outlive that something, and that object may be moved.
template <class Token, std::int64_t (*Remove)(Token *, std::int64_t)> class part {
public:
    part() noexcept = default;
    part(Token *of, std::int64_t id) noexcept : of_(of), id_(id) {}
    part(part &&other) noexcept : of_(std::exchange(other.of_, nullptr)), id_(other.release()) {}
    part &operator=(part &&other) noexcept {
        part taken(std::move(other));
        std::swap(of_, taken.of_);
        std::swap(id_, taken.id_);
        return *this;
    }
    ~part() {
        if (id_ > 0) Remove(of_, id_);
    }

    /// Its number, 0 or below for none.
    std::int64_t id() const noexcept { return id_; }

    /// Leaves it where it is. Returns its number.
    std::int64_t release() noexcept { return std::exchange(id_, 0); }

    /// Takes it out.
    void remove(or_throw ec = {}) { ec("remove", Remove(of_, id_)); }

protected:
    Token *of_ = nullptr;
    std::int64_t id_ = 0;
};

inline std::int64_t remove_timer(evloop_t *loop, std::int64_t id) {
    return evloop_timer_del(loop, &id, 1);
}
inline std::int64_t remove_member(evloop_t *loop, std::int64_t id) {
    return evloop_del(loop, id);
}
inline std::int64_t remove_feed(rq_t *queue, std::int64_t id) {
    return rq_feed_stop(queue, id);
}

/// What the caller gave, an object or a function, as the pointer that C hands back.
template <class Call> void *user(Call &call) noexcept {
    return const_cast<void *>(reinterpret_cast<const volatile void *>(&call));
}

/// Calls what the caller gave for C, through which nothing may be thrown. Returns what was.
template <class Call> std::exception_ptr caught(Call call) noexcept {
#ifdef __cpp_exceptions
    try {
        call();
    } catch (...) {
        return std::current_exception();
    }
#else
    call();
#endif
    return nullptr;
}

} // namespace detail

/// A structure of the C header that starts with its size, which is set, with all else 0.
template <class Struct> struct sized : Struct {
    sized() noexcept : Struct{} { this->size = sizeof(Struct); }
};

// --- The library (ph_)

/// "MAJOR.MINOR.PATCH" of the library that is loaded.
inline std::string_view version() noexcept {
    return ph_version();
}

/// Whether the library that is loaded has the ABI of this header.
inline bool has_abi() noexcept {
    return ph_abi_version() == PH_ABI_VERSION;
}

/// Has log messages go to `log(std::int32_t level, std::string_view message)`, on any thread, also
/// on several at once; what it throws is dropped. It is not copied: it must live, where it is,
/// until another call of log_to or log_to_stderr has returned.
template <class Log> void log_to(Log &log, std::int32_t level, or_throw ec = {}) {
    const auto call = [](void *user, std::int32_t at, const char *message) noexcept {
        detail::caught([&] { (*reinterpret_cast<Log *>(user))(at, std::string_view(message)); });
    };
    ec("ph_log_set", ph_log_set(call, detail::user(log), level));
}

inline void log_to_stderr(std::int32_t level, or_throw ec = {}) {
    ec("ph_log_set", ph_log_set(nullptr, nullptr, level));
}

/// An IP address with its port: a value. It can be compared, ordered and hashed.
struct address : ph_addr_t {
    /// No address.
    address() noexcept : ph_addr_t{} {}
    address(const ph_addr_t &other) noexcept : ph_addr_t(other) {}
    /// Reads "192.0.2.1", "2001:db8::1", "fe80::1%eth0"; no names.
    explicit address(std::string_view text, std::uint32_t at_port = 0, or_throw ec = {})
        : address() {
        ec("ph_addr_parse", ph_addr_parse(text.data(), text.size(), at_port, this));
    }

    explicit operator bool() const noexcept { return family != 0; }

    /// The text that the constructor reads; without the port. "" for no address.
    std::string str() const {
        char text[PH_ADDR_TEXT_MAX];
        const auto length = ph_addr_format(this, text, sizeof text);
        return std::string(text, length < 0 ? 0 : static_cast<std::size_t>(length));
    }

    friend bool operator==(const address &a, const address &b) noexcept {
        return a.raw() == b.raw();
    }
    friend bool operator!=(const address &a, const address &b) noexcept { return !(a == b); }
    friend bool operator<(const address &a, const address &b) noexcept { return a.raw() < b.raw(); }

    /// All its bytes; there is no padding.
    std::string_view raw() const noexcept {
        static_assert(std::has_unique_object_representations_v<ph_addr_t>);
        return {reinterpret_cast<const char *>(static_cast<const ph_addr_t *>(this)),
                sizeof(ph_addr_t)};
    }
};

using arrival = ph_arrival_t;

/// A datagram to send, or one received.
struct datagram : ph_datagram_t {
    datagram() noexcept : ph_datagram_t{} {}
    datagram(const ph_addr_t &to, bytes payload) noexcept
        : ph_datagram_t{to, payload.data, payload.len, 0, 0, 0} {}
    bytes payload() const noexcept { return {data, len}; }
};

/// Holds what one call receives, of up to `items` datagrams and `size` bytes: used again and again,
/// never growing. 65,535 bytes have room for any one datagram.
class datagram_buffer {
public:
    explicit datagram_buffer(std::size_t items = 64, std::size_t size = 65536)
        : items_(items), arrivals_(items), bytes_(size) {}
    /// Moved, not copied: a copy's items would lie in the original's bytes.
    datagram_buffer(datagram_buffer &&) noexcept = default;
    datagram_buffer &operator=(datagram_buffer &&) noexcept = default;

    span<const datagram> items() const noexcept {
        return span<const datagram>(items_).first(count_);
    }
    /// How each of items() arrived, of a peer with PEER_ARRIVAL or a broadcast.
    span<const arrival> arrivals() const noexcept {
        return span<const arrival>(arrivals_).first(count_);
    }

    /// Has `receive(handle, items, arrivals, n, buf, cap, timeout)`, as in C, fill it.
    template <class Receive, class Token>
    span<const datagram> fill(const char *name, Receive receive, Token *handle,
                              milliseconds timeout, or_throw ec) {
        count_ = 0;
        count_ = ec.some(name, receive(handle, items_.data(), arrivals_.data(), items_.size(),
                                       bytes_.data(), bytes_.size(), detail::in_c(timeout)));
        return items();
    }

private:
    std::vector<datagram> items_;
    std::vector<arrival> arrivals_;
    std::vector<std::uint8_t> bytes_;
    std::size_t count_ = 0;
};

// --- UDP handler (udph_)

/// A socket whose datagrams native threads receive and send. Its destructor gives what is queued
/// one second to be sent; `close` says how long, and what was left.
class udp_handler : public detail::handle<udph_t, detail::close_handler> {
public:
    using config = sized<udph_config_t>;

    using handle::handle;
    explicit udp_handler(int fd, const config &how = {}, or_throw ec = {})
        : handle(ec.read<udph_t *>("udph_new", udph_new, fd, &how)) {}

    /// Returns how many were taken; 0 when there is no room.
    std::size_t dispatch(span<const datagram> items, milliseconds timeout = no_wait,
                         or_throw ec = {}) {
        return ec.some("udph_dispatch",
                       udph_dispatch(get(), items.data(), items.size(), detail::in_c(timeout)));
    }

    /// Whether it was taken.
    bool dispatch_to(const ph_addr_t &to, bytes payload, or_throw ec = {}) {
        return ec
            .maybe("udph_dispatch_to", udph_dispatch_to(get(), &to, 0, payload.data, payload.len))
            .has_value();
    }

    /// Empty when there is none.
    span<const datagram> receive(datagram_buffer &into, milliseconds timeout = forever,
                                 or_throw ec = {}) {
        const auto receive = [](udph_t *h, auto *items, auto *, auto n, auto *buf, auto cap,
                                auto ms) { return udph_get_recved(h, items, n, buf, cap, ms); };
        return into.fill("udph_get_recved", receive, get(), timeout, ec);
    }

    std::size_t queued_send(or_throw ec = {}) const {
        return ec.some("udph_queued_send", udph_queued_send(get()));
    }
    std::size_t queued_received(or_throw ec = {}) const {
        return ec.some("udph_queued_recved", udph_queued_recved(get()));
    }
    nanoseconds average_send_time(bool reset = false, or_throw ec = {}) {
        return ec.time("udph_stats_send_avg", udph_stats_send_avg(get(), reset));
    }
    udph_stats_t stats(or_throw ec = {}) const {
        return ec.stats<udph_stats_t>("udph_stats", udph_stats, get());
    }

    /// Fills what there is room for. Returns how many reactors there are.
    std::size_t reactor_stats(span<udph_reactor_stats_t> into, or_throw ec = {}) const {
        return ec.some("udph_reactor_stats", udph_reactor_stats(get(), into.data(), into.size()));
    }

    /// Those of `into` that were filled.
    span<ph_error_t> errors(span<ph_error_t> into, or_throw ec = {}) {
        return into.first(
            ec.some("udph_get_error", udph_get_error(get(), into.data(), into.size())));
    }

    /// Readable while something is there to receive. It stays the handler's.
    int fd(or_throw ec = {}) const { return ec("udph_fd", udph_fd(get())); }

    using handle::close;
    /// Returns how many datagrams were left unsent. `last`: nullptr, or gets the final counts.
    std::size_t close(milliseconds deadline, udph_stats_t *last = nullptr, or_throw ec = {}) {
        if (last) last->size = sizeof *last;
        return ec.some("udph_close", udph_close(get(), detail::in_c(deadline), last));
    }
};

// --- Peer (peer_)

/// A UDP socket of the caller's own threads.
class peer : public detail::handle<peer_t, detail::close<peer_t, peer_close>> {
public:
    using config = sized<peer_config_t>;

    using handle::handle;
    /// Not open yet.
    explicit peer(const config &how = {}, or_throw ec = {})
        : handle(ec.read<peer_t *>("peer_new", peer_new, &how)) {}

    void open(or_throw ec = {}) { ec("peer_open", peer_open(get())); }
    void reopen(or_throw ec = {}) { ec("peer_reopen", peer_reopen(get())); }

    /// Empty when there is none.
    span<const datagram> receive(datagram_buffer &into, milliseconds timeout = forever,
                                 or_throw ec = {}) {
        return into.fill("peer_receive", peer_receive, get(), timeout, ec);
    }

    /// One datagram, without waiting. Returns its length; more than `recv_size` when its end is
    /// lost.
    std::optional<std::size_t> receive_from(span<std::uint8_t> into, address &from,
                                            or_throw ec = {}) {
        return ec.maybe("peer_receive_from",
                        peer_receive_from(get(), into.data(), into.size(), &from));
    }

    /// Returns how many were sent; 0 when the kernel has no room. `how`: empty, or one for each.
    std::size_t send(span<const datagram> items, span<const arrival> how = {}, or_throw ec = {}) {
        const bool match = how.empty() || how.size() == items.size();
        return ec.some("peer_send",
                       match ? peer_send(get(), items.data(), how.data(), items.size()) : -EINVAL);
    }

    /// Whether it was sent; not when the kernel has no room.
    bool send_to(const ph_addr_t &to, bytes payload, or_throw ec = {}) {
        return ec.maybe("peer_send_to", peer_send_to(get(), &to, 0, payload.data, payload.len))
            .has_value();
    }

    struct buffer_sizes {
        std::int32_t send, receive;
    };
    buffer_sizes actual_buffer_sizes(or_throw ec = {}) const {
        buffer_sizes out{};
        ec("peer_actual_buf_sizes", peer_actual_buf_sizes(get(), &out.send, &out.receive));
        return out;
    }

    address local(or_throw ec = {}) const {
        return ec.read<address>("peer_addr", peer_addr, get());
    }

    /// Readable while something is there to receive; and the socket itself. Both stay the peer's.
    int fd(or_throw ec = {}) const { return ec("peer_fd", peer_fd(get())); }
    int socket(or_throw ec = {}) const { return ec("peer_socket", peer_socket(get())); }

    void set(std::uint32_t option, std::int32_t value, or_throw ec = {}) {
        ec("peer_set", peer_set(get(), option, value));
    }
    void join(const ph_addr_t &group, std::uint32_t interface = 0, or_throw ec = {}) {
        ec("peer_join", peer_join(get(), &group, interface));
    }
    void leave(const ph_addr_t &group, std::uint32_t interface = 0, or_throw ec = {}) {
        ec("peer_leave", peer_leave(get(), &group, interface));
    }

    /// Those of `into` that were filled.
    span<ph_error_t> errors(span<ph_error_t> into, or_throw ec = {}) {
        return into.first(
            ec.some("peer_get_error", peer_get_error(get(), into.data(), into.size())));
    }

    peer_stats_t stats(or_throw ec = {}) const {
        return ec.stats<peer_stats_t>("peer_stats", peer_stats, get());
    }

    /// Has `log(bool is_sent, const address &who, bytes payload)` told of each datagram, on the
    /// thread that sends or receives; what it throws is dropped. It is not copied: it must live,
    /// where it is, until the calls have returned that send or receive while another takes its
    /// place.
    template <class Log> void wire_log(Log &log, or_throw ec = {}) {
        const auto call = [](void *user, std::int32_t is_sent, const ph_addr_t *who,
                             const std::uint8_t *data, std::size_t size) noexcept {
            detail::caught([&] {
                (*reinterpret_cast<Log *>(user))(is_sent != 0, address(*who), bytes(data, size));
            });
        };
        ec("peer_wire_log", peer_wire_log(get(), call, detail::user(log)));
    }

    void wire_log(std::nullptr_t, or_throw ec = {}) {
        ec("peer_wire_log", peer_wire_log(get(), nullptr, nullptr));
    }
};

// --- Broadcast (bcast_)

/// A socket for messages to and from all neighbours.
class broadcast : public detail::handle<bcast_t, detail::close<bcast_t, bcast_close>> {
public:
    using config = sized<bcast_config_t>;

    using handle::handle;
    explicit broadcast(const config &how = {}, or_throw ec = {})
        : handle(ec.read<bcast_t *>("bcast_new", bcast_new, &how)) {}

    /// Empty when there is none.
    span<const datagram> receive(datagram_buffer &into, milliseconds timeout = forever,
                                 or_throw ec = {}) {
        return into.fill("bcast_receive", bcast_receive, get(), timeout, ec);
    }

    /// Returns by how many interfaces it left; 0 when the kernel has no room.
    std::size_t send(bytes message, or_throw ec = {}) {
        return ec.some("bcast_send", bcast_send(get(), message.data, message.len));
    }

    /// Sends `message` now and in each `period`, from a thread of the library's. `period` 0: no
    /// more.
    void beacon(bytes message, milliseconds period, or_throw ec = {}) {
        ec("bcast_beacon",
           bcast_beacon(get(), message.data, message.len, detail::in_c<std::uint32_t>(period)));
    }

    std::uint16_t port(or_throw ec = {}) const {
        return static_cast<std::uint16_t>(ec.some("bcast_port", bcast_port(get())));
    }

    /// Readable while something is there to receive. It stays the broadcast's.
    int fd(or_throw ec = {}) const { return ec("bcast_fd", bcast_fd(get())); }

    bcast_stats_t stats(or_throw ec = {}) const {
        return ec.stats<bcast_stats_t>("bcast_stats", bcast_stats, get());
    }
};

// --- Event loop (evloop_, tcp_)

/// An event; `kind`, `id`, `value`, `len` as the C header says.
struct event : evloop_event_t {
    event() noexcept : evloop_event_t{} {}
    explicit event(const evloop_event_t &other) noexcept : evloop_event_t(other) {}

    /// What was received, of TCP_DATA.
    bytes payload() const noexcept { return {data, data ? len : 0}; }
    /// Why, of TCP_CLOSED and others; no error otherwise.
    std::error_code code() const noexcept { return {error, category()}; }
    /// The object whose address was given as `user`.
    template <class T> T &as() const noexcept { return *static_cast<T *>(user); }
};

/// Holds what one `event_loop::poll` gives: used again and again, never growing.
class event_buffer {
public:
    explicit event_buffer(std::size_t events = 64, std::size_t size = 65536)
        : events_(events), bytes_(size) {}

private:
    friend class event_loop;
    std::vector<event> events_;
    std::vector<std::uint8_t> bytes_;
};

/// A timer of a loop. Its destructor takes it out; `release` leaves it.
class timer : public detail::part<evloop_t, detail::remove_timer> {
public:
    using part::part;
    void again(nanoseconds delay, or_throw ec = {}) {
        ec("evloop_timer_again", evloop_timer_again(of_, id_, delay.count()));
    }
};

/// A watched descriptor of a loop. Its destructor, which must run before the descriptor is closed,
/// takes it out; `release` leaves it.
class watch : public detail::part<evloop_t, detail::remove_member> {
public:
    using part::part;
    void modify(std::uint32_t events, or_throw ec = {}) {
        ec("evloop_mod", evloop_mod(of_, id_, events));
    }
};

/// A signal that a loop hears. Its destructor gives the process its handler back; `release` does
/// not.
class signal_watch : public detail::part<evloop_t, detail::remove_member> {
public:
    using part::part;
};

/// A listener of a loop. Its destructor ends it, and leaves its connections; `release` leaves it
/// too.
class tcp_listener : public detail::part<evloop_t, detail::remove_member> {
public:
    using part::part;
    address local(or_throw ec = {}) const {
        return ec.read<address>("tcp_local", tcp_local, of_, id_);
    }
    int socket(or_throw ec = {}) const { return ec("tcp_socket", tcp_socket(of_, id_)); }
};

/// Names a connection of a loop, and owns nothing: it can be copied, and the connection lives until
/// TCP_CLOSED whatever becomes of this object.
class tcp_connection {
public:
    tcp_connection() noexcept = default;
    tcp_connection(evloop_t *loop, std::int64_t id) noexcept : loop_(loop), id_(id) {}

    std::int64_t id() const noexcept { return id_; }
    evloop_t *loop() const noexcept { return loop_; }
    friend bool operator==(tcp_connection a, tcp_connection b) noexcept {
        return a.loop_ == b.loop_ && a.id_ == b.id_;
    }
    friend bool operator!=(tcp_connection a, tcp_connection b) noexcept { return !(a == b); }

    /// Returns how many bytes wait now; nothing when it was refused, as too many do.
    std::optional<std::size_t> send(bytes message, or_throw ec = {}) const {
        return ec.maybe("tcp_send", tcp_send(loop_, id_, message.data, message.len), false);
    }

    /// Returns how many bytes; 0 when the peer sends no more; nothing when nothing is there.
    std::optional<std::size_t> read(span<std::uint8_t> into, or_throw ec = {}) const {
        return ec.maybe("tcp_read", tcp_read(loop_, id_, into.data(), into.size()), false);
    }

    void set_reading(std::uint32_t mode, or_throw ec = {}) const {
        ec("tcp_set_reading", tcp_set_reading(loop_, id_, mode));
    }
    void shutdown_write(or_throw ec = {}) const {
        ec("tcp_shutdown_write", tcp_shutdown_write(loop_, id_));
    }
    void close(or_throw ec = {}) const { ec("tcp_close", tcp_close(loop_, id_)); }
    void abort(or_throw ec = {}) const { ec("tcp_abort", tcp_abort(loop_, id_)); }

    void set_rate(std::uint64_t read, std::uint64_t write, or_throw ec = {}) const {
        ec("tcp_set_rate", tcp_set_rate(loop_, id_, read, write));
    }
    void set_watermarks(std::size_t low, std::size_t high, std::size_t limit,
                        or_throw ec = {}) const {
        ec("tcp_set_watermarks", tcp_set_watermarks(loop_, id_, low, high, limit));
    }

    void set_timeouts(milliseconds idle, milliseconds write, or_throw ec = {}) const {
        ec("tcp_set_timeouts", tcp_set_timeouts(loop_, id_, detail::in_c<std::uint32_t>(idle),
                                                detail::in_c<std::uint32_t>(write)));
    }

    address local(or_throw ec = {}) const {
        return ec.read<address>("tcp_local", tcp_local, loop_, id_);
    }
    address remote(or_throw ec = {}) const {
        return ec.read<address>("tcp_remote", tcp_remote, loop_, id_);
    }
    int socket(or_throw ec = {}) const { return ec("tcp_socket", tcp_socket(loop_, id_)); }

    tcp_stats_t stats(or_throw ec = {}) const {
        return ec.stats<tcp_stats_t>("tcp_stats", tcp_stats, loop_, id_);
    }

private:
    evloop_t *loop_ = nullptr;
    std::int64_t id_ = 0;
};

/// A message for a connection; `result` is set by `event_loop::write`.
struct tcp_message : tcp_message_t {
    tcp_message() noexcept : tcp_message_t{} {}
    tcp_message(std::int64_t to, bytes message) noexcept
        : tcp_message_t{to, message.data, message.len, 0} {}
};

using tcp_config = sized<tcp_config_t>;

/// Timers, descriptors, signals and connections, whose events one thread takes: by `poll`, as a
/// batch, or by `run`, each by a call.
class event_loop : public detail::handle<evloop_t, evloop_close> {
public:
    using config = sized<evloop_config_t>;

    using handle::handle;
    explicit event_loop(const config &how = {}, or_throw ec = {})
        : handle(ec.read<evloop_t *>("evloop_new", evloop_new, &how)) {}

    /// Empty when there is nothing, in time.
    span<const event> poll(event_buffer &into, milliseconds timeout = forever, or_throw ec = {}) {
        auto &events = into.events_;
        const auto count = evloop_poll(get(), events.data(), events.size(), into.bytes_.data(),
                                       into.bytes_.size(), detail::in_c(timeout));
        return span<const event>(events).first(ec.some("evloop_poll", count));
    }

    /// Calls `handler(const event &)` with each event, on this thread, until `stop`, or when after
    /// `shutdown` all has ended. Events of what an earlier call has removed or closed are left out,
    /// but for TCP_CLOSED. When it throws, the other events of the batch are given to it all the
    /// same, then the first exception leaves `run`, which may be called again: no event is lost.
    template <class Handler> void run(Handler &&handler, or_throw ec = {}) {
        dispatch<std::remove_reference_t<Handler>> calls(handler);
        evloop_t *const loop = get(); // The handler may move this object, or end its life.
        while (!calls.is_stopped) {
            const auto count = calls.once(loop, -1, true);
            const bool has_ended = count == -ESHUTDOWN && evloop_wake(loop) == 0;
            if (has_ended) break;
            if (ec("evloop_run_once", count) < 0) return;
        }
        ec("evloop_run_once", 0);
    }

    /// One batch of `run`. Returns how many events there were.
    template <class Handler>
    std::size_t run_once(Handler &&handler, milliseconds timeout = forever, or_throw ec = {}) {
        dispatch<std::remove_reference_t<Handler>> calls(handler);
        return ec.some("evloop_run_once", calls.once(get(), detail::in_c(timeout), false));
    }

    /// For signal handlers too, with an error_code.
    void stop(or_throw ec = {}) { ec("evloop_stop", evloop_stop(get())); }
    void wake(or_throw ec = {}) { ec("evloop_wake", evloop_wake(get())); }

    /// Readable while `poll` has something to do. It stays the loop's.
    int fd(or_throw ec = {}) const { return ec("evloop_fd", evloop_fd(get())); }

    [[nodiscard]] watch add_watch(int fd, std::uint32_t events, void *user = nullptr,
                                  or_throw ec = {}) {
        return {get(), ec("evloop_add", evloop_add(get(), fd, events, user))};
    }

    /// `period` 0: due once.
    [[nodiscard]] timer add_timer(nanoseconds delay, nanoseconds period = nanoseconds(0),
                                  void *user = nullptr, or_throw ec = {}) {
        evloop_timer_t added{0, delay.count(), period.count(), user};
        ec("evloop_timer_add", evloop_timer_add(get(), &added, 1));
        return {get(), added.id};
    }

    /// Many timers at once, by their numbers.
    void add_timers(span<evloop_timer_t> timers, or_throw ec = {}) {
        ec("evloop_timer_add", evloop_timer_add(get(), timers.data(), timers.size()));
    }

    /// Returns how many there were.
    std::size_t remove_timers(span<const std::int64_t> ids, or_throw ec = {}) {
        return ec.some("evloop_timer_del", evloop_timer_del(get(), ids.data(), ids.size()));
    }

    /// How long until the loop has something to do of itself; nothing when it has not.
    std::optional<nanoseconds> next_timer(or_throw ec = {}) const {
        const auto left = ec.maybe("evloop_timer_next", evloop_timer_next(get()));
        if (!left) return std::nullopt;
        return nanoseconds(static_cast<nanoseconds::rep>(*left));
    }

    [[nodiscard]] signal_watch add_signal(int number, void *user = nullptr, or_throw ec = {}) {
        return {get(), ec("evloop_signal_add", evloop_signal_add(get(), number, user))};
    }
    void set_user(std::int64_t id, void *user, or_throw ec = {}) {
        ec("evloop_set_user", evloop_set_user(get(), id, user));
    }

    [[nodiscard]] tcp_listener listen(c_string host, c_string service, const tcp_config &how = {},
                                      void *user = nullptr, or_throw ec = {}) {
        const auto id = tcp_listen(get(), host.get(), service.get(), &how, user);
        return {get(), ec("tcp_listen", id)};
    }

    tcp_connection connect(c_string host, c_string service, const tcp_config &how = {},
                           void *user = nullptr, or_throw ec = {}) {
        const auto id = tcp_connect(get(), host.get(), service.get(), &how, user);
        return {get(), ec("tcp_connect", id)};
    }

    tcp_connection adopt(int fd, const tcp_config &how = {}, void *user = nullptr,
                         or_throw ec = {}) {
        return {get(), ec("tcp_adopt", tcp_adopt(get(), fd, &how, user))};
    }

    /// The connection that an event is about.
    tcp_connection connection(std::int64_t id) const noexcept { return {get(), id}; }

    /// Returns how many messages the kernel has whole; the others' `result` says more.
    std::size_t write(span<tcp_message> messages, or_throw ec = {}) {
        return ec.some("tcp_write", tcp_write(get(), messages.data(), messages.size()));
    }

    void shutdown(milliseconds timeout, or_throw ec = {}) {
        ec("evloop_shutdown", evloop_shutdown(get(), detail::in_c(timeout)));
    }
    evloop_stats_t stats(or_throw ec = {}) const {
        return ec.stats<evloop_stats_t>("evloop_stats", evloop_stats, get());
    }

private:
    /// Calls the caller's handler for C, and keeps what it throws until C has returned.
    template <class Handler, class = or_throw> class dispatch {
    public:
        explicit dispatch(Handler &handler) noexcept : handler_(handler) {}

        /// One batch. `stops`: an exception does not make `stop` forgotten.
        std::int64_t once(evloop_t *loop, std::int32_t timeout, bool stops) {
            const auto count = evloop_run_once(loop, call, this, timeout);
            if (thrown_ && stops && is_stopped) evloop_stop(loop);
            if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
            return count;
        }

        bool is_stopped = false;

    private:
        static void call(void *self, const evloop_event_t *given) noexcept {
            static_cast<dispatch *>(self)->take(event(*given));
        }
        void take(const event &given) noexcept {
            is_stopped |= given.kind == EVLOOP_STOP;
            auto thrown = detail::caught([&] { handler_(given); });
            if (!thrown_) thrown_ = std::move(thrown);
        }

        Handler &handler_;
        std::exception_ptr thrown_;
    };
};

// --- Stopwatch (stopwatch_)

/// A stopwatch: a value.
class stopwatch {
public:
    void tic(or_throw ec = {}) { ec("stopwatch_tic", stopwatch_tic(&watch_)); }

    /// Fails with errc::no_data when it was never started; so does `round`.
    nanoseconds toc(or_throw ec = {}) const {
        return ec.time("stopwatch_toc", stopwatch_toc(&watch_));
    }

    nanoseconds round(or_throw ec = {}) {
        return ec.time("stopwatch_round", stopwatch_round(&watch_));
    }

    /// Returns by how much the task is late; 0 after a sleep.
    nanoseconds sleep_until_next(nanoseconds period, or_throw ec = {}) {
        return ec.time("stopwatch_sleep_until_next",
                       stopwatch_sleep_until_next(&watch_, period.count()));
    }

private:
    stopwatch_t watch_{};
};

// --- Receive queue (rq_)

/// Holds what one `receive_queue::extract` copies: used again and again, growing when there is
/// more.
class value_buffer {
public:
    struct value {
        /// Empty where the caller has named the idx.
        bytes idx;
        bytes data;
    };

    explicit value_buffer(std::size_t values = 64, std::size_t size = 4096)
        : places_(values), values_(values), bytes_(size) {}

private:
    friend class receive_queue;

    /// Has `extract(arguments..., values, n, out, cap, need)`, as in C, fill it.
    template <class Extract, class... Arguments>
    span<const value> fill(or_throw ec, const char *name, Extract extract, Arguments... arguments) {
        ph_need_t need{};
        std::int64_t count;
        while ((count = extract(arguments..., places_.data(), places_.size(), bytes_.data(),
                                bytes_.size(), &need)) == -EMSGSIZE) {
            values_.resize(std::max(values_.size(), need.items)); // First: never fewer than places.
            places_.resize(values_.size());
            bytes_.resize(std::max(bytes_.size(), need.bytes));
        }
        const auto filled = ec.some(name, count);
        const auto *const at = bytes_.data();
        for (std::size_t i = 0; i < filled; i++)
            values_[i] = {bytes(at + places_[i].idx_offset, places_[i].idx_len),
                          bytes(at + places_[i].offset, places_[i].len)};
        return span<const value>(values_).first(filled);
    }

    std::vector<rq_value_t> places_;
    std::vector<value> values_;
    std::vector<std::uint8_t> bytes_;
};

/// What a source puts into a queue by itself. Its destructor ends it; `release` leaves it until its
/// source or its queue ends.
class feed : public detail::part<rq_t, detail::remove_feed> {
public:
    using part::part;
    rq_feed_stats_t stats(or_throw ec = {}) const {
        return ec.stats<rq_feed_stats_t>("rq_feed_stats", rq_feed_stats, of_, id_);
    }
};

/// Groups of buffers, each of which keeps the last values of one sender.
class receive_queue : public detail::handle<rq_t, detail::close<rq_t, rq_close>> {
public:
    using config = sized<rq_config_t>;
    using feed_config = sized<rq_feed_config_t>;
    using value = value_buffer::value;

    using handle::handle;
    receive_queue(span<const bytes> groups, std::size_t length, std::uint32_t policy = RQ_RW,
                  const config &how = {}, or_throw ec = {})
        : handle(ec.read<rq_t *>("rq_new", rq_new, groups.data(), groups.size(), length, policy,
                                 &how)) {}

    /// Returns how many were taken.
    std::size_t receive(bytes group, bytes idx, span<const bytes> values, or_throw ec = {}) {
        return ec.some("rq_receive", rq_receive(get(), group.data, group.len, idx.data, idx.len,
                                                values.data(), values.size()));
    }

    void receive(bytes group, bytes idx, bytes one, or_throw ec = {}) {
        receive(group, idx, span<const bytes>(&one, 1), ec);
    }

    /// What one buffer holds, oldest first.
    span<const value> extract(bytes group, bytes idx, value_buffer &into, or_throw ec = {}) const {
        return into.fill(ec, "rq_extract", rq_extract, get(), group.data, group.len, idx.data,
                         idx.len);
    }

    /// What all buffers of a group hold.
    span<const value> extract_all(bytes group, value_buffer &into, or_throw ec = {}) const {
        return into.fill(ec, "rq_extract_all", rq_extract_all, get(), group.data, group.len);
    }

    /// Whether something has come into the group.
    bool wait(bytes group, milliseconds timeout = forever, or_throw ec = {}) {
        return ec.maybe("rq_wait", rq_wait(get(), group.data, group.len, detail::in_c(timeout)))
            .has_value();
    }

    /// Readable while `wait` would be true for the group. It stays the queue's.
    int fd(bytes group, or_throw ec = {}) const {
        return ec("rq_fd", rq_fd(get(), group.data, group.len));
    }

    /// Returns how many values were dropped.
    std::size_t forget(bytes group, bytes idx, or_throw ec = {}) {
        return ec.some("rq_forget", rq_forget(get(), group.data, group.len, idx.data, idx.len));
    }

    rq_stats_t stats(or_throw ec = {}) const {
        return ec.stats<rq_stats_t>("rq_stats", rq_stats, get());
    }

    rq_buffer_stats_t stats(bytes group, bytes idx, or_throw ec = {}) const {
        return ec.stats<rq_buffer_stats_t>("rq_buffer_stats", rq_buffer_stats, get(), group.data,
                                           group.len, idx.data, idx.len);
    }

    [[nodiscard]] feed feed_from(bytes group, const udp_handler &source,
                                 const feed_config &how = {}, or_throw ec = {}) {
        const auto id = rq_feed_udph(get(), group.data, group.len, &how, source.get());
        return {get(), ec("rq_feed_udph", id)};
    }

    [[nodiscard]] feed feed_from(bytes group, const peer &source, const feed_config &how = {},
                                 or_throw ec = {}) {
        const auto id = rq_feed_peer(get(), group.data, group.len, &how, source.get());
        return {get(), ec("rq_feed_peer", id)};
    }

    [[nodiscard]] feed feed_from(bytes group, tcp_connection source, const feed_config &how = {},
                                 or_throw ec = {}) {
        const auto id = rq_feed_tcp(get(), group.data, group.len, &how, source.loop(), source.id());
        return {get(), ec("rq_feed_tcp", id)};
    }
};

// --- Named pipe (npipe_)

/// Holds the messages that one `named_pipe::receive` gives: used again and again, growing when a
/// message is longer.
class message_buffer {
public:
    explicit message_buffer(std::size_t messages = 64, std::size_t size = 65536)
        : places_(messages), messages_(messages), bytes_(size) {}

private:
    friend class named_pipe;
    std::vector<ph_span_t> places_;
    std::vector<bytes> messages_;
    std::vector<std::uint8_t> bytes_;
};

/// A FIFO that carries messages between processes of one host.
class named_pipe : public detail::handle<npipe_t, detail::close<npipe_t, npipe_close>> {
public:
    using config = sized<npipe_config_t>;

    using handle::handle;
    explicit named_pipe(c_string path, const config &how = {}, or_throw ec = {})
        : handle(ec.read<npipe_t *>("npipe_new", npipe_new, path.get(), &how)) {}

    /// Returns how many were sent; 0 when there is no reader; nothing when there is no room in
    /// time.
    std::optional<std::size_t> send(span<const bytes> messages, milliseconds timeout = forever,
                                    or_throw ec = {}) {
        return ec.maybe("npipe_send",
                        npipe_send(get(), messages.data(), messages.size(), detail::in_c(timeout)));
    }

    std::optional<std::size_t> send(bytes message, milliseconds timeout = forever,
                                    or_throw ec = {}) {
        return ec.maybe("npipe_send_one",
                        npipe_send_one(get(), message.data, message.len, detail::in_c(timeout)));
    }

    /// Empty when there is none, in time.
    span<const bytes> receive(message_buffer &into, milliseconds timeout = forever,
                              or_throw ec = {}) {
        auto &[places, messages, room] = into;
        std::size_t need = 0;
        std::int64_t count;
        while ((count = npipe_receive(get(), places.data(), places.size(), room.data(), room.size(),
                                      detail::in_c(timeout), &need)) == -EMSGSIZE)
            room.resize(need);
        const auto filled = ec.some("npipe_receive", count);
        for (std::size_t i = 0; i < filled; i++)
            messages[i] = bytes(room.data() + places[i].offset, places[i].len);
        return span<const bytes>(messages).first(filled);
    }

    /// One message. Returns its length; fails with message_size when it is longer than `into`.
    std::optional<std::size_t> receive(span<std::uint8_t> into, milliseconds timeout = forever,
                                       or_throw ec = {}) {
        return ec.maybe("npipe_receive_one",
                        npipe_receive_one(get(), into.data(), into.size(), detail::in_c(timeout)));
    }

    /// Readable while `receive` has something to do. It stays the pipe's, which counts as a reader.
    int fd(or_throw ec = {}) { return ec("npipe_fd", npipe_fd(get())); }

    npipe_stats_t stats(or_throw ec = {}) const {
        return ec.stats<npipe_stats_t>("npipe_stats", npipe_stats, get());
    }
};

// --- Hosts with virtual machines (virt_)

/// Connections to hosts with virtual machines, by libvirt. Running out of time is an error here.
class libvirt : public detail::handle<virt_t, detail::close<virt_t, virt_close>> {
public:
    using config = sized<virt_config_t>;

    using handle::handle;
    explicit libvirt(const config &how = {}, or_throw ec = {})
        : handle(ec.read<virt_t *>("virt_new", virt_new, &how)) {}

    void connect(c_string host, c_string uri, or_throw ec = {}) {
        ec("virt_connect", virt_connect(get(), host.get(), uri.get()));
    }

    virt_info_t info(c_string host, c_string domain, or_throw ec = {}) {
        return ec.stats<virt_info_t>("virt_get_info", virt_get_info, get(), host.get(),
                                     domain.get());
    }

    void suspend(c_string host, c_string domain, or_throw ec = {}) {
        ec("virt_suspend", virt_suspend(get(), host.get(), domain.get()));
    }
    void resume(c_string host, c_string domain, or_throw ec = {}) {
        ec("virt_resume", virt_resume(get(), host.get(), domain.get()));
    }

    /// The names of all domains.
    std::vector<std::string> list(c_string host, or_throw ec = {}) {
        std::vector<ph_span_t> places(64);
        std::vector<std::uint8_t> text(4096);
        ph_need_t need{};
        std::int64_t count;
        while ((count = virt_list(get(), host.get(), places.data(), places.size(), text.data(),
                                  text.size(), &need)) == -EMSGSIZE) {
            places.resize(std::max(places.size(), need.items));
            text.resize(std::max(text.size(), need.bytes));
        }
        std::vector<std::string> names;
        if (ec("virt_list", count) < 0) return names;
        names.reserve(static_cast<std::size_t>(count));
        for (const ph_span_t &place :
             span<const ph_span_t>(places).first(static_cast<std::size_t>(count)))
            names.push_back(bytes(text.data() + place.offset, place.len).str());
        return names;
    }

    virt_stats_t stats(or_throw ec = {}) const {
        return ec.stats<virt_stats_t>("virt_stats", virt_stats, get());
    }
};

// The arrays that C reads and writes are those that stand here.
static_assert(sizeof(bytes) == sizeof(ph_bytes_t) && sizeof(datagram) == sizeof(ph_datagram_t) &&
              sizeof(event) == sizeof(evloop_event_t) &&
              sizeof(tcp_message) == sizeof(tcp_message_t));

} // namespace pyhelpers

template <> struct std::is_error_code_enum<pyhelpers::errc> : std::true_type {};

template <> struct std::hash<pyhelpers::address> {
    std::size_t operator()(const pyhelpers::address &value) const noexcept {
        return std::hash<std::string_view>()(value.raw());
    }
};

#endif

// A test is a function whose name is what it promises. It runs in a process of its own, so that a
// crash, a hang or a leak is that test's alone; its first failed check ends it.
#pragma once

#include <pyhelpers.hpp>

#include <cstdio>
#include <sstream>
#include <string>

namespace check {

struct registration {
    registration(const char *name, void (*run)());
};

/// Says what failed and ends the process; from any thread.
[[noreturn]] void failed(const char *file, int line, const std::string &what);

/// How many descriptors, and threads, this process has.
std::size_t descriptors();
std::size_t threads();

/// Waits until `is_true()` is, for ten seconds at most.
template <class Condition> bool eventually(Condition is_true) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!is_true())
        if (std::chrono::steady_clock::now() > until) return false;
    return true;
}

/// The error of a call, which must be the same as a code and thrown.
std::error_code error_of(void *call, void (*coded)(void *, std::error_code &),
                         void (*throwing)(void *));

/// As above, of `call(or_throw...)`.
template <class Call> std::error_code error_of(Call call) {
    return error_of(
        &call, [](void *self, std::error_code &code) { (*static_cast<Call *>(self))(code); },
        [](void *self) { (*static_cast<Call *>(self))(); });
}

} // namespace check

#define TEST(name)                                                                                 \
    static void name();                                                                            \
    static const check::registration name##_is_registered(#name, name);                            \
    static void name()

#define CHECK(...)                                                                                 \
    do {                                                                                           \
        if (!(__VA_ARGS__)) check::failed(__FILE__, __LINE__, #__VA_ARGS__);                       \
    } while (0)

#define CHECK_IS(actual, expected)                                                                 \
    do {                                                                                           \
        const auto &is_ = actual;                                                                  \
        const auto &wanted_ = expected;                                                            \
        if (is_ == wanted_) break;                                                                 \
        std::ostringstream said_;                                                                  \
        said_ << #actual << " is " << is_ << ", not " << wanted_;                                  \
        check::failed(__FILE__, __LINE__, said_.str());                                            \
    } while (0)

/// That a call ends with an error, thrown and as a code: `ec...` stands for its last argument.
#define CHECK_FAILS(expected, ...)                                                                 \
    CHECK(check::error_of([&](auto &...ec) { (void)(__VA_ARGS__); }) == expected)

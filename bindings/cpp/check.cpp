#include "check.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace check {
namespace {

constexpr unsigned limit_s = 30;

struct test {
    const char *name;
    void (*run)();
};

std::vector<test> &tests() {
    static std::vector<test> all;
    return all;
}

std::size_t entries(const char *folder) {
    const std::filesystem::directory_iterator first(folder);
    return static_cast<std::size_t>(std::distance(begin(first), end(first)));
}

void run(const test &one) {
    alarm(limit_s);
    try {
        one.run();
    } catch (const std::exception &error) {
        failed(one.name, 0, std::string("threw ") + error.what());
    }
    std::exit(0);
}

bool passes(const test &one) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) run(one);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        std::printf("ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    std::printf("%s %s\n", status == 0 ? "ok" : "FAIL", one.name);
    return status == 0;
}

} // namespace

registration::registration(const char *name, void (*run)()) {
    tests().push_back({name, run});
}

void failed(const char *file, int line, const std::string &what) {
    std::printf("%s:%d: %s\n", file, line, what.c_str());
    std::fflush(stdout);
    _exit(1);
}

std::error_code error_of(void *call, void (*coded)(void *, std::error_code &),
                         void (*throwing)(void *)) {
    std::error_code code, thrown;
    coded(call, code);
    try {
        throwing(call);
    } catch (const pyhelpers::error &error) {
        thrown = error.code();
    }
    if (code != thrown)
        failed("error_of", 0, "as a code: " + code.message() + "; thrown: " + thrown.message());
    return code;
}

std::size_t descriptors() {
    return entries("/proc/self/fd");
}
std::size_t threads() {
    return entries("/proc/self/task");
}

} // namespace check

// Runs all tests, or those whose names have the argument in them.
int main(int count, char **arguments) {
    int passed = 0, failed = 0;
    for (const auto &one : check::tests())
        if (count < 2 || std::strstr(one.name, arguments[1]))
            (check::passes(one) ? passed : failed)++;
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed || !passed ? 1 : 0;
}

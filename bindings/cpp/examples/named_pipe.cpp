// A parent that reads what its child writes. Prints:
//
//     no reader
//     hello
//     1000000
#include <pyhelpers.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace ph = pyhelpers;
using namespace std::chrono_literals;

// A handle belongs to the process that made it: the child makes its own.
static int write_two(const std::string &path) {
    ph::named_pipe pipe(path);
    return pipe.send({"hello", std::string(1000000, 'x')}, 5s) == 2u ? 0 : 1;
}

int main() {
    std::string folder = "/tmp/named_pipe.XXXXXX";
    if (!mkdtemp(folder.data())) return 1;
    const std::string path = folder + "/pipe";
    ph::named_pipe pipe(path);
    if (pipe.send("is anybody there?") == 0u) std::printf("no reader\n");
    pipe.fd(); // From here on this process is one.
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) _exit(write_two(path));

    ph::message_buffer buffer;
    for (int received = 0; received < 2;) {
        const auto batch = pipe.receive(buffer, 5s);
        if (batch.empty()) return 1;
        for (const ph::bytes message : batch)
            std::printf("%s\n", received++ == 0 ? message.str().c_str()
                                                : std::to_string(message.size()).c_str());
    }
    int status = 1;
    waitpid(child, &status, 0);
    unlink(path.c_str());
    rmdir(folder.c_str());
    return status;
}

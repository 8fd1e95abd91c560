// libvirt's own test driver, which needs no daemon. Ends with 3 when libvirt is not installed.
// Prints:
//
//     test runs: 2 of 8 GiB, 2 CPUs
//     no such domain
#include <pyhelpers.hpp>

#include <cstdio>

namespace ph = pyhelpers;

int main() {
    ph::libvirt hosts;
    std::error_code ec;
    hosts.connect("here", "test:///default", ec);
    if (ec == ph::errc::no_libvirt) {
        std::printf("%s\n", ec.message().c_str());
        return 3;
    }
    for (const std::string &domain : hosts.list("here")) {
        const virt_info_t info = hosts.info("here", domain);
        std::printf("%s %s: %llu of %llu GiB, %u CPUs\n", domain.c_str(),
                    info.state == 1 ? "runs" : "does not run",
                    static_cast<unsigned long long>(info.memory_kib >> 20),
                    static_cast<unsigned long long>(info.max_memory_kib >> 20), info.vcpus);
        hosts.suspend("here", domain);
        hosts.resume("here", domain);
    }
    hosts.info("here", "no such domain", ec);
    std::printf("%s\n", ec == std::errc::no_such_file_or_directory ? "no such domain" : "?");
    return 0;
}

/* Has the library panic: Rust's clock does so when the kernel's fails, and a call that waits looks
 * at it. Prints:
 * the library panicked
 * success
 */
#include <errno.h>
#include <netinet/in.h>
#include <pyhelpers.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { COUNT = 1000 };

static _Thread_local int is_failing;

/* In place of libc's. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    long outcome = syscall(SYS_clock_gettime, clock, time);
    if (!is_failing) return (int)outcome;
    errno = EINVAL;
    return -1;
}

int main(void) {
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    udph_config_t config = {.size = sizeof config, .send_policy = UDPH_WAIT, .send_queue_items = 1};
    static ph_datagram_t items[COUNT];
    udph_t *handler = NULL;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&self, sizeof self) < 0) return 1;
    if (udph_new(fd, &config, &handler) < 0) return 1;
    for (int i = 0; i < COUNT; i++) {
        items[i].data = (const uint8_t *)"text";
        items[i].len = 4;
        if (ph_addr_parse("127.0.0.1", 9, 9, &items[i].addr) < 0) return 1;
    }
    is_failing = 1;
    int64_t code = udph_dispatch(handler, items, COUNT, 1000);
    is_failing = 0;
    printf("%s\n", ph_strerror((int32_t)code));
    int64_t unsent = udph_close(handler, 1000, NULL);
    printf("%s\n", ph_strerror((int32_t)unsent));
    return code != PH_EPANIC;
}

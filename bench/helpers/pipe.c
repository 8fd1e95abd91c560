/* Messages through a bare pipe, each behind its length.
 *
 *   helpers-pipe [--size 64] [--seconds S]
 *       a turn of S seconds for each line that it is sent
 */
#define _GNU_SOURCE
#include "transfer.h"

#include <sys/uio.h>

static int ends[2];

static void open_sender(void)
{
    close(ends[0]);
}

static void open_receiver(void)
{
    close(ends[1]);
}

static void send_message(const uint8_t *data, size_t len)
{
    struct iovec parts[] = {{.iov_base = &len, .iov_len = sizeof len},
                            {.iov_base = (void *)data, .iov_len = len}};
    ssize_t n = writev(ends[1], parts, 2);
    for (size_t sent = (size_t)n - sizeof len; n >= 0 && sent < len; sent += (size_t)n)
        n = write(ends[1], data + sent, len - sent);
    if (n < 0)
        die("write");
}

static void read_all(void *out, size_t len)
{
    uint8_t *at = out;
    for (ssize_t n; len > 0; at += n, len -= (size_t)n)
        if ((n = read(ends[0], at, len)) <= 0)
            die("read");
}

static size_t receive_message(uint8_t *data, size_t cap)
{
    size_t len;
    read_all(&len, sizeof len);
    if (len > cap)
        fail("a message is longer than any that was sent");
    read_all(data, len);
    return len;
}

int main(int argc, char **argv)
{
    if (pipe(ends) != 0)
        die("pipe");
    return run_transfer(argc, argv);
}

/* The same messages as those of pipe.c, through a named pipe of the library.
 *
 *   helpers-npipe [--size 64] [--seconds S]
 *       a turn of S seconds for each line that it is sent
 */
#define _GNU_SOURCE
#include "transfer.h"

#include "../check.h"

enum { FOR_EVER = -1, NAP_NS = 1000000 };

static char folder[] = "/tmp/bench-npipe-XXXXXX";
static char path[sizeof folder + sizeof "/pipe"];
static npipe_t *pipe_handle;

/* A sender has nobody to send to before its receiver is there. */
static void open_sender(void)
{
    int32_t there;
    check(npipe_new(path, NULL, &pipe_handle), "npipe_new");
    while ((there = npipe_send(pipe_handle, NULL, 0, 0)) == 0)
        sleep_until(now_ns() + NAP_NS);
    check(there, "npipe_send");
}

static void open_receiver(void)
{
    check(npipe_new(path, NULL, &pipe_handle), "npipe_new");
    check(npipe_fd(pipe_handle), "npipe_fd");
}

static void send_message(const uint8_t *data, size_t len)
{
    ph_bytes_t message = {.data = data, .len = len};
    int32_t sent = npipe_send(pipe_handle, &message, 1, FOR_EVER);
    check(sent, "npipe_send");
    if (sent != 1)
        fail("npipe_send: nobody receives");
}

static size_t receive_message(uint8_t *data, size_t cap)
{
    ph_span_t message;
    check(npipe_receive(pipe_handle, &message, 1, data, cap, FOR_EVER, NULL), "npipe_receive");
    return message.len;
}

int main(int argc, char **argv)
{
    if (mkdtemp(folder) == NULL)
        die("mkdtemp");
    snprintf(path, sizeof path, "%s/pipe", folder);
    int code = run_transfer(argc, argv);
    check(npipe_close(pipe_handle), "npipe_close");
    unlink(path);
    rmdir(folder);
    return code;
}

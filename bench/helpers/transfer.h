/* One process that sends messages to another as fast as it can. The program that includes this says
 * how a message is sent and received; one of no bytes ends a turn. */
#ifndef BENCH_TRANSFER_H
#define BENCH_TRANSFER_H

#include "turn.h"

#include <sys/wait.h>

enum { SHORT = 4096 }; /* bytes of a message that takes no time to speak of */

static void open_sender(void);
static void open_receiver(void);
static void send_message(const uint8_t *data, size_t len);
/* Gives the length of a message that was copied to `data`. */
static size_t receive_message(uint8_t *data, size_t cap);

/* Sends numbered messages for `turn` ns whenever a byte tells it to, until no more come. */
static void send_turns(int told, uint8_t *data, size_t size, int64_t turn)
{
    uint64_t number = 0;
    uint8_t go;
    open_sender();
    while (read(told, &go, 1) == 1) {
        for (int64_t end = now_ns() + turn; now_ns() < end;)
            for (int i = 0; i < (size <= SHORT ? LOOKS : 1); i++, number++) {
                memcpy(data, &number, sizeof number);
                send_message(data, size);
            }
        send_message(data, 0);
    }
}

/* Gives how many messages came before the one that ends the turn. */
static int64_t receive_turn(uint8_t *data, size_t size, uint64_t *number)
{
    uint64_t got, begun = *number;
    for (size_t len; (len = receive_message(data, size)) > 0; ++*number) {
        memcpy(&got, data, sizeof got);
        if (len != size || got != *number)
            fail("a message is not what was sent");
    }
    return (int64_t)(*number - begun);
}

static void receive_turns(int tell, uint8_t *data, size_t size)
{
    uint64_t number = 0;
    open_receiver();
    while (next_turn()) {
        int64_t start = now_ns();
        if (write(tell, "", 1) != 1)
            die("write");
        int64_t count = receive_turn(data, size, &number);
        tell_turn(count, now_ns() - start);
    }
}

static int run_transfer(int argc, char **argv)
{
    int64_t turn = (int64_t)(option(argc, argv, "seconds", 0.1) * SECOND);
    size_t size = (size_t)option(argc, argv, "size", 64);
    uint8_t *data = calloc(1, size);
    int control[2];
    if (data == NULL || size < sizeof(uint64_t))
        fail("8 bytes a message at least");
    if (pipe(control) != 0)
        die("pipe");
    pid_t sender = fork();
    if (sender < 0)
        die("fork");
    if (sender == 0) {
        close(control[1]);
        send_turns(control[0], data, size, turn);
        exit(0);
    }
    close(control[0]);
    receive_turns(control[1], data, size);
    close(control[1]);
    waitpid(sender, NULL, 0);
    return 0;
}

#endif

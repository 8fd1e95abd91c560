/* A TCP echo server and its client in one loop. Prints:
 * hello
 */
#include <pyhelpers.h>
#include <stdio.h>

enum { EVENTS = 64 };

static int64_t client_of(evloop_t *loop, int64_t server) {
    ph_addr_t address;
    char port[6];
    if (tcp_local(loop, server, &address) < 0) return -1;
    snprintf(port, sizeof port, "%u", address.port);
    return tcp_connect(loop, "127.0.0.1", port, NULL, NULL);
}

int main(void) {
    static uint8_t buffer[65536];
    evloop_event_t events[EVENTS];
    tcp_message_t answers[EVENTS];
    evloop_t *loop = NULL;
    if (evloop_new(NULL, &loop) < 0) return 1;
    int64_t server = tcp_listen(loop, "127.0.0.1", "0", NULL, NULL);
    int64_t client = client_of(loop, server);
    if (tcp_send(loop, client, (const uint8_t *)"hello", 5) < 0) return 1;

    for (int is_answered = 0; !is_answered;) {
        size_t n = 0;
        int64_t count = evloop_poll(loop, events, EVENTS, buffer, sizeof buffer, 1000);
        if (count < 0) return 1;
        for (int64_t i = 0; i < count; i++) {
            const evloop_event_t *event = &events[i];
            if (event->kind != TCP_DATA) continue;
            if (event->id == client) {
                printf("%.*s\n", (int)event->len, (const char *)event->data);
                is_answered = 1;
            } else {
                answers[n++] = (tcp_message_t){
                    .id = event->id, .data = event->data, .len = event->len};
            }
        }
        if (n > 0 && tcp_write(loop, answers, n) < 0) return 1;
    }
    return evloop_close(loop) != 0;
}

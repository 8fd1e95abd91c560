/* Two peers on the program's own thread: a batch of datagrams costs one call. Prints:
 * sent 100, received 100, the last: datagram 99
 */
#include <pyhelpers.h>
#include <stdio.h>

enum { COUNT = 100, LENGTH = 16 };

static peer_t *opened(void) {
    peer_config_t config = {.size = sizeof config};
    peer_t *peer = NULL;
    if (ph_addr_parse("127.0.0.1", 9, 0, &config.addr) < 0) return NULL;
    return peer_new(&config, &peer) < 0 || peer_open(peer) < 0 ? NULL : peer;
}

int main(void) {
    static char texts[COUNT][LENGTH];
    static uint8_t buffer[65535];
    ph_datagram_t items[COUNT] = {0};
    ph_addr_t server_address;
    peer_t *server = opened(), *client = opened();
    if (peer_addr(server, &server_address) < 0) return 1;

    for (int i = 0; i < COUNT; i++) {
        int length = snprintf(texts[i], LENGTH, "datagram %d", i);
        items[i].addr = server_address;
        items[i].data = (const uint8_t *)texts[i];
        items[i].len = (size_t)length;
    }
    int64_t sent = peer_send(client, items, NULL, COUNT);

    int64_t received = 0, count = 0;
    while (received < sent) {
        count = peer_receive(server, items, NULL, COUNT, buffer, sizeof buffer, 1000);
        if (count < 0) return 1;
        received += count;
    }
    const ph_datagram_t *last = &items[count - 1];
    printf("sent %d, received %d, the last: %.*s\n", (int)sent, (int)received, (int)last->len,
           (const char *)last->data);
    return peer_close(client) < 0 || peer_close(server) < 0;
}

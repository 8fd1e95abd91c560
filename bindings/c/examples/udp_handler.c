/* A socket whose datagrams native threads receive and send while the program does something else.
 * It sends requests to itself, answers them, and counts the answers. Prints:
 * 100 answered, 0 dropped
 */
#include <netinet/in.h>
#include <pyhelpers.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, COUNT = 100 };

static udph_t *handler_on(ph_addr_t *address) {
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof self;
    udph_config_t config = {.size = sizeof config, .recv_reactors = 1};
    udph_t *handler = NULL;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&self, length) < 0) return NULL;
    if (getsockname(fd, (struct sockaddr *)&self, &length) < 0) return NULL;
    if (ph_addr_parse("127.0.0.1", 9, ntohs(self.sin_port), address) < 0) return NULL;
    int32_t code = udph_new(fd, &config, &handler);
    close(fd);
    return code < 0 ? NULL : handler;
}

int main(void) {
    static uint8_t buffer[65535];
    ph_datagram_t items[BATCH];
    ph_addr_t server_address, client_address;
    udph_t *server = handler_on(&server_address), *client = handler_on(&client_address);
    for (int i = 0; i < COUNT; i++) {
        if (udph_dispatch_to(client, &server_address, 0, (const uint8_t *)"ping", 4) < 0) return 1;
    }
    for (int64_t answered = 0; answered < COUNT;) {
        int64_t count = udph_get_recved(server, items, BATCH, buffer, sizeof buffer, 1000);
        /* Each still has the address it came from, and so goes back there. */
        if (count < 0 || udph_dispatch(server, items, (size_t)count, 1000) != count) return 1;
        answered += count;
    }
    int64_t answers = 0;
    while (answers < COUNT) {
        int64_t count = udph_get_recved(client, items, BATCH, buffer, sizeof buffer, 1000);
        if (count < 0) return 1;
        answers += count;
    }
    udph_stats_t stats = {.size = sizeof stats};
    if (udph_stats(server, &stats) < 0) return 1;
    printf("%d answered, %d dropped\n", (int)answers, (int)stats.kernel_drops);
    return udph_close(client, 1000, NULL) != 0 || udph_close(server, 1000, NULL) != 0;
}

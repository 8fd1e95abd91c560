/* A host that tells its neighbours of itself, and one that hears of it. Prints:
 * here I am
 */
#include <pyhelpers.h>
#include <stdio.h>

int main(void) {
    static uint8_t buffer[65535];
    bcast_config_t config = {.size = sizeof config};
    bcast_t *receiver = NULL, *sender = NULL;
    ph_datagram_t item;
    if (bcast_new(&config, &receiver) < 0) return 1;

    config.flags = BCAST_SEND_ONLY;
    config.port = (uint32_t)bcast_port(receiver);
    if (bcast_new(&config, &sender) < 0) return 1;
    if (bcast_beacon(sender, (const uint8_t *)"here I am", 9, 250) < 0) return 1;

    int64_t count = bcast_receive(receiver, &item, NULL, 1, buffer, sizeof buffer, 5000);
    if (count < 0) {
        fprintf(stderr, "%s\n", ph_strerror((int32_t)count));
        return 1;
    }
    printf("%.*s\n", (int)item.len, (const char *)item.data);
    return bcast_close(sender) < 0 || bcast_close(receiver) < 0;
}

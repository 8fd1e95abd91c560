/* A queue that keeps the last values of each sender. Prints:
 * node-0: 13 14 15
 */
#include <pyhelpers.h>
#include <stdio.h>

enum { KEPT = 3, RECEIVED = 16 };

#define TEXT(text) (const uint8_t *)(text), sizeof(text) - 1

int main(void) {
    ph_bytes_t groups[] = {{TEXT("health")}, {TEXT("telemetry")}};
    rq_t *queue = NULL;
    if (rq_new(groups, 2, KEPT, RQ_RW, NULL, &queue) < 0) return 1;

    for (int i = 0; i < RECEIVED; i++) {
        char text[8];
        ph_bytes_t value = {(const uint8_t *)text, 0};
        value.len = (size_t)snprintf(text, sizeof text, "%d", i);
        if (rq_receive(queue, TEXT("telemetry"), TEXT("node-0"), &value, 1) != 1) return 1;
    }
    if (rq_wait(queue, TEXT("telemetry"), 1000) < 0) return 1;

    rq_value_t values[KEPT];
    uint8_t bytes[64];
    int64_t count = rq_extract(queue, TEXT("telemetry"), TEXT("node-0"), values, KEPT, bytes,
                               sizeof bytes, NULL);
    if (count < 0) return 1;
    printf("node-0:");
    for (int64_t i = 0; i < count; i++) {
        printf(" %.*s", (int)values[i].len, (const char *)bytes + values[i].offset);
    }
    printf("\n");
    return rq_close(queue) < 0;
}

/* What a domain is doing, on libvirt's own example host; needs libvirt.so.0. Prints:
 * test: state 1, 2 CPUs, 8388608 KiB
 */
#include <pyhelpers.h>
#include <stdio.h>

int main(void) {
    virt_t *client = NULL;
    virt_info_t info = {.size = sizeof info};
    if (virt_new(NULL, &client) < 0) return 1;
    int32_t code = virt_connect(client, "example", "test:///default");
    if (code >= 0) code = virt_get_info(client, "example", "test", &info);
    if (code < 0) {
        fprintf(stderr, "%s\n", ph_strerror(code));
        return 1;
    }
    printf("test: state %u, %u CPUs, %llu KiB\n", info.state, info.vcpus,
           (unsigned long long)info.max_memory_kib);
    return virt_close(client) < 0;
}

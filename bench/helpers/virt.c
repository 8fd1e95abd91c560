/* A domain's numbers, through the library.
 *
 *   helpers-virt URI DOMAIN [--seconds S]
 *       a turn of S seconds for each line that it is sent
 */
#define _GNU_SOURCE
#include "asking.h"

#include "../check.h"

static const char host[] = "foo";
static virt_t *libvirt;
static const char *domain;

static uint64_t ask(void)
{
    virt_info_t info = {.size = sizeof info};
    check(virt_get_info(libvirt, host, domain, &info), "virt_get_info");
    return info.memory_kib;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        fail("usage: helpers-virt URI DOMAIN ...");
    domain = argv[2];
    check(virt_new(NULL, &libvirt), "virt_new");
    check(virt_connect(libvirt, host, argv[1]), "virt_connect");
    ask_in_turns(argc, argv);
    check(virt_close(libvirt), "virt_close");
    return 0;
}

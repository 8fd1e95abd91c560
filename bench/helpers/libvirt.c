/* A domain's numbers, by libvirt's own call. Its headers are not needed: what is used of them
 * stands here (libvirt.org/html/libvirt-libvirt-domain.html).
 *
 *   helpers-libvirt URI DOMAIN [--loop 0] [--seconds S]
 *       a turn of S seconds for each line that it is sent; with a loop, one thread runs libvirt's
 *       event loop and the connection is kept alive, without which a daemon that hangs hangs its
 *       caller
 */
#define _GNU_SOURCE
#include "asking.h"

#include <dlfcn.h>
#include <pthread.h>

enum { KEEPALIVE_SECONDS = 1, KEEPALIVE_COUNT = 4, TICK_MS = 1000 };

/* virDomainInfo */
struct info {
    unsigned char state;
    unsigned long max_memory, memory;
    unsigned short vcpus;
    unsigned long long cpu_time;
};

static int (*get_info)(void *domain, struct info *out);
static int (*run_loop)(void);
static void *domain;

static uint64_t ask(void)
{
    struct info info;
    if (get_info(domain, &info) != 0)
        fail("virDomainGetInfo");
    return info.memory;
}

/* ISO C has no way from dlsym's pointer to a function's but through memory. */
static void load(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL)
        fail(dlerror());
    memcpy(function, &symbol, sizeof symbol);
}

static void tick(int timer, void *user)
{
    (void)timer, (void)user;
}

static void *loop(void *unused)
{
    while (run_loop() == 0)
        ;
    return unused;
}

static void start_loop(void *library)
{
    int (*prepare)(void);
    int (*add_timer)(int ms, void (*)(int, void *), void *user, void (*release)(void *));
    pthread_t thread;
    load(library, "virEventRegisterDefaultImpl", &prepare);
    load(library, "virEventRunDefaultImpl", &run_loop);
    load(library, "virEventAddTimeout", &add_timer);
    if (prepare() != 0 || add_timer(TICK_MS, tick, NULL, NULL) < 0 ||
        pthread_create(&thread, NULL, loop, NULL) != 0)
        fail("libvirt's event loop");
}

int main(int argc, char **argv)
{
    void *(*connect_to)(const char *uri), *(*find)(void *connection, const char *name);
    int (*keep_alive)(void *connection, int seconds, unsigned count);
    if (argc < 3)
        fail("usage: helpers-libvirt URI DOMAIN ...");
    void *library = dlopen("libvirt.so.0", RTLD_NOW), *connection;
    if (library == NULL)
        fail(dlerror());
    load(library, "virConnectOpen", &connect_to);
    load(library, "virConnectSetKeepAlive", &keep_alive);
    load(library, "virDomainLookupByName", &find);
    load(library, "virDomainGetInfo", &get_info);
    int with_loop = option(argc, argv, "loop", 0) > 0;
    if (with_loop)
        start_loop(library);
    if ((connection = connect_to(argv[1])) == NULL)
        fail("virConnectOpen");
    if (with_loop && keep_alive(connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT) < 0)
        fail("virConnectSetKeepAlive");
    if ((domain = find(connection, argv[2])) == NULL)
        fail("virDomainLookupByName");
    ask_in_turns(argc, argv);
    return 0;
}

#include "process.h"
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };

/* --- children --- */

pid_t start_child(int (*body)(void *), void *argument)
{
    enum { PATIENCE_S = 20 };
    pid_t child = fork();
    CHECK(child >= 0);
    if (child != 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(PATIENCE_S);
    _exit(body(argument));
}

void await_child(pid_t child)
{
    int status;
    CHECK_IS(waitpid(child, &status, 0), child);
    CHECK(!WIFSIGNALED(status));
    CHECK_IS(WEXITSTATUS(status), 0);
}

void await_child_killed_by(pid_t child, int number)
{
    int status;
    CHECK_IS(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    CHECK_IS(WTERMSIG(status), number);
}

void in_a_child(int (*body)(void *), void *argument)
{
    await_child(start_child(body, argument));
}

/* What a child of nobody's does, and before that. */
struct errand {
    int (*body)(void *);
    void *argument;
};

static int run_as_nobody(void *argument)
{
    const struct errand *errand = argument;
    if (geteuid() == 0) CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    /* A change of user resets what happens at the parent's death. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return errand->body(errand->argument);
}

void in_a_child_of_nobody(int (*body)(void *), void *argument)
{
    in_a_child(run_as_nobody, &(struct errand){body, argument});
}

uint64_t limit_descriptors(uint64_t most)
{
    struct rlimit limit;
    CHECK_IS(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = most;
    CHECK_IS(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

/* --- networks --- */

static void write_to(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_IS(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* Root of a user namespace of its own is permitted to have networks where others are not. */
static bool become_root(void)
{
    char map[32];
    snprintf(map, sizeof map, "0 %u 1", (unsigned)geteuid());
    if (unshare(CLONE_NEWUSER) != 0) return false;
    write_to("/proc/self/uid_map", map);
    return true;
}

void enter_own_network(const char *commands)
{
    if (unshare(CLONE_NEWNET) != 0 && (!become_root() || unshare(CLONE_NEWNET) != 0))
        check_skipped("network namespaces are not permitted here");
    if (system("command -v ip >/dev/null") != 0)
        check_skipped("not found: ip (apt install iproute2)");
    run_command("ip link set lo up");
    run_command(commands);
}

void run_command(const char *command)
{
    int status = system(command);
    if (status != 0) check_failed(__FILE__, __LINE__, "status %d of: %s", status, command);
}

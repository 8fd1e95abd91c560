/* Processes and what is around them: children, users, limits, networks. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/* Runs `body` in a forked child. */
pid_t start_child(int (*body)(void *), void *argument);
/* Waits for a child's end, which must be a good one, by itself, the body having given 0. */
void await_child(pid_t child);
/* Waits for a child's end by this signal. */
void await_child_killed_by(pid_t child, int number);
/* Runs `body` in a child, and waits for its good end. */
void in_a_child(int (*body)(void *), void *argument);
/* The same as a user without privileges. */
void in_a_child_of_nobody(int (*body)(void *), void *argument);

/* Limits the numbers of new descriptors to those below `most`; gives the limit before. */
uint64_t limit_descriptors(uint64_t most);

/* Moves the calling process, which has one thread, into a network namespace of its own where the
 * loopback is up, and has the shell run `commands` there. Where that is not permitted, the test
 * ends as skipped. */
void enter_own_network(const char *commands);
/* Has the shell run a command, which must succeed. */
void run_command(const char *command);

#endif

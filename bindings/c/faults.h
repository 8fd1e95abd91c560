/* A kernel that refuses on demand. The library's system calls come through faults.c, as the dynamic
 * linker looks a symbol up in the program first. */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdint.h>

/* Once in each process, before the others. */
void faults_prepare(void);

/* From now on every socket's send buffer is full: sending gives EAGAIN, none is writable. */
void faults_stall_sending(void);
void faults_resume_sending(void);

/* Every `period`-th call of sendmmsg gives `error`; 0: none. */
void faults_fail_sending(int error, uint64_t period);
/* Every call of sendmmsg, or of recvfrom, waits for so many nanoseconds first. */
void faults_slow_sending(int64_t nanoseconds);
void faults_slow_receiving(int64_t nanoseconds);
/* Every call whose first message is a run of datagrams (GSO) gives `error`; 0: none. */
void faults_refuse_runs(int error);

/* Calls of sendmmsg so far, and of poll that waited for a socket to become writable. */
uint64_t faults_sends(void);
uint64_t faults_waits(void);

/* Calls that can be made to fail; the program's own count as well. SEND is send and sendmsg. */
enum faults_call {
    FAULTS_SOCKET,
    FAULTS_BIND,
    FAULTS_SETSOCKOPT,
    FAULTS_EVENTFD,
    FAULTS_EPOLL_CREATE,
    FAULTS_EPOLL_CTL,
    FAULTS_SENDMMSG,
    FAULTS_SENDTO,
    FAULTS_RECVFROM,
    FAULTS_RECVMMSG,
    FAULTS_CONNECT,
    FAULTS_ACCEPT,
    FAULTS_SEND,
    FAULTS_RECV,
    FAULTS_CALLS
};

/* From now on `count` such calls give `error`, beginning with the `first`, 1 being the next one. */
void faults_fail(enum faults_call call, int error, uint64_t first, uint64_t count);
/* Lets all such calls through again; gives how many have failed. */
uint64_t faults_end(enum faults_call call);

/* Threads that wait in poll for something to read just now. */
uint64_t faults_readers(void);

#endif

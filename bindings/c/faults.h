/* A kernel that refuses on demand. The library's calls of sendmmsg(2) and poll(2) come through
 * faults.c, as the dynamic linker looks a symbol up in the program first. */
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
/* Every call whose first message is a run of datagrams (GSO) gives `error`; 0: none. */
void faults_refuse_runs(int error);

/* Calls of sendmmsg so far, and of poll that waited for a socket to become writable. */
uint64_t faults_sends(void);
uint64_t faults_waits(void);

/* Threads that wait in poll for something to read just now. */
uint64_t faults_readers(void);

#endif

// Calls of Linux that Swift's Glibc module leaves out: it is made without _GNU_SOURCE, and without
// these headers. Declarations only; the C library has the code.
#pragma once
#include <stddef.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>

// splice(2), pipe2(2) and accept4(2).
ssize_t splice(int from, long *from_offset, int to, long *to_offset, size_t count, unsigned int flags);
int pipe2(int ends[2], int flags);
int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
// pthread_setname_np(3)
int pthread_setname_np(pthread_t thread, const char *name);

enum {
    // fcntl(2), pipe(7)
    LINUX_F_SETPIPE_SZ = 1031,
    LINUX_SPLICE_F_MOVE = 1,
    LINUX_SPLICE_F_NONBLOCK = 2,
};

// What Linux has beyond the Glibc module of Swift: calls of _GNU_SOURCE, and fork.
#ifndef CLINUX_H
#define CLINUX_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

/// The most datagrams that one call below sends or receives.
#define CLINUX_BATCH_LIMIT 64

int clinux_accept(int listener);

/// Discards up to `count` bytes of a TCP stream in the kernel, and says how many there were.
ssize_t clinux_discard(int socket, size_t count);

/// Sends `count` datagrams, packed one behind the other at `bytes`; answers how many, or -1.
int clinux_send_batch(int socket, const void *bytes, size_t size, int count);

/// Waits for a datagram and takes those that have come with it, at most `CLINUX_BATCH_LIMIT`, each into a slot of
/// `slot` bytes at `bytes`; answers how many, or -1.
int clinux_receive_batch(int socket, void *bytes, size_t slot, int32_t *sizes, struct sockaddr_in *senders);

/// Starts a program with stdout and stderr to `log`; the kernel kills it when the calling thread ends.
/// Answers its pid, or -1.
pid_t clinux_spawn(const char *path, char *const arguments[], char *const environment[], int log);

/// How late timed sleeps of this thread may end; 0 is what it was born with.
void clinux_set_timer_slack(unsigned long nanoseconds);

#endif

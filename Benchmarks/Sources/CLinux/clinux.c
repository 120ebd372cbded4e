#define _GNU_SOURCE
#include "clinux.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

int clinux_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC); }

ssize_t clinux_discard(int socket, size_t count) { return recv(socket, NULL, count, MSG_TRUNC); }

int clinux_send_batch(int socket, const void *bytes, size_t size, int count) {
    struct mmsghdr messages[CLINUX_BATCH_LIMIT];
    struct iovec parts[CLINUX_BATCH_LIMIT];
    if (count > CLINUX_BATCH_LIMIT) count = CLINUX_BATCH_LIMIT;
    memset(messages, 0, sizeof(messages[0]) * (size_t)count);
    for (int i = 0; i < count; i++) {
        parts[i].iov_base = (char *)bytes + (size_t)i * size;
        parts[i].iov_len = size;
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    return sendmmsg(socket, messages, (unsigned)count, MSG_NOSIGNAL);
}

int clinux_receive_batch(int socket, void *bytes, size_t slot, int32_t *sizes, struct sockaddr_in *senders) {
    struct mmsghdr messages[CLINUX_BATCH_LIMIT];
    struct iovec parts[CLINUX_BATCH_LIMIT];
    memset(messages, 0, sizeof(messages));
    for (int i = 0; i < CLINUX_BATCH_LIMIT; i++) {
        parts[i].iov_base = (char *)bytes + (size_t)i * slot;
        parts[i].iov_len = slot;
        messages[i].msg_hdr.msg_name = &senders[i];
        messages[i].msg_hdr.msg_namelen = sizeof(senders[i]);
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(socket, messages, CLINUX_BATCH_LIMIT, MSG_WAITFORONE, NULL);
    for (int i = 0; i < count; i++) sizes[i] = (int32_t)messages[i].msg_len;
    return count;
}

pid_t clinux_spawn(const char *path, char *const arguments[], char *const environment[], int log) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child != 0) return child;
    // Between fork and exec only calls that are safe in a copy of a threaded process.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    // Its own group: ^C reaches the benchmark alone, which then ends what it started.
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0) dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execve(path, arguments, environment);
    _exit(127);
}

void clinux_set_timer_slack(unsigned long nanoseconds) { prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0); }

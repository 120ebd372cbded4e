// Sends packets, many in one call where the kernel cuts them (UDP_SEGMENT). What cannot be sent counts as lost.
#include "parts.h"
#ifdef CQUIC
#include <errno.h>
#include <netinet/udp.h>
#include <sys/uio.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
// Linux's `struct in6_pktinfo`, which glibc shows only with _GNU_SOURCE.
struct cq_in6_pktinfo {
    struct in6_addr address;
    unsigned int interface;
};
struct cq_in_pktinfo {
    int interface;
    struct in_addr source, destination;
};

void cq_prepare_socket(cq_socket *socket, int descriptor, int is_ipv6, int is_wildcard) {
    memset(socket, 0, offsetof(cq_socket, buffer));
    socket->descriptor = descriptor;
    socket->is_wildcard = is_wildcard;
    // Packets must not be cut on the way: the library looks for the longest that passes. The kernel's own idea of it is
    // left aside (`IP_PMTUDISC_PROBE`), because anyone may write the messages that it comes from.
    int probe = 3;
    setsockopt(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe);
    if (is_ipv6) setsockopt(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof probe);
    int size = 0;
    socklen_t length = sizeof size;
    socket->has_segmentation = getsockopt(descriptor, SOL_UDP, UDP_SEGMENT, &size, &length) == 0;
}

// Where packets leave from, on a socket that is bound to every address.
static size_t add_source(struct cmsghdr *header, const struct sockaddr *local) {
    if (local->sa_family == AF_INET) {
        struct cq_in_pktinfo info = {.source = ((const struct sockaddr_in *)local)->sin_addr};
        if (info.source.s_addr == 0) return 0;
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(header), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    const struct sockaddr_in6 *from = (const struct sockaddr_in6 *)local;
    struct cq_in6_pktinfo info = {.address = from->sin6_addr, .interface = from->sin6_scope_id};
    if (IN6_IS_ADDR_UNSPECIFIED(&info.address)) return 0;
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = IPV6_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(header), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

// False where the socket is full.
static int send_message(cq_socket *socket, cq_path path, const uint8_t *data, size_t length, size_t segment) {
    union {
        struct cmsghdr header;
        uint8_t space[CMSG_SPACE(sizeof(struct cq_in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
    } control;
    memset(&control, 0, sizeof control);
    struct iovec vector = {(void *)data, length};
    struct msghdr message = {
        .msg_name = (void *)path.remote,
        .msg_namelen = path.remote_length,
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control.space,
    };
    size_t used = socket->is_wildcard ? add_source(&control.header, path.local) : 0;
    if (segment > 0 && segment < length) {
        struct cmsghdr *header = (struct cmsghdr *)(void *)(control.space + used);
        header->cmsg_level = SOL_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        uint16_t size = (uint16_t)segment;
        memcpy(CMSG_DATA(header), &size, sizeof size);
        used += CMSG_SPACE(sizeof size);
    }
    message.msg_controllen = used;
    if (used == 0) message.msg_control = NULL;
    for (;;) {
        if (sendmsg(socket->descriptor, &message, MSG_NOSIGNAL) >= 0) return 1;
        if (errno == EINTR) continue;
        // An error that an earlier packet left: this one has not been sent yet.
        if (errno == ECONNREFUSED && sendmsg(socket->descriptor, &message, MSG_NOSIGNAL) >= 0) return 1;
        return errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS;
    }
}

int cq_send(cq_socket *socket, cq_path path, const uint8_t *data, size_t length) {
    return send_message(socket, path, data, length, 0);
}

// Sends `length` bytes in packets of `segment`; how many bytes have left.
size_t cq_send_segments(cq_socket *socket, cq_path path, const uint8_t *data, size_t length, size_t segment) {
    if (socket->has_segmentation && length > segment) {
        errno = 0;
        if (!send_message(socket, path, data, length, segment)) return 0;
        // A device or kernel that does not cut them after all.
        if (errno != EIO && errno != EINVAL && errno != EMSGSIZE && errno != ENOPROTOOPT && errno != EOPNOTSUPP) return length;
        if (errno != EMSGSIZE) socket->has_segmentation = 0;
    }
    size_t sent = 0;
    while (sent < length) {
        size_t next = length - sent < segment ? length - sent : segment;
        if (!send_message(socket, path, data + sent, next, 0)) break;
        sent += next;
    }
    return sent;
}
#endif

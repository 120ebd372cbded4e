// What the files of this target share.
#pragma once
#ifdef CQUIC
#if !__has_include(<ngtcp2/ngtcp2_crypto_gnutls.h>) || !__has_include(<gnutls/gnutls.h>)
#error "QUIC needs libngtcp2-dev, libngtcp2-crypto-gnutls-dev and libgnutls28-dev; or build with --disable-default-traits"
#endif
#include "cquic.h"
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <string.h>

// 0.12 is Debian 12's and Ubuntu 24.04's, 1.x what came after.
#define CQ_IS_1 (NGTCP2_VERSION_NUM >= 0x010000)

#define CQ_SECOND 1000000000ull
// How long a client may take to answer a Retry.
#define CQ_TOKEN_LIFETIME (10 * CQ_SECOND)
// Bytes of a client's random id for a server that has not chosen one (RFC 9000 §7.2: 8 at least).
#define CQ_FIRST_ID_BYTES 18

// Bytes on their way: they neither move nor change until they are acknowledged, because the library does not copy them.
typedef struct cq_chunk {
    struct cq_chunk *next;
    size_t length;
    uint8_t data[];
} cq_chunk;

struct cq_stream {
    cq_conn *conn;
    int64_t id;
    // All of a connection.
    cq_stream *previous, *next;
    // Those with something to send.
    cq_stream *ready_previous, *ready_next;
    int is_ready;
    // Its window is closed.
    int is_blocked;
    cq_chunk *first, *last;
    // The offset of `first`.
    uint64_t first_offset;
    // Where sending goes on.
    cq_chunk *unsent;
    size_t unsent_start;
    uint64_t unsent_bytes;
    int ends, has_ended, is_over;
};

struct cq_conn {
    ngtcp2_conn *conn;
    gnutls_session_t session;
    ngtcp2_crypto_conn_ref ref;
    cq_credentials *credentials;
    cq_events events;
    void *owner;
    uint8_t secret[CQ_SECRET_BYTES];
    uint64_t keep_alive;
    // What a verified certificate has to be for; empty for any.
    char name[256];
    cq_trust trust;
    uint8_t *certificate;
    size_t certificate_length;
    int error;
    uint8_t alert;
    cq_stream *streams;
    cq_stream *ready_first, *ready_last;
    // Packets that the socket had no room for.
    uint8_t *held;
    size_t held_length, held_segment;
    ngtcp2_path_storage held_path;
};

int cq_start_session(cq_conn *c, int is_server, cq_credentials *credentials, const char *name, int sends_name);
void cq_callbacks(ngtcp2_callbacks *callbacks, int is_server);
void cq_fill(const cq_settings *from, ngtcp2_settings *settings, ngtcp2_transport_params *params, int is_server,
             uint64_t now);
cq_conn *cq_new(const cq_settings *settings, const cq_events *events, void *owner);
cq_result cq_failed(cq_conn *c, int error);
void cq_rand(uint8_t *to, size_t length);
cq_stream *cq_stream_new(cq_conn *c, int64_t id);
void cq_stream_acked(cq_stream *stream, uint64_t end);
void cq_stream_ready(cq_stream *stream);
void cq_stream_unready(cq_stream *stream);
void cq_stream_drop(cq_stream *stream);
void cq_stream_free(cq_stream *stream);
ngtcp2_path cq_as_path(cq_path path);
size_t cq_send_segments(cq_socket *socket, cq_path path, const uint8_t *data, size_t length, size_t segment);
#endif

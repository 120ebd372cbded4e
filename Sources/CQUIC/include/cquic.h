// A narrow view of libngtcp2 with GnuTLS: one QUIC connection, its streams, and what a server decides
// about packets of no connection. Everything of one connection is called from one thread.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct cq_conn cq_conn;
typedef struct cq_stream cq_stream;
typedef struct cq_credentials cq_credentials;

enum {
    // Length of the ids that packets to us carry.
    CQ_ID_BYTES = 8,
    // Longest answer to a packet of no connection.
    CQ_ANSWER_BYTES = 1200,
    CQ_SECRET_BYTES = 32,
};

// Where packets go to and came from: each a `struct sockaddr`. Its header is left out here, because Swift would take the
// system's types for those of this module.
typedef struct {
    const void *local;
    uint32_t local_length;
    const void *remote;
    uint32_t remote_length;
} cq_path;

// What a connection reports to its owner, from within `cq_receive`, `cq_expire` and `cq_pump`. None of these may call back
// into the connection.
typedef struct {
    void (*handshake_done)(void *owner);
    // The peer has opened a stream.
    void (*stream_opened)(void *owner, int64_t id, cq_stream *stream);
    void (*stream_data)(void *owner, int64_t id, const uint8_t *data, size_t length, int is_last);
    // The peer has given its direction up.
    void (*stream_reset)(void *owner, int64_t id);
    // The peer takes nothing more, as has turned out when something was to be sent.
    void (*stream_stopped)(void *owner, int64_t id);
    // So many more bytes have left, or will never.
    void (*stream_sent)(void *owner, int64_t id, size_t bytes);
    // Both directions are over and acknowledged; the stream is freed.
    void (*stream_closed)(void *owner, int64_t id);
    // Packets for the connection carry this id from now on, or no more.
    void (*id_added)(void *owner, const uint8_t *id, size_t length);
    void (*id_removed)(void *owner, const uint8_t *id, size_t length);
} cq_events;

// Times are in nanoseconds.
typedef struct {
    uint64_t idle_timeout;
    uint64_t keep_alive;
    uint64_t handshake_timeout;
    // What the peer may open and send before more is granted.
    uint64_t streams;
    uint64_t stream_window;
    uint64_t connection_window;
    int allows_migration;
    // From which the tokens of stateless resets are derived.
    uint8_t secret[CQ_SECRET_BYTES];
} cq_settings;

// Credentials are counted; each of these gives one count, `cq_release` takes it.

// A server's chain, leaf first, and its key, all DER. NULL where GnuTLS does not take them.
cq_credentials *cq_server_credentials(const uint8_t *const *chain, const size_t *lengths, size_t count,
                                      const uint8_t *key, size_t key_length);
// A client's; `authorities` is a PEM file, or NULL where any certificate will do. NULL where it holds none.
cq_credentials *cq_client_credentials(const char *authorities);
void cq_release(cq_credentials *credentials);

// `name` is what a verified certificate has to be for, a DNS name or an IP address; NULL accepts any certificate.
cq_conn *cq_connect(const cq_settings *settings, cq_credentials *credentials, const char *name, int sends_name,
                    const cq_events *events, void *owner, cq_path path, uint64_t now);
void cq_free(cq_conn *conn);

typedef enum {
    CQ_OK,
    // The peer has closed it: silence, then `cq_free`.
    CQ_DRAINING,
    // Its time is over, or it never was one: `cq_free` without a word.
    CQ_FORGET,
    // The packet asks for an answer by `cq_retry`, and the connection is to be freed.
    CQ_RETRY,
    // `cq_close_failed` says why to the peer.
    CQ_FAILED,
    // The socket takes nothing now: pump again soon.
    CQ_FULL,
} cq_result;

cq_result cq_receive(cq_conn *conn, cq_path path, uint8_t ecn, const uint8_t *data, size_t length, uint64_t now);
cq_result cq_expire(cq_conn *conn, uint64_t now);
// When `cq_expire` is due; UINT64_MAX for never.
uint64_t cq_expiry(cq_conn *conn);

// A UDP socket, and what is known of it.
typedef struct {
    int descriptor;
    // Bound to every address, so that packets have to say where they leave from.
    int is_wildcard;
    int has_segmentation;
    // Packets are put together here.
    uint8_t buffer[65536];
} cq_socket;

void cq_prepare_socket(cq_socket *socket, int descriptor, int is_ipv6, int is_wildcard);
// Sends, or loses, one packet; false where the socket is full.
int cq_send(cq_socket *socket, cq_path path, const uint8_t *data, size_t length);
// Sends what is due.
cq_result cq_pump(cq_conn *conn, cq_socket *socket, uint64_t now);

// Puts a CONNECTION_CLOSE together, which ends the connection; the packet's length. `reason` is of an application.
size_t cq_close(cq_conn *conn, const char *reason, uint8_t *packet, size_t capacity, uint64_t now);
size_t cq_close_failed(cq_conn *conn, uint8_t *packet, size_t capacity, uint64_t now);
// How long a closed connection has to be kept.
uint64_t cq_closing_time(cq_conn *conn);
// Why it failed, or what the peer said; `capacity` bytes with a final zero.
void cq_problem(cq_conn *conn, char *text, size_t capacity);

// The peer's certificate, DER; NULL before it has come.
const uint8_t *cq_peer_certificate(cq_conn *conn, size_t *length);

typedef enum { CQ_TRUSTED, CQ_OTHER_NAME, CQ_NOT_TRUSTED } cq_trust;
// Whether a client has refused the certificate.
cq_trust cq_peer_trust(cq_conn *conn);

// From where to where packets go now, each a `struct sockaddr_storage`; false where that is not known.
int cq_addresses(cq_conn *conn, void *local, void *remote);

// Opens a stream; NULL where the peer takes no more.
cq_stream *cq_stream_open(cq_conn *conn, int64_t *id);
uint64_t cq_streams_left(cq_conn *conn);
// Copies the bytes; they leave with `cq_pump`. False without memory.
int cq_stream_write(cq_stream *stream, const uint8_t *data, size_t length);
// Ends the own direction behind what has been written.
void cq_stream_finish(cq_stream *stream);
// Wants nothing more of the peer.
void cq_stream_stop(cq_stream *stream);
// Gives both directions up.
void cq_stream_reset(cq_stream *stream);
// The owner has taken so many bytes, so that the peer may send as many.
void cq_stream_credit(cq_stream *stream, size_t bytes);
void cq_credit(cq_conn *conn, uint64_t bytes);
void cq_allow_streams(cq_conn *conn, size_t count);

typedef enum {
    // Of a connection that is no more, or never was.
    CQ_STRAY,
    // Begins a connection.
    CQ_INITIAL,
    // Asks for a version that we do not speak.
    CQ_OTHER_VERSION,
    CQ_GARBAGE,
} cq_kind;

// The id that a packet is for; NULL where it is none.
const uint8_t *cq_packet_id(const uint8_t *data, size_t length, size_t *id_length);
// What a packet is that is for no known connection.
cq_kind cq_packet_kind(const uint8_t *data, size_t length);
// Makes a connection of an Initial packet, which is still to be received; NULL where it is not one, or `needs_token` and it
// has none.
cq_conn *cq_accept(const cq_settings *settings, cq_credentials *credentials, const cq_events *events, void *owner,
                   cq_path path, const uint8_t *data, size_t length, int needs_token, uint64_t now);
// Whether an Initial packet has a token of ours that is not too old.
int cq_has_token(const uint8_t *secret, cq_path path, const uint8_t *data, size_t length, uint64_t now);
// Answers to a packet of no connection: their length, 0 for none.
size_t cq_retry(const uint8_t *secret, cq_path path, const uint8_t *data, size_t length, uint8_t *answer, uint64_t now);
size_t cq_other_version(const uint8_t *data, size_t length, uint8_t *answer);
size_t cq_stateless_reset(const uint8_t *secret, const uint8_t *data, size_t length, uint8_t *answer);

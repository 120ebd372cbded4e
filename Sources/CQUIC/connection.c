// One connection: its making, packets in, time, and its end.
#include "parts.h"
#ifdef CQUIC
#include <stdio.h>

#if CQ_IS_1
typedef ngtcp2_ccerr cq_close_reason;
#define cq_reason_default ngtcp2_ccerr_default
#define cq_reason_application ngtcp2_ccerr_set_application_error
#define cq_reason_library ngtcp2_ccerr_set_liberr
#define cq_reason_alert ngtcp2_ccerr_set_tls_alert
#else
typedef ngtcp2_connection_close_error cq_close_reason;
#define cq_reason_default ngtcp2_connection_close_error_default
#define cq_reason_application ngtcp2_connection_close_error_set_application_error
#define cq_reason_library ngtcp2_connection_close_error_set_transport_error_liberr
#define cq_reason_alert ngtcp2_connection_close_error_set_transport_error_tls_alert
#endif

void cq_rand(uint8_t *to, size_t length) {
    if (gnutls_rnd(GNUTLS_RND_RANDOM, to, length) < 0) abort();
}

static void on_rand(uint8_t *to, size_t length, const ngtcp2_rand_ctx *context) {
    (void)context;
    cq_rand(to, length);
}

static int on_new_id(ngtcp2_conn *conn, ngtcp2_cid *id, uint8_t *token, size_t length, void *user) {
    (void)conn;
    cq_conn *c = user;
    cq_rand(id->data, length);
    id->datalen = length;
    if (ngtcp2_crypto_generate_stateless_reset_token(token, c->secret, sizeof c->secret, id) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    if (c->owner) c->events.id_added(c->owner, id->data, id->datalen);
    return 0;
}

static int on_id_removed(ngtcp2_conn *conn, const ngtcp2_cid *id, void *user) {
    (void)conn;
    cq_conn *c = user;
    if (c->owner) c->events.id_removed(c->owner, id->data, id->datalen);
    return 0;
}

static int on_handshake(ngtcp2_conn *conn, void *user) {
    cq_conn *c = user;
    if (c->keep_alive > 0) ngtcp2_conn_set_keep_alive_timeout(conn, c->keep_alive);
    if (c->owner) c->events.handshake_done(c->owner);
    return 0;
}

static int on_stream_open(ngtcp2_conn *conn, int64_t id, void *user) {
    cq_conn *c = user;
    // One-way streams are not allowed; the library has refused them.
    if (!ngtcp2_is_bidi_stream(id)) return 0;
    cq_stream *stream = cq_stream_new(c, id);
    if (!stream) return NGTCP2_ERR_CALLBACK_FAILURE;
    ngtcp2_conn_set_stream_user_data(conn, id, stream);
    if (c->owner) c->events.stream_opened(c->owner, id, stream);
    return 0;
}

static int on_stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *data,
                          size_t length, void *user, void *stream) {
    (void)conn, (void)offset, (void)stream;
    cq_conn *c = user;
    if (c->owner) c->events.stream_data(c->owner, id, data, length, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
    return 0;
}

static int on_acked(ngtcp2_conn *conn, int64_t id, uint64_t offset, uint64_t length, void *user, void *stream) {
    (void)conn, (void)id, (void)user;
    if (stream) cq_stream_acked(stream, offset + length);
    return 0;
}

static int on_stream_close(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t code, void *user, void *stream) {
    (void)flags, (void)code;
    cq_conn *c = user;
    // The peer may open another in its place.
    if (!ngtcp2_conn_is_local_stream(conn, id)) ngtcp2_conn_extend_max_streams_bidi(conn, 1);
    if (c->owner) c->events.stream_closed(c->owner, id);
    if (stream) cq_stream_free(stream);
    return 0;
}

static int on_stream_reset(ngtcp2_conn *conn, int64_t id, uint64_t size, uint64_t code, void *user, void *stream) {
    (void)conn, (void)size, (void)code, (void)stream;
    cq_conn *c = user;
    if (c->owner) c->events.stream_reset(c->owner, id);
    return 0;
}

static int on_stream_window(ngtcp2_conn *conn, int64_t id, uint64_t limit, void *user, void *stream) {
    (void)conn, (void)id, (void)limit, (void)user;
    cq_stream *opened = stream;
    if (!opened || !opened->is_blocked) return 0;
    opened->is_blocked = 0;
    cq_stream_ready(opened);
    return 0;
}

void cq_callbacks(ngtcp2_callbacks *callbacks, int is_server) {
    memset(callbacks, 0, sizeof *callbacks);
    if (is_server) {
        callbacks->recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    } else {
        callbacks->client_initial = ngtcp2_crypto_client_initial_cb;
        callbacks->recv_retry = ngtcp2_crypto_recv_retry_cb;
    }
    callbacks->recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
    callbacks->encrypt = ngtcp2_crypto_encrypt_cb;
    callbacks->decrypt = ngtcp2_crypto_decrypt_cb;
    callbacks->hp_mask = ngtcp2_crypto_hp_mask_cb;
    callbacks->update_key = ngtcp2_crypto_update_key_cb;
    callbacks->delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    callbacks->delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    callbacks->get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
    callbacks->version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    callbacks->rand = on_rand;
    callbacks->get_new_connection_id = on_new_id;
    callbacks->remove_connection_id = on_id_removed;
    callbacks->handshake_completed = on_handshake;
    callbacks->stream_open = on_stream_open;
    callbacks->recv_stream_data = on_stream_data;
    callbacks->acked_stream_data_offset = on_acked;
    callbacks->stream_close = on_stream_close;
    callbacks->stream_reset = on_stream_reset;
    callbacks->extend_max_stream_data = on_stream_window;
}

void cq_fill(const cq_settings *from, ngtcp2_settings *settings, ngtcp2_transport_params *params, int is_server,
             uint64_t now) {
    ngtcp2_settings_default(settings);
    settings->initial_ts = now;
    settings->handshake_timeout = from->handshake_timeout;
    settings->cc_algo = NGTCP2_CC_ALGO_CUBIC;
    settings->max_tx_udp_payload_size = 1452;
    ngtcp2_transport_params_default(params);
    params->initial_max_streams_bidi = is_server ? from->streams : 0;
    params->initial_max_stream_data_bidi_local = from->stream_window;
    params->initial_max_stream_data_bidi_remote = from->stream_window;
    params->initial_max_data = from->connection_window;
    params->max_idle_timeout = from->idle_timeout;
    params->active_connection_id_limit = 4;
    params->disable_active_migration = !from->allows_migration;
}

cq_conn *cq_new(const cq_settings *settings, const cq_events *events, void *owner) {
    cq_conn *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->events = *events;
    c->owner = owner;
    c->keep_alive = settings->keep_alive;
    c->trust = CQ_TRUSTED;
    memcpy(c->secret, settings->secret, sizeof c->secret);
    ngtcp2_path_storage_zero(&c->held_path);
    return c;
}

cq_conn *cq_connect(const cq_settings *settings, cq_credentials *credentials, const char *name, int sends_name,
                    const cq_events *events, void *owner, cq_path path, uint64_t now) {
    cq_conn *c = cq_new(settings, events, owner);
    if (!c) return NULL;
    ngtcp2_callbacks callbacks;
    ngtcp2_settings options;
    ngtcp2_transport_params params;
    cq_callbacks(&callbacks, 0);
    cq_fill(settings, &options, &params, 0, now);
    ngtcp2_cid theirs, own;
    uint8_t bytes[CQ_FIRST_ID_BYTES];
    cq_rand(bytes, sizeof bytes);
    ngtcp2_cid_init(&theirs, bytes, sizeof bytes);
    cq_rand(bytes, CQ_ID_BYTES);
    ngtcp2_cid_init(&own, bytes, CQ_ID_BYTES);
    ngtcp2_path as_path = cq_as_path(path);
    if (ngtcp2_conn_client_new(&c->conn, &theirs, &own, &as_path, NGTCP2_PROTO_VER_V1, &callbacks, &options, &params,
                               NULL, c) != 0
        || cq_start_session(c, 0, credentials, name, sends_name) != 0) {
        cq_free(c);
        return NULL;
    }
    return c;
}

void cq_free(cq_conn *c) {
    // The library frees what it holds through callbacks.
    c->owner = NULL;
    if (c->conn) ngtcp2_conn_del(c->conn);
    if (c->session) gnutls_deinit(c->session);
    while (c->streams) cq_stream_free(c->streams);
    cq_release(c->credentials);
    free(c->certificate);
    free(c->held);
    free(c);
}

ngtcp2_path cq_as_path(cq_path path) {
    ngtcp2_path made = {
        .local = {.addr = (void *)path.local, .addrlen = path.local_length},
        .remote = {.addr = (void *)path.remote, .addrlen = path.remote_length},
    };
    return made;
}

cq_result cq_failed(cq_conn *c, int error) {
    c->error = error;
    switch (error) {
    case NGTCP2_ERR_DRAINING: return CQ_DRAINING;
    case NGTCP2_ERR_RETRY: return CQ_RETRY;
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_IDLE_CLOSE:
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
    case NGTCP2_ERR_CLOSING: return CQ_FORGET;
    case NGTCP2_ERR_CRYPTO: c->alert = ngtcp2_conn_get_tls_alert(c->conn); return CQ_FAILED;
    default: return CQ_FAILED;
    }
}

cq_result cq_receive(cq_conn *c, cq_path path, uint8_t ecn, const uint8_t *data, size_t length, uint64_t now) {
    ngtcp2_path as_path = cq_as_path(path);
    ngtcp2_pkt_info info = {.ecn = ecn};
    int result = ngtcp2_conn_read_pkt(c->conn, &as_path, &info, data, length, now);
    return result == 0 ? CQ_OK : cq_failed(c, result);
}

cq_result cq_expire(cq_conn *c, uint64_t now) {
    int result = ngtcp2_conn_handle_expiry(c->conn, now);
    return result == 0 ? CQ_OK : cq_failed(c, result);
}

uint64_t cq_expiry(cq_conn *c) { return ngtcp2_conn_get_expiry(c->conn); }

static size_t close_with(cq_conn *c, const cq_close_reason *reason, uint8_t *packet, size_t capacity, uint64_t now) {
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_ssize length =
        ngtcp2_conn_write_connection_close(c->conn, &path.path, NULL, packet, capacity, reason, now);
    return length > 0 ? (size_t)length : 0;
}

size_t cq_close(cq_conn *c, const char *why, uint8_t *packet, size_t capacity, uint64_t now) {
    cq_close_reason reason;
    cq_reason_default(&reason);
    cq_reason_application(&reason, 0, (uint8_t *)why, strlen(why));
    return close_with(c, &reason, packet, capacity, now);
}

size_t cq_close_failed(cq_conn *c, uint8_t *packet, size_t capacity, uint64_t now) {
    cq_close_reason reason;
    cq_reason_default(&reason);
    if (c->error == NGTCP2_ERR_CRYPTO)
        cq_reason_alert(&reason, c->alert, NULL, 0);
    else
        cq_reason_library(&reason, c->error, NULL, 0);
    return close_with(c, &reason, packet, capacity, now);
}

uint64_t cq_closing_time(cq_conn *c) { return 3 * ngtcp2_conn_get_pto(c->conn); }

void cq_problem(cq_conn *c, char *text, size_t capacity) {
    if (c->error == NGTCP2_ERR_DRAINING) {
#if CQ_IS_1
        const cq_close_reason *reason = ngtcp2_conn_get_ccerr(c->conn);
        int is_application = reason->type == NGTCP2_CCERR_TYPE_APPLICATION;
#else
        cq_close_reason copied, *reason = &copied;
        ngtcp2_conn_get_connection_close_error(c->conn, reason);
        int is_application = reason->type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION;
#endif
        snprintf(text, capacity, "the peer closed it: %s %llx%s%.*s", is_application ? "code" : "error",
                 (unsigned long long)reason->error_code, reason->reasonlen > 0 ? ", " : "",
                 (int)(reason->reasonlen < 200 ? reason->reasonlen : 200), reason->reasonlen > 0 ? (const char *)reason->reason : "");
        return;
    }
    if (c->error == NGTCP2_ERR_CRYPTO) {
        const char *alert = gnutls_alert_get_strname(c->alert);
        snprintf(text, capacity, "TLS failed: %s", alert ? alert : "for an unknown reason");
        return;
    }
    snprintf(text, capacity, "%s", c->error == 0 ? "closed" : ngtcp2_strerror(c->error));
}

int cq_addresses(cq_conn *c, void *local, void *remote) {
    const ngtcp2_path *path = ngtcp2_conn_get_path(c->conn);
    if (path->remote.addrlen > sizeof(struct sockaddr_storage) || path->local.addrlen > sizeof(struct sockaddr_storage)) return 0;
    memcpy(local, path->local.addr, path->local.addrlen);
    memcpy(remote, path->remote.addr, path->remote.addrlen);
    return 1;
}
#endif

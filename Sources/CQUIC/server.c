// What a server decides about packets of no connection.
#include "parts.h"
#ifdef CQUIC

const uint8_t *cq_packet_id(const uint8_t *data, size_t length, size_t *id_length) {
    ngtcp2_version_cid id;
    int result = ngtcp2_pkt_decode_version_cid(&id, data, length, CQ_ID_BYTES);
    if (result != 0 && result != NGTCP2_ERR_VERSION_NEGOTIATION) return NULL;
    *id_length = id.dcidlen;
    return id.dcid;
}

cq_kind cq_packet_kind(const uint8_t *data, size_t length) {
    ngtcp2_version_cid id;
    int result = ngtcp2_pkt_decode_version_cid(&id, data, length, CQ_ID_BYTES);
    if (result == NGTCP2_ERR_VERSION_NEGOTIATION) return length >= NGTCP2_MAX_UDP_PAYLOAD_SIZE ? CQ_OTHER_VERSION : CQ_GARBAGE;
    if (result != 0) return CQ_GARBAGE;
    if ((data[0] & 0x80) == 0) return CQ_STRAY;
    ngtcp2_pkt_hd head;
    // A client's first id has 8 bytes at least (RFC 9000 §7.2).
    if (length < NGTCP2_MAX_UDP_PAYLOAD_SIZE || ngtcp2_accept(&head, data, length) != 0) return CQ_GARBAGE;
    return head.type == NGTCP2_PKT_INITIAL && head.dcid.datalen >= NGTCP2_MIN_INITIAL_DCIDLEN ? CQ_INITIAL : CQ_GARBAGE;
}

#if CQ_IS_1
#define token_bytes(head) ((head)->token)
#define token_length(head) ((head)->tokenlen)
#else
#define token_bytes(head) ((head)->token.base)
#define token_length(head) ((head)->token.len)
#endif

static int has_token(const uint8_t *secret, cq_path path, const ngtcp2_pkt_hd *head, ngtcp2_cid *first, uint64_t now) {
    if (token_length(head) == 0) return 0;
    return ngtcp2_crypto_verify_retry_token(first, token_bytes(head), token_length(head), secret, CQ_SECRET_BYTES,
                                            head->version, (const ngtcp2_sockaddr *)path.remote, path.remote_length,
                                            &head->dcid, CQ_TOKEN_LIFETIME, now) == 0;
}

int cq_has_token(const uint8_t *secret, cq_path path, const uint8_t *data, size_t length, uint64_t now) {
    ngtcp2_pkt_hd head;
    ngtcp2_cid first;
    return ngtcp2_accept(&head, data, length) == 0 && has_token(secret, path, &head, &first, now);
}

cq_conn *cq_accept(const cq_settings *settings, cq_credentials *credentials, const cq_events *events, void *owner,
                   cq_path path, const uint8_t *data, size_t length, int needs_token, uint64_t now) {
    ngtcp2_pkt_hd head;
    if (ngtcp2_accept(&head, data, length) != 0 || head.type != NGTCP2_PKT_INITIAL) return NULL;
    ngtcp2_cid first;
    int is_validated = has_token(settings->secret, path, &head, &first, now);
    if (needs_token && !is_validated) return NULL;
    cq_conn *c = cq_new(settings, events, owner);
    if (!c) return NULL;
    ngtcp2_callbacks callbacks;
    ngtcp2_settings options;
    ngtcp2_transport_params params;
    cq_callbacks(&callbacks, 1);
    cq_fill(settings, &options, &params, 1, now);
    params.original_dcid = is_validated ? first : head.dcid;
#if CQ_IS_1
    params.original_dcid_present = 1;
#endif
    if (is_validated) {
        params.retry_scid = head.dcid;
        params.retry_scid_present = 1;
        options.token = head.token;
#if CQ_IS_1
        options.tokenlen = head.tokenlen;
        options.token_type = NGTCP2_TOKEN_TYPE_RETRY;
#endif
    }
    ngtcp2_cid own;
    uint8_t bytes[CQ_ID_BYTES];
    cq_rand(bytes, sizeof bytes);
    ngtcp2_cid_init(&own, bytes, sizeof bytes);
    params.stateless_reset_token_present =
        ngtcp2_crypto_generate_stateless_reset_token(params.stateless_reset_token, c->secret, sizeof c->secret, &own) == 0;
    ngtcp2_path as_path = cq_as_path(path);
    if (ngtcp2_conn_server_new(&c->conn, &head.scid, &own, &as_path, head.version, &callbacks, &options, &params, NULL,
                               c) != 0
        || cq_start_session(c, 1, credentials, NULL, 0) != 0) {
        cq_free(c);
        return NULL;
    }
    // The client uses the first until it has the other.
    events->id_added(owner, head.dcid.data, head.dcid.datalen);
    events->id_added(owner, own.data, own.datalen);
    return c;
}

size_t cq_retry(const uint8_t *secret, cq_path path, const uint8_t *data, size_t length, uint8_t *answer, uint64_t now) {
    ngtcp2_pkt_hd head;
    if (ngtcp2_accept(&head, data, length) != 0) return 0;
    ngtcp2_cid own;
    uint8_t bytes[CQ_ID_BYTES], token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN];
    cq_rand(bytes, sizeof bytes);
    ngtcp2_cid_init(&own, bytes, sizeof bytes);
    ngtcp2_ssize token_size =
        ngtcp2_crypto_generate_retry_token(token, secret, CQ_SECRET_BYTES, head.version, (const ngtcp2_sockaddr *)path.remote,
                                           path.remote_length, &own, &head.dcid, now);
    if (token_size <= 0) return 0;
    ngtcp2_ssize made = ngtcp2_crypto_write_retry(answer, CQ_ANSWER_BYTES, head.version, &head.scid, &own, &head.dcid, token,
                                                  (size_t)token_size);
    return made > 0 ? (size_t)made : 0;
}

size_t cq_other_version(const uint8_t *data, size_t length, uint8_t *answer) {
    ngtcp2_version_cid id;
    if (ngtcp2_pkt_decode_version_cid(&id, data, length, CQ_ID_BYTES) != NGTCP2_ERR_VERSION_NEGOTIATION) return 0;
    // The first byte's rest is unused (RFC 9000 §17.2.1).
    uint8_t unused;
    cq_rand(&unused, 1);
    static const uint32_t versions[] = {NGTCP2_PROTO_VER_V1};
    ngtcp2_ssize made = ngtcp2_pkt_write_version_negotiation(answer, CQ_ANSWER_BYTES, unused, id.scid, id.scidlen, id.dcid,
                                                             id.dcidlen, versions, 1);
    return made > 0 ? (size_t)made : 0;
}

size_t cq_stateless_reset(const uint8_t *secret, const uint8_t *data, size_t length, uint8_t *answer) {
    // Shorter than what it answers, so that two ends cannot go on answering each other (RFC 9000 §10.3).
    enum { longest = 43 };
    if (length <= longest) return 0;
    size_t id_length;
    const uint8_t *bytes = cq_packet_id(data, length, &id_length);
    if (!bytes) return 0;
    ngtcp2_cid id;
    ngtcp2_cid_init(&id, bytes, id_length);
    uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN], noise[longest - NGTCP2_STATELESS_RESET_TOKENLEN];
    if (ngtcp2_crypto_generate_stateless_reset_token(token, secret, CQ_SECRET_BYTES, &id) != 0) return 0;
    cq_rand(noise, sizeof noise);
    ngtcp2_ssize made = ngtcp2_pkt_write_stateless_reset(answer, longest, token, noise, sizeof noise);
    return made > 0 ? (size_t)made : 0;
}
#endif

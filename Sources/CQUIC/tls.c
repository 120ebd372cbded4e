// TLS 1.3 for QUIC: credentials, and which certificate a client takes.
#include "parts.h"
#ifdef CQUIC
#include <arpa/inet.h>
#include <stdatomic.h>

static const char priorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%DISABLE_TLS13_COMPAT_MODE";
static const char protocol[] = "np-quic";

struct cq_credentials {
    // GnuTLS does not count the sessions that use it.
    atomic_int count;
    gnutls_certificate_credentials_t certificate;
    int verifies;
};

static cq_credentials *make(void) {
    cq_credentials *made = calloc(1, sizeof *made);
    if (!made) return NULL;
    atomic_init(&made->count, 1);
    if (gnutls_certificate_allocate_credentials(&made->certificate) == 0) return made;
    free(made);
    return NULL;
}

cq_credentials *cq_server_credentials(const uint8_t *const *chain, const size_t *lengths, size_t count,
                                      const uint8_t *key, size_t key_length) {
    enum { longest = 16 };
    gnutls_x509_crt_t certificates[longest];
    gnutls_x509_privkey_t private_key;
    cq_credentials *made = count > 0 && count <= longest ? make() : NULL;
    if (!made) return NULL;
    size_t read = 0;
    int result = gnutls_x509_privkey_init(&private_key);
    if (result < 0) {
        cq_release(made);
        return NULL;
    }
    gnutls_datum_t datum = {(unsigned char *)key, (unsigned int)key_length};
    result = gnutls_x509_privkey_import2(private_key, &datum, GNUTLS_X509_FMT_DER, NULL, GNUTLS_PKCS_PLAIN);
    while (result >= 0 && read < count) {
        gnutls_datum_t der = {(unsigned char *)chain[read], (unsigned int)lengths[read]};
        result = gnutls_x509_crt_init(&certificates[read]);
        if (result < 0) break;
        result = gnutls_x509_crt_import(certificates[read++], &der, GNUTLS_X509_FMT_DER);
    }
    if (result >= 0)
        result = gnutls_certificate_set_x509_key(made->certificate, certificates, (int)count, private_key);
    gnutls_x509_privkey_deinit(private_key);
    for (size_t i = 0; i < read; i++) gnutls_x509_crt_deinit(certificates[i]);
    if (result >= 0) return made;
    cq_release(made);
    return NULL;
}

cq_credentials *cq_client_credentials(const char *authorities) {
    cq_credentials *made = make();
    if (!made || !authorities) return made;
    made->verifies = 1;
    if (gnutls_certificate_set_x509_trust_file(made->certificate, authorities, GNUTLS_X509_FMT_PEM) > 0) return made;
    cq_release(made);
    return NULL;
}

void cq_release(cq_credentials *credentials) {
    if (!credentials || atomic_fetch_sub(&credentials->count, 1) != 1) return;
    gnutls_certificate_free_credentials(credentials->certificate);
    free(credentials);
}

static int is_address(const char *name) {
    uint8_t bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static cq_conn *owner_of(gnutls_session_t session) {
    ngtcp2_crypto_conn_ref *ref = gnutls_session_get_ptr(session);
    return ref->user_data;
}

// A client's look at the server's certificate; nonzero ends the handshake with the alert bad_certificate.
static int verify(gnutls_session_t session) {
    cq_conn *c = owner_of(session);
    unsigned int count = 0, status = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    if (!chain || count == 0) return -1;
    free(c->certificate);
    c->certificate = malloc(chain[0].size);
    if (!c->certificate) return -1;
    memcpy(c->certificate, chain[0].data, chain[0].size);
    c->certificate_length = chain[0].size;
    if (!c->credentials->verifies) return 0;
    c->trust = CQ_NOT_TRUSTED;
    if (gnutls_certificate_verify_peers2(session, &status) < 0 || status != 0) return -1;
    gnutls_x509_crt_t leaf;
    if (gnutls_x509_crt_init(&leaf) < 0) return -1;
    int is_named = 0;
    if (gnutls_x509_crt_import(leaf, &chain[0], GNUTLS_X509_FMT_DER) == 0) {
        // The other libraries of this program do not take a name from the subject either.
        char kept[1];
        size_t length = sizeof kept;
        int has_names = gnutls_x509_crt_get_subject_alt_name(leaf, 0, kept, &length, NULL) != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
        if (has_names) is_named = gnutls_x509_crt_check_hostname2(leaf, c->name, 0) != 0;
    }
    gnutls_x509_crt_deinit(leaf);
    c->trust = is_named ? CQ_TRUSTED : CQ_OTHER_NAME;
    return is_named ? 0 : -1;
}

static ngtcp2_conn *get_conn(ngtcp2_crypto_conn_ref *ref) { return ((cq_conn *)ref->user_data)->conn; }

int cq_start_session(cq_conn *c, int is_server, cq_credentials *credentials, const char *name, int sends_name) {
    unsigned int flags = is_server ? GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET : GNUTLS_CLIENT;
    if (gnutls_init(&c->session, flags | GNUTLS_NO_TICKETS) < 0) return -1;
    atomic_fetch_add(&credentials->count, 1);
    c->credentials = credentials;
    if (name) strncpy(c->name, name, sizeof c->name - 1);
    if (gnutls_priority_set_direct(c->session, priorities, NULL) < 0) return -1;
    int result = is_server ? ngtcp2_crypto_gnutls_configure_server_session(c->session)
                           : ngtcp2_crypto_gnutls_configure_client_session(c->session);
    if (result != 0) return -1;
    c->ref.get_conn = get_conn;
    c->ref.user_data = c;
    gnutls_session_set_ptr(c->session, &c->ref);
    if (gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, credentials->certificate) < 0) return -1;
    gnutls_datum_t alpn = {(unsigned char *)protocol, sizeof protocol - 1};
    if (gnutls_alpn_set_protocols(c->session, &alpn, 1, GNUTLS_ALPN_MANDATORY) < 0) return -1;
    if (!is_server) {
        gnutls_session_set_verify_function(c->session, verify);
        if (sends_name && name && !is_address(name))
            gnutls_server_name_set(c->session, GNUTLS_NAME_DNS, name, strlen(name));
    }
    ngtcp2_conn_set_tls_native_handle(c->conn, c->session);
    return 0;
}

const uint8_t *cq_peer_certificate(cq_conn *conn, size_t *length) {
    *length = conn->certificate_length;
    return conn->certificate;
}

cq_trust cq_peer_trust(cq_conn *conn) { return conn->trust; }
#endif

// Streams, and what is sent of them.
#include "parts.h"
#ifdef CQUIC

// Packets of one call of the pump, when the library does not limit it further: others have their turn after it.
enum { longest_burst = 64, vectors = 16 };
// A message has to fit into one datagram of 65,507 bytes before the kernel cuts it.
enum { longest_message = 65000 };

cq_stream *cq_stream_new(cq_conn *c, int64_t id) {
    cq_stream *made = calloc(1, sizeof *made);
    if (!made) return NULL;
    made->conn = c;
    made->id = id;
    made->next = c->streams;
    if (c->streams) c->streams->previous = made;
    c->streams = made;
    return made;
}

void cq_stream_free(cq_stream *stream) {
    cq_conn *c = stream->conn;
    cq_stream_unready(stream);
    if (stream->previous) stream->previous->next = stream->next;
    else c->streams = stream->next;
    if (stream->next) stream->next->previous = stream->previous;
    for (cq_chunk *chunk = stream->first; chunk;) {
        cq_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(stream);
}

void cq_stream_ready(cq_stream *stream) {
    cq_conn *c = stream->conn;
    int has_more = stream->unsent_bytes > 0 || (stream->ends && !stream->has_ended);
    if (stream->is_ready || stream->is_blocked || stream->is_over || !has_more) return;
    stream->is_ready = 1;
    stream->ready_next = NULL;
    stream->ready_previous = c->ready_last;
    if (c->ready_last) c->ready_last->ready_next = stream;
    else c->ready_first = stream;
    c->ready_last = stream;
}

void cq_stream_unready(cq_stream *stream) {
    cq_conn *c = stream->conn;
    if (!stream->is_ready) return;
    stream->is_ready = 0;
    if (stream->ready_previous) stream->ready_previous->ready_next = stream->ready_next;
    else c->ready_first = stream->ready_next;
    if (stream->ready_next) stream->ready_next->ready_previous = stream->ready_previous;
    else c->ready_last = stream->ready_previous;
}

cq_stream *cq_stream_open(cq_conn *c, int64_t *id) {
    if (ngtcp2_conn_get_streams_bidi_left(c->conn) == 0) return NULL;
    cq_stream *stream = cq_stream_new(c, -1);
    if (!stream) return NULL;
    if (ngtcp2_conn_open_bidi_stream(c->conn, &stream->id, stream) != 0) {
        cq_stream_free(stream);
        return NULL;
    }
    *id = stream->id;
    return stream;
}

uint64_t cq_streams_left(cq_conn *c) { return ngtcp2_conn_get_streams_bidi_left(c->conn); }

int cq_stream_write(cq_stream *stream, const uint8_t *data, size_t length) {
    if (stream->is_over || stream->ends || length == 0) return 1;
    cq_chunk *chunk = malloc(sizeof *chunk + length);
    if (!chunk) return 0;
    chunk->next = NULL;
    chunk->length = length;
    memcpy(chunk->data, data, length);
    if (stream->last) stream->last->next = chunk;
    else stream->first = chunk;
    stream->last = chunk;
    if (!stream->unsent) {
        stream->unsent = chunk;
        stream->unsent_start = 0;
    }
    stream->unsent_bytes += length;
    cq_stream_ready(stream);
    return 1;
}

void cq_stream_finish(cq_stream *stream) {
    if (stream->ends || stream->is_over) return;
    stream->ends = 1;
    cq_stream_ready(stream);
}

// What has not left will not; memory that may be on its way stays until the stream is closed.
void cq_stream_drop(cq_stream *stream) {
    if (stream->is_over) return;
    cq_stream_unready(stream);
    stream->is_over = 1;
    size_t bytes = stream->unsent_bytes;
    stream->unsent = NULL;
    stream->unsent_bytes = 0;
    cq_conn *c = stream->conn;
    if (bytes > 0 && c->owner) c->events.stream_sent(c->owner, stream->id, bytes);
}

#if CQ_IS_1
#define cq_shutdown(c, id) ngtcp2_conn_shutdown_stream((c)->conn, 0, (id), 0)
#define cq_shutdown_read(c, id) ngtcp2_conn_shutdown_stream_read((c)->conn, 0, (id), 0)
#else
#define cq_shutdown(c, id) ngtcp2_conn_shutdown_stream((c)->conn, (id), 0)
#define cq_shutdown_read(c, id) ngtcp2_conn_shutdown_stream_read((c)->conn, (id), 0)
#endif

void cq_stream_stop(cq_stream *stream) { cq_shutdown_read(stream->conn, stream->id); }

void cq_stream_reset(cq_stream *stream) {
    cq_stream_drop(stream);
    cq_shutdown(stream->conn, stream->id);
}

void cq_stream_credit(cq_stream *stream, size_t bytes) {
    ngtcp2_conn_extend_max_stream_offset(stream->conn->conn, stream->id, bytes);
}

void cq_credit(cq_conn *c, uint64_t bytes) { ngtcp2_conn_extend_max_offset(c->conn, bytes); }

void cq_allow_streams(cq_conn *c, size_t count) { ngtcp2_conn_extend_max_streams_bidi(c->conn, count); }

void cq_stream_acked(cq_stream *stream, uint64_t end) {
    while (stream->first && stream->first != stream->unsent && stream->first_offset + stream->first->length <= end) {
        cq_chunk *chunk = stream->first;
        stream->first_offset += chunk->length;
        stream->first = chunk->next;
        if (!stream->first) stream->last = NULL;
        free(chunk);
    }
}

// The library has taken so many bytes of the stream, and its end with the last of them.
static void took(cq_stream *stream, size_t bytes, int with_end) {
    cq_conn *c = stream->conn;
    stream->unsent_bytes -= bytes;
    for (size_t left = bytes; left > 0;) {
        size_t rest = stream->unsent->length - stream->unsent_start;
        if (left < rest) {
            stream->unsent_start += left;
            break;
        }
        left -= rest;
        stream->unsent = stream->unsent->next;
        stream->unsent_start = 0;
    }
    if (with_end && stream->unsent_bytes == 0) stream->has_ended = 1;
    if (stream->unsent_bytes == 0 && (!stream->ends || stream->has_ended)) cq_stream_unready(stream);
    if (bytes > 0 && c->owner) c->events.stream_sent(c->owner, stream->id, bytes);
}

// The next one has its turn.
static void rotate(cq_conn *c) {
    cq_stream *stream = c->ready_first;
    if (!stream || stream == c->ready_last) return;
    cq_stream_unready(stream);
    cq_stream_ready(stream);
}

// Makes the next packet: its length, 0 where there is nothing to send now, or an error.
static ngtcp2_ssize next_packet(cq_conn *c, ngtcp2_path_storage *path, uint8_t *to, size_t capacity, uint64_t now) {
    for (;;) {
        cq_stream *stream = ngtcp2_conn_get_max_data_left(c->conn) > 0 || (c->ready_first && c->ready_first->unsent_bytes == 0)
                                ? c->ready_first : NULL;
        ngtcp2_vec pieces[vectors];
        size_t count = 0, start = 0;
        uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
        if (stream) {
            flags |= NGTCP2_WRITE_STREAM_FLAG_MORE;
            start = stream->unsent_start;
            cq_chunk *chunk = stream->unsent;
            for (; chunk && count < vectors; chunk = chunk->next, start = 0, count++) {
                pieces[count].base = chunk->data + start;
                pieces[count].len = chunk->length - start;
            }
            if (!chunk && stream->ends) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
        }
        ngtcp2_ssize taken = -1;
        ngtcp2_ssize length = ngtcp2_conn_writev_stream(c->conn, &path->path, NULL, to, capacity, &taken, flags,
                                                        stream ? stream->id : -1, pieces, count, now);
        if (stream && (length == NGTCP2_ERR_WRITE_MORE || length >= 0) && taken >= 0)
            took(stream, (size_t)taken, (flags & NGTCP2_WRITE_STREAM_FLAG_FIN) != 0);
        // Without a stream these would be no answer.
        if (!stream) return length;
        switch (length) {
        case NGTCP2_ERR_WRITE_MORE: continue;
        case NGTCP2_ERR_STREAM_DATA_BLOCKED:
            // The connection's own limit is not the stream's.
            if (ngtcp2_conn_get_max_data_left(c->conn) == 0) continue;
            stream->is_blocked = 1;
            cq_stream_unready(stream);
            continue;
        case NGTCP2_ERR_STREAM_SHUT_WR:
        case NGTCP2_ERR_STREAM_NOT_FOUND:
            cq_stream_drop(stream);
            if (c->owner) c->events.stream_stopped(c->owner, stream->id);
            continue;
        default:
            if (length > 0) rotate(c);
            return length;
        }
    }
}

static cq_path as_cq_path(const ngtcp2_path *path) {
    cq_path made = {path->local.addr, path->local.addrlen, path->remote.addr, path->remote.addrlen};
    return made;
}

// Sends what is held or gathered; what the socket does not take is held. False where some is.
static int flush(cq_conn *c, cq_socket *socket, const ngtcp2_path *path, const uint8_t *data, size_t length, size_t segment) {
    if (length == 0) return 1;
    size_t sent = cq_send_segments(socket, as_cq_path(path), data, length, segment);
    if (sent == length) return 1;
    uint8_t *held = malloc(length - sent);
    // Without memory they are lost.
    if (!held) return 0;
    memcpy(held, data + sent, length - sent);
    free(c->held);
    c->held = held;
    c->held_length = length - sent;
    c->held_segment = segment;
    if (&c->held_path.path != path) ngtcp2_path_copy(&c->held_path.path, path);
    return 0;
}

static int flush_held(cq_conn *c, cq_socket *socket) {
    if (!c->held) return 1;
    uint8_t *held = c->held;
    size_t length = c->held_length;
    c->held = NULL;
    int is_sent = flush(c, socket, &c->held_path.path, held, length, c->held_segment);
    free(held);
    return is_sent;
}

cq_result cq_pump(cq_conn *c, cq_socket *socket, uint64_t now) {
    if (!flush_held(c, socket)) return CQ_FULL;
    ngtcp2_path_storage path, gathered;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_path_storage_zero(&gathered);
    size_t capacity = ngtcp2_conn_get_max_tx_udp_payload_size(c->conn);
    size_t quantum = ngtcp2_conn_get_send_quantum(c->conn);
    size_t held = 0, segment = 0, count = 0, all = 0;
    int is_sent = 1;
    ngtcp2_ssize length = 0;
    while (is_sent && all < quantum && held + capacity <= longest_message) {
        length = next_packet(c, &path, socket->buffer + held, capacity, now);
        if (length <= 0) break;
        all += (size_t)length;
        if (count > 0 && ((size_t)length > segment || count >= longest_burst || !ngtcp2_path_eq(&path.path, &gathered.path))) {
            is_sent = flush(c, socket, &gathered.path, socket->buffer, held, segment);
            memmove(socket->buffer, socket->buffer + held, (size_t)length);
            held = count = 0;
            if (!is_sent) {
                // It is lost, as it would be on a line that is full.
                length = 0;
                break;
            }
        }
        if (count == 0) {
            segment = (size_t)length;
            ngtcp2_path_copy(&gathered.path, &path.path);
        }
        held += (size_t)length;
        count++;
        // Only the last of several may be shorter.
        if ((size_t)length < segment) {
            is_sent = flush(c, socket, &gathered.path, socket->buffer, held, segment);
            held = count = 0;
        }
    }
    ngtcp2_conn_update_pkt_tx_time(c->conn, now);
    if (is_sent && held > 0) is_sent = flush(c, socket, &gathered.path, socket->buffer, held, segment);
    if (length < 0) return cq_failed(c, (int)length);
    return is_sent ? CQ_OK : CQ_FULL;
}
#endif

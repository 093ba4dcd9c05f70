/* Reading JSON as a host gives it: well formed, without white space. For settings, and for
   fields that are objects or arrays. Include it after sallyport.h.

       sp_json_walk w = sp_json_begin(sp_json_get(settings, SP_TEXT("hosts")));
       while (sp_json_next(&w))
           use(sp_json_string(w.value, buffer, sizeof buffer));

   A value is a text: the JSON itself. What isn't there is a text without ptr, and every
   function takes that. */
#ifndef SALLYPORT_JSON_H
#define SALLYPORT_JSON_H

/* sp_json_span is how long the value is that a text begins with. */
static inline uint32_t sp_json_span(sp_text t) {
    uint32_t i, depth = 0;
    int quoted = 0;
    for (i = 0; i < t.len; i++) {
        char c = t.ptr[i];
        if (quoted) {
            if (c == '\\') i++;
            else if (c == '"') quoted = 0;
        } else if (c == '"') {
            quoted = 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) return i; /* of what is around a number or a word */
            depth--;
        } else if (depth == 0 && (c == ',' || c == ':')) {
            return i;
        }
        if (depth == 0 && !quoted && (c == '"' || c == '}' || c == ']')) return i + 1;
    }
    return t.len;
}

/* A walk through the members of an object or the elements of an array. */
typedef struct sp_json_walk {
    sp_text rest;
    sp_text name; /* of a member, as it is written, without the quotes */
    sp_text value;
} sp_json_walk;

static inline sp_text sp_json_from(sp_text t, uint32_t n) { return sp_text_of(t.ptr + n, t.len - n); }

static inline sp_json_walk sp_json_begin(sp_text json) {
    sp_json_walk w;
    w.rest = json.ptr && json.len >= 2 && (*json.ptr == '{' || *json.ptr == '[') ? json : sp_text_of(0, 0);
    w.name = w.value = sp_text_of(0, 0);
    return w;
}

/* sp_json_next goes to the next member or element; 0: there is none. */
static inline int sp_json_next(sp_json_walk *w) {
    int members;
    uint32_t n;
    if (w->rest.len < 2) return 0;
    members = *w->rest.ptr == '{';
    if (!members && *w->rest.ptr != '[') members = w->name.ptr != 0; /* not the first */
    w->rest = sp_json_from(w->rest, 1);
    if (*w->rest.ptr == '}' || *w->rest.ptr == ']') return 0;
    if (members) {
        n = sp_json_span(w->rest);
        w->name = sp_text_of(w->rest.ptr + 1, n - 2);
        w->rest = sp_json_from(w->rest, n + 1);
    }
    n = sp_json_span(w->rest);
    w->value = sp_text_of(w->rest.ptr, n);
    w->rest = sp_json_from(w->rest, n);
    return 1;
}

/* sp_json_get is a member of an object; the name is one that needs no escapes. */
static inline sp_text sp_json_get(sp_text object, sp_text name) {
    sp_json_walk w = sp_json_begin(object);
    while (sp_json_next(&w))
        if (sp_same(w.name, name)) return w.value;
    return sp_text_of(0, 0);
}

static inline int sp_json_true(sp_text json) { return sp_same(json, SP_TEXT("true")); }

/* sp_json_whole is a number that is whole and not negative, or another value for what is none. */
static inline uint32_t sp_json_whole(sp_text json, uint32_t other) {
    uint32_t i, n = 0;
    if (!json.ptr || json.len == 0 || json.len > 9) return other;
    for (i = 0; i < json.len; i++) {
        if (json.ptr[i] < '0' || json.ptr[i] > '9') return other;
        n = n * 10 + (uint32_t)(json.ptr[i] - '0');
    }
    return n;
}

static inline uint32_t sp_json_hex4(const char *p) {
    uint32_t i, n = 0;
    for (i = 0; i < 4; i++) {
        uint32_t c = (uint32_t)(unsigned char)p[i];
        n = n << 4 | (c <= '9' ? c - '0' : (c | 32u) - 'a' + 10u);
    }
    return n;
}

/* sp_json_utf8 writes a character, and returns how many bytes it has. */
static inline uint32_t sp_json_utf8(char *out, uint32_t c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* sp_json_string is the text of a string. One without escapes lies where it is; one with
   escapes is written to the buffer. No text: it is no string, or doesn't fit into cap. */
static inline sp_text sp_json_string(sp_text json, char *buf, uint32_t cap) {
    uint32_t i, n = 0;
    if (!json.ptr || json.len < 2 || *json.ptr != '"') return sp_text_of(0, 0);
    json = sp_text_of(json.ptr + 1, json.len - 2);
    for (i = 0; i < json.len && json.ptr[i] != '\\'; i++) {}
    if (i == json.len) return json;
    if (json.len > cap) return sp_text_of(0, 0); /* a text is never longer than its JSON */
    for (i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (c != '\\') {
            buf[n++] = c;
            continue;
        }
        c = json.ptr[++i];
        if (c == 'u') {
            uint32_t rune = sp_json_hex4(json.ptr + i + 1);
            i += 4;
            if (rune >= 0xd800 && rune < 0xdc00) {
                rune = 0x10000 + ((rune - 0xd800) << 10) + (sp_json_hex4(json.ptr + i + 3) - 0xdc00);
                i += 6;
            }
            n += sp_json_utf8(buf + n, rune);
            continue;
        }
        buf[n++] = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
    }
    return sp_text_of(buf, n);
}

#endif

/* The functions of the host, as the language sees them: texts are strings, what is absent is
   undefined, and what is of another type null. Ids, indexes and codes are numbers. */
#include "bridge.h"
#include <stdlib.h>
#include <string.h>

#define FUNCTION(name) static JSValue name(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)
#define UNUSED (void)ctx, (void)self, (void)argc, (void)argv

/* ---- what the host writes ---- */

/* Most texts fit into the first buffer. One byte is kept for a zero. */
static char first[4096];
static char *buf = first;
static uint32_t cap = sizeof first - 1;

static void make_room(int32_t n) {
    if (buf != first) free(buf);
    cap = (uint32_t)n;
    buf = malloc((size_t)n + 1);
    if (!buf) sp_fail(LITERAL("no memory for a text of the message: ask for more in limits.pages"));
}

/* TAKE has a function of the host write into the buffer; n is what it returns. */
#define TAKE(n, call)                  \
    int32_t n = (call);                \
    if (n > (int32_t)cap) {            \
        make_room(n);                  \
        n = (call);                    \
    }

static JSValue text_or_code(int32_t n) {
    if (n >= 0) return JS_NewStringLen(js_ctx, buf, (size_t)n);
    return n == SP_CODE_ABSENT ? JS_UNDEFINED : JS_NULL;
}

/* int_of takes an argument as a number; what is none is 0, as the language has it. */
static int32_t int_of(JSValueConst v) {
    int32_t n = 0;
    if (JS_ToInt32(js_ctx, &n, v)) js_give_up();
    return n;
}

/* ---- fields ---- */

FUNCTION(field) {
    UNUSED;
    int32_t id = int_of(argv[0]);
    TAKE(n, sp_field(id, buf, cap));
    return text_or_code(n);
}

FUNCTION(field_num) { return UNUSED, JS_NewFloat64(ctx, sp_field_num(int_of(argv[0]))); }
FUNCTION(field_kind) { return UNUSED, JS_NewInt32(ctx, sp_field_kind(int_of(argv[0]))); }

/* value gives a field as the language has values. */
FUNCTION(value) {
    UNUSED;
    int32_t id = int_of(argv[0]), kind = sp_field_kind(id);
    switch (kind) {
    case SP_KIND_ABSENT: return JS_UNDEFINED;
    case SP_KIND_NULL: return JS_NULL;
    case SP_KIND_FALSE: return JS_FALSE;
    case SP_KIND_TRUE: return JS_TRUE;
    case SP_KIND_NUMBER: return JS_NewNumber(ctx, sp_field_num(id));
    }
    TAKE(n, sp_field(id, buf, cap));
    if (kind == SP_KIND_STRING || n < 0) return text_or_code(n);
    buf[n] = 0;
    return JS_ParseJSON(ctx, buf, (size_t)n, "<field>");
}

/* field_bytes is field itself, for who wants to see what a host does with a buffer. */
FUNCTION(field_bytes) {
    UNUSED;
    size_t n;
    uint8_t *into = JS_GetUint8Array(ctx, &n, argv[1]);
    if (!into) return JS_EXCEPTION;
    return JS_NewInt32(ctx, sp_field(int_of(argv[0]), into, (uint32_t)n));
}

/* ---- strings ---- */

FUNCTION(str) {
    UNUSED;
    int32_t i = int_of(argv[0]);
    TAKE(n, sp_str(i, buf, cap));
    return text_or_code(n);
}

FUNCTION(str_path) {
    UNUSED;
    int32_t i = int_of(argv[0]);
    TAKE(n, sp_str_path(i, buf, cap));
    return text_or_code(n);
}

FUNCTION(str_count) { return UNUSED, JS_NewInt32(ctx, sp_str_count()); }

FUNCTION(str_replace) {
    UNUSED;
    int32_t i = int_of(argv[0]), code;
    js_text t = js_strict_of(argv[1]);
    if (!t.ptr) return JS_EXCEPTION;
    code = sp_str_replace(i, t.ptr, (uint32_t)t.len);
    js_text_free(t);
    return JS_NewInt32(ctx, code);
}

/* ---- everything at once ---- */

static uint32_t u32(const char *p) {
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* view gives the entries one after another: kind, index of the path, text. */
FUNCTION(view) {
    UNUSED;
    int32_t what = int_of(argv[0]);
    JSValue out = JS_NewArray(ctx);
    TAKE(size, sp_view(what, buf, cap));
    if (size < 0 || JS_IsException(out)) return out;
    for (uint32_t i = 0, n = u32(buf); i < n; i++) {
        const char *e = buf + SP_VIEW_HEADER_BYTES + SP_VIEW_ENTRY_BYTES * i;
        uint32_t kind = u32(e);
        JSValue text = kind == SP_KIND_ABSENT ? JS_UNDEFINED : JS_NewStringLen(ctx, buf + u32(e + 4), u32(e + 8));
        if (JS_SetPropertyUint32(ctx, out, 3 * i, JS_NewUint32(ctx, kind)) < 0 ||
            JS_SetPropertyUint32(ctx, out, 3 * i + 1, JS_NewUint32(ctx, u32(e + 12))) < 0 ||
            JS_SetPropertyUint32(ctx, out, 3 * i + 2, text) < 0)
            js_give_up();
    }
    return out;
}

/* ---- edits and lists ---- */

FUNCTION(patch) {
    UNUSED;
    int32_t op = int_of(argv[0]), code;
    js_text path = js_strict_of(argv[1]), json;
    if (!path.ptr) return JS_EXCEPTION;
    json = js_strict_of(argv[2]);
    if (!json.ptr) return js_text_free(path), JS_EXCEPTION;
    code = sp_patch(op, path.ptr, (uint32_t)path.len, json.ptr, (uint32_t)json.len);
    js_text_free(path);
    js_text_free(json);
    return JS_NewInt32(ctx, code);
}

FUNCTION(item_count) { return UNUSED, JS_NewInt32(ctx, sp_item_count()); }
FUNCTION(item_drop) { return UNUSED, JS_NewInt32(ctx, sp_item_drop(int_of(argv[0]))); }

FUNCTION(item) {
    UNUSED;
    int32_t i = int_of(argv[0]), id = int_of(argv[1]);
    TAKE(n, sp_item(i, id, buf, cap));
    return text_or_code(n);
}

/* ---- detectors and tables ---- */

/* units counts how many units of the language's strings stand in bytes of UTF-8. */
static uint32_t units(const char *p, uint32_t bytes) {
    uint32_t n = 0;
    for (const char *end = p + bytes; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        n += (c & 0xc0u) != 0x80u; /* not one that goes on */
        n += c >= 0xf0u;           /* two units */
    }
    return n;
}

/* match gives the matches one after another: start, end and rule as the host has them, then
   start and end in the language's units. */
FUNCTION(match) {
    UNUSED;
    int32_t capability = int_of(argv[0]), what = int_of(argv[1]);
    uint32_t bytes = 0, count = 0;
    TAKE(size, sp_match(capability, what, buf, cap));
    if (size < 0) return text_or_code(size);
    JSValue out = JS_NewArray(ctx);
    if (JS_IsException(out) || !size) return out;
    char *list = malloc((size_t)size);
    if (!list) sp_fail(LITERAL("no memory for matches: ask for more in limits.pages"));
    memcpy(list, buf, (size_t)size);
    TAKE(n, what >= 0 ? sp_field(what, buf, cap) : sp_str(-1 - what, buf, cap));
    for (int32_t i = 0, k = 0; n >= 0 && i < size; i += SP_MATCH_BYTES) {
        uint32_t start = u32(list + i), end = u32(list + i + 4), from;
        from = count += units(buf + bytes, start - bytes);
        count += units(buf + start, end - start);
        bytes = end;
        uint32_t all[] = {start, end, u32(list + i + 8), from, count};
        for (int j = 0; j < COUNT(all); j++)
            if (JS_SetPropertyUint32(ctx, out, (uint32_t)k++, JS_NewUint32(ctx, all[j])) < 0) js_give_up();
    }
    free(list);
    return out;
}

FUNCTION(match_rule) {
    UNUSED;
    int32_t capability = int_of(argv[0]), rule = int_of(argv[1]);
    TAKE(n, sp_match_rule(capability, rule, buf, cap));
    return text_or_code(n);
}

FUNCTION(lookup) {
    UNUSED;
    int32_t capability = int_of(argv[0]);
    js_text key = js_strict_of(argv[1]);
    if (!key.ptr) return JS_EXCEPTION;
    TAKE(n, sp_lookup(capability, key.ptr, (uint32_t)key.len, buf, cap));
    js_text_free(key);
    return text_or_code(n);
}

FUNCTION(granted) { return UNUSED, JS_NewInt32(ctx, sp_granted(int_of(argv[0]))); }
FUNCTION(feature) { return UNUSED, JS_NewInt32(ctx, sp_feature(int_of(argv[0]))); }

/* ---- what is said ---- */

static JSValue say(JSValueConst a, void (*one)(const void *, uint32_t)) {
    js_text t = js_text_of(a);
    if (!t.ptr) return JS_EXCEPTION;
    one(t.ptr, (uint32_t)t.len);
    js_text_free(t);
    return JS_UNDEFINED;
}

static JSValue say_two(JSValueConst *argv, void (*two)(const void *, uint32_t, const void *, uint32_t)) {
    js_text a = js_text_of(argv[0]), b;
    if (!a.ptr) return JS_EXCEPTION;
    b = js_text_of(argv[1]);
    if (!b.ptr) return js_text_free(a), JS_EXCEPTION;
    two(a.ptr, (uint32_t)a.len, b.ptr, (uint32_t)b.len);
    js_text_free(a);
    js_text_free(b);
    return JS_UNDEFINED;
}

FUNCTION(reason) { return UNUSED, say_two(argv, sp_reason); }
FUNCTION(note) { return UNUSED, say_two(argv, sp_note); }
FUNCTION(approve) { return UNUSED, say(argv[0], sp_approve); }
FUNCTION(label) { return UNUSED, say(argv[0], sp_label); }

FUNCTION(log_line) {
    UNUSED;
    int32_t level = int_of(argv[0]);
    js_text t = js_text_of(argv[1]);
    if (!t.ptr) return JS_EXCEPTION;
    sp_log(level, t.ptr, (uint32_t)t.len);
    js_text_free(t);
    return JS_UNDEFINED;
}

FUNCTION(give_up) {
    UNUSED;
    js_text t = js_text_of(argv[0]);
    if (!t.ptr) js_give_up();
    sp_fail(t.ptr, (uint32_t)t.len);
}

FUNCTION(now_ms) { return UNUSED, JS_NewInt64(ctx, sp_now_ms()); }

static const JSCFunctionListEntry list[] = {
    JS_CFUNC_DEF("field", 1, field),
    JS_CFUNC_DEF("field_num", 1, field_num),
    JS_CFUNC_DEF("field_kind", 1, field_kind),
    JS_CFUNC_DEF("field_bytes", 2, field_bytes),
    JS_CFUNC_DEF("value", 1, value),
    JS_CFUNC_DEF("str", 1, str),
    JS_CFUNC_DEF("str_path", 1, str_path),
    JS_CFUNC_DEF("str_count", 0, str_count),
    JS_CFUNC_DEF("str_replace", 2, str_replace),
    JS_CFUNC_DEF("view", 1, view),
    JS_CFUNC_DEF("patch", 3, patch),
    JS_CFUNC_DEF("item_count", 0, item_count),
    JS_CFUNC_DEF("item", 2, item),
    JS_CFUNC_DEF("item_drop", 1, item_drop),
    JS_CFUNC_DEF("match", 2, match),
    JS_CFUNC_DEF("match_rule", 2, match_rule),
    JS_CFUNC_DEF("lookup", 2, lookup),
    JS_CFUNC_DEF("granted", 1, granted),
    JS_CFUNC_DEF("feature", 1, feature),
    JS_CFUNC_DEF("reason", 2, reason),
    JS_CFUNC_DEF("approve", 1, approve),
    JS_CFUNC_DEF("note", 2, note),
    JS_CFUNC_DEF("label", 1, label),
    JS_CFUNC_DEF("log", 2, log_line),
    JS_CFUNC_DEF("fail", 1, give_up),
    JS_CFUNC_DEF("now_ms", 0, now_ms),
};

JSValue js_bridge(void) {
    JSValue o = JS_NewObject(js_ctx);
    if (JS_IsException(o) || JS_SetPropertyFunctionList(js_ctx, o, list, COUNT(list))) js_give_up();
    return o;
}

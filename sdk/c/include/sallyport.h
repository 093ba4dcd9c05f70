/* Plugins for Sallyport gateways, in C11 or C++17: nothing else is needed, no libc, no memory
   management. Include this in one source file and write a function for each hook:

       #include "sallyport.h"

       SP_MANIFEST({
         "abi": "sallyport/1", "name": "need-path", "version": "1.0.0",
         "hooks": ["request"], "reads": {"request": ["args.path"]}, "verdicts": ["deny"]
       })

       enum { ARGS_PATH };

       SP_ON_REQUEST(call) {
           if (!sp_there(sp_get_text(call, ARGS_PATH)))
               return sp_deny(call, SP_TEXT("no_path"), SP_TEXT("A path is needed."));
           return SP_VERDICT_PASS;
       }

   With -DSALLYPORT_NATIVE the same file is a part of a test program: see sallyport_native.h.

   What can't be judged is denied: a text that doesn't fit into the call's memory ends the
   call as a failure, and so does whatever the ABI forbids (hostapi/ABI.md). */
#ifndef SALLYPORT_H
#define SALLYPORT_H

#include "sallyport_abi.h"

/* Memory of a call, for the texts that the functions below return. */
#ifndef SP_CALL_BYTES
#define SP_CALL_BYTES 32768
#endif

/* Memory for the settings, if there are any. */
#ifndef SP_SETTINGS_BYTES
#define SP_SETTINGS_BYTES 4096
#endif

#ifdef SALLYPORT_NATIVE
#include "sallyport_native.h"
#endif

/* ---- texts ---- */

/* Bytes, most often UTF-8. ptr is null if there is no text, which is not the empty text. */
typedef struct sp_text {
    const char *ptr;
    uint32_t len;
} sp_text;

static inline sp_text sp_text_of(const char *ptr, uint32_t len) {
    sp_text t;
    t.ptr = ptr;
    t.len = len;
    return t;
}

/* SP_TEXT makes a text of a string literal. */
#define SP_TEXT(literal) sp_text_of("" literal, (uint32_t)sizeof(literal) - 1)

/* sp_there says whether there is a text. */
static inline int sp_there(sp_text t) { return t.ptr != 0; }

/* sp_same says whether two texts are the same. */
static inline int sp_same(sp_text a, sp_text b) {
    uint32_t i;
    if (a.len != b.len || !a.ptr != !b.ptr) return 0;
    for (i = 0; i < a.len; i++)
        if (a.ptr[i] != b.ptr[i]) return 0;
    return 1;
}

/* sp_begins says whether a text begins with another. */
static inline int sp_begins(sp_text t, sp_text with) {
    return t.ptr && with.ptr && t.len >= with.len && sp_same(sp_text_of(t.ptr, with.len), with);
}

/* sp_index is where a text contains another, -1 if it doesn't. */
static inline int64_t sp_index(sp_text t, sp_text what) {
    uint32_t i;
    if (!t.ptr || !what.ptr) return -1;
    for (i = 0; i + what.len <= t.len; i++)
        if (sp_begins(sp_text_of(t.ptr + i, t.len - i), what)) return i;
    return -1;
}

/* ---- calls ---- */

/* What a hook returns: SP_VERDICT_PASS, SP_VERDICT_MUTATE, or what sp_deny, sp_ask return. */
typedef int32_t sp_verdict;

/* One message that is judged. Texts that were got from a call are good until it ends. */
typedef struct sp_call {
    int32_t hook; /* SP_HOOK_... */
    uint32_t used;
    uint32_t cap;
    char *memory;
} sp_call;

/* sp_room returns memory of the call, which is aligned for any number. */
static inline char *sp_room(sp_call *c, uint32_t bytes) {
    static const char message[] = "the call's memory is full: define SP_CALL_BYTES";
    uint32_t at = (c->used + 7u) & ~7u;
    if (at > c->cap || bytes > c->cap - at) sp_fail(message, sizeof message - 1);
    c->used = at + bytes;
    return c->memory + at;
}

/* SP_TAKE has a function of the host write into what is left of the call's memory; what
   doesn't fit ends the call. */
#define SP_TAKE(c, write)                                                       \
    do {                                                                        \
        char *sp_buf = sp_room((c), 0);                                         \
        uint32_t sp_cap = (c)->cap - (c)->used;                                 \
        int32_t sp_n = (write);                                                 \
        if (sp_n < 0) return sp_text_of(0, 0);                                  \
        return sp_text_of(sp_room((c), (uint32_t)sp_n), (uint32_t)sp_n);        \
    } while (0)

/* ---- the message ---- */

/* sp_get gives a field: a string's text, anything else as JSON. The id is the index in the
   manifest's reads of the hook. */
static inline sp_text sp_get(sp_call *c, int32_t id) { SP_TAKE(c, sp_field(id, sp_buf, sp_cap)); }

/* sp_get_text gives the text of a field that is a string. Anything else is none: a list can't pass
   for a text by what its JSON looks like. */
static inline sp_text sp_get_text(sp_call *c, int32_t id) {
    return sp_field_kind(id) == SP_KIND_STRING ? sp_get(c, id) : sp_text_of(0, 0);
}

/* sp_number gives a field that is a number; NaN if it isn't one. sp_kind gives SP_KIND_... */
static inline double sp_number(sp_call *c, int32_t id) { return (void)c, sp_field_num(id); }
static inline int32_t sp_kind(sp_call *c, int32_t id) { return (void)c, sp_field_kind(id); }

/* sp_strings is how many strings the message has at the manifest's strings. */
static inline int32_t sp_strings(sp_call *c) { return (void)c, sp_str_count(); }

/* sp_string gives one of them, sp_string_path its field path. */
static inline sp_text sp_string(sp_call *c, int32_t index) { SP_TAKE(c, sp_str(index, sp_buf, sp_cap)); }
static inline sp_text sp_string_path(sp_call *c, int32_t index) { SP_TAKE(c, sp_str_path(index, sp_buf, sp_cap)); }

/* sp_replace gives a string another text. Return SP_VERDICT_MUTATE after it. False: no such
   string. */
static inline int sp_replace(sp_call *c, int32_t index, sp_text text) {
    return (void)c, sp_str_replace(index, text.ptr, text.len) == SP_CODE_OK;
}

/* sp_set gives the place at a field path a value, which is JSON; sp_remove takes it out. They
   return SP_CODE_...; after SP_CODE_OK return SP_VERDICT_MUTATE. */
static inline int32_t sp_set(sp_call *c, sp_text path, sp_text json) {
    return (void)c, sp_patch(SP_PATCH_SET, path.ptr, path.len, json.ptr, json.len);
}
static inline int32_t sp_remove(sp_call *c, sp_text path) {
    return (void)c, sp_patch(SP_PATCH_REMOVE, path.ptr, path.len, 0, 0);
}

/* sp_quote gives a text, which must be UTF-8, as JSON. */
static inline sp_text sp_quote(sp_call *c, sp_text text) {
    uint32_t i, n = 2;
    char *out, *p;
    for (i = 0; i < text.len; i++) n += (unsigned char)text.ptr[i] < ' ' ? 6 : text.ptr[i] == '"' || text.ptr[i] == '\\' ? 2 : 1;
    p = out = sp_room(c, n);
    *p++ = '"';
    for (i = 0; i < text.len; i++) {
        unsigned char b = (unsigned char)text.ptr[i];
        if (b == '"' || b == '\\' || b < ' ') *p++ = '\\';
        if (b < ' ') {
            *p++ = 'u';
            *p++ = '0';
            *p++ = '0';
            *p++ = (char)('0' + (b >> 4));
            b = (unsigned char)"0123456789abcdef"[b & 15];
        }
        *p++ = (char)b;
    }
    *p = '"';
    return sp_text_of(out, n);
}

/* sp_set_text gives the place at a field path a text. */
static inline int32_t sp_set_text(sp_call *c, sp_text path, sp_text text) { return sp_set(c, path, sp_quote(c, text)); }

/* ---- lists ---- */

/* sp_items is how many items the list has; sp_item_get gives a field of one, sp_drop leaves one
   out. Return SP_VERDICT_MUTATE after it. */
static inline int32_t sp_items(sp_call *c) { return (void)c, sp_item_count(); }
static inline sp_text sp_item_get(sp_call *c, int32_t index, int32_t id) { SP_TAKE(c, sp_item(index, id, sp_buf, sp_cap)); }
static inline int sp_drop(sp_call *c, int32_t index) { return (void)c, sp_item_drop(index) == SP_CODE_OK; }

/* ---- everything at once ---- */

/* Values as the host has laid them out. */
typedef struct sp_values {
    const unsigned char *at; /* null if there are none */
    int32_t count;
} sp_values;

typedef struct sp_value {
    int32_t kind; /* SP_KIND_... */
    int32_t path; /* index in the manifest's list */
    sp_text text; /* or JSON; null if it is absent */
} sp_value;

static inline uint32_t sp_u32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline sp_text sp_view_text(sp_call *c, int32_t what) { SP_TAKE(c, sp_view(what, sp_buf, sp_cap)); }

/* sp_all gives every field (SP_VIEW_FIELDS) or every string (SP_VIEW_STRINGS) in one call of
   the host. */
static inline sp_values sp_all(sp_call *c, int32_t what) {
    sp_text t = sp_view_text(c, what);
    sp_values v;
    v.at = (const unsigned char *)t.ptr;
    v.count = t.ptr ? (int32_t)sp_u32(v.at) : 0;
    return v;
}

/* sp_nth is one of them; it must be less than the count. */
static inline sp_value sp_nth(sp_values v, int32_t i) {
    const unsigned char *e = v.at + SP_VIEW_HEADER_BYTES + SP_VIEW_ENTRY_BYTES * (uint32_t)i;
    sp_value out;
    out.kind = (int32_t)sp_u32(e);
    out.path = (int32_t)sp_u32(e + 12);
    out.text = out.kind == SP_KIND_ABSENT ? sp_text_of(0, 0) : sp_text_of((const char *)v.at + sp_u32(e + 4), sp_u32(e + 8));
    return out;
}

/* ---- detectors and tables ---- */

typedef struct sp_matches {
    const unsigned char *at;
    int32_t count; /* SP_CODE_ABSENT, SP_CODE_WRONG_TYPE: there was no text to look at */
} sp_matches;

typedef struct sp_found {
    uint32_t start, end; /* in bytes of the text */
    int32_t rule;
} sp_found;

/* SP_STRING names a string where sp_find takes a field's id. */
#define SP_STRING(index) (-1 - (index))

/* sp_find runs detectors over a field or a string. The capability is the index in the
   manifest's capabilities. */
static inline sp_matches sp_find(sp_call *c, int32_t capability, int32_t what) {
    sp_matches m;
    char *buf = sp_room(c, 0);
    int32_t n = sp_match(capability, what, buf, c->cap - c->used);
    m.at = (const unsigned char *)buf;
    m.count = n;
    if (n > 0) {
        m.at = (const unsigned char *)sp_room(c, (uint32_t)n);
        m.count = n / SP_MATCH_BYTES;
    }
    return m;
}

/* sp_found_at is one of the matches; it must be less than the count. */
static inline sp_found sp_found_at(sp_matches m, int32_t i) {
    const unsigned char *e = m.at + SP_MATCH_BYTES * (uint32_t)i;
    sp_found out;
    out.start = sp_u32(e);
    out.end = sp_u32(e + 4);
    out.rule = (int32_t)sp_u32(e + 8);
    return out;
}

static inline sp_text sp_rule_name(sp_call *c, int32_t capability, int32_t rule) {
    SP_TAKE(c, sp_match_rule(capability, rule, sp_buf, sp_cap));
}

/* sp_table gives what a table has for a key. */
static inline sp_text sp_table(sp_call *c, int32_t capability, sp_text key) {
    SP_TAKE(c, sp_lookup(capability, key.ptr, key.len, sp_buf, sp_cap));
}

/* ---- the decision ---- */

/* sp_deny is a verdict: deny, for a reason. */
static inline sp_verdict sp_deny(sp_call *c, sp_text code, sp_text text) {
    (void)c;
    sp_reason(code.ptr, code.len, text.ptr, text.len);
    return SP_VERDICT_DENY;
}

/* sp_ask is a verdict: a human must agree. */
static inline sp_verdict sp_ask(sp_call *c, sp_text text) {
    (void)c;
    sp_approve(text.ptr, text.len);
    return SP_VERDICT_APPROVE;
}

/* sp_record puts a text into the decision's record, sp_mark marks the message, sp_print writes
   a line to the operator's log. sp_give_up ends the call as a failure, which denies. */
static inline void sp_record(sp_text key, sp_text text) { sp_note(key.ptr, key.len, text.ptr, text.len); }
static inline void sp_mark(sp_text name) { sp_label(name.ptr, name.len); }
static inline void sp_print(int32_t level, sp_text text) { sp_log(level, text.ptr, text.len); }
static inline SP_NORETURN void sp_give_up(sp_text text) { sp_fail(text.ptr, text.len); }

/* ---- what makes a plugin of it ---- */

#ifdef __cplusplus
#define SP_C extern "C"
#else
#define SP_C
#endif

#ifndef SALLYPORT_NATIVE
/* SP_MANIFEST puts a manifest, written as it is, into the module. */
#define SP_MANIFEST(...) SP_MANIFEST_1(#__VA_ARGS__)
#define SP_MANIFEST_1(text) SP_MANIFEST_2(text)
#define SP_MANIFEST_2(text) \
    __asm__(".section .custom_section." SP_MANIFEST_SECTION ",\"\",@\n.ascii " #text "\n.text\n");
#endif

/* sp_begin begins a call, in memory that all hooks share. */
static inline sp_call sp_begin(int32_t hook) {
    static uint64_t memory[SP_CALL_BYTES / 8];
    sp_call c;
    c.hook = hook;
    c.used = 0;
    c.cap = sizeof memory;
    c.memory = (char *)memory;
    return c;
}

/* SP_ON_REQUEST(call) { ... }, and so on: the hooks. */
#define SP_ON_REQUEST(call) SP_HOOK(SP_HOOK_REQUEST, sp_on_request, call)
#define SP_ON_RESPONSE(call) SP_HOOK(SP_HOOK_RESPONSE, sp_on_response, call)
#define SP_ON_LIST(call) SP_HOOK(SP_HOOK_LIST, sp_on_list, call)

#define SP_HOOK(number, name, call)                                   \
    static sp_verdict name##_(sp_call *call);                         \
    SP_C SP_EXPORT(#name) int32_t name(void) {                        \
        sp_call c = sp_begin(number);                                 \
        return name##_(&c);                                           \
    }                                                                 \
    static sp_verdict name##_(sp_call *call)

/* SP_CONFIGURE(settings) { ... return 0; } takes the settings, a JSON object without white
   space, and may keep pointing at them. Anything but 0 refuses them: sp_refuse says why.
   SP_VALIDATE_SETTINGS, which comes before it, needs SP_CONFIGURE too. */
#define SP_CONFIGURE(settings)                                              \
    SP_C SP_EXPORT("sp_alloc") void *sp_alloc(uint32_t len) {               \
        static uint64_t memory[SP_SETTINGS_BYTES / 8];                      \
        return len <= sizeof memory ? (void *)memory : (void *)0;           \
    }                                                                       \
    SP_BOOT(sp_configure, settings)
#define SP_VALIDATE_SETTINGS(settings) SP_BOOT(sp_validate_settings, settings)

#define SP_BOOT(name, settings)                                             \
    static int32_t name##_(sp_text settings);                               \
    SP_C SP_EXPORT(#name) int32_t name(const char *at, uint32_t len) {      \
        return name##_(sp_text_of(at, len));                                \
    }                                                                       \
    static int32_t name##_(sp_text settings)

/* sp_refuse refuses settings; path is a JSON Pointer to what is wrong with them. */
static inline int32_t sp_refuse(sp_text code, sp_text text, sp_text path) {
    sp_reason(code.ptr, code.len, text.ptr, text.len);
    if (path.ptr) sp_record(SP_TEXT("path"), path);
    return 1;
}

/* SP_SELFTEST() { ... return 0; } tests the plugin before it serves. */
#define SP_SELFTEST() SP_C SP_EXPORT("sp_selftest") int32_t sp_selftest(void)

#endif

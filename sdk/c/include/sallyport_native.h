/* A host for tests: with -DSALLYPORT_NATIVE, sallyport.h includes this, and a plugin is tested
   by a C or C++ program on the machine at hand.

       #define SALLYPORT_NATIVE
       #include "plugin.c"

       int main(void) {
           sp_fake_reset();
           sp_fake_text("args.path", "/etc/passwd");
           assert(sp_fake_call(SP_HOOK_REQUEST)->verdict == SP_VERDICT_PASS);
       }

   It reads ids from the plugin's manifest, and refuses what a gateway refuses: ids that are not
   declared, edits outside of writes, verdicts that are not declared, codes and keys of the
   wrong form. It knows no JSON documents: a test names the values that the plugin asks for.
   What a gateway does with a whole message, the kit in hostapi/tck tests. */
#ifndef SALLYPORT_NATIVE_H
#define SALLYPORT_NATIVE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
#define SP_WEAK extern "C" __attribute__((weak))
#else
#define SP_WEAK __attribute__((weak))
#endif

#define SP_FAKE_MOST 128
#define SP_FAKE_TEXT 4096

/* What a call came to. */
typedef struct sp_outcome {
    int32_t verdict;         /* deny if the call failed */
    const char *failure;     /* SP_FAILURE_..., null if there is none */
    char why[SP_FAKE_TEXT];  /* of the failure */
    char code[SP_FAKE_TEXT]; /* of the reason; denied_by_plugin if the plugin gave none */
    char text[SP_FAKE_TEXT];
    char approval[SP_FAKE_TEXT];
} sp_outcome;

/* A value that a test gave, or something that the plugin did. */
typedef struct sp_fake_entry {
    int32_t kind;  /* of a value: SP_KIND_...; of an edit: SP_PATCH_... */
    int32_t index; /* of an item, of a match's rule */
    char *key;     /* a path, a key, a label, the name of a table */
    char *text;    /* JSON if it is no string */
    uint32_t len;
} sp_fake_entry;

typedef struct sp_fake_list {
    sp_fake_entry at[SP_FAKE_MOST];
    int32_t count;
} sp_fake_list;

typedef struct sp_fake_state {
    sp_fake_list fields, strings, items, tables, detectors, withheld; /* what the test gave */
    sp_fake_list notes, labels, logs, edits, drops;                   /* what the plugin did */
    int32_t item_count, hook, calling, booting, lacks;
    int64_t now;
    sp_outcome out;
    jmp_buf end;
} sp_fake_state;

__attribute__((weak)) sp_fake_state sp_fake;

/* The plugin's, of which some may be missing. */
#ifdef __cplusplus
extern "C" {
#endif
extern const char sp_manifest_text[];
__attribute__((weak)) int32_t sp_on_request(void);
__attribute__((weak)) int32_t sp_on_response(void);
__attribute__((weak)) int32_t sp_on_list(void);
__attribute__((weak)) void *sp_alloc(uint32_t);
__attribute__((weak)) int32_t sp_validate_settings(const char *, uint32_t);
__attribute__((weak)) int32_t sp_configure(const char *, uint32_t);
__attribute__((weak)) int32_t sp_selftest(void);
#ifdef __cplusplus
}
#endif

#ifdef __cplusplus
#define SP_MANIFEST(...) extern "C" const char sp_manifest_text[] = #__VA_ARGS__;
#else
#define SP_MANIFEST(...) const char sp_manifest_text[] = #__VA_ARGS__;
#endif

/* ---- lists ---- */

static inline sp_fake_entry *sp_fake_add(sp_fake_list *l, const char *key, const void *text, uint32_t len) {
    sp_fake_entry *e = &l->at[l->count];
    if (l->count == SP_FAKE_MOST) {
        fputs("sallyport_native.h: the test gives more than it can hold\n", stderr);
        abort();
    }
    l->count++;
    memset(e, 0, sizeof *e);
    e->key = (char *)calloc(strlen(key) + 1, 1);
    e->text = (char *)calloc(len + 1, 1);
    if (!e->key || !e->text) abort();
    memcpy(e->key, key, strlen(key));
    if (len) memcpy(e->text, text, len);
    e->len = len;
    return e;
}

static inline sp_fake_entry *sp_fake_get(sp_fake_list *l, const char *key, int32_t index) {
    int32_t i;
    for (i = l->count - 1; i >= 0; i--)
        if (l->at[i].index == index && !strcmp(l->at[i].key, key)) return &l->at[i];
    return 0;
}

static inline void sp_fake_forget(sp_fake_list *l) {
    while (l->count > 0) {
        l->count--;
        free(l->at[l->count].key);
        free(l->at[l->count].text);
    }
}

/* ---- what a test gives ---- */

/* sp_fake_reset forgets everything. */
static inline void sp_fake_reset(void) {
    sp_fake_list *all[] = {&sp_fake.fields, &sp_fake.strings, &sp_fake.items, &sp_fake.tables, &sp_fake.detectors, &sp_fake.withheld,
                           &sp_fake.notes,  &sp_fake.labels,  &sp_fake.logs,  &sp_fake.edits,  &sp_fake.drops};
    size_t i;
    for (i = 0; i < sizeof all / sizeof *all; i++) sp_fake_forget(all[i]);
    memset(&sp_fake, 0, sizeof sp_fake);
}

static inline int32_t sp_fake_kind(const char *json) {
    switch (*json) {
    case 'n': return SP_KIND_NULL;
    case 'f': return SP_KIND_FALSE;
    case 't': return SP_KIND_TRUE;
    case '[': return SP_KIND_ARRAY;
    case '{': return SP_KIND_OBJECT;
    }
    return SP_KIND_NUMBER;
}

/* sp_fake_text and sp_fake_json give the field at a path a value: a string, or another as JSON
   (sp_fake_json takes no strings). */
static inline void sp_fake_text(const char *path, const char *text) {
    sp_fake_add(&sp_fake.fields, path, text, (uint32_t)strlen(text))->kind = SP_KIND_STRING;
}
static inline void sp_fake_json(const char *path, const char *json) {
    sp_fake_add(&sp_fake.fields, path, json, (uint32_t)strlen(json))->kind = sp_fake_kind(json);
}

/* sp_fake_string adds a string to those that the plugin enumerates. */
static inline void sp_fake_string(const char *path, const char *text) {
    sp_fake_add(&sp_fake.strings, path, text, (uint32_t)strlen(text))->kind = SP_KIND_STRING;
}

/* sp_fake_item gives an item of the list the string at a path that begins with items[*]. */
static inline void sp_fake_item(int32_t index, const char *path, const char *text) {
    sp_fake_add(&sp_fake.items, path, text, (uint32_t)strlen(text))->index = index;
    if (index >= sp_fake.item_count) sp_fake.item_count = index + 1;
}

/* sp_fake_table gives a table (the name of a capability, such as lookup:tenants) a text for a
   key. sp_fake_detect has a set of detectors (such as match:pii) find a text, as a rule. */
static inline void sp_fake_table(const char *capability, const char *key, const char *text) {
    char both[SP_FAKE_TEXT];
    snprintf(both, sizeof both, "%s %s", capability, key);
    sp_fake_add(&sp_fake.tables, both, text, (uint32_t)strlen(text));
}
static inline void sp_fake_detect(const char *capability, int32_t rule, const char *text) {
    sp_fake_add(&sp_fake.detectors, capability, text, (uint32_t)strlen(text))->index = rule;
}

/* sp_fake_withhold doesn't grant a capability, sp_fake_lack lacks a feature, sp_fake_time sets
   the time of the decision. */
static inline void sp_fake_withhold(const char *capability) { sp_fake_add(&sp_fake.withheld, capability, "", 0); }
static inline void sp_fake_lack(int32_t feature) { sp_fake.lacks |= 1 << feature; }
static inline void sp_fake_time(int64_t ms) { sp_fake.now = ms; }

/* ---- what a test sees ---- */

/* sp_fake_note, sp_fake_edit give what the plugin noted for a key, and the value that it gave a
   place ("" if it removed it); null if it didn't. An edit of a string has its text. */
static inline const char *sp_fake_note(const char *key) {
    sp_fake_entry *e = sp_fake_get(&sp_fake.notes, key, 0);
    return e ? e->text : 0;
}
static inline const char *sp_fake_edit(const char *path) {
    sp_fake_entry *e = sp_fake_get(&sp_fake.edits, path, 0);
    return e ? e->text : 0;
}
static inline int sp_fake_labelled(const char *name) { return sp_fake_get(&sp_fake.labels, name, 0) != 0; }
static inline int sp_fake_logged(int32_t level, const char *text) { return sp_fake_get(&sp_fake.logs, text, level) != 0; }
static inline int sp_fake_dropped(int32_t item) { return sp_fake_get(&sp_fake.drops, "", item) != 0; }

/* ---- failures ---- */

__attribute__((noreturn, format(printf, 2, 3))) static inline void sp_fake_stop(const char *failure, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(sp_fake.out.why, sizeof sp_fake.out.why, format, args);
    va_end(args);
    sp_fake.out.failure = failure;
    if (!sp_fake.calling && !sp_fake.booting) {
        fprintf(stderr, "sallyport_native.h: called outside of a call: %s\n", sp_fake.out.why);
        abort();
    }
    longjmp(sp_fake.end, 1);
}

static inline void sp_fake_in_hook(const char *name) {
    if (!sp_fake.calling) sp_fake_stop(SP_FAILURE_ABI, "%s is called before the first hook", name);
}

static inline void sp_fake_in_list(const char *name) {
    sp_fake_in_hook(name);
    if (sp_fake.hook != SP_HOOK_LIST) sp_fake_stop(SP_FAILURE_ABI, "%s is called in another hook than list", name);
}

/* ---- the manifest ---- */

static inline const char *sp_fake_space(const char *p) { return p + strspn(p, " \t\r\n,:"); }

/* sp_fake_skip returns what comes after the JSON value at p. */
static inline const char *sp_fake_skip(const char *p) {
    int depth = 0;
    for (; *p; p++) {
        if (*p == '"')
            for (p++; *p && *p != '"'; p++) p += *p == '\\' && p[1];
        else if (*p == '{' || *p == '[')
            depth++;
        else if (*p == '}' || *p == ']')
            depth--;
        if (depth == 0 && !strchr("-+.0123456789truefalsn", p[1])) return *p ? p + 1 : p;
        if (depth == 0 && strchr("\"]}", *p)) return p + 1;
    }
    return p;
}

/* sp_fake_member finds a member of the JSON object at p. */
static inline const char *sp_fake_member(const char *p, const char *name) {
    size_t n = strlen(name);
    if (!p || *p != '{') return 0;
    for (p = sp_fake_space(p + 1); *p == '"'; p = sp_fake_space(sp_fake_skip(sp_fake_space(sp_fake_skip(p)))))
        if (!strncmp(p + 1, name, n) && p[n + 1] == '"') return sp_fake_space(sp_fake_skip(p));
    return 0;
}

/* sp_fake_element copies the string with an index in the JSON array at p. */
static inline int sp_fake_element(const char *p, int32_t index, char *out, size_t size) {
    size_t n = 0;
    if (!p || *p != '[' || index < 0) return 0;
    for (p = sp_fake_space(p + 1); index > 0 && *p == '"'; index--) p = sp_fake_space(sp_fake_skip(p));
    if (*p != '"') return 0;
    for (p++; *p && *p != '"' && n + 1 < size; p++) {
        p += *p == '\\' && p[1];
        out[n++] = *p;
    }
    out[n] = 0;
    return 1;
}

static inline const char *sp_fake_of_hook(const char *key) {
    static const char *const hooks[] = {"request", "response", "list"};
    return sp_fake_member(sp_fake_member(sp_manifest_text, key), hooks[sp_fake.hook]);
}

static inline int sp_fake_declares(const char *key, const char *text) {
    char e[SP_FAKE_TEXT];
    int32_t i;
    for (i = 0; sp_fake_element(sp_fake_member(sp_manifest_text, key), i, e, sizeof e); i++)
        if (!strcmp(e, text)) return 1;
    return 0;
}

/* sp_fake_path gives the path of a read, or ends the call. */
static inline const char *sp_fake_path(int32_t id) {
    static char path[SP_FAKE_TEXT];
    if (!sp_fake_element(sp_fake_of_hook("reads"), id, path, sizeof path))
        sp_fake_stop(SP_FAILURE_CAPABILITY, "field %d is not declared", (int)id);
    return path;
}

/* sp_fake_capability gives the name of a capability, or ends the call. */
static inline const char *sp_fake_capability(int32_t id, const char *kind) {
    static char name[SP_FAKE_TEXT];
    if (!sp_fake_element(sp_fake_member(sp_manifest_text, "capabilities"), id, name, sizeof name) || strncmp(name, kind, strlen(kind)))
        sp_fake_stop(SP_FAILURE_CAPABILITY, "capability %d is not declared as one of the kind %s", (int)id, kind);
    if (sp_fake_get(&sp_fake.withheld, name, 0)) sp_fake_stop(SP_FAILURE_CAPABILITY, "%s is not granted", name);
    return name;
}

/* sp_fake_within says whether a place is at or below one that a path names. */
static inline int sp_fake_within(const char *path, const char *place) {
    while (*path) {
        if (!strncmp(path, "[*]", 3) && *place == '[' && place[1] >= '0' && place[1] <= '9') {
            place += strcspn(place, "]") + 1;
            path += 3;
        } else if (*path++ != *place++)
            return 0;
    }
    return *place == 0 || *place == '.' || *place == '[';
}

static inline void sp_fake_may_write(const char *place) {
    char path[SP_FAKE_TEXT];
    int32_t i;
    for (i = 0; sp_fake_element(sp_fake_member(sp_manifest_text, "writes"), i, path, sizeof path); i++)
        if (sp_fake_within(path, place)) return;
    sp_fake_stop(SP_FAILURE_CAPABILITY, "%s is not within writes", place);
}

/* ---- the functions of the host ---- */

static inline int32_t sp_fake_give(const void *text, uint32_t len, void *buf, uint32_t cap) {
    if (len <= cap && len) memcpy(buf, text, len);
    return (int32_t)len;
}

static inline int32_t sp_fake_give_entry(const sp_fake_entry *e, void *buf, uint32_t cap) {
    return e ? sp_fake_give(e->text, e->len, buf, cap) : SP_CODE_ABSENT;
}

static inline sp_fake_entry *sp_fake_field(int32_t id) {
    const char *path = sp_fake_path(id);
    return strncmp(path, "items[*]", 8) ? sp_fake_get(&sp_fake.fields, path, 0) : 0;
}

static inline sp_fake_entry *sp_fake_string_at(int32_t index) {
    return index >= 0 && index < sp_fake.strings.count ? &sp_fake.strings.at[index] : 0;
}

SP_WEAK int32_t sp_field(int32_t id, void *buf, uint32_t cap) {
    sp_fake_in_hook("field");
    if (!strncmp(sp_fake_path(id), "items[*]", 8)) return SP_CODE_WRONG_TYPE;
    return sp_fake_give_entry(sp_fake_field(id), buf, cap);
}
SP_WEAK double sp_field_num(int32_t id) {
    sp_fake_entry *e = (sp_fake_in_hook("field_num"), sp_fake_field(id));
    return e && e->kind == SP_KIND_NUMBER ? strtod(e->text, 0) : (double)NAN;
}
SP_WEAK int32_t sp_field_kind(int32_t id) {
    sp_fake_entry *e = (sp_fake_in_hook("field_kind"), sp_fake_field(id));
    return e ? e->kind : SP_KIND_ABSENT;
}
SP_WEAK int32_t sp_str_count(void) { return sp_fake_in_hook("str_count"), sp_fake.strings.count; }
SP_WEAK int32_t sp_str(int32_t index, void *buf, uint32_t cap) {
    return sp_fake_in_hook("str"), sp_fake_give_entry(sp_fake_string_at(index), buf, cap);
}
SP_WEAK int32_t sp_str_path(int32_t index, void *buf, uint32_t cap) {
    sp_fake_entry *e = (sp_fake_in_hook("str_path"), sp_fake_string_at(index));
    return e ? sp_fake_give(e->key, (uint32_t)strlen(e->key), buf, cap) : SP_CODE_ABSENT;
}
static inline int sp_fake_utf8(const unsigned char *s, uint32_t len) {
    uint32_t i = 0, k, n, c;
    for (; i < len; i += n + 1) {
        c = s[i];
        n = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 9;
        if (n > 3 || n >= len - i) return 0;
        for (k = 1; k <= n; k++)
            if ((s[i + k] & 0xc0) != 0x80) return 0;
        if ((c == 0xe0 && s[i + 1] < 0xa0) || (c == 0xed && s[i + 1] > 0x9f)) return 0;
        if ((c == 0xf0 && s[i + 1] < 0x90) || (c == 0xf4 && s[i + 1] > 0x8f)) return 0;
    }
    return 1;
}

SP_WEAK int32_t sp_str_replace(int32_t index, const void *text, uint32_t len) {
    sp_fake_entry *e = (sp_fake_in_hook("str_replace"), sp_fake_string_at(index));
    if (!e) return SP_CODE_ABSENT;
    if (!sp_fake_utf8((const unsigned char *)text, len)) sp_fake_stop(SP_FAILURE_ABI, "the new text of string %d is not UTF-8", (int)index);
    sp_fake_may_write(e->key);
    sp_fake_add(&sp_fake.edits, e->key, text, len);
    return SP_CODE_OK;
}
SP_WEAK int32_t sp_patch(int32_t op, const void *path, uint32_t path_len, const void *json, uint32_t json_len) {
    char place[SP_FAKE_TEXT];
    sp_fake_in_hook("patch");
    if (op < SP_PATCH_SET || op > SP_PATCH_REMOVE || path_len >= sizeof place || !path_len || (op == SP_PATCH_REMOVE) != !json_len)
        sp_fake_stop(SP_FAILURE_ABI, "patch: no such op, no path, or a value where there may be none");
    memcpy(place, path, path_len);
    place[path_len] = 0;
    if (strstr(place, "[*]")) sp_fake_stop(SP_FAILURE_ABI, "patch: %s is more than one place", place);
    sp_fake_may_write(place);
    sp_fake_add(&sp_fake.edits, place, json, json_len)->kind = op;
    sp_fake.edits.at[sp_fake.edits.count - 1].index = 0;
    return SP_CODE_OK;
}
SP_WEAK int32_t sp_item_count(void) { return sp_fake_in_list("item_count"), sp_fake.item_count; }
SP_WEAK int32_t sp_item(int32_t index, int32_t id, void *buf, uint32_t cap) {
    const char *path = (sp_fake_in_list("item"), sp_fake_path(id));
    if (strncmp(path, "items[*]", 8)) return SP_CODE_WRONG_TYPE;
    return sp_fake_give_entry(sp_fake_get(&sp_fake.items, path, index), buf, cap);
}
SP_WEAK int32_t sp_item_drop(int32_t index) {
    sp_fake_in_list("item_drop");
    if (index < 0 || index >= sp_fake.item_count) return SP_CODE_ABSENT;
    sp_fake_add(&sp_fake.drops, "", "", 0)->index = index;
    return SP_CODE_OK;
}

static inline void sp_fake_put(unsigned char *p, size_t n) {
    int i;
    for (i = 0; i < 4; i++) p[i] = (unsigned char)(n >> (8 * i));
}

SP_WEAK int32_t sp_view(int32_t what, void *buf, uint32_t cap) {
    unsigned char *p = (unsigned char *)buf;
    char path[SP_FAKE_TEXT];
    sp_fake_entry *e[SP_FAKE_MOST];
    int32_t paths[SP_FAKE_MOST];
    int32_t i, k, n = 0;
    size_t at, size;
    sp_fake_in_hook("view");
    memset(e, 0, sizeof e);
    memset(paths, 0, sizeof paths);
    if (what == SP_VIEW_FIELDS)
        for (; n < SP_FAKE_MOST && sp_fake_element(sp_fake_of_hook("reads"), n, path, sizeof path); n++) {
            e[n] = sp_fake_field(n);
            paths[n] = n;
        }
    else if (what == SP_VIEW_STRINGS)
        for (; n < sp_fake.strings.count; n++) {
            e[n] = &sp_fake.strings.at[n];
            for (k = 0; sp_fake_element(sp_fake_of_hook("strings"), k, path, sizeof path); k++)
                if (sp_fake_within(path, e[n]->key)) paths[n] = k;
        }
    else
        sp_fake_stop(SP_FAILURE_ABI, "there is no view %d", (int)what);
    at = size = SP_VIEW_HEADER_BYTES + SP_VIEW_ENTRY_BYTES * (size_t)n;
    for (i = 0; i < n; i++) size += e[i] ? e[i]->len : 0;
    if (size > cap) return (int32_t)size;
    sp_fake_put(p, (size_t)n);
    sp_fake_put(p + 4, size);
    for (i = 0; i < n; i++) {
        unsigned char *entry = p + SP_VIEW_HEADER_BYTES + SP_VIEW_ENTRY_BYTES * i;
        uint32_t len = e[i] ? e[i]->len : 0;
        sp_fake_put(entry, e[i] ? (size_t)e[i]->kind : (size_t)SP_KIND_ABSENT);
        sp_fake_put(entry + 4, at);
        sp_fake_put(entry + 8, len);
        sp_fake_put(entry + 12, (size_t)paths[i]);
        if (len) memcpy(p + at, e[i]->text, len);
        at += len;
    }
    return (int32_t)size;
}

SP_WEAK int32_t sp_match(int32_t capability, int32_t what, void *buf, uint32_t cap) {
    const char *name = (sp_fake_in_hook("match"), sp_fake_capability(capability, "match:"));
    sp_fake_entry *e = what < 0 ? sp_fake_string_at(-1 - what) : sp_fake_field(what);
    unsigned char out[SP_MATCH_BYTES * SP_FAKE_MOST];
    uint32_t n = 0, at = 0;
    int32_t i;
    if (!e) return SP_CODE_ABSENT;
    if (e->kind != SP_KIND_STRING) return SP_CODE_WRONG_TYPE;
    for (; at < e->len && n < SP_FAKE_MOST; at++) {
        const sp_fake_entry *best = 0;
        for (i = 0; i < sp_fake.detectors.count; i++) {
            const sp_fake_entry *d = &sp_fake.detectors.at[i];
            if (d->len && !strcmp(d->key, name) && d->len <= e->len - at && !memcmp(e->text + at, d->text, d->len) &&
                (!best || d->len > best->len || (d->len == best->len && d->index < best->index)))
                best = d;
        }
        if (!best) continue;
        sp_fake_put(out + SP_MATCH_BYTES * n, at);
        sp_fake_put(out + SP_MATCH_BYTES * n + 4, at + best->len);
        sp_fake_put(out + SP_MATCH_BYTES * n + 8, (size_t)best->index);
        n++;
        at += best->len - 1;
    }
    return sp_fake_give(out, n * SP_MATCH_BYTES, buf, cap);
}
SP_WEAK int32_t sp_match_rule(int32_t capability, int32_t rule, void *buf, uint32_t cap) {
    const char *set = sp_fake_capability(capability, "match:");
    char name[32];
    int32_t i;
    for (i = 0; i < sp_fake.detectors.count; i++)
        if (!strcmp(sp_fake.detectors.at[i].key, set) && sp_fake.detectors.at[i].index == rule) {
            snprintf(name, sizeof name, "rule-%d", (int)rule);
            return sp_fake_give(name, (uint32_t)strlen(name), buf, cap);
        }
    return SP_CODE_ABSENT;
}
SP_WEAK int32_t sp_lookup(int32_t capability, const void *key, uint32_t key_len, void *buf, uint32_t cap) {
    const char *table = (sp_fake_in_hook("lookup"), sp_fake_capability(capability, "lookup:"));
    char both[SP_FAKE_TEXT];
    snprintf(both, sizeof both, "%s %.*s", table, (int)key_len, (const char *)key);
    return sp_fake_give_entry(sp_fake_get(&sp_fake.tables, both, 0), buf, cap);
}

/* sp_fake_word copies a code, a key or a label, or ends the call. */
static inline void sp_fake_word(char *out, const void *word, uint32_t len, uint32_t most, int code) {
    const char *s = (const char *)word;
    uint32_t i;
    int ok = len > 0 && len <= most && (!code || (s[0] >= 'a' && s[0] <= 'z'));
    for (i = 0; ok && i < len; i++) ok = s[i] && strchr("abcdefghijklmnopqrstuvwxyz0123456789_.-", s[i]);
    if (!ok) sp_fake_stop(SP_FAILURE_ABI, "\"%.*s\" is not spelled as a code or a key is", (int)(len > 200 ? 200 : len), s);
    memcpy(out, s, len);
    out[len] = 0;
}

static inline void sp_fake_cut(char *out, const void *text, uint32_t len) {
    const char *s = (const char *)text;
    if (len > SP_LIMIT_TEXT_BYTES)
        for (len = SP_LIMIT_TEXT_BYTES; len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80;) len--;
    if (len) memcpy(out, s, len);
    out[len] = 0;
}

SP_WEAK void sp_reason(const void *code, uint32_t code_len, const void *text, uint32_t text_len) {
    sp_fake_word(sp_fake.out.code, code, code_len, SP_LIMIT_REASON_CODE_BYTES, 1);
    sp_fake_cut(sp_fake.out.text, text, text_len);
}
SP_WEAK void sp_approve(const void *text, uint32_t text_len) {
    sp_fake_in_hook("approve");
    sp_fake_cut(sp_fake.out.approval, text, text_len);
}
SP_WEAK void sp_note(const void *key, uint32_t key_len, const void *text, uint32_t text_len) {
    char word[SP_LIMIT_REASON_CODE_BYTES + 1], cut[SP_LIMIT_TEXT_BYTES + 1];
    sp_fake_word(word, key, key_len, SP_LIMIT_KEY_BYTES, 0);
    sp_fake_cut(cut, text, text_len);
    if (!sp_fake_get(&sp_fake.notes, word, 0) && sp_fake.notes.count == SP_LIMIT_NOTES)
        sp_fake_stop(SP_FAILURE_ABI, "more than %d notes", SP_LIMIT_NOTES);
    sp_fake_add(&sp_fake.notes, word, cut, (uint32_t)strlen(cut));
}
SP_WEAK void sp_label(const void *name, uint32_t name_len) {
    char word[SP_LIMIT_REASON_CODE_BYTES + 1];
    sp_fake_in_hook("label");
    sp_fake_word(word, name, name_len, SP_LIMIT_KEY_BYTES, 0);
    if (sp_fake_get(&sp_fake.labels, word, 0)) return;
    if (sp_fake.labels.count == SP_LIMIT_LABELS) sp_fake_stop(SP_FAILURE_ABI, "more than %d labels", SP_LIMIT_LABELS);
    sp_fake_add(&sp_fake.labels, word, "", 0);
}
SP_WEAK int64_t sp_now_ms(void) {
    const char *d = (sp_fake_in_hook("now_ms"), sp_fake_member(sp_manifest_text, "deterministic"));
    if (d && *d == 't') sp_fake_stop(SP_FAILURE_CAPABILITY, "now_ms in a plugin that says it is deterministic");
    return sp_fake.now;
}
SP_WEAK int32_t sp_feature(int32_t id) { return id >= 1 && id <= SP_FEATURE_LOOKUP && !(sp_fake.lacks & 1 << id); }
SP_WEAK int32_t sp_granted(int32_t capability) {
    char name[SP_FAKE_TEXT];
    return sp_fake_element(sp_fake_member(sp_manifest_text, "capabilities"), capability, name, sizeof name) && !sp_fake_get(&sp_fake.withheld, name, 0);
}
SP_WEAK void sp_log(int32_t level, const void *text, uint32_t text_len) {
    char cut[SP_LIMIT_TEXT_BYTES + 1];
    sp_fake_cut(cut, text, text_len);
    if (sp_fake.logs.count == SP_LIMIT_LOG_LINES) return;
    sp_fake_add(&sp_fake.logs, cut, "", 0)->index = level < SP_LEVEL_DEBUG || level > SP_LEVEL_ERROR ? SP_LEVEL_ERROR : level;
}
SP_WEAK SP_NORETURN void sp_fail(const void *text, uint32_t text_len) {
    sp_fake_stop(SP_FAILURE_TRAP, "%.*s", (int)text_len, (const char *)text);
}

/* ---- running a plugin ---- */

/* sp_fake_accept ends the call if the plugin may not give its verdict. */
static inline void sp_fake_accept(int32_t v) {
    static const char *const names[] = {"pass", "deny", "mutate", "approve", "abstain"};
    int edited = sp_fake.edits.count + sp_fake.drops.count > 0;
    if (v < SP_VERDICT_PASS || v > SP_VERDICT_ABSTAIN) sp_fake_stop(SP_FAILURE_ABI, "there is no verdict %d", (int)v);
    if (v != SP_VERDICT_PASS && v != SP_VERDICT_ABSTAIN && !sp_fake_declares("verdicts", names[v]))
        sp_fake_stop(SP_FAILURE_CAPABILITY, "the verdict %s is not declared", names[v]);
    if (edited && v != SP_VERDICT_MUTATE && v != SP_VERDICT_DENY) sp_fake_stop(SP_FAILURE_ABI, "edits with the verdict %s", names[v]);
    sp_fake.out.verdict = v == SP_VERDICT_MUTATE && !edited ? SP_VERDICT_PASS : v;
}

/* sp_fake_call calls a hook with what the test gave. */
static inline const sp_outcome *sp_fake_call(int32_t hook) {
    int32_t (*const hooks[])(void) = {sp_on_request, sp_on_response, sp_on_list};
    sp_fake_list *done[] = {&sp_fake.notes, &sp_fake.labels, &sp_fake.logs, &sp_fake.edits, &sp_fake.drops};
    sp_outcome *out = &sp_fake.out;
    size_t i;
    for (i = 0; i < sizeof done / sizeof *done; i++) sp_fake_forget(done[i]);
    memset(out, 0, sizeof *out);
    out->verdict = SP_VERDICT_DENY;
    sp_fake.hook = hook;
    sp_fake.calling = 1;
    if (!setjmp(sp_fake.end)) {
        if (hook < SP_HOOK_REQUEST || hook > SP_HOOK_LIST || !hooks[hook]) sp_fake_stop(SP_FAILURE_ABI, "the plugin has no hook %d", (int)hook);
        sp_fake_accept(hooks[hook]());
    } else {
        sp_fake_forget(&sp_fake.labels);
        sp_fake_forget(&sp_fake.edits);
        sp_fake_forget(&sp_fake.drops);
        memcpy(out->code, "plugin_failed", sizeof "plugin_failed");
        out->verdict = SP_VERDICT_DENY;
        out->text[0] = out->approval[0] = 0;
    }
    sp_fake.calling = 0;
    if (out->verdict == SP_VERDICT_DENY) {
        sp_fake_forget(&sp_fake.edits);
        sp_fake_forget(&sp_fake.drops);
        if (!out->code[0]) memcpy(out->code, "denied_by_plugin", sizeof "denied_by_plugin");
    } else
        out->code[0] = out->text[0] = 0;
    if (out->verdict != SP_VERDICT_APPROVE) out->approval[0] = 0;
    return out;
}

/* sp_fake_boot boots the plugin with settings: 0, or what it refused them with, or -1 if it
   failed. Its reason is in sp_fake.out. */
static inline int32_t sp_fake_boot(const char *settings) {
    uint32_t len = (uint32_t)strlen(settings);
    int32_t (*const steps[])(const char *, uint32_t) = {sp_validate_settings, sp_configure};
    int32_t code = 0;
    size_t i;
    char *at;
    memset(&sp_fake.out, 0, sizeof sp_fake.out);
    sp_fake_forget(&sp_fake.notes);
    sp_fake.booting = 1;
    if (setjmp(sp_fake.end)) {
        sp_fake.booting = 0;
        return -1;
    }
    at = sp_alloc ? (char *)sp_alloc(len) : 0;
    if (sp_alloc && !at) sp_fake_stop(SP_FAILURE_ABI, "sp_alloc(%d) returned 0", (int)len);
    if (at) memcpy(at, settings, len);
    for (i = 0; i < 2 && !code && at; i++)
        if (steps[i]) code = steps[i](at, len);
    if (!code && sp_selftest) code = sp_selftest();
    sp_fake.booting = 0;
    return code;
}

#endif

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
    uint32_t said;
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

/* sp_fake_put adds an entry in the place of the one with its key. */
static inline sp_fake_entry *sp_fake_put(sp_fake_list *l, const char *key, const void *text, uint32_t len) {
    sp_fake_entry *old = sp_fake_get(l, key, 0);
    if (old) {
        free(old->key);
        free(old->text);
        memmove(old, old + 1, (size_t)(&l->at[--l->count] - old) * sizeof *old);
    }
    return sp_fake_add(l, key, text, len);
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

#include "sallyport_native_manifest.h"

#include "sallyport_native_host.h"

/* ---- running a plugin ---- */

/* sp_fake_check_edits ends the call if an edit is inside the place of another. */
static inline void sp_fake_check_edits(void) {
    const sp_fake_list *edits = &sp_fake.edits;
    char item[32];
    int32_t i, k;
    for (i = 0; i < edits->count; i++) {
        const char *place = edits->at[i].key;
        for (k = 0; k < edits->count; k++)
            if (k != i && sp_fake_within(edits->at[k].key, place)) sp_fake_stop(SP_FAILURE_ABI, "the edit of %s is inside of another", place);
        for (k = 0; k < sp_fake.drops.count; k++) {
            snprintf(item, sizeof item, "items[%d]", (int)sp_fake.drops.at[k].index);
            if (sp_fake_within(item, place)) sp_fake_stop(SP_FAILURE_ABI, "%s is edited, and its item dropped", place);
        }
    }
}

/* sp_fake_accept ends the call if the plugin may not give its verdict. */
static inline void sp_fake_accept(int32_t v) {
    static const char *const names[] = {"pass", "deny", "mutate", "approve", "abstain"};
    int edited = sp_fake.edits.count + sp_fake.drops.count > 0;
    if (v < SP_VERDICT_PASS || v > SP_VERDICT_ABSTAIN) sp_fake_stop(SP_FAILURE_ABI, "there is no verdict %d", (int)v);
    if (v != SP_VERDICT_PASS && v != SP_VERDICT_ABSTAIN && !sp_fake_declares("verdicts", names[v]))
        sp_fake_stop(SP_FAILURE_CAPABILITY, "the verdict %s is not declared", names[v]);
    if (edited && v != SP_VERDICT_MUTATE && v != SP_VERDICT_DENY) sp_fake_stop(SP_FAILURE_ABI, "edits with the verdict %s", names[v]);
    if (v == SP_VERDICT_MUTATE) sp_fake_check_edits();
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
    sp_fake.said = 0;
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
    sp_fake.said = 0;
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

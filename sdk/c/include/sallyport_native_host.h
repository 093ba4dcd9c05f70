/* The functions of the host, as a plugin calls them in a test: sallyport_native.h includes this. */
#ifndef SALLYPORT_NATIVE_HOST_H
#define SALLYPORT_NATIVE_HOST_H

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
/* sp_fake_rune gives the length of the character at s: 0 if there is none in UTF-8. */
static inline uint32_t sp_fake_rune(const unsigned char *s, uint32_t len) {
    uint32_t c = s[0], k, n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 9;
    if (n > 4 || n > len) return 0;
    for (k = 1; k < n; k++)
        if ((s[k] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f)) return 0;
    if ((c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f)) return 0;
    return n;
}

static inline int sp_fake_utf8(const unsigned char *s, uint32_t len) {
    uint32_t n;
    for (; len > 0; s += n, len -= n)
        if (!(n = sp_fake_rune(s, len))) return 0;
    return 1;
}

SP_WEAK int32_t sp_str_replace(int32_t index, const void *text, uint32_t len) {
    sp_fake_entry *e = (sp_fake_in_hook("str_replace"), sp_fake_string_at(index));
    if (!e) return SP_CODE_ABSENT;
    if (!sp_fake_utf8((const unsigned char *)text, len)) sp_fake_stop(SP_FAILURE_ABI, "the new text of string %d is not UTF-8", (int)index);
    sp_fake_may_write(e->key);
    sp_fake_put(&sp_fake.edits, e->key, text, len);
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
    sp_fake_put(&sp_fake.edits, place, json, json_len)->kind = op;
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

static inline void sp_fake_word32(unsigned char *p, size_t n) {
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
    sp_fake_word32(p, (size_t)n);
    sp_fake_word32(p + 4, size);
    for (i = 0; i < n; i++) {
        unsigned char *entry = p + SP_VIEW_HEADER_BYTES + SP_VIEW_ENTRY_BYTES * i;
        uint32_t len = e[i] ? e[i]->len : 0;
        sp_fake_word32(entry, e[i] ? (size_t)e[i]->kind : (size_t)SP_KIND_ABSENT);
        sp_fake_word32(entry + 4, at);
        sp_fake_word32(entry + 8, len);
        sp_fake_word32(entry + 12, (size_t)paths[i]);
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
        sp_fake_word32(out + SP_MATCH_BYTES * n, at);
        sp_fake_word32(out + SP_MATCH_BYTES * n + 4, at + best->len);
        sp_fake_word32(out + SP_MATCH_BYTES * n + 8, (size_t)best->index);
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

/* sp_fake_cut copies a text for people: each byte that is not UTF-8 becomes U+FFFD, and what is
   too long is cut after the last whole character. */
static inline uint32_t sp_fake_cut(char *out, const void *text, uint32_t len) {
    const unsigned char *s = (const unsigned char *)text;
    uint32_t n, at = 0;
    for (; len > 0; s += n ? n : 1, len -= n ? n : 1) {
        uint32_t size = (n = sp_fake_rune(s, len)) ? n : 3;
        if (at + size > SP_LIMIT_TEXT_BYTES) break;
        memcpy(out + at, n ? (const char *)s : "\xef\xbf\xbd", size);
        at += size;
    }
    out[at] = 0;
    return at;
}

/* sp_fake_bound counts what is said, in all. */
static inline void sp_fake_bound(uint32_t bytes) {
    sp_fake.said += bytes;
    if (sp_fake.said > SP_LIMIT_SAID_BYTES) sp_fake_stop(SP_FAILURE_ABI, "more than %d bytes of texts", SP_LIMIT_SAID_BYTES);
}

SP_WEAK void sp_reason(const void *code, uint32_t code_len, const void *text, uint32_t text_len) {
    sp_fake_word(sp_fake.out.code, code, code_len, SP_LIMIT_REASON_CODE_BYTES, 1);
    sp_fake_bound(code_len + sp_fake_cut(sp_fake.out.text, text, text_len));
}
SP_WEAK void sp_approve(const void *text, uint32_t text_len) {
    sp_fake_in_hook("approve");
    sp_fake_bound(sp_fake_cut(sp_fake.out.approval, text, text_len));
}
SP_WEAK void sp_note(const void *key, uint32_t key_len, const void *text, uint32_t text_len) {
    char word[SP_LIMIT_REASON_CODE_BYTES + 1], cut[SP_LIMIT_TEXT_BYTES + 1];
    sp_fake_word(word, key, key_len, SP_LIMIT_KEY_BYTES, 0);
    sp_fake_bound(key_len + sp_fake_cut(cut, text, text_len));
    if (!sp_fake_get(&sp_fake.notes, word, 0) && sp_fake.notes.count == SP_LIMIT_NOTES)
        sp_fake_stop(SP_FAILURE_ABI, "more than %d notes", SP_LIMIT_NOTES);
    sp_fake_put(&sp_fake.notes, word, cut, (uint32_t)strlen(cut));
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
    char cut[SP_LIMIT_TEXT_BYTES + 1];
    sp_fake_cut(cut, text, text_len);
    sp_fake_stop(SP_FAILURE_TRAP, "%s", cut);
}

#endif

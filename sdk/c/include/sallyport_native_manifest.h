/* What the host for tests finds in a plugin's manifest: sallyport_native.h includes this. */
#ifndef SALLYPORT_NATIVE_MANIFEST_H
#define SALLYPORT_NATIVE_MANIFEST_H

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

#endif

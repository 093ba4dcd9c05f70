/* redact-secrets: takes keys, tokens and passwords out of what goes to servers and of what comes back.
   What is a secret says the host's set of detectors `secrets`: this asks it about every string of the
   message, and puts something else into the places that it names. README.md says what is caught and what
   isn't. */
#define SP_CALL_BYTES 8192
#include "sallyport.h"
#include "sallyport_json.h"

SP_MANIFEST({
  "abi": "sallyport/1",
  "name": "redact-secrets",
  "version": "1.0.0",
  "hooks": ["request", "response"],
  "strings": {
    "request": ["params.argument", "params.arguments", "params.context", "params.inputResponses", "params.message", "params.messages", "params.requestedSchema", "params.systemPrompt"],
    "response": ["mcp.result", "params.data", "params.message"]
  },
  "writes": ["mcp.result", "params.argument", "params.arguments", "params.context", "params.data", "params.inputResponses", "params.message", "params.messages", "params.requestedSchema", "params.systemPrompt"],
  "verdicts": ["deny", "mutate"],
  "capabilities": ["match:secrets"],
  "settings_schema": {
    "type": "object",
    "properties": {
      "replacement": {"description": "What stands in the place of a secret: its rule, as in [redacted:jwt], the word alone, or as many asterisks as it had characters.", "enum": ["rule", "plain", "stars"], "default": "rule"},
      "deny": {"description": "Rules whose finds deny the message, where others are redacted; * is all.", "type": "array", "items": {"type": "string", "minLength": 1}},
      "ignore": {"description": "Rules whose finds are let be.", "type": "array", "items": {"type": "string", "minLength": 1}}
    },
    "additionalProperties": false
  },
  "deterministic": true,
  "limits": {"pages": 512, "fuel": 3000000000, "deadline_ms": 2000},
  "meta": {"description": "Redacts keys, tokens and passwords."}
})

enum { SECRETS }; /* ids of capabilities */

/* ---- settings ---- */

enum { RULE, PLAIN, STARS };
enum { REDACT, DENY, IGNORE };
enum { RULES = 1024, NAME = 64 }; /* the most of a set, and of an id */

static uint8_t style, actions[RULES];

/* name gives a rule's name; no such rule: no text. */
static sp_text name(int32_t rule, char *buf) {
    int32_t n = sp_match_rule(SECRETS, rule, buf, NAME);
    return n < 0 || n > NAME ? sp_text_of(0, 0) : sp_text_of(buf, (uint32_t)n);
}

/* set gives the rules of a list an action. It returns the first name of the list that is no rule's. */
static sp_text set(sp_text list, uint8_t action) {
    sp_json_walk w = sp_json_begin(list);
    char wanted[NAME], buf[NAME];
    while (sp_json_next(&w)) {
        sp_text id = sp_json_string(w.value, wanted, sizeof wanted), rule;
        int32_t k, known = 0;
        for (k = 0; k < RULES && sp_there(rule = name(k, buf)); k++)
            if (sp_same(id, rule) || (action == DENY && sp_same(id, SP_TEXT("*")))) actions[k] = action, known = 1;
        if (!known) return w.value;
    }
    return sp_text_of(0, 0);
}

SP_CONFIGURE(settings) {
    sp_text how = sp_json_get(settings, SP_TEXT("replacement"));
    if (!sp_granted(SECRETS)) return sp_refuse(SP_TEXT("not_granted"), SP_TEXT("Without detectors nothing is found: write grant: [\"match:secrets\"]."), sp_text_of(0, 0));
    style = sp_same(how, SP_TEXT("\"plain\"")) ? PLAIN : sp_same(how, SP_TEXT("\"stars\"")) ? STARS : RULE;
    if (sp_there(set(sp_json_get(settings, SP_TEXT("deny")), DENY))) return sp_refuse(SP_TEXT("no_such_rule"), SP_TEXT("The set of detectors has no such rule."), SP_TEXT("/deny"));
    if (sp_there(set(sp_json_get(settings, SP_TEXT("ignore")), IGNORE))) return sp_refuse(SP_TEXT("no_such_rule"), SP_TEXT("The set of detectors has no such rule."), SP_TEXT("/ignore"));
    return 0;
}

/* ---- memory: texts can be large, and most are not, so it grows ---- */

#ifdef SALLYPORT_NATIVE
static char memory[1 << 20];
static char *room(uint32_t bytes) { return bytes <= sizeof memory ? memory : 0; }
static uint32_t room_now(void) { return sizeof memory; }
#else
extern char __heap_base;
static uint32_t room_now(void) { return (uint32_t)__builtin_wasm_memory_size(0) * 65536u - (uint32_t)(uintptr_t)&__heap_base; }
static char *room(uint32_t bytes) {
    uint32_t have = room_now();
    if (bytes > have && __builtin_wasm_memory_grow(0, (bytes - have + 65535u) / 65536u) == (uintptr_t)-1) return 0;
    return &__heap_base;
}
#endif

/* need has room for as many bytes, or ends the call, which denies. */
static char *need(uint32_t bytes) {
    static const char too_large[] = "the message is larger than limits.pages allow";
    char *at = room(bytes);
    if (!at) sp_fail(too_large, sizeof too_large - 1);
    return at;
}

/* ---- what is said ---- */

static uint32_t counts[RULES];
static int32_t rules[32]; /* that have found something, in the order in which they did */
static uint32_t rules_len;
static char said[1024];
static uint32_t said_len;

static void count(int32_t rule) {
    if (!counts[rule]++ && rules_len < sizeof rules / sizeof *rules) rules[rules_len++] = rule;
}

static void say(sp_text t) {
    uint32_t n = sizeof said - said_len;
    if (t.len < n) n = t.len;
    __builtin_memcpy(said + said_len, t.ptr, n);
    said_len += n;
}

static void say_number(uint32_t n) {
    char digits[10];
    uint32_t at = sizeof digits;
    do digits[--at] = (char)('0' + n % 10); while (n /= 10);
    say(sp_text_of(digits + at, (uint32_t)sizeof digits - at));
}

/* tell puts into the decision's record which rules have found something, and how often: never what. */
static void tell(void) {
    char buf[NAME];
    uint32_t k;
    said_len = 0;
    for (k = 0; k < rules_len; k++) {
        if (said_len) say(SP_TEXT(", "));
        say(name(rules[k], buf));
        say(SP_TEXT(" "));
        say_number(counts[rules[k]]);
    }
    sp_record(SP_TEXT("found"), sp_text_of(said, said_len));
    sp_mark(SP_TEXT("secret"));
}

static sp_verdict refuse(sp_call *call, int32_t rule) {
    char buf[NAME];
    tell();
    said_len = 0;
    say(SP_TEXT("The message holds a secret ("));
    say(name(rule, buf));
    say(SP_TEXT(")."));
    return sp_deny(call, SP_TEXT("secret_found"), sp_text_of(said, said_len));
}

/* ---- one string ---- */

static int ends(sp_text t, sp_text with) { return t.len >= with.len && sp_same(sp_text_of(t.ptr + t.len - with.len, with.len), with); }

/* encoded says whether a place must hold base64: a picture, a sound, a file. */
static int encoded(sp_text path) { return ends(path, SP_TEXT(".blob")) || (ends(path, SP_TEXT(".data")) && !sp_same(path, SP_TEXT("params.data"))); }

enum { WORD = NAME + 16 }; /* the longest replacement but stars */

/* write puts the replacement of a find to at, and returns its length. */
static uint32_t write(char *at, sp_found f, const char *text) {
    char buf[NAME];
    uint32_t i, n = 0;
    if (style == STARS) {
        for (i = f.start; i < f.end; i++)
            if (((unsigned char)text[i] & 0xc0) != 0x80) at[n++] = '*'; /* for each character's first byte */
        return n;
    }
    said_len = 0;
    say(SP_TEXT("[redacted"));
    if (style == RULE) {
        say(SP_TEXT(":"));
        say(name(f.rule, buf));
    }
    say(SP_TEXT("]"));
    __builtin_memcpy(at, said, said_len);
    return said_len;
}

/* redact gives a string another text. */
static void redact(sp_call *call, int32_t string, sp_matches m) {
    uint32_t from = 0, n = room_now(), used = 0;
    char *text = need(0), *out;
    int32_t i, len = sp_str(string, text, n);
    if (len > 0 && (uint32_t)len > n) {
        text = need((uint32_t)len);
        len = sp_str(string, text, (uint32_t)len);
    }
    n = (uint32_t)len;
    text = need(2 * n + (uint32_t)m.count * WORD);
    out = text + n;
    for (i = 0; i < m.count; i++) {
        sp_found f = sp_found_at(m, i);
        if (actions[f.rule] == IGNORE) continue;
        __builtin_memcpy(out + used, text + from, f.start - from);
        used += f.start - from;
        used += write(out + used, f, text);
        from = f.end;
    }
    __builtin_memcpy(out + used, text + from, n - from);
    sp_replace(call, string, sp_text_of(out, used + n - from));
}

/* matches asks the host what is in a string. */
static sp_matches matches(sp_call *call, int32_t string) {
    static const char too_many[] = "a string holds more secrets than there is memory for";
    sp_matches m;
    int32_t n = sp_match(SECRETS, SP_STRING(string), call->memory, call->cap);
    if (n > 0 && (uint32_t)n > call->cap) sp_fail(too_many, sizeof too_many - 1);
    m.at = (const unsigned char *)call->memory;
    m.count = n < 0 ? 0 : n / SP_MATCH_BYTES;
    return m;
}

/* replaced gives a string that must hold base64 another as a whole, and says whether it was one. */
static int replaced(sp_call *call, int32_t string, uint32_t used) {
    int32_t n = sp_str_path(string, call->memory + used, call->cap - used);
    if (n < 0 || (uint32_t)n > call->cap - used || !encoded(sp_text_of(call->memory + used, (uint32_t)n))) return 0;
    return sp_replace(call, string, SP_TEXT("W3JlZGFjdGVkXQ==")); /* [redacted] */
}

/* ---- hooks ---- */

static sp_verdict judge(sp_call *call) {
    int32_t i, k, strings = sp_strings(call), changed = 0;
    for (i = 0; i < strings; i++) {
        sp_matches m = matches(call, i);
        int32_t wanted = 0;
        for (k = 0; k < m.count; k++) {
            int32_t rule = sp_found_at(m, k).rule;
            if (actions[rule] != IGNORE) count(rule);
            if (actions[rule] == DENY) return refuse(call, rule);
            wanted |= actions[rule] == REDACT;
        }
        if (!wanted) continue;
        changed = 1;
        if (!replaced(call, i, (uint32_t)(m.count * SP_MATCH_BYTES))) redact(call, i, m);
    }
    if (changed) tell();
    return changed ? SP_VERDICT_MUTATE : SP_VERDICT_PASS;
}

SP_ON_REQUEST(call) { return judge(call); }
SP_ON_RESPONSE(call) { return judge(call); }

/* The plugin of hostapi/tck in C: what its README says a guest must do. */
#include "sallyport.h"
#include "manifest.h"

/* The parameters, as offsets from the id of params._meta.tck.do. */
enum { DO, ID, INDEX, JSON, JSON2, KEY, LEVEL, N, OP, OP2, PATH, PATH2, TEXT, VERDICT };
enum { LOOKUP_TENANTS, LOOKUP_WITHHELD, MATCH_PII };

static const int32_t first_parameter[] = {17, 6, 4};
static const int32_t reads[] = {42, 21, 19};
static const int32_t item_name = 2;

static sp_text parameter(sp_call *call, int32_t p) { return sp_get(call, first_parameter[call->hook] + p); }

static int32_t number(sp_call *call, int32_t p) {
    double n = sp_number(call, first_parameter[call->hook] + p);
    return n == n ? (int32_t)n : 0;
}

static int is_parameter(sp_call *call, int32_t id) {
    int32_t first = first_parameter[call->hook];
    return id >= first && id <= first + VERDICT;
}

static int does(sp_call *call, sp_text what) { return sp_same(parameter(call, DO), what); }

/* ---- what is noted as "out" ---- */

static char out[4096];
static uint32_t out_len;

static void put(sp_text t) {
    uint32_t i;
    for (i = 0; i < t.len && out_len < sizeof out; i++) out[out_len++] = t.ptr[i];
}

static void put_number(int64_t n) {
    char digits[24];
    uint32_t at = sizeof digits;
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (n < 0) digits[--at] = '-';
    put(sp_text_of(digits + at, sizeof digits - at));
}

static void put_hex(const unsigned char *p, int32_t n) {
    static const char hex[] = "0123456789abcdef";
    for (; n > 0; n--, p++) {
        put(sp_text_of(&hex[*p >> 4], 1));
        put(sp_text_of(&hex[*p & 15], 1));
    }
}

/* put_value writes a value after a sign that tells it from what is not there. */
static void put_value(sp_text t) {
    put(sp_there(t) ? SP_TEXT("=") : SP_TEXT("absent"));
    put(t);
}

static void note_out(void) { sp_record(SP_TEXT("out"), sp_text_of(out, out_len)); }

/* ---- the message ---- */

static void put_field(int32_t kind, int32_t id, sp_text t) {
    put_number(id);
    put(SP_TEXT(":"));
    put_number(kind);
    put(SP_TEXT(":"));
    put(t);
    put(SP_TEXT("\n"));
}

static int reads_message(sp_call *call) {
    int32_t id = number(call, ID), index = number(call, INDEX), i;
    if (does(call, SP_TEXT("field"))) {
        char buf[2048];
        int32_t n = sp_field(id, buf, sizeof buf);
        if (n == SP_CODE_WRONG_TYPE)
            put(SP_TEXT("wrong type"));
        else
            put_value(sp_get(call, id));
    } else if (does(call, SP_TEXT("field_num"))) {
        union { double f; unsigned char bytes[8]; } bits;
        unsigned char big[8];
        bits.f = sp_number(call, id);
        for (i = 0; i < 8; i++) big[i] = bits.bytes[7 - i];
        if (bits.f == bits.f)
            put_hex(big, 8);
        else
            put(SP_TEXT("nan"));
    } else if (does(call, SP_TEXT("field_kind")))
        put_number(sp_kind(call, id));
    else if (does(call, SP_TEXT("fields"))) {
        for (i = 0; i < reads[call->hook]; i++)
            if (!is_parameter(call, i)) put_field(sp_kind(call, i), i, sp_get(call, i));
    } else if (does(call, SP_TEXT("view_fields"))) {
        sp_values v = sp_all(call, SP_VIEW_FIELDS);
        if (v.count != reads[call->hook]) sp_give_up(SP_TEXT("a view of another length"));
        for (i = 0; i < v.count; i++)
            if (!is_parameter(call, i)) put_field(sp_nth(v, i).kind, sp_nth(v, i).path, sp_nth(v, i).text);
    } else if (does(call, SP_TEXT("view_strings"))) {
        sp_values v = sp_all(call, SP_VIEW_STRINGS);
        for (i = 0; i < v.count; i++) put_field(sp_nth(v, i).kind, sp_nth(v, i).path, sp_nth(v, i).text);
    } else if (does(call, SP_TEXT("strings"))) {
        for (i = 0; i < sp_strings(call); i++) {
            put(sp_string_path(call, i));
            put(SP_TEXT("="));
            put(sp_string(call, i));
            put(SP_TEXT("\n"));
        }
    } else if (does(call, SP_TEXT("str")))
        put_value(sp_string(call, index));
    else if (does(call, SP_TEXT("str_path")))
        put_value(sp_string_path(call, index));
    else if (does(call, SP_TEXT("str_count")))
        put_number(sp_strings(call));
    else if (does(call, SP_TEXT("small_buffer"))) {
        unsigned char buf[16];
        for (i = 0; i < 16; i++) buf[i] = 0xee;
        put_number(sp_field(id, buf, (uint32_t)number(call, N)));
        put(SP_TEXT(" "));
        put_hex(buf, 16);
    } else
        return 0;
    return 1;
}

/* ---- edits ---- */

static int32_t patch(sp_call *call, int32_t op, int32_t path, int32_t json) {
    sp_text at = parameter(call, path), value = parameter(call, json);
    return sp_patch(number(call, op), at.ptr, at.len, value.ptr, value.len);
}

static int edits(sp_call *call) {
    sp_text text = parameter(call, TEXT);
    if (does(call, SP_TEXT("str_replace")))
        put_number(sp_str_replace(number(call, INDEX), text.ptr, text.len));
    else if (does(call, SP_TEXT("patch"))) {
        put_number(patch(call, OP, PATH, JSON));
        if (sp_there(parameter(call, PATH2))) {
            put(SP_TEXT(" "));
            put_number(patch(call, OP2, PATH2, JSON2));
        }
    } else if (does(call, SP_TEXT("item_drop")))
        put_number(sp_item_drop(number(call, INDEX)));
    else
        return 0;
    return 1;
}

/* replace_all and drop_all are what plugins do: they choose the verdict themselves. */
static sp_verdict replace_all(sp_call *call) {
    sp_verdict v = SP_VERDICT_PASS;
    int32_t i;
    for (i = 0; i < sp_strings(call); i++)
        if (sp_same(sp_string(call, i), parameter(call, KEY)) && sp_replace(call, i, parameter(call, TEXT))) v = SP_VERDICT_MUTATE;
    return v;
}

static sp_verdict drop_all(sp_call *call) {
    sp_verdict v = SP_VERDICT_PASS;
    int32_t i;
    for (i = 0; i < sp_items(call); i++)
        if (sp_same(sp_item_get(call, i, item_name), parameter(call, KEY)) && sp_drop(call, i)) v = SP_VERDICT_MUTATE;
    return v;
}

/* ---- the host ---- */

static int asks_host(sp_call *call) {
    int32_t id = number(call, ID), index = number(call, INDEX), i;
    if (does(call, SP_TEXT("item_count")))
        put_number(sp_items(call));
    else if (does(call, SP_TEXT("item"))) {
        char buf[64];
        if (sp_item(index, id, buf, sizeof buf) == SP_CODE_WRONG_TYPE)
            put(SP_TEXT("wrong type"));
        else
            put_value(sp_item_get(call, index, id));
    } else if (does(call, SP_TEXT("match"))) {
        sp_matches m = sp_find(call, id, index);
        if (m.count < 0) put_number(m.count);
        for (i = 0; i < m.count; i++) {
            sp_found f = sp_found_at(m, i);
            put_number(f.start);
            put(SP_TEXT("-"));
            put_number(f.end);
            put(SP_TEXT(" "));
            put(sp_rule_name(call, id, f.rule));
            put(SP_TEXT("\n"));
        }
    } else if (does(call, SP_TEXT("match_rule")))
        put_value(sp_rule_name(call, id, index));
    else if (does(call, SP_TEXT("lookup")))
        put_value(sp_table(call, id, parameter(call, KEY)));
    else if (does(call, SP_TEXT("granted")))
        put_number(sp_granted(id));
    else if (does(call, SP_TEXT("feature")))
        put_number(sp_feature(id));
    else if (does(call, SP_TEXT("now")))
        put_number(sp_now_ms());
    else
        return 0;
    return 1;
}

/* ---- what is said ---- */

static void many(int32_t n, void (*say)(sp_text)) {
    int32_t i;
    for (i = 0; i < n; i++) {
        out_len = 0;
        put(SP_TEXT("x"));
        put_number(i);
        say(sp_text_of(out, out_len));
    }
    out_len = 0;
}

static void say_note(sp_text t) { sp_record(t, t); }
static void say_log(sp_text t) { sp_print(SP_LEVEL_INFO, t); }

static int says(sp_call *call) {
    if (does(call, SP_TEXT("reason")))
        sp_deny(call, parameter(call, KEY), parameter(call, TEXT));
    else if (does(call, SP_TEXT("approve")))
        sp_ask(call, parameter(call, TEXT));
    else if (does(call, SP_TEXT("note")))
        sp_record(parameter(call, KEY), parameter(call, TEXT));
    else if (does(call, SP_TEXT("label")))
        sp_mark(parameter(call, TEXT));
    else if (does(call, SP_TEXT("log")))
        sp_print(number(call, LEVEL), parameter(call, TEXT));
    else if (does(call, SP_TEXT("notes")))
        many(number(call, N), say_note);
    else if (does(call, SP_TEXT("labels")))
        many(number(call, N), sp_mark);
    else if (does(call, SP_TEXT("logs")))
        many(number(call, N), say_log);
    else
        return 0;
    return 1;
}

/* ---- what must not be ---- */

static volatile int32_t turns;

__attribute__((noinline)) static int32_t deeper(volatile int32_t *above) {
    volatile int32_t here[16];
    here[0] = *above + 1;
    turns = here[0];
    if (turns < 0) return 0;
    return deeper(here) + here[0];
}

static void breaks(sp_call *call) {
    if (does(call, SP_TEXT("fail"))) sp_give_up(parameter(call, TEXT));
    if (does(call, SP_TEXT("trap"))) __builtin_trap();
    if (does(call, SP_TEXT("spin")))
        for (;;) turns++;
    if (does(call, SP_TEXT("recurse"))) turns = deeper(&turns);
    if (does(call, SP_TEXT("grow")))
        while (__builtin_wasm_memory_grow(0, 16) != (__SIZE_TYPE__)-1) turns++;
    if (does(call, SP_TEXT("grow"))) sp_give_up(SP_TEXT("no more memory"));
}

/* ---- the hooks ---- */

static sp_text settings_kept;
static int32_t calls;

static sp_verdict judge(sp_call *call) {
    out_len = 0;
    if (does(call, SP_TEXT("replace_all"))) return replace_all(call);
    if (does(call, SP_TEXT("drop_all"))) return drop_all(call);
    breaks(call);
    if (does(call, SP_TEXT("settings")))
        put_value(settings_kept);
    else if (does(call, SP_TEXT("count")))
        put_number(++calls);
    else if (says(call))
        return number(call, VERDICT);
    else if (sp_there(parameter(call, DO)) && !reads_message(call) && !edits(call) && !asks_host(call))
        sp_give_up(SP_TEXT("the guest doesn't know what to do"));
    if (sp_there(parameter(call, DO))) note_out();
    return number(call, VERDICT);
}

SP_ON_REQUEST(call) { return judge(call); }
SP_ON_RESPONSE(call) { return judge(call); }
SP_ON_LIST(call) { return judge(call); }

/* ---- settings ---- */

SP_VALIDATE_SETTINGS(settings) {
    if (sp_same(settings, SP_TEXT("{\"mode\":\"refuse\"}")))
        return sp_refuse(SP_TEXT("bad_mode"), SP_TEXT("There is no such mode."), SP_TEXT("/mode"));
    if (sp_same(settings, SP_TEXT("{\"mode\":\"early\"}"))) sp_field_kind(0);
    if (sp_same(settings, SP_TEXT("{\"mode\":\"trap\"}"))) __builtin_trap();
    return 0;
}

SP_CONFIGURE(settings) {
    settings_kept = settings;
    return sp_same(settings, SP_TEXT("{\"mode\":\"refuse to configure\"}"));
}

SP_SELFTEST() { return sp_same(settings_kept, SP_TEXT("{\"mode\":\"broken\"}")) ? 3 : 0; }

/* A plugin that uses every part of the SDK, for native_test.c. */
#define SP_SETTINGS_BYTES 64
#define SP_CALL_BYTES 1024
#include "sallyport.h"

SP_MANIFEST({
  "abi": "sallyport/1", "name": "sdk-test", "version": "1.0.0",
  "hooks": ["request", "list"],
  "reads": {
    "request": ["args.amount", "args.path", "args.tags", "args[\"odd key\"]"],
    "list": ["items[*].name"]
  },
  "strings": {"request": ["args.body", "args.list[*].text"]},
  "writes": ["args.body", "args.list[*].text", "args.note"],
  "verdicts": ["deny", "mutate"],
  "capabilities": ["lookup:tenants", "match:pii"],
  "settings_schema": {"type": "object"}
})

enum { AMOUNT, PATH, TAGS, ODD };
enum { TENANTS, PII };

static sp_text mask;

SP_VALIDATE_SETTINGS(settings) {
    if (sp_same(settings, SP_TEXT("{\"mask\":1}"))) return sp_refuse(SP_TEXT("bad_mask"), SP_TEXT("The mask is no text."), SP_TEXT("/mask"));
    return 0;
}

SP_CONFIGURE(settings) {
    mask = sp_index(settings, SP_TEXT("stars")) >= 0 ? SP_TEXT("***") : SP_TEXT("[masked]");
    if (sp_same(settings, SP_TEXT("{\"early\":1}"))) (void)sp_kind(0, PATH);
    return 0;
}

SP_SELFTEST() { return sp_same(mask, SP_TEXT("***")) ? 7 : 0; }

static sp_verdict redact(sp_call *call) {
    sp_verdict v = SP_VERDICT_PASS;
    int32_t i;
    for (i = 0; i < sp_strings(call); i++) {
        sp_matches m = sp_find(call, PII, SP_STRING(i));
        if (m.count <= 0) continue;
        sp_record(SP_TEXT("rule"), sp_rule_name(call, PII, sp_found_at(m, 0).rule));
        sp_replace(call, i, mask);
        v = SP_VERDICT_MUTATE;
    }
    return v;
}

SP_ON_REQUEST(call) {
    sp_text path = sp_get(call, PATH);
    if (!sp_there(path)) return sp_deny(call, SP_TEXT("no_path"), SP_TEXT("A path is needed."));
    if (sp_begins(path, SP_TEXT("/etc/"))) return SP_VERDICT_DENY;
    if (sp_same(path, SP_TEXT("ask"))) return sp_ask(call, SP_TEXT("Really?"));
    if (sp_same(path, SP_TEXT("undeclared"))) sp_get(call, 4);
    if (sp_same(path, SP_TEXT("outside"))) sp_set(call, SP_TEXT("args.path"), SP_TEXT("1"));
    if (sp_same(path, SP_TEXT("set"))) sp_set(call, SP_TEXT("args.note"), SP_TEXT("{\"a\":1}"));
    if (sp_begins(path, SP_TEXT("inside"))) {
        sp_set(call, SP_TEXT("args.note"), SP_TEXT("{}"));
        sp_set(call, SP_TEXT("args.note.a"), SP_TEXT("1"));
        return sp_same(path, SP_TEXT("inside")) ? SP_VERDICT_MUTATE : SP_VERDICT_DENY;
    }
    if (sp_begins(path, SP_TEXT("quote"))) {
        if (sp_there(sp_get_text(call, TAGS)) || !sp_same(sp_get_text(call, PATH), path)) return SP_VERDICT_DENY;
        sp_set_text(call, SP_TEXT("args.note"), sp_text_of(path.ptr + 5, path.len - 5));
        return SP_VERDICT_MUTATE;
    }
    if (sp_same(path, SP_TEXT("twice"))) {
        sp_set(call, SP_TEXT("args.note"), SP_TEXT("1"));
        sp_set(call, SP_TEXT("args.body"), SP_TEXT("3"));
        sp_set(call, SP_TEXT("args.note"), SP_TEXT("2"));
        return SP_VERDICT_MUTATE;
    }
    if (sp_begins(path, SP_TEXT("say"))) {
        int32_t i;
        for (i = 0; i < 300; i++) sp_record(SP_TEXT("same"), path);
        sp_record(SP_TEXT("other"), SP_TEXT("a\xe2\x82" "b\xff________"));
        return SP_VERDICT_PASS;
    }
    if (sp_same(path, SP_TEXT("remove"))) return sp_remove(call, SP_TEXT("args.list[3].text")) == SP_CODE_OK ? SP_VERDICT_MUTATE : SP_VERDICT_DENY;
    if (sp_same(path, SP_TEXT("bad"))) return 9;
    if (sp_same(path, SP_TEXT("code"))) return sp_deny(call, SP_TEXT("No"), SP_TEXT(""));
    if (sp_same(path, SP_TEXT("give up"))) {
        sp_mark(SP_TEXT("lost"));
        sp_record(SP_TEXT("kept"), SP_TEXT("yes"));
        sp_give_up(SP_TEXT("can't judge"));
    }
    if (sp_same(path, SP_TEXT("tenant"))) {
        sp_text t = sp_table(call, TENANTS, SP_TEXT("alice"));
        sp_record(SP_TEXT("tenant"), sp_there(t) ? t : SP_TEXT("none"));
        sp_mark(SP_TEXT("seen"));
        sp_print(SP_LEVEL_WARN, SP_TEXT("hello"));
        return SP_VERDICT_ABSTAIN;
    }
    if (sp_same(path, SP_TEXT("view"))) {
        sp_values v = sp_all(call, SP_VIEW_FIELDS);
        int32_t i;
        for (i = 0; i < v.count; i++) {
            static const char digits[] = "0123456789";
            sp_value x = sp_nth(v, i);
            sp_record(sp_text_of(digits + i, 1), sp_there(x.text) ? x.text : SP_TEXT("absent"));
            if (x.path != i || x.kind != sp_kind(call, i)) return SP_VERDICT_DENY;
        }
        v = sp_all(call, SP_VIEW_STRINGS);
        for (i = 0; i < v.count; i++) sp_record(SP_TEXT("string"), sp_nth(v, i).text);
    }
    if (sp_same(path, SP_TEXT("number")) && !(sp_number(call, AMOUNT) > 10)) return SP_VERDICT_DENY;
    if (sp_same(path, SP_TEXT("fill")))
        for (;;) sp_get(call, PATH);
    return redact(call);
}

SP_ON_LIST(call) {
    int32_t i;
    sp_verdict v = SP_VERDICT_PASS;
    for (i = 0; i < sp_items(call); i++)
        if (sp_same(sp_item_get(call, i, 0), SP_TEXT("secret")) && sp_drop(call, i)) v = SP_VERDICT_MUTATE;
    return v;
}

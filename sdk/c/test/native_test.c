/* Tests of the SDK on the machine at hand: it prints what is wrong, and exits with 1. */
#define SALLYPORT_NATIVE
#include "plugin.c"
#include "sallyport_json.h"

static int wrong;

#define CHECK(is) \
    do { \
        if (!(is)) { \
            fprintf(stderr, "native_test.c:%d: not so: %s (verdict %d, failure %s: %s, code %s)\n", __LINE__, #is, (int)sp_fake.out.verdict, \
                    sp_fake.out.failure ? sp_fake.out.failure : "none", sp_fake.out.why, sp_fake.out.code); \
            wrong = 1; \
        } \
    } while (0)

static const sp_outcome *request(const char *path) {
    sp_fake_text("args.path", path);
    return sp_fake_call(SP_HOOK_REQUEST);
}

static int is(const char *a, const char *b) { return a && !strcmp(a, b); }

static int failed(const sp_outcome *o, const char *failure, const char *why) {
    return o->verdict == SP_VERDICT_DENY && is(o->code, "plugin_failed") && is(o->failure, failure) && is(o->why, why);
}

static void texts(void) {
    sp_text none = sp_text_of(0, 0), hello = SP_TEXT("hello");
    CHECK(sp_same(hello, SP_TEXT("hello")) && !sp_same(hello, SP_TEXT("hellO")) && !sp_same(hello, SP_TEXT("hell")));
    CHECK(!sp_same(none, SP_TEXT("")) && !sp_there(none) && sp_there(SP_TEXT("")));
    CHECK(sp_begins(hello, SP_TEXT("he")) && sp_begins(hello, SP_TEXT("")) && !sp_begins(hello, SP_TEXT("el")));
    CHECK(!sp_begins(sp_text_of(hello.ptr, 2), SP_TEXT("hello")) && !sp_begins(none, SP_TEXT("")));
    CHECK(sp_index(hello, SP_TEXT("lo")) == 3 && sp_index(hello, SP_TEXT("l")) == 2 && sp_index(hello, SP_TEXT("")) == 0);
    CHECK(sp_index(hello, SP_TEXT("lox")) == -1 && sp_index(SP_TEXT("a"), hello) == -1 && sp_index(none, hello) == -1);
}

static int utf8(const char *s) { return sp_fake_utf8((const unsigned char *)s, (uint32_t)strlen(s)); }

static void unicode(void) {
    CHECK(utf8("") && utf8("a") && utf8("\xc3\xa9") && utf8("\xe2\x82\xac") && utf8("\xf0\x9f\x98\x80") && utf8("\xed\x9f\xbf") && utf8("\xf4\x8f\xbf\xbf"));
    CHECK(!utf8("\xff") && !utf8("\x80") && !utf8("\xc3") && !utf8("\xe2\x82") && !utf8("\xf0\x9f\x98") && !utf8("\xc3z"));
    CHECK(!utf8("\xff________________") && !utf8("\xf8\x80\x80\x80\x80\x80\x80\x80\x80\x80"));
    CHECK(!utf8("\xc0\x80") && !utf8("\xc1\xbf") && !utf8("\xe0\x9f\xbf") && !utf8("\xed\xa0\x80") && !utf8("\xf0\x8f\xbf\xbf") && !utf8("\xf4\x90\x80\x80") && !utf8("\xf5\x80\x80\x80"));
}

static void verdicts(void) {
    const sp_outcome *o;
    sp_fake_reset();
    o = sp_fake_call(SP_HOOK_REQUEST);
    CHECK(o->verdict == SP_VERDICT_DENY && !o->failure && is(o->code, "no_path") && is(o->text, "A path is needed."));
    CHECK(request("/home")->verdict == SP_VERDICT_PASS && is(sp_fake.out.code, ""));
    CHECK(request("/etc/passwd")->verdict == SP_VERDICT_DENY && is(sp_fake.out.code, "denied_by_plugin"));
    CHECK(request("tenant")->verdict == SP_VERDICT_ABSTAIN);
    CHECK(failed(request("ask"), "capability", "the verdict approve is not declared"));
    CHECK(failed(request("bad"), "abi", "there is no verdict 9"));
    CHECK(failed(request("code"), "abi", "\"No\" is not spelled as a code or a key is"));
    CHECK(failed(request("undeclared"), "capability", "field 4 is not declared"));
    CHECK(failed(request("fill"), "trap", "the call's memory is full: define SP_CALL_BYTES"));
    CHECK(failed(sp_fake_call(SP_HOOK_RESPONSE), "abi", "the plugin has no hook 1"));
    CHECK(failed(request("give up"), "trap", "can't judge") && is(sp_fake_note("kept"), "yes") && !sp_fake_labelled("lost"));
}

static void said(void) {
    char most[SP_LIMIT_TEXT_BYTES + 2] = "say", cut[SP_LIMIT_TEXT_BYTES + 1];
    sp_fake_reset();
    CHECK(request("say")->verdict == SP_VERDICT_PASS && is(sp_fake_note("same"), "say"));
    CHECK(is(sp_fake_note("other"), "a\xef\xbf\xbd\xef\xbf\xbd" "b\xef\xbf\xbd________"));
    memset(most + 3, 'x', 1020);
    memcpy(most + 1023, "\xc3\xa9", 3);
    CHECK(sp_fake_cut(cut, most, 1025) == 1023 && strlen(cut) == 1023 && sp_fake_cut(cut, most, 1023) == 1023 && sp_fake_cut(cut, most, 0) == 0);
    most[1000] = 0;
    CHECK(failed(request(most), "abi", "more than 262144 bytes of texts"));
}

static void message(void) {
    sp_fake_reset();
    sp_fake_json("args.amount", "10");
    CHECK(request("number")->verdict == SP_VERDICT_DENY);
    sp_fake_json("args.amount", "10.5");
    CHECK(request("number")->verdict == SP_VERDICT_PASS);
    sp_fake_text("args.amount", "11");
    CHECK(request("number")->verdict == SP_VERDICT_DENY);
    sp_fake_json("args.tags", "[\"a\"]");
    sp_fake_text("args[\"odd key\"]", "");
    sp_fake_string("args.body", "first");
    sp_fake_string("args.list[0].text", "second");
    CHECK(request("view")->verdict == SP_VERDICT_PASS && is(sp_fake_note("string"), "second"));
    CHECK(is(sp_fake_note("0"), "11") && is(sp_fake_note("1"), "view") && is(sp_fake_note("2"), "[\"a\"]") && is(sp_fake_note("3"), ""));
}

static void edits(void) {
    char full[201] = {0};
    sp_fake_reset();
    CHECK(sp_fake_boot("{}") == 0);
    sp_fake_string("args.body", "mail bob@example.com");
    sp_fake_string("args.list[0].text", "nothing");
    sp_fake_detect("match:pii", 3, "bob@example.com");
    CHECK(request("/home")->verdict == SP_VERDICT_MUTATE && is(sp_fake_edit("args.body"), "[masked]"));
    CHECK(!sp_fake_edit("args.list[0].text") && is(sp_fake_note("rule"), "rule-3"));
    CHECK(failed(request("outside"), "capability", "args.path is not within writes"));
    CHECK(request("remove")->verdict == SP_VERDICT_MUTATE && is(sp_fake_edit("args.list[3].text"), ""));
    sp_fake_reset();
    CHECK(failed(request("set"), "abi", "edits with the verdict pass") && !sp_fake_edit("args.note"));
    CHECK(failed(request("inside"), "abi", "the edit of args.note.a is inside of another"));
    CHECK(request("inside, denied")->verdict == SP_VERDICT_DENY && !sp_fake.out.failure);
    CHECK(request("twice")->verdict == SP_VERDICT_MUTATE && is(sp_fake_edit("args.note"), "2") && is(sp_fake_edit("args.body"), "3"));
    CHECK(sp_fake.edits.count == 2);
    sp_fake_json("args.tags", "[\"quote\"]");
    CHECK(request("quotea\"b\\\n\x1f\xc3\xa9\x7f")->verdict == SP_VERDICT_MUTATE);
    CHECK(is(sp_fake_edit("args.note"), "\"a\\\"b\\\\\\u000a\\u001f\xc3\xa9\x7f\""));
    CHECK(request("quote")->verdict == SP_VERDICT_MUTATE && is(sp_fake_edit("args.note"), "\"\""));
    memset(full, '\n', sizeof full - 1);
    memcpy(full, "quote", 5);
    CHECK(failed(request(full), "trap", "the call's memory is full: define SP_CALL_BYTES"));
    sp_fake_reset();
    sp_fake_string("args.other", "bob@example.com");
    sp_fake_detect("match:pii", 3, "bob@example.com");
    CHECK(failed(request("/home"), "capability", "args.other is not within writes"));
    sp_fake_reset();
    sp_fake_string("args.bodyguard", "bob@example.com");
    sp_fake_detect("match:pii", 3, "bob@example.com");
    CHECK(failed(request("/home"), "capability", "args.bodyguard is not within writes"));
    sp_fake_withhold("match:pii");
    CHECK(failed(request("/home"), "capability", "match:pii is not granted"));
}

static void tables(void) {
    sp_fake_reset();
    CHECK(request("tenant")->verdict == SP_VERDICT_ABSTAIN && is(sp_fake_note("tenant"), "none"));
    sp_fake_table("lookup:tenants", "alice", "acme");
    CHECK(request("tenant")->verdict == SP_VERDICT_ABSTAIN && is(sp_fake_note("tenant"), "acme"));
    CHECK(sp_fake_labelled("seen") && sp_fake_logged(SP_LEVEL_WARN, "hello") && !sp_fake_logged(SP_LEVEL_INFO, "hello"));
}

static void lists(void) {
    sp_fake_reset();
    sp_fake_item(0, "items[*].name", "open");
    CHECK(sp_fake_call(SP_HOOK_LIST)->verdict == SP_VERDICT_PASS);
    sp_fake_item(2, "items[*].name", "secret");
    CHECK(sp_fake_call(SP_HOOK_LIST)->verdict == SP_VERDICT_MUTATE && sp_fake_dropped(2) && !sp_fake_dropped(0));
}

static void settings(void) {
    sp_fake_reset();
    CHECK(sp_fake_boot("{}") == 0);
    CHECK(sp_fake_boot("{\"mask\":1}") == 1 && is(sp_fake.out.code, "bad_mask") && is(sp_fake_note("path"), "/mask"));
    CHECK(sp_fake_boot("{\"mask\":\"stars\"}") == 7);
    CHECK(sp_fake_boot("{\"early\":1}") == -1 && is(sp_fake.out.why, "field_kind is called before the first hook"));
    CHECK(sp_fake_boot("{\"long\":\"0123456789012345678901234567890123456789012345678901234567890\"}") == -1 &&
          is(sp_fake.out.why, "sp_alloc(72) returned 0"));
}

static sp_text json(const char *s) { return sp_text_of(s, (uint32_t)strlen(s)); }

static int gives(const char *s, const char *text) {
    static char buf[64];
    return sp_same(sp_json_string(json(s), buf, sizeof buf), json(text));
}

static void reading_json(void) {
    sp_text all = json("{\"a\":[1,\"x,]\\\"\",{\"b\":[]}],\"\":true,\"n\":12,\"o\":{\"a\":{\"b\":\"c\"}}}");
    sp_json_walk w = sp_json_begin(sp_json_get(all, SP_TEXT("a")));
    char small[2];
    CHECK(sp_json_next(&w) && sp_same(w.value, SP_TEXT("1")) && !sp_there(w.name));
    CHECK(sp_json_next(&w) && sp_same(w.value, SP_TEXT("\"x,]\\\"\"")));
    CHECK(sp_json_next(&w) && sp_same(w.value, SP_TEXT("{\"b\":[]}")) && !sp_json_next(&w) && !sp_json_next(&w));
    CHECK(sp_json_true(sp_json_get(all, SP_TEXT(""))) && !sp_there(sp_json_get(all, SP_TEXT("b"))));
    CHECK(sp_same(sp_json_get(sp_json_get(sp_json_get(all, SP_TEXT("o")), SP_TEXT("a")), SP_TEXT("b")), SP_TEXT("\"c\"")));
    CHECK(sp_json_whole(sp_json_get(all, SP_TEXT("n")), 7) == 12 && sp_json_whole(sp_json_get(all, SP_TEXT("a")), 7) == 7);
    CHECK(sp_json_whole(json("-1"), 7) == 7 && sp_json_whole(json("1.0"), 7) == 7 && sp_json_whole(sp_text_of(0, 0), 7) == 7);
    w = sp_json_begin(all);
    CHECK(sp_json_next(&w) && sp_same(w.name, SP_TEXT("a")) && sp_json_next(&w) && sp_json_next(&w) && sp_json_next(&w));
    CHECK(sp_same(w.name, SP_TEXT("o")) && !sp_json_next(&w));
    w = sp_json_begin(json("[]"));
    CHECK(!sp_json_next(&w));
    w = sp_json_begin(json("12"));
    CHECK(!sp_json_next(&w));
    w = sp_json_begin(sp_text_of(0, 0));
    CHECK(!sp_json_next(&w));
    CHECK(gives("\"\"", "") && gives("\"abc\"", "abc") && gives("\"a\\n\\u00e9\\/\\ud83d\\ude00z\"", "a\n\xc3\xa9/\xf0\x9f\x98\x80z"));
    CHECK(!sp_there(sp_json_string(json("12"), small, 2)) && !sp_there(sp_json_string(json("\"a\\nb\""), small, 2)));
}

int main(void) {
    texts();
    reading_json();
    unicode();
    verdicts();
    said();
    message();
    edits();
    tables();
    lists();
    settings();
    return wrong;
}

/* Tests of the plugin on the machine at hand: it prints what is wrong, and exits with 1. What the detectors
   find, corpus/ has; here it is said. */
#define SALLYPORT_NATIVE
#include "redact_secrets.c"

static int wrong;

#define CHECK(is)                                                                                                          \
    do {                                                                                                                   \
        if (!(is)) {                                                                                                       \
            fprintf(stderr, "test.c:%d: not so: %s (verdict %d, code %s, failure %s)\n", __LINE__, #is, (int)sp_fake.out.verdict, sp_fake.out.code, \
                    sp_fake.out.failure ? sp_fake.out.why : "none");                                                       \
            wrong = 1;                                                                                                     \
        }                                                                                                                  \
    } while (0)

static int same(const char *a, const char *b) { return a && !strcmp(a, b); }

/* start forgets what was there, and boots the plugin with detectors that find KEY1 and KEY2. */
static int32_t start(const char *settings) {
    sp_fake_reset();
    memset(counts, 0, sizeof counts); /* in Wasm each call begins with the image */
    memset(actions, 0, sizeof actions);
    rules_len = 0;
    sp_fake_detect("match:secrets", 0, "KEY1");
    sp_fake_detect("match:secrets", 1, "KEY2");
    return sp_fake_boot(settings);
}

static int32_t judged(int32_t hook) { return sp_fake_call(hook)->verdict; }

int main(void) {
    CHECK(start("{}") == 0);
    sp_fake_string("mcp.result.content[0].text", "nothing");
    CHECK(judged(SP_HOOK_RESPONSE) == SP_VERDICT_PASS && !sp_fake_note("found"));

    CHECK(start("{\"replacement\":\"plain\"}") == 0);
    sp_fake_string("mcp.result.content[0].text", "a KEY1 and KEY2, KEY1");
    sp_fake_string("mcp.result.content[1].text", "KEY2");
    sp_fake_string("mcp.result.content[2].text", "nothing");
    CHECK(judged(SP_HOOK_RESPONSE) == SP_VERDICT_MUTATE && sp_fake_labelled("secret"));
    CHECK(same(sp_fake_edit("mcp.result.content[0].text"), "a [redacted] and [redacted], [redacted]"));
    CHECK(same(sp_fake_edit("mcp.result.content[1].text"), "[redacted]") && !sp_fake_edit("mcp.result.content[2].text"));
    CHECK(sp_fake_note("found") && !strstr(sp_fake_note("found"), "KEY"));

    CHECK(start("{\"replacement\":\"stars\"}") == 0);
    sp_fake_string("params.arguments.text", "KEY1\xc3\xa4");
    CHECK(judged(SP_HOOK_REQUEST) == SP_VERDICT_MUTATE && same(sp_fake_edit("params.arguments.text"), "****\xc3\xa4"));

    /* What must be base64 stays so. */
    CHECK(start("{}") == 0);
    sp_fake_string("mcp.result.contents[0].blob", "KEY1");
    sp_fake_string("mcp.result.content[0].data", "KEY1");
    sp_fake_string("params.data", "KEY1");
    CHECK(judged(SP_HOOK_RESPONSE) == SP_VERDICT_MUTATE && same(sp_fake_edit("mcp.result.contents[0].blob"), "W3JlZGFjdGVkXQ=="));
    CHECK(same(sp_fake_edit("mcp.result.content[0].data"), "W3JlZGFjdGVkXQ==") && !same(sp_fake_edit("params.data"), "W3JlZGFjdGVkXQ=="));

    CHECK(start("{\"deny\":[\"*\"]}") == 0);
    sp_fake_string("params.arguments.text", "x KEY2");
    CHECK(judged(SP_HOOK_REQUEST) == SP_VERDICT_DENY && same(sp_fake.out.code, "secret_found"));
    CHECK(start("{\"ignore\":[\"nope\"]}") != 0 && start("{\"deny\":[\"nope\"]}") != 0);

    /* Without a grant nothing would be found: the plugin doesn't start. */
    sp_fake_reset();
    sp_fake_withhold("match:secrets");
    CHECK(sp_fake_boot("{}") != 0);
    return wrong;
}

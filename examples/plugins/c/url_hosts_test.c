/* Tests of the plugin on the machine at hand: it prints what is wrong, and exits with 1. */
#define SALLYPORT_NATIVE
#include "url_hosts.c"

static int wrong;

#define CHECK(is)                                                                                                          \
    do {                                                                                                                   \
        if (!(is)) {                                                                                                       \
            fprintf(stderr, "url_hosts_test.c:%d: not so: %s (verdict %d, code %s, failure %s)\n", __LINE__, #is,          \
                    (int)sp_fake.out.verdict, sp_fake.out.code, sp_fake.out.failure ? sp_fake.out.why : "none");           \
            wrong = 1;                                                                                                     \
        }                                                                                                                  \
    } while (0)

static const char settings[] =
    "{\"tools\":[\"fetch\"],\"arguments\":[\"url\",\"urls\"],\"hosts\":[\"api.example.com\",\"*.docs.example.com\",\"build.example.com:8443\"]}";

/* judge asks about one string of the arguments of a call of fetch. */
static const char *judge(const char *path, const char *text) {
    sp_fake_reset();
    CHECK(sp_fake_boot(settings) == 0);
    sp_fake_text("mcp.tool.name", "fetch");
    sp_fake_string("args.label", "any text");
    sp_fake_string(path, text);
    sp_fake_call(SP_HOOK_REQUEST);
    return sp_fake.out.failure ? "failed" : sp_fake.out.verdict == SP_VERDICT_PASS ? "pass" : sp_fake.out.verdict == SP_VERDICT_ABSTAIN ? "abstain" : sp_fake.out.code;
}

static int is(const char *got, const char *want) { return !strcmp(got, want); }

static void hosts_that_are_listed(void) {
    CHECK(is(judge("args.url", "https://api.example.com/v1?q=a@b"), "pass"));
    CHECK(is(judge("args.url", "https://API.Example.COM"), "pass"));
    CHECK(is(judge("args.url", "https://a.b.docs.example.com#top"), "pass"));
    CHECK(is(judge("args.url", "https://build.example.com:8443/"), "pass"));
    CHECK(is(judge("args.urls[3]", "https://api.example.com/"), "pass"));
}

static void hosts_that_are_not(void) {
    CHECK(is(judge("args.url", "https://evil.example/"), "host_not_listed") && is(sp_fake_note("host"), "evil.example"));
    CHECK(is(judge("args.url", "https://169.254.169.254/latest/meta-data"), "host_not_listed"));
    CHECK(is(judge("args.url", "https://2852039166/"), "host_not_listed"));
    CHECK(is(judge("args.url", "https://docs.example.com/"), "host_not_listed"));
    CHECK(is(judge("args.url", "https://xdocs.example.com/"), "host_not_listed"));
    CHECK(is(judge("args.url", "https://api.example.com.evil.example/"), "host_not_listed"));
    CHECK(is(judge("args.url", "https://api.example.com./"), "host_not_listed"));
    CHECK(is(judge("args.url", "https://build.example.com/"), "host_not_listed"));
    CHECK(is(judge("args.url", "https://api.example.com:22/"), "host_not_listed"));
    CHECK(is(judge("args.urls[0]", "https://evil.example/"), "host_not_listed"));
}

static void what_programs_read_differently(void) {
    static const char *const bad[] = {
        "http://api.example.com/",      "file:///etc/passwd",          "gopher://api.example.com/",       "api.example.com/x",
        "//api.example.com/x",          "https:/api.example.com/",     "https://",                        "https:///x",
        "https://api.example.com@evil/", "https://evil\\@api.example.com/", "https://api.example.com\\.evil/", "https://api.example.com%2eevil/",
        "https://[::1]/",               "https://api.example.com:/",   "https://api.example.com:80a/",    " https://api.example.com/",
        "https://api.example.com/\n",   "https://api.example.com/a b", "https://api.example.com/a\\b", "https://\xd0\xb0pi.example.com/", "HTTPS://api.example.com/", "",
    };
    size_t i;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(is(judge("args.url", bad[i]), "bad_url"));
        if (wrong) fprintf(stderr, "  %s\n", bad[i]);
    }
}

static void what_it_does_not_judge(void) {
    CHECK(is(judge("args.body", "https://evil.example/"), "abstain"));
    CHECK(is(judge("args[\"url \"]", "https://evil.example/"), "abstain"));
    CHECK(is(judge("args.urlx", "https://evil.example/"), "abstain"));
    sp_fake_text("mcp.tool.name", "search");
    sp_fake_string("args.url", "https://evil.example/");
    CHECK(sp_fake_call(SP_HOOK_REQUEST)->verdict == SP_VERDICT_ABSTAIN);
    CHECK(sp_fake_boot("{\"arguments\":[\"url\"],\"hosts\":[]}") == 0);
    CHECK(sp_fake_call(SP_HOOK_REQUEST)->verdict == SP_VERDICT_DENY); /* no tools listed: all */
}

static void settings_are_checked(void) {
    static const char *const bad[] = {"", "Api.example.com", "https://api.example.com", "*", "*.", "a*b.example.com", "api.example.com:", "api.example.com:x", ".example.com", "example.com."};
    char text[256];
    size_t i;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        sp_fake_reset();
        snprintf(text, sizeof text, "{\"arguments\":[\"url\"],\"hosts\":[\"good.example.com\",\"%s\"]}", bad[i]);
        CHECK(sp_fake_boot(text) == 1 && is(sp_fake.out.code, "bad_host") && is(sp_fake_note("path"), "/hosts"));
    }
    CHECK(sp_fake_boot("{\"tools\":[\"a\\nb\"],\"arguments\":[\"url\"],\"hosts\":[]}") == 1 && is(sp_fake.out.code, "bad_tool"));
    CHECK(sp_fake_boot("{\"arguments\":[\"\\u0075rl\"],\"hosts\":[]}") == 1 && is(sp_fake.out.code, "bad_argument"));
    sp_fake_reset();
    CHECK(sp_fake_boot("{\"arguments\":[\"url\"],\"hosts\":[],\"http\":true}") == 0);
    sp_fake_text("mcp.tool.name", "fetch");
    sp_fake_string("args.url", "http://api.example.com/");
    CHECK(is(sp_fake_call(SP_HOOK_REQUEST)->code, "host_not_listed"));
}

int main(void) {
    hosts_that_are_listed();
    hosts_that_are_not();
    what_programs_read_differently();
    what_it_does_not_judge();
    settings_are_checked();
    return wrong;
}

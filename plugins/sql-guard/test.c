/* Tests of the plugin on the machine at hand: it prints what is wrong, and exits with 1. What it says of
   whole texts, corpus/ has. */
#define SALLYPORT_NATIVE
#include "sql_guard.c"

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

static void start(const char *settings) {
    sp_fake_reset();
    CHECK(sp_fake_boot(settings) == 0);
    sp_fake_text("mcp.tool.name", "query");
}

/* code is what a text is refused with, "" if it isn't. It is judged in memory of its own size, so that
   the sanitizer sees what reads beyond. */
static const char *code(const char *text) {
    uint32_t n = (uint32_t)strlen(text);
    char *copy = (char *)malloc(n ? n : 1);
    int refused;
    memcpy(copy, text, n);
    refused = judge_text(copy, n);
    free(copy);
    return refused ? refusal.code : "";
}

static void answers(void) {
    const sp_outcome *o;
    start("{\"dialect\":\"postgresql\",\"arguments\":[\"sql\",\"queries\"],\"tools\":[\"query\"]}");
    sp_fake_string("args.comment", "DROP TABLE t");
    CHECK(sp_fake_call(SP_HOOK_REQUEST)->verdict == SP_VERDICT_ABSTAIN);
    sp_fake_string("args.sql", "SELECT 1");
    CHECK(sp_fake_call(SP_HOOK_REQUEST)->verdict == SP_VERDICT_PASS);
    sp_fake_string("args.queries[1].text", "SELECT 1; DROP TABLE secrets");
    o = sp_fake_call(SP_HOOK_REQUEST);
    CHECK(o->verdict == SP_VERDICT_DENY && same(o->code, "sql.stacked") && same(o->text, "One statement at a time.") && same(sp_fake_note("at"), "DROP TABLE"));
    sp_fake_text("mcp.tool.name", "other");
    CHECK(sp_fake_call(SP_HOOK_REQUEST)->verdict == SP_VERDICT_ABSTAIN);
}

static void settings_are_checked(void) {
    sp_fake_reset();
    CHECK(sp_fake_boot("{\"dialect\":\"oracle\",\"arguments\":[\"sql\"]}") == 1 && same(sp_fake.out.code, "bad_dialect") && same(sp_fake_note("path"), "/dialect"));
    CHECK(sp_fake_boot("{\"arguments\":[\"sql\"]}") == 1 && same(sp_fake.out.code, "bad_dialect"));
    CHECK(sp_fake_boot("{\"dialect\":\"mysql\",\"arguments\":[\"s\\u0071l\"]}") == 1 && same(sp_fake.out.code, "bad_argument"));
    CHECK(sp_fake_boot("{\"dialect\":\"mysql\",\"arguments\":[\"sql\"],\"tools\":[\"a\\nb\"]}") == 1 && same(sp_fake.out.code, "bad_tool"));
    CHECK(sp_fake_boot("{\"dialect\":\"mysql\",\"arguments\":[\"sql\"],\"statements\":[\"select\",\"selects\"]}") == 1 && same(sp_fake.out.code, "bad_statement"));
}

static void settings_count(void) {
    start("{\"dialect\":\"postgresql\",\"arguments\":[\"sql\"],\"statements\":[\"select\",\"delete\"],\"stacked\":true,\"require_where\":false}");
    CHECK(same(code("SELECT 1; DELETE FROM t;"), "") && same(code("SELECT 1; UPDATE t SET a = 1"), "sql.statement"));
    start("{\"dialect\":\"postgresql\",\"arguments\":[\"sql\"],\"functions\":{\"allow\":[\"pg_sleep*\"],\"deny\":[\"md5\"]}}");
    CHECK(same(code("SELECT pg_sleep_for('1 s')"), "") && same(code("SELECT lo_import('x')"), "sql.function") && same(code("SELECT Md5('x')"), "sql.function"));
    start("{\"dialect\":\"sqlserver\",\"arguments\":[\"sql\"],\"limit\":10,\"tables\":{\"deny\":[\"secret*\"]}}");
    CHECK(same(code("SELECT TOP 10 * FROM t"), "") && same(code("SELECT TOP (11) * FROM t"), "sql.limit") && same(code("SELECT TOP 5 PERCENT * FROM t"), "sql.limit") && same(code("SELECT * FROM t"), "sql.limit"));
    CHECK(same(code("SELECT TOP 11 * FROM t UNION ALL SELECT TOP 1 * FROM t"), "sql.limit") && same(code("SELECT TOP 1 * FROM t UNION ALL SELECT TOP 2 * FROM t"), "") && same(code("SELECT TOP 5 WITH TIES * FROM t ORDER BY a"), "sql.limit"));
    CHECK(same(code("SELECT TOP 1 * FROM db..Secrets"), "sql.table") && same(code("SELECT TOP 1 * FROM [secret x]"), "sql.table") && same(code("SELECT TOP 1 * FROM secrets (NOLOCK)"), "sql.table"));
    start("{\"dialect\":\"sqlserver\",\"arguments\":[\"sql\"],\"statements\":[\"delete\",\"update\",\"insert\"],\"tables\":{\"deny\":[\"u\"]}}");
    CHECK(same(code("DELETE TOP (5) u WHERE a = 1"), "sql.table") && same(code("DELETE TOP (5) FROM u WHERE a = 1"), "sql.table") && same(code("UPDATE TOP (5) u SET a = 1 WHERE a = 2"), "sql.table") && same(code("INSERT TOP (5) u SELECT 1"), "sql.table"));
    CHECK(same(code("DELETE u FROM t WHERE a = 1"), "sql.table") && same(code("DELETE TOP (5) t WHERE a = 1"), ""));
    CHECK(same(code("DELETE TOP (SELECT 1 FROM u) FROM t WHERE a = 1"), "sql.unreadable"));
    start("{\"dialect\":\"sqlite\",\"arguments\":[\"sql\"],\"statements\":[\"select\",\"update\",\"insert\"],\"limit\":10,\"tables\":{\"deny\":[\"u\"]}}");
    CHECK(same(code("UPDATE OR ROLLBACK u SET a = 1 WHERE a = 2"), "sql.table") && same(code("INSERT OR FAIL INTO u VALUES (1)"), "sql.table") && same(code("SELECT fetch, 5 FROM t"), "sql.limit") && same(code("SELECT * FROM 'u' LIMIT 1"), "sql.table"));
    CHECK(same(code("SELECT * FROM t WHERE a IN u LIMIT 1"), "sql.table") && same(code("SELECT * FROM t WHERE a IN (1, 2) LIMIT 1"), "") && same(code("WITH u AS (SELECT 1 AS a) UPDATE OR IGNORE u SET a = 1 WHERE a = 2"), "sql.table"));
    start("{\"dialect\":\"mysql\",\"arguments\":[\"sql\"],\"statements\":[\"set\",\"transaction\"]}");
    CHECK(same(code("START REPLICA"), "sql.statement") && same(code("RESET MASTER"), "sql.statement") && same(code("START TRANSACTION READ ONLY"), "") && same(code("SET @a = 1"), ""));
    start("{\"dialect\":\"mysql\",\"arguments\":[\"sql\"],\"statements\":[\"select\",\"explain\",\"insert\"],\"limit\":10,\"tables\":{\"allow\":[\"t\"]}}");
    CHECK(same(code("SELECT * FROM t LIMIT 1000, 10"), "") && same(code("SELECT * FROM t LIMIT 10, 1000"), "sql.limit"));
    CHECK(same(code("SELECT * FROM t USE INDEX FOR ORDER BY (i), u LIMIT 1"), "sql.table") && same(code("SELECT * FROM (t, u) LIMIT 1"), "sql.table"));
    CHECK(same(code("INSERT DELAYED u VALUES (1)"), "sql.table") && same(code("REPLACE u VALUES (1)"), "sql.table") && same(code("INSERT IGNORE u VALUES (1)"), "sql.table") && same(code("REPLACE HIGH_PRIORITY INTO u VALUES (1)"), "sql.table"));
    CHECK(same(code("INSERT u VALUES (1)"), "sql.table") && same(code("INSERT INTO t (a) VALUES (1)"), "") && same(code("DESCRIBE u"), "sql.table") && same(code("TABLE u LIMIT 1"), "sql.table"));
}

/* What is read to be one harmless statement stays one, whatever comes between its tokens; and a second
   statement behind it is always seen. */
static void properties(void) {
    static const char *const parts[] = {"SELECT", "a", "FROM", "t", "WHERE", "(", ")", ",", "'x;'", "\"q;\"", "1", "=", "AND", "WITH", "x", "AS", "UNION", "ALL", "ORDER BY", "LIMIT 5", "CASE", "END", "DELETE", "UPDATE", "SET", "INTO", "VALUES", "$$;$$", "[b]", "`c`", "?", ".", "*", "NULL", "FOR", "OFFSET", "JOIN", "ON"};
    static const char *const between[] = {" ", "\n", "\t", " /* ; */ ", " -- ;'\n", "  "};
    static char one[4096], two[4096], three[4200];
    uint32_t seed = 7, round, k, n, ok = 0;
    int d;
    for (d = 0; d < DIALECTS; d++) {
        char settings[128];
        snprintf(settings, sizeof settings, "{\"dialect\":\"%s\",\"arguments\":[\"sql\"]}", dialects[d]);
        start(settings);
        for (round = 0; round < 20000 && !wrong; round++) {
            char first[16];
            one[0] = two[0] = 0;
            n = 1 + (seed >> 20) % 9;
            for (k = 0; k < n; k++) {
                const char *p;
                seed = seed * 1664525u + 1013904223u;
                p = k == 0 ? "SELECT" : parts[(seed >> 8) % (sizeof parts / sizeof *parts)];
                strcat(strcat(one, p), " ");
                strcat(strcat(two, p), between[(seed >> 16) % (sizeof between / sizeof *between)]);
            }
            snprintf(first, sizeof first, "%s", code(one));
            if (!same(code(two), first)) {
                fprintf(stderr, "test.c: %s: %s is %s, %s is %s\n", dialects[d], one, first, two, code(two));
                wrong = 1;
            }
            if (first[0]) continue;
            ok++;
            snprintf(three, sizeof three, "%s;DROP TABLE t", one);
            if (!same(code(three), "sql.stacked")) {
                fprintf(stderr, "test.c: %s: %s is %s\n", dialects[d], three, code(three));
                wrong = 1;
            }
        }
    }
    CHECK(ok > 1000);
}

int main(void) {
    answers();
    settings_are_checked();
    settings_count();
    properties();
    return wrong;
}

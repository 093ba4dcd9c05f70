/* sql-guard: SQL in arguments, taken apart as the database does it, and judged by what it does. README.md
   says what it catches and what it doesn't.

   tokens.h takes a text apart, rules.h has what it is judged by, words.h looks at single words, judge.h judges
   statements; this file takes the settings and answers. */
#define SP_CALL_BYTES 131072
#define SP_SETTINGS_BYTES 16384
#include "sallyport.h"
#include "sallyport_json.h"

#include "judge.h"

SP_MANIFEST({
  "abi": "sallyport/1",
  "name": "sql-guard",
  "version": "1.0.0",
  "hooks": ["request"],
  "reads": {"request": ["mcp.tool.name"]},
  "strings": {"request": ["args"]},
  "verdicts": ["deny"],
  "settings_schema": {
    "type": "object",
    "properties": {
      "dialect": {"description": "The database that reads the text.", "enum": ["postgresql", "mysql", "sqlserver", "sqlite"]},
      "arguments": {"description": "The arguments that hold SQL, as texts or lists of texts.", "type": "array", "items": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}, "minItems": 1},
      "tools": {"description": "The tools whose arguments are judged; all, if left out.", "type": "array", "items": {"type": "string"}},
      "statements": {"description": "The kinds of statement that are allowed.", "type": "array", "items": {"enum": ["select", "explain", "show", "insert", "update", "delete", "merge", "create", "alter", "drop", "truncate", "grant", "set", "transaction", "call", "copy", "pragma", "lock", "maintain", "use"]}, "default": ["select"]},
      "stacked": {"description": "Whether a text may have several statements.", "type": "boolean", "default": false},
      "tables": {
        "description": "Patterns of tables, with schema where the SQL has one: * is any text.",
        "type": "object",
        "properties": {
          "allow": {"type": "array", "items": {"type": "string"}},
          "deny": {"type": "array", "items": {"type": "string"}}
        },
        "additionalProperties": false
      },
      "functions": {
        "description": "Patterns of functions that may be used although they are on the plugin's list, and of others that may not.",
        "type": "object",
        "properties": {
          "allow": {"type": "array", "items": {"type": "string"}},
          "deny": {"type": "array", "items": {"type": "string"}}
        },
        "additionalProperties": false
      },
      "require_where": {"description": "Whether UPDATE and DELETE need a WHERE that looks at the row.", "type": "boolean", "default": true},
      "limit": {"description": "The most rows that a query may ask for; it must say how many then.", "type": "integer", "minimum": 1, "maximum": 999999999}
    },
    "required": ["dialect", "arguments"],
    "additionalProperties": false
  },
  "deterministic": true,
  "limits": {"pages": 8, "fuel": 200000000, "deadline_ms": 200},
  "meta": {"description": "Judges SQL in arguments: statements, tables, functions."}
})

enum { TOOL_NAME }; /* ids of fields */

static sp_text arguments, tools;

static const char *const dialects[DIALECTS] = {"postgresql", "mysql", "sqlserver", "sqlite"};

/* readable says whether all texts of a list can be read into a name: one that silently never matched
   would let pass what it should stop. */
static int readable(sp_text list) {
    char buf[NAME];
    sp_json_walk w = sp_json_begin(list);
    while (sp_json_next(&w))
        if (!sp_there(sp_json_string(w.value, buf, sizeof buf))) return 0;
    return 1;
}

static int plain(sp_text list) {
    sp_json_walk w = sp_json_begin(list);
    while (sp_json_next(&w))
        if (!sp_there(sp_json_string(w.value, 0, 0))) return 0;
    return 1;
}

SP_CONFIGURE(settings) {
    sp_text v = sp_json_get(settings, SP_TEXT("dialect")), tables = sp_json_get(settings, SP_TEXT("tables")), functions = sp_json_get(settings, SP_TEXT("functions"));
    sp_json_walk w = sp_json_begin(sp_json_get(settings, SP_TEXT("statements")));
    int k;
    __builtin_memset(&rules, 0, sizeof rules);
    rules.dialect = -1;
    for (k = 0; k < DIALECTS; k++)
        if (v.len > 2 && is(v.ptr + 1, v.len - 2, dialects[k])) rules.dialect = k;
    if (rules.dialect < 0) return sp_refuse(SP_TEXT("bad_dialect"), SP_TEXT("Name the dialect: postgresql, mysql, sqlserver or sqlite."), SP_TEXT("/dialect"));
    arguments = sp_json_get(settings, SP_TEXT("arguments"));
    tools = sp_json_get(settings, SP_TEXT("tools"));
    if (!plain(arguments)) return sp_refuse(SP_TEXT("bad_argument"), SP_TEXT("A name with escapes can't be compared."), SP_TEXT("/arguments"));
    if (!plain(tools)) return sp_refuse(SP_TEXT("bad_tool"), SP_TEXT("A name with escapes can't be compared."), SP_TEXT("/tools"));
    if (!sp_there(sp_json_get(settings, SP_TEXT("statements")))) rules.kinds = BIT(DOES_select);
    while (sp_json_next(&w)) {
        int found = 0;
        for (k = 0; k < DOES_other; k++)
            if (w.value.len > 2 && is(w.value.ptr + 1, w.value.len - 2, kind_names[k])) {
                rules.kinds |= BIT(k);
                found = 1;
            }
        if (!found) return sp_refuse(SP_TEXT("bad_statement"), SP_TEXT("There is no such kind of statement."), SP_TEXT("/statements"));
    }
    rules.stacked = sp_json_true(sp_json_get(settings, SP_TEXT("stacked")));
    rules.any_where = sp_same(sp_json_get(settings, SP_TEXT("require_where")), SP_TEXT("false"));
    rules.limit = sp_json_whole(sp_json_get(settings, SP_TEXT("limit")), 0);
    rules.tables = sp_json_get(tables, SP_TEXT("allow"));
    rules.not_tables = sp_json_get(tables, SP_TEXT("deny"));
    rules.functions = sp_json_get(functions, SP_TEXT("allow"));
    rules.not_functions = sp_json_get(functions, SP_TEXT("deny"));
    if (!readable(rules.tables) || !readable(rules.not_tables) || !readable(rules.functions) || !readable(rules.not_functions)) return sp_refuse(SP_TEXT("bad_pattern"), SP_TEXT("A pattern is too long."), SP_TEXT(""));
    build_keywords();
    return 0;
}

static int one_of(sp_text list, sp_text text) {
    sp_json_walk w = sp_json_begin(list);
    while (sp_json_next(&w))
        if (sp_same(sp_json_string(w.value, 0, 0), text)) return 1;
    return 0;
}

/* argument is the name of the argument that a string is in: of args.sql, sql; of args.queries[3], queries. */
static sp_text argument(sp_text path) {
    uint32_t i;
    if (!sp_begins(path, SP_TEXT("args."))) return sp_text_of("", 0);
    path = sp_json_from(path, 5);
    for (i = 0; i < path.len && path.ptr[i] != '.' && path.ptr[i] != '['; i++) {}
    return sp_text_of(path.ptr, i);
}

SP_ON_REQUEST(call) {
    int32_t i, n, judged = 0;
    uint32_t used;
    sp_text tool = sp_get(call, TOOL_NAME), t;
    if (!sp_there(tool) || (sp_there(tools) && !one_of(tools, tool))) return SP_VERDICT_ABSTAIN;
    n = sp_strings(call);
    for (i = 0, used = call->used; i < n; i++, call->used = used) {
        if (!one_of(arguments, argument(sp_string_path(call, i)))) continue;
        judged = 1;
        t = sp_string(call, i);
        if (!judge_text(t.ptr, t.len)) continue;
        if (refusal.what.len) sp_record(SP_TEXT("at"), sp_text_of(refusal.what.ptr, refusal.what.len < 100 ? refusal.what.len : 100));
        return sp_deny(call, sp_text_of(refusal.code, length(refusal.code)), sp_text_of(refusal.text, length(refusal.text)));
    }
    return judged ? SP_VERDICT_PASS : SP_VERDICT_ABSTAIN;
}

SP_SELFTEST() {
    struct rules kept = rules;
    int bad;
    rules.dialect = POSTGRESQL;
    rules.kinds = BIT(DOES_select);
    rules.limit = 0;
    rules.tables = rules.not_tables = rules.not_functions = sp_text_of(0, 0);
    rules.stacked = 0;
    bad = judge_text("SELECT 'a;b' -- c", 17) || !judge_text("SELECT 1; DELETE FROM t", 23) || !judge_text("SELECT 'a", 9) || !judge_text("WITH a AS (DELETE FROM t RETURNING *) SELECT 1", 46);
    rules = kept;
    return bad;
}

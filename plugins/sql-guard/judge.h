/* The judge: what a statement does, by its tokens. */
#ifndef JUDGE_H
#define JUDGE_H

#include "tokens.h"

/* Kinds of statement, as settings name them. */
#define KINDS(K)                                                                                                                        \
    K(select) K(explain) K(show) K(insert) K(update) K(delete) K(merge) K(create) K(alter) K(drop) K(truncate) K(grant) K(set) K(transaction) \
    K(call) K(copy) K(pragma) K(lock) K(maintain) K(use)
#define K(name) DOES_##name,
enum { KINDS(K) DOES_other };
#undef K
#define K(name) #name,
static const char *const kind_names[] = {KINDS(K)};
#undef K

#define BIT(kind) (1u << (kind))

static struct rules {
    int dialect, stacked, any_where;
    uint32_t kinds;                    /* that are allowed */
    uint32_t limit;                    /* the most rows that a query may ask for; 0: any */
    sp_text tables, not_tables;        /* lists of patterns, as JSON; without ptr: none */
    sp_text functions, not_functions;
} rules;

/* Functions that do more than compute: they read and write files, call out, wait, lock, run text as
   SQL, or change the server. */
static const char *const banned[] = {
    /* PostgreSQL */
    "pg_read_*", "pg_ls_*", "pg_stat_file", "pg_file_*", "pg_sleep*", "lo_*", "loread", "lowrite", "dblink*", "pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf", "pg_rotate_*", "pg_logfile_*", "set_config", "pg_advisory_*", "pg_try_advisory_*",
    "pg_logical_*", "pg_replication_*", "pg_create_*", "pg_drop_*", "pg_copy_*", "pg_switch_*", "pg_wal_*", "pg_promote", "pg_backup_*", "pg_start_backup", "pg_stop_backup", "pg_stat_reset*", "pg_notify", "pg_execute_*", "pg_import_*", "pg_extension_config_dump", "pg_export_snapshot", "pg_stat_statements_reset", "pg_prewarm", "pg_log_*",
    "query_to_xml*", "table_to_xml*", "schema_to_xml*", "database_to_xml*", "cursor_to_xml*", "ts_stat", "ts_rewrite", "crosstab*", "connectby", "xpath_table", "nextval", "setval", "http", "http_*", "net_http_*", "plperl_*", "binary_upgrade_*",
    /* MySQL */
    "load_file", "sleep", "benchmark", "get_lock", "release_lock", "release_all_locks", "master_pos_wait", "source_pos_wait", "wait_for_executed_gtid_set", "wait_until_sql_thread_after_gtids", "sys_exec", "sys_eval", "sys_get", "sys_set", "last_insert_id",
    /* SQL Server */
    "openrowset", "opendatasource", "openquery", "xp_*", "sp_*", "fn_get_audit_file", "fn_trace_gettable", "fn_xe_file_*", "fn_dump_dblog", "fn_dblog", "bulkcolumn", "dm_os_file_exists", "dm_os_enumerate_*",
    /* SQLite */
    "load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "fsdir", "zipfile", "shell", "eval", "sqlite_rename_*",
};

/* Why a text is refused. */
static struct refusal {
    const char *code, *text;
    sp_text what; /* the words that it is about */
} refusal;

static const char *sql; /* the text */

static int refuse(const char *code, const char *text, uint32_t from, uint32_t to) { /* tokens */
    refusal.code = code;
    refusal.text = text;
    if (to > token_count) to = token_count;
    if (from > to) from = to;
    refusal.what = from == to ? sp_text_of(sql, 0) : sp_text_of(sql + tokens[from].at, tokens[to - 1].at + tokens[to - 1].len - tokens[from].at);
    return 1;
}

/* ---- names and patterns ---- */

enum { NAME = 512 };

static char name[NAME];      /* of a table or a function, without quotes, parts joined by . */
static uint32_t name_len;
static uint32_t last_part;   /* where its last part begins */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c; }

static int put(char c) {
    if (name_len == NAME) return 0;
    name[name_len++] = c;
    return 1;
}

/* add_part adds a token to the name: names without quotes in lower case, as servers fold them. */
static int add_part(const token *t) {
    const char *p = sql + t->at;
    uint32_t i, n = t->len;
    char close;
    if (t->kind == T_WORD) {
        for (i = 0; i < n; i++)
            if (!put(lower(p[i]))) return 0;
        return 1;
    }
    close = p[n - 1];
    for (i = 1; i + 1 < n; i++) {
        if (p[i] == close) i++; /* twice is once */
        if (!put(p[i])) return 0;
    }
    return 1;
}

/* match says whether a pattern with * matches; fold: whatever the case. */
static int match(const char *p, uint32_t pn, const char *t, uint32_t tn, int fold) {
    uint32_t i = 0, k = 0, star = pn, mark = 0;
    while (k < tn) {
        if (i < pn && p[i] == '*') {
            star = i++;
            mark = k;
        } else if (i < pn && (p[i] == t[k] || (fold && lower(p[i]) == lower(t[k])))) {
            i++;
            k++;
        } else if (star < pn) {
            i = star + 1;
            k = ++mark;
        } else
            return 0;
    }
    while (i < pn && p[i] == '*') i++;
    return i == pn;
}

static int has_dot(sp_text t) {
    uint32_t i;
    for (i = 0; i < t.len; i++)
        if (t.ptr[i] == '.') return 1;
    return 0;
}

/* listed says whether a list has a pattern for the name; by_part: one without a dot is for the last
   part, wherever it is. */
static int listed(sp_text list, int by_part, int fold) {
    char buf[NAME];
    sp_json_walk w = sp_json_begin(list);
    while (sp_json_next(&w)) {
        sp_text p = sp_json_string(w.value, buf, sizeof buf);
        uint32_t from = by_part && !has_dot(p) ? last_part : 0;
        if (match(p.ptr, p.len, name + from, name_len - from, fold)) return 1;
    }
    return 0;
}

/* name_at reads the name at token i, of parts with dots between them, and returns the token after it;
   0 if it is too long. */
static uint32_t name_at(uint32_t i) {
    name_len = last_part = 0;
    for (;;) {
        if (tokens[i].kind == T_WORD || tokens[i].kind == T_QUOTED || tokens[i].kind == T_STRING) {
            if (!add_part(&tokens[i])) return 0;
            i++;
        }
        if (tokens[i].kind != '.') return i;
        if (!put('.')) return 0;
        last_part = name_len;
        i++;
    }
}

/* ---- kinds ---- */

static int kw(uint32_t i, uint8_t k) { return tokens[i].keyword == k; }

/* verb is the kind of statement that a keyword begins. */
static int verb(uint8_t k) {
    switch (k) {
    case KW_select: case KW_values: case KW_table: return DOES_select;
    case KW_explain: case KW_describe: case KW_desc: return DOES_explain;
    case KW_show: return DOES_show;
    case KW_insert: case KW_replace: return DOES_insert;
    case KW_update: return DOES_update;
    case KW_delete: return DOES_delete;
    case KW_merge: return DOES_merge;
    case KW_create: return DOES_create;
    case KW_alter: case KW_rename: return DOES_alter;
    case KW_drop: return DOES_drop;
    case KW_truncate: return DOES_truncate;
    case KW_grant: case KW_revoke: case KW_deny: return DOES_grant;
    case KW_set: case KW_reset: return DOES_set;
    case KW_begin: case KW_start: case KW_commit: case KW_end: case KW_rollback: case KW_savepoint: case KW_release: case KW_save: return DOES_transaction;
    case KW_call: case KW_exec: case KW_execute: case KW_do: case KW_prepare: case KW_deallocate: return DOES_call;
    case KW_copy: return DOES_copy;
    case KW_pragma: return DOES_pragma;
    case KW_lock: return DOES_lock;
    case KW_vacuum: case KW_analyze: case KW_analyse: case KW_reindex: case KW_checkpoint: return DOES_maintain;
    case KW_use: return DOES_use;
    default: return DOES_other;
    }
}

/* kind_of is the kind of the statement that begins at a token. After WITH it is that of the verb
   behind the last of its queries. */
static int kind_of(uint32_t i, uint32_t to) {
    while (i < to && tokens[i].kind == '(') i++;
    if (!kw(i, KW_with)) return verb(tokens[i].keyword);
    {
        uint32_t depth = tokens[i].depth;
        for (; i + 1 < to; i++) {
            uint8_t k = tokens[i + 1].keyword;
            if (tokens[i].kind != ')' || tokens[i].depth != depth) continue;
            if (k == KW_select || k == KW_values || k == KW_table || k == KW_insert || k == KW_update || k == KW_delete || k == KW_merge || k == KW_replace) return verb(k);
            if (tokens[i + 1].kind == '(') return DOES_select;
        }
    }
    return DOES_other;
}

static int statement_kind; /* of the statement that is judged */

/* embedded says whether the keyword at i begins a statement inside of another: in a query of WITH, or,
   in SQL Server, anywhere, because there no semicolon is needed. */
static int embedded(uint32_t i, uint32_t from) {
    uint8_t k = tokens[i].keyword, before = i > from ? tokens[i - 1].keyword : (uint8_t)KW_none, after = tokens[i + 1].keyword;
    if (i == from || tokens[i - 1].kind == '.') return 0;
    switch (k) {
    case KW_insert:
        return tokens[i + 1].kind != '(' && before != KW_then;
    case KW_update:
        if (before == KW_then) return 0;
        if (rules.dialect != SQLSERVER && (before == KW_for || before == KW_do || before == KW_key)) return 0;
        return tokens[i + 1].kind != '(';
    case KW_delete:
        return before != KW_then && tokens[i + 1].kind != '(';
    case KW_merge:
        return after != KW_join && tokens[i + 1].kind != '(';
    default:
        break;
    }
    if (rules.dialect != SQLSERVER) return 0;
    switch (k) {
    case KW_exec: case KW_drop: case KW_create: case KW_alter: case KW_truncate: case KW_grant: case KW_revoke: case KW_deny: case KW_backup: case KW_restore: case KW_shutdown: case KW_waitfor: case KW_dbcc: case KW_declare: case KW_use: case KW_print:
    case KW_kill: case KW_bulk: case KW_reconfigure: case KW_if: case KW_while: case KW_begin: case KW_return: case KW_open: case KW_close: case KW_deallocate: case KW_commit: case KW_rollback: case KW_save: case KW_throw: case KW_raiserror: case KW_checkpoint: case KW_trigger: case KW_writetext: case KW_updatetext: case KW_setuser: case KW_revert:
        return 1;
    case KW_set:
        return statement_kind != DOES_update && statement_kind != DOES_merge && statement_kind != DOES_set;
    case KW_execute:
        return 1;
    default:
        return 0;
    }
}

/* ---- a statement ---- */

static struct level {
    uint8_t table;   /* a name of a table is expected */
    uint8_t from;    /* in a list of tables: after a comma comes another */
    uint8_t query;   /* there was a verb at this depth, so FROM begins such a list */
    uint8_t merge;   /* the verb was MERGE or DELETE: USING begins one too */
    uint8_t where;   /* UPDATE or DELETE: 1 wants a WHERE, 2 has one, 3 has one with a name in it */
    uint8_t set;     /* its SET was seen */
    uint8_t body;    /* in the body of a query of WITH; 2: of WITH RECURSIVE */
    uint32_t verb;   /* the token of UPDATE or DELETE */
} levels[DEPTH + 1];

/* Names that WITH gives, by the depth in which they are known. */
enum { CTES = 128 };
static struct cte {
    uint32_t token;
    uint16_t depth;
    uint8_t known;
} ctes[CTES];
static uint32_t cte_count;

static int same_token(uint32_t a, uint32_t b) {
    const char *p = sql + tokens[a].at, *q = sql + tokens[b].at;
    uint32_t i;
    if (tokens[a].kind != tokens[b].kind || tokens[a].len != tokens[b].len) return 0;
    for (i = 0; i < tokens[a].len; i++)
        if (tokens[a].kind == T_WORD ? lower(p[i]) != lower(q[i]) : p[i] != q[i]) return 0;
    return 1;
}

static int is_cte(uint32_t i) {
    uint32_t k;
    for (k = 0; k < cte_count; k++)
        if (ctes[k].known && same_token(ctes[k].token, i)) return 1;
    return 0;
}

/* cte takes the name of a query of WITH at token i, if one is there, and returns the parenthesis in
   which its body begins. */
static uint32_t cte(uint32_t i, uint32_t to, int known) {
    uint32_t k = i + 1, depth = tokens[i].depth;
    if (tokens[i].kind != T_WORD && tokens[i].kind != T_QUOTED) return 0;
    if (tokens[k].kind == '(') {
        for (k++; k < to && !(tokens[k].kind == ')' && tokens[k].depth == depth); k++) {}
        k++;
    }
    if (k >= to || !kw(k, KW_as)) return 0;
    k++;
    if (kw(k, KW_not)) k++;
    if (kw(k, KW_materialized)) k++;
    if (tokens[k].kind != '(' || cte_count == CTES) return 0;
    ctes[cte_count].token = i;
    ctes[cte_count].depth = (uint16_t)depth;
    ctes[cte_count].known = (uint8_t)known;
    cte_count++;
    return k;
}

static int judge_table(uint32_t i, uint32_t to) { /* the tokens of its name */
    if (rules.not_tables.ptr && listed(rules.not_tables, 1, 1)) return refuse("sql.table", "This table is not to be used.", i, to);
    if (rules.tables.ptr && !listed(rules.tables, 0, 0)) return refuse("sql.table", "This table is not among those that may be used.", i, to);
    return 0;
}

static int judge_function(uint32_t i) {
    uint32_t k;
    name_len = last_part = 0;
    if (!add_part(&tokens[i])) return refuse("sql.function", "The name of a function is too long.", i, i + 1);
    if (rules.functions.ptr && listed(rules.functions, 1, 1)) return 0;
    for (k = 0; k < sizeof banned / sizeof *banned; k++)
        if (match(banned[k], length(banned[k]), name, name_len, 1)) return refuse("sql.function", "This function does more than compute.", i, i + 1);
    if (rules.not_functions.ptr && listed(rules.not_functions, 1, 1)) return refuse("sql.function", "This function is not to be used.", i, i + 1);
    return 0;
}

static int judge_kind(int kind, uint32_t i) {
    if (kind == DOES_other || !(rules.kinds & BIT(kind))) return refuse("sql.statement", "Statements of this kind are not allowed.", i, i + 2);
    return 0;
}

/* ends_from says whether the word at i ends a list of tables. Some words may also be another name of
   a table, in one dialect or another: then a comma or a join comes next. */
static int ends_from(uint32_t i) {
    uint8_t before = i ? tokens[i - 1].keyword : (uint8_t)KW_none, after = tokens[i + 1].keyword, kind = tokens[i + 1].kind;
    switch (tokens[i].keyword) {
    case KW_where: case KW_having: return 1;
    case KW_set: { /* elsewhere it is another name of a table, in PostgreSQL */
        struct level *l = &levels[tokens[i].depth];
        if (before == KW_update || (rules.dialect != POSTGRESQL && rules.dialect != SQLITE)) return 1;
        return (l->where || statement_kind == DOES_explain) && !l->set++;
    }
    case KW_group: case KW_order: return before != KW_for; /* not in MySQL's hints for an index */
    case KW_limit: return rules.dialect != SQLSERVER && kind != ',';
    case KW_offset: return kind == T_NUMBER || kind == T_PARAM || kind == '(' || kind == '?';
    case KW_fetch: return after == KW_first || after == KW_next;
    case KW_window: return kind == T_WORD && tokens[i + 2].keyword == KW_as;
    case KW_returning: return (rules.dialect == POSTGRESQL || rules.dialect == SQLITE) && kind != ',';
    case KW_for: return after == KW_update || after == KW_share || after == KW_no || after == KW_key;
    case KW_union: case KW_intersect: case KW_except: return after == KW_select || after == KW_all || after == KW_distinct || after == KW_values || after == KW_table || after == KW_with || kind == '(';
    default: return 0;
    }
}

/* from_is_syntax says whether FROM at i begins no list of tables: IS DISTINCT FROM, EXTRACT(x FROM y). */
static int from_is_syntax(uint32_t i, const struct level *l) {
    if (!l->query) return 1;
    return i >= 2 && kw(i - 1, KW_distinct) && (kw(i - 2, KW_is) || (kw(i - 2, KW_not) && i >= 3 && kw(i - 3, KW_is)));
}

static int close_level(struct level *l) {
    if (!l->where || rules.any_where || l->where == 3) return 0;
    return refuse("sql.where", l->where == 1 ? "UPDATE and DELETE need a WHERE." : "The WHERE holds for every row.", l->verb, l->verb + 4);
}

static int literal(uint32_t i) { return tokens[i].kind == T_NUMBER || tokens[i].kind == T_STRING || kw(i, KW_true); }

/* always says whether a condition holds whatever the row: 1, TRUE, 1 = 1, 'a' LIKE 'a'. */
static int always(uint32_t i) {
    if (!literal(i)) return 0;
    if (tokens[i + 1].kind == '=' || tokens[i + 1].kind == '<' || tokens[i + 1].kind == '>' || tokens[i + 1].kind == '!' || kw(i + 1, KW_like)) return literal(i + 2) || literal(i + 3);
    return !tokens[i + 1].kind || tokens[i + 1].kind == ')' || tokens[i + 1].kind == T_WORD;
}

/* operator_word says whether a keyword in a condition is a part of the condition's form, not a name. */
static int operator_word(uint8_t k) {
    switch (k) {
    case KW_and: case KW_or: case KW_not: case KW_null: case KW_is: case KW_true: case KW_false: case KW_between: case KW_in: case KW_like: case KW_case: case KW_when: case KW_then: case KW_else: case KW_end: case KW_exists: case KW_any: case KW_all: case KW_select: case KW_where:
    case KW_from: case KW_distinct: case KW_as: case KW_values:
        return 1;
    default:
        return 0;
    }
}

/* into judges INTO: of INSERT and MERGE it is a part of the verb, otherwise it makes something. */
static int into(uint32_t i, uint32_t from) {
    uint32_t k = i, steps = 0;
    if (rules.dialect == MYSQL && (kw(i + 1, KW_outfile) || kw(i + 1, KW_dumpfile))) return refuse("sql.file", "The statement writes a file.", i, i + 3);
    while (k > from && steps++ < 5 && !kw(k, KW_select)) {
        k--;
        if (tokens[k].depth != tokens[i].depth) continue;
        /* Not where it is the name of a column, as in SELECT 1 insert INTO t. */
        if (k > from && rules.dialect != SQLSERVER && tokens[k - 1].kind != '(' && !kw(k - 1, KW_or) && !(tokens[k - 1].kind == ')' && statement_kind != DOES_select)) continue;
        if (kw(k, KW_insert) || kw(k, KW_merge) || (kw(k, KW_replace) && (k == from || (rules.dialect == SQLITE && kw(k - 1, KW_or))))) return 0;
    }
    if (kw(i + 1, KW_outfile) || kw(i + 1, KW_dumpfile) || kw(from, KW_vacuum)) return refuse("sql.file", "The statement writes a file.", i, i + 3);
    if (tokens[i + 1].kind == T_PARAM && rules.dialect == MYSQL) return judge_kind(DOES_set, i);
    return judge_kind(DOES_create, i);
}

/* word judges a word that is a keyword, in the place where it stands. */
static int word(uint32_t i, uint32_t from, uint32_t to, int runs) {
    struct level *l = &levels[tokens[i].depth];
    uint8_t k = tokens[i].keyword, before = i > from ? tokens[i - 1].keyword : (uint8_t)KW_none;
    uint32_t at;
    if (l->from && ends_from(i)) l->from = l->table = 0;
    if (runs && embedded(i, from) && !(i > 0 && tokens[i - 1].kind == '.')) {
        if (judge_kind(verb(k), i)) return 1;
        if (rules.dialect == SQLSERVER && tokens[i].depth == 0 && !rules.stacked && !(verb(k) == DOES_call && kw(from, KW_insert)) && !(kw(from, KW_with) && tokens[i - 1].kind == ')'))
            return refuse("sql.stacked", "One statement at a time.", i, i + 2);
    }
    switch (k) {
    case KW_select: case KW_values:
        if (k == KW_select && rules.dialect == SQLSERVER && tokens[i].depth == 0 && l->query == 2 && before != KW_union && before != KW_all && before != KW_except && before != KW_intersect && !rules.stacked)
            return refuse("sql.stacked", "One statement at a time.", i, i + 2);
        l->query = k == KW_select ? 2 : (uint8_t)(l->query | 1);
        l->table = l->from = 0;
        break;
    case KW_insert: case KW_replace:
        if (tokens[i + 1].kind == '(' || (k == KW_replace && i != from)) break;
        l->query = 1;
        if (rules.dialect != POSTGRESQL && rules.dialect != SQLITE && !kw(i + 1, KW_into) && before != KW_then) l->table = 1;
        break;
    case KW_update: case KW_delete:
        if (i > from && !embedded(i, from)) break;
        l->query = 1;
        l->merge = k == KW_delete;
        if (runs) {
            l->where = 1;
            l->verb = i;
        }
        if (k == KW_update || (rules.dialect == SQLSERVER && !kw(i + 1, KW_from))) l->table = l->from = 1;
        break;
    case KW_merge:
        if (kw(i + 1, KW_join)) break;
        l->query = l->merge = 1;
        if (!kw(i + 1, KW_into)) l->table = 1;
        break;
    case KW_truncate:
        if (i == from) l->table = l->from = 1;
        break;
    case KW_table:
        l->table = 1;
        break;
    case KW_into:
        if (runs && into(i, from)) return 1;
        l->table = tokens[i + 1].kind != T_PARAM;
        break;
    case KW_from:
        if (!from_is_syntax(i, l)) l->table = l->from = 1;
        break;
    case KW_join: case KW_straight_join:
        if (before != KW_for) l->table = l->from = 1;
        break;
    case KW_using:
        if (l->merge && (tokens[i + 1].kind != '(' || kw(i + 2, KW_select) || kw(i + 2, KW_values) || kw(i + 2, KW_with))) l->table = l->from = 1;
        break;
    case KW_where:
        if (l->where == 1) l->where = 2;
        if (runs && l->where > 1 && !rules.any_where && always(i + 1))
            for (at = i + 2; at < i + 6 && at < to && !kw(at, KW_and); at++)
                if (kw(at, KW_or)) return refuse("sql.where", "The WHERE holds for every row.", i, i + 4);
        break;
    case KW_in:
        if (rules.dialect == SQLITE && tokens[i + 1].kind != '(') l->table = 1; /* a table as a list of values */
        break;
    case KW_returning: case KW_order: case KW_limit:
        if (k == KW_returning && l->where == 1 && (rules.dialect == POSTGRESQL || rules.dialect == SQLITE)) l->where = 4; /* a WHERE behind it is a name */
        if (l->where == 2) l->where = 4; /* without a name until here */
        break;
    case KW_or:
        if (runs && l->where > 1 && !rules.any_where && always(i + 1)) return refuse("sql.where", "The WHERE holds for every row.", i, i + 4);
        for (at = i + 1; tokens[at].kind == '('; at++) {}
        if (runs && at > i + 1 && l->where > 1 && !rules.any_where && literal(at) && (tokens[at + 1].kind == ')' || (always(at) && (tokens[at + 3].kind == ')' || tokens[at + 4].kind == ')') && tokens[at + 2].kind != ')')))
            return refuse("sql.where", "The WHERE holds for every row.", i, at + 3);
        break;
    case KW_for:
        if (runs && (kw(i + 1, KW_update) || kw(i + 1, KW_share) || kw(i + 1, KW_no) || kw(i + 1, KW_key)) && judge_kind(DOES_lock, i)) return 1;
        break;
    case KW_lock:
        if (runs && i > from && (before == KW_none) && tokens[i + 1].kind == T_WORD && is(sql + tokens[i + 1].at, tokens[i + 1].len, "in") && judge_kind(DOES_lock, i)) return 1;
        break;
    case KW_program:
        if (kw(from, KW_copy) && (before == KW_to || before == KW_from)) return refuse("sql.file", "The statement runs a program.", i, i + 2);
        break;
    case KW_with: {
        uint32_t body;
        int recursive = kw(i + 1, KW_recursive);
        at = i + 1;
        if (recursive) at++;
        body = cte(at, to, recursive || rules.dialect == SQLSERVER || rules.dialect == SQLITE);
        if (body) l->body = recursive ? 2 : 1;
        break;
    }
    default:
        break;
    }
    return 0;
}

/* open_ begins a level at a parenthesis, close_ ends it. */
static void open_(uint32_t i) {
    uint32_t d = tokens[i].depth;
    struct level *l = &levels[d], *in = &levels[d + 1];
    __builtin_memset(in, 0, sizeof *in);
    if (!l->table) return;
    l->table = 0; /* a query, or joins in parentheses */
    in->table = in->from = in->query = 1;
}

static int close_(uint32_t i, uint32_t to) {
    uint32_t d = tokens[i].depth, k;
    struct level *l = &levels[d];
    if (close_level(&levels[d + 1])) return 1;
    while (cte_count && ctes[cte_count - 1].depth > d) cte_count--;
    if (!l->body) return 0;
    if (kw(i + 1, KW_as)) return 0; /* that was a list of columns */
    for (k = 0; k < cte_count; k++)
        if (ctes[k].depth == d) ctes[k].known = 1;
    if (tokens[i + 1].kind != ',' || i + 2 >= to || !cte(i + 2, to, l->body == 2 || rules.dialect == SQLSERVER || rules.dialect == SQLITE)) l->body = 0;
    return 0;
}

static int has_tables(void) { return rules.tables.ptr || rules.not_tables.ptr; }

/* is_target says whether the name of a table at i is what INSERT, UPDATE, DELETE or MERGE changes: that
   is a table, whatever WITH calls so. */
static int is_target(uint32_t i) {
    if (rules.dialect == SQLSERVER) return 0; /* there it may be a query of WITH */
    while (i > 1 && kw(i - 1, KW_only)) i--;
    if (i > 2 && kw(i - 2, KW_or)) i -= 2; /* SQLite's UPDATE OR IGNORE */
    return i > 0 && (kw(i - 1, KW_into) || kw(i - 1, KW_update) || kw(i - 1, KW_merge) || (i > 1 && kw(i - 1, KW_from) && kw(i - 2, KW_delete)));
}

/* table reads the name of a table at token i; next is the token after it. */
static int table(uint32_t i, uint32_t *next) {
    struct level *l = &levels[tokens[i].depth];
    uint32_t end;
    uint8_t k = tokens[i].keyword;
    *next = i;
    if (k == KW_only || k == KW_lateral || (k == KW_top && rules.dialect == SQLSERVER) || k == KW_low_priority || k == KW_ignore || k == KW_quick || k == KW_table || k == KW_into || k == KW_from || k == KW_or || k == KW_percent || (rules.dialect == MYSQL && (is(sql + tokens[i].at, tokens[i].len, "delayed") || is(sql + tokens[i].at, tokens[i].len, "high_priority")))) {
        uint8_t after = tokens[i + 1].kind;
        if (after == T_WORD || after == T_QUOTED || after == '(' || after == T_NUMBER || after == T_PARAM) {
            if (k == KW_top && after == '(') { /* TOP (5): not a list of tables */
                uint32_t d = tokens[i].depth, e = i + 2;
                while (e < token_count && !(tokens[e].kind == ')' && tokens[e].depth == d)) e++;
                if (e != i + 3) return refuse("sql.unreadable", "What is in the parentheses of TOP isn't read.", i, e);
                *next = e + 1;
            } else
                *next = i + 1 + (k == KW_top || k == KW_or);
            return 0;
        }
    }
    if (k == KW_select || k == KW_values || k == KW_with || k == KW_outfile || k == KW_dumpfile) {
        l->table = 0;
        return 0;
    }
    end = name_at(i);
    if (!end) return refuse("sql.table", "The name of a table is too long.", i, i + 1);
    if (end == i) return 0;
    l->table = 0;
    if (!has_tables()) return 0;
    /* What has arguments is a function, but for SQL Server's hints in parentheses. */
    if (tokens[end].kind == '(' && rules.dialect != SQLSERVER && i > 0 && !kw(i - 1, KW_into) && !kw(i - 1, KW_insert)) return 0;
    if (end == i + 1 && is_cte(i) && !is_target(i)) return 0;
    return judge_table(i, end);
}

/* few checks the number at a token: so many rows a query asks for. */
static int few(uint32_t at) {
    uint32_t n = 0, k = tokens[at + 1].kind;
    if (tokens[at].kind != T_NUMBER || tokens[at].len > 9) return refuse("sql.limit", "The query needs a LIMIT, as a number.", at, at + 1);
    if (kw(at + 1, KW_percent) || (!kw(at - 1, KW_top) && k != T_END && k != T_WORD && k != ')' && k != ',')) return refuse("sql.limit", "The query needs a LIMIT, as a number.", at, at + 2);
    for (k = 0; k < tokens[at].len; k++) {
        if (!digit(sql[tokens[at].at + k])) return refuse("sql.limit", "The query needs a LIMIT, as a number.", at, at + 1);
        n = n * 10 + (uint32_t)(sql[tokens[at].at + k] - '0');
    }
    return n > rules.limit ? refuse("sql.limit", "The LIMIT is too large.", at, at + 1) : 0;
}

/* limits checks that a query asks for few rows: at its end, or after SELECT. */
static int limits(uint32_t from, uint32_t to) {
    uint32_t i, at = to, selects = 0, tops = 0;
    for (i = from; i < to; i++) {
        if (tokens[i].depth) continue;
        if (kw(i, KW_union) || kw(i, KW_intersect) || kw(i, KW_except)) at = to;
        if (kw(i, KW_with) && is(sql + tokens[i + 1].at, tokens[i + 1].len, "ties")) return refuse("sql.limit", "WITH TIES has no limit.", i, i + 2);
        selects += kw(i, KW_select);
        if (kw(i, KW_top) && rules.dialect == SQLSERVER && (kw(i - 1, KW_select) || kw(i - 1, KW_distinct) || kw(i - 1, KW_all))) {
            tops++;
            if (few(i + 1 + (tokens[i + 1].kind == '('))) return 1;
        }
        if (kw(i, KW_limit) && rules.dialect != SQLSERVER) at = i + 1;
        else if (kw(i, KW_fetch) && rules.dialect != SQLITE && (kw(i + 1, KW_first) || kw(i + 1, KW_next))) at = i + 2;
        else if (kw(i, KW_top) && tops == selects && rules.dialect == SQLSERVER) at = i + 1 + (tokens[i + 1].kind == '(');
    }
    if (at < to && tokens[at + 1].kind == ',' && kw(at - 1, KW_limit)) at += 2; /* MySQL: from, how many */
    if (at >= to) return refuse("sql.limit", "The query needs a LIMIT, as a number.", from, from + 1);
    return few(at);
}

/* explained is where the statement begins that EXPLAIN is about, and whether it runs. */
static uint32_t explained(uint32_t from, uint32_t to, int *runs) {
    uint32_t i;
    *runs = 0;
    for (i = from + 1; i < to; i++) {
        uint8_t k = tokens[i].keyword;
        if (k == KW_analyze || k == KW_analyse) *runs = 1;
        if (k == KW_select || k == KW_with || k == KW_insert || k == KW_update || k == KW_delete || k == KW_merge || k == KW_values || k == KW_table || k == KW_replace || k == KW_create || k == KW_execute || k == KW_declare) return i;
    }
    return to;
}

static int judge_statement(uint32_t from, uint32_t to) {
    int kind = kind_of(from, to), runs = 1;
    uint32_t i, next, begin = from;
    if (judge_kind(kind, from)) return 1;
    statement_kind = kind;
    if (kind == DOES_explain) {
        begin = explained(from, to, &runs);
        if (begin == to && has_tables()) return refuse("sql.table", "The tables of such a statement can't be told.", from, from + 2);
        if (runs && judge_kind(begin < to ? kind_of(begin, to) : DOES_other, begin < to ? begin : from)) return 1; /* it runs REFRESH, too */
    }
    if (kw(from, KW_start) && !is(sql + tokens[from + 1].at, tokens[from + 1].len, "transaction")) return refuse("sql.statement", "This starts no transaction.", from, from + 2);
    if (kw(from, KW_reset) && rules.dialect == MYSQL) return refuse("sql.statement", "This resets the server.", from, from + 2);
    if (kind == DOES_transaction && rules.dialect == SQLSERVER && (kw(from, KW_end) || (kw(from, KW_begin) && from + 1 < to && tokens[from + 1].len < 4))) return refuse("sql.statement", "Blocks are not judged.", from, from + 2);
    if (has_tables() && kind != DOES_select && kind != DOES_explain && kind != DOES_insert && kind != DOES_update && kind != DOES_delete && kind != DOES_merge && kind != DOES_truncate && kind != DOES_transaction && kind != DOES_set)
        return refuse("sql.table", "The tables of such a statement can't be told.", from, from + 2);
    if (kind == DOES_copy)
        for (i = from; i < to; i++)
            if (tokens[i].kind == T_STRING && (kw(i - 1, KW_to) || kw(i - 1, KW_from))) return refuse("sql.file", "The statement reads or writes a file.", i, i + 1);
    __builtin_memset(&levels[0], 0, sizeof levels[0]);
    cte_count = 0;
    for (i = begin; i < to; i++) {
        struct level *l = &levels[tokens[i].depth];
        uint8_t t = tokens[i].kind;
        if (l->table && t != '(' && t != ')' && t != ',') {
            if (table(i, &next)) return 1;
            if (next > i) { /* words before the name */
                i = next - 1;
                continue;
            }
        }
        if (t == '(') open_(i);
        else if (t == ')') {
            if (close_(i, to)) return 1;
        } else if (t == ',' && l->from) l->table = 1;
        else if ((t == T_WORD || t == T_QUOTED) && (tokens[i + 1].kind == '(' || kind == DOES_call) && judge_function(i)) return 1;
        if (t == T_WORD && tokens[i].keyword && word(i, begin, to, runs)) return 1;
        if (((t == T_WORD && !operator_word(tokens[i].keyword) && tokens[i + 1].kind != '(') || t == T_QUOTED || t == T_PARAM || t == '?')) {
            uint32_t d = tokens[i].depth + 1;
            while (d-- > 0) /* of the WHEREs around it */
                if (levels[d].where == 2) levels[d].where = 3;
        }
    }
    if (close_level(&levels[0])) return 1;
    if (kind == DOES_select && rules.limit && limits(from, to)) return 1;
    return 0;
}

/* judge_text judges what is between semicolons. 1: it is refused, and refusal says why. */
static int judge_text(const char *text, uint32_t n) {
    uint32_t from = 0, i, statements = 0;
    sql = text;
    if (!tokenize(text, n, rules.dialect)) {
        refusal.code = mistake_code;
        refusal.text = mistake;
        refusal.what = sp_text_of(text, 0);
        return 1;
    }
    for (i = 0; i <= token_count; i++) {
        if (i < token_count && tokens[i].kind != ';') continue;
        if (i > from) {
            if (statements++ && !rules.stacked) return refuse("sql.stacked", "One statement at a time.", from, from + 2);
        }
        from = i + 1;
    }
    if (!statements) return refuse("sql.statement", "There is no statement.", 0, 0);
    for (i = 0, from = 0; i <= token_count; i++) {
        if (i < token_count && tokens[i].kind != ';') continue;
        if (i > from) {
            token kept = tokens[i]; /* so that nothing looks beyond the statement */
            tokens[i].kind = T_END;
            tokens[i].keyword = KW_none;
            if (judge_statement(from, i)) return 1;
            tokens[i] = kept;
        }
        from = i + 1;
    }
    return 0;
}

#endif

/* What a statement is judged by: what the settings allow, what names match, and which kind a statement is. */
#ifndef RULES_H
#define RULES_H

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

#endif

/* The judge: what a statement does, by its tokens. */
#ifndef JUDGE_H
#define JUDGE_H

#include "words.h"

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

/* The words of a statement, one after the other: what each says of the statement, and at which depth it
   stands. */
#ifndef WORDS_H
#define WORDS_H

#include "rules.h"

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

#endif

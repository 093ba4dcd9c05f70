/* The tokenizer: SQL of four dialects, taken apart as their servers do it. What it doesn't know for sure
   it refuses: a text that two programs can read in two ways is none to let pass. */
#ifndef TOKENS_H
#define TOKENS_H

enum { POSTGRESQL, MYSQL, SQLSERVER, SQLITE, DIALECTS };

#define KEYWORDS(K)                                                                                                                     \
    K(add) K(all) K(alter) K(analyse) K(analyze) K(and) K(any) K(as) K(attach) K(begin) K(bulk) K(call) K(checkpoint) K(close) K(commit) K(copy) K(create) K(cross) \
    K(backup) K(between) K(by) K(case) K(cube) K(current) K(dbcc) K(deallocate) K(declare) K(delete) K(deny) K(desc) K(describe) K(distinct) K(do) K(drop) K(dumpfile) \
    K(else) K(end) K(except) K(exec) K(execute) K(exists) K(explain) K(false) K(fetch) K(first) K(for) K(from) K(full) K(go) K(grant) K(group) K(having)  \
    K(if) K(ignore) K(in) K(inner) K(insert) K(intersect) K(into) K(is) K(join) K(key) K(kill) K(lateral) K(left) K(like) K(limit) K(lock) K(low_priority)     \
    K(materialized) K(merge) K(minus) K(natural) K(next) K(no) K(not) K(null) K(nulls) K(of) K(offset) K(on) K(only) K(open) K(or) K(order) K(outer) K(outfile) \
    K(percent) K(pragma) K(prepare) K(print) K(program) K(quick) K(raiserror) K(reconfigure) K(recursive) K(reindex) K(release) K(rename)        \
    K(replace) K(reset) K(restore) K(return) K(returning) K(revert) K(revoke) K(right) K(rollback) K(row) K(rows) K(save) K(savepoint) K(select) K(set) K(setuser) \
    K(share) K(show) K(shutdown) K(start) K(stdin) K(stdout) K(straight_join) K(table) K(temp) K(temporary) K(then) K(throw) K(to) K(top) K(trigger) K(true) \
    K(truncate) K(union) K(unlogged) K(update) K(updatetext) K(use) K(using) K(vacuum) K(values) K(waitfor) K(when) K(where) K(while) K(window) K(with) K(writetext)

#define K(word) KW_##word,
enum { KW_none, KEYWORDS(K) KW_count };
#undef K
#define K(word) #word,
static const char *const keywords[] = {"", KEYWORDS(K)};
#undef K

/* Kinds of token. An operator is the character itself. */
enum { T_END = 0, T_WORD = 1, T_QUOTED, T_STRING, T_NUMBER, T_PARAM };

typedef struct token {
    uint8_t kind, keyword; /* keyword: of words; quoted ones are none */
    uint16_t depth;        /* of parentheses; a parenthesis has that of what is outside of it */
    uint32_t at, len;      /* with quotes */
} token;

enum { TOKENS = 8192, DEPTH = 64 };

static token tokens[TOKENS + 1]; /* and an end */
static uint32_t token_count;
static uint8_t keyword_slots[512];

static uint32_t hash(const char *word, uint32_t n) {
    uint32_t h = 2166136261u, i;
    for (i = 0; i < n; i++) {
        char c = word[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c | 32);
        h = (h ^ (unsigned char)c) * 16777619u;
    }
    return (h ^ h >> 15) % sizeof keyword_slots;
}

static uint32_t length(const char *s) {
    uint32_t n = 0;
    while (s[n]) n++;
    return n;
}

/* is says whether a text is a word, in whatever case; the word is in lower case. */
static int is(const char *p, uint32_t n, const char *word) {
    uint32_t i;
    for (i = 0; i < n; i++) {
        char c = p[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c | 32);
        if (c != word[i]) return 0; /* the end of word, too */
    }
    return !word[n];
}

static void build_keywords(void) {
    uint32_t k;
    __builtin_memset(keyword_slots, 0, sizeof keyword_slots);
    for (k = 1; k < KW_count; k++) {
        uint32_t at = hash(keywords[k], length(keywords[k]));
        while (keyword_slots[at]) at = (at + 1) % sizeof keyword_slots;
        keyword_slots[at] = (uint8_t)k;
    }
}

static uint8_t keyword(const char *p, uint32_t n) {
    uint32_t at = hash(p, n);
    for (; keyword_slots[at]; at = (at + 1) % sizeof keyword_slots)
        if (is(p, n, keywords[keyword_slots[at]])) return keyword_slots[at];
    return KW_none;
}

static int digit(char c) { return c >= '0' && c <= '9'; }
static int alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80; }
static int word_char(char c, int dialect) { return alpha(c) || digit(c) || c == '$' || (dialect == SQLSERVER && (c == '#' || c == '@')); }

/* odd says whether a character of a name is one that some program takes for a blank, for nothing, or
   for a quote. */
static int odd(const char *p, uint32_t n) {
    const unsigned char *u = (const unsigned char *)p;
    if (n >= 2 && u[0] == 0xc2 && u[1] < 0xa1) return 1;                    /* U+0080 to U+00A0 */
    if (n >= 2 && u[0] == 0xc2 && (u[1] == 0xad || u[1] == 0xb4)) return 1; /* soft hyphen, acute */
    if (n >= 2 && u[0] == 0xca && u[1] >= 0xb9 && u[1] <= 0xbd) return 1;   /* letters like an apostrophe */
    if (n >= 2 && u[0] == 0xcb && u[1] <= 0x8b) return 1;
    if (n >= 3 && u[0] == 0xe2 && u[1] <= 0x81) return 1;                   /* U+2000 to U+207F */
    if (n >= 3 && u[0] == 0xe3 && u[1] == 0x80 && u[2] <= 0x8f) return 1;   /* CJK blanks and quotes */
    if (n >= 3 && u[0] == 0xef && (u[1] >= 0xb8)) return 1;                 /* variation selectors, BOM, full-width forms */
    if (n >= 4 && u[0] == 0xf3) return 1;                                   /* tags */
    return 0;
}

/* What reading went wrong with; a text for people. */
static const char *mistake;
static const char *mistake_code;

static uint32_t wrong_token(const char *text) {
    mistake = text;
    mistake_code = "sql.unreadable";
    return 0;
}

/* quoted_end is where what begins with a quote at i ends: after the closing quote. 0: nowhere. */
static uint32_t quoted_end(const char *p, uint32_t n, uint32_t i, char close, int backslash) {
    for (i++; i < n; i++) {
        if (p[i] == 0) return 0;
        if (backslash && p[i] == '\\') {
            i++;
            continue;
        }
        if (p[i] != close) continue;
        if (i + 1 < n && p[i + 1] == close) {
            i++;
            continue;
        }
        return i + 1;
    }
    return 0;
}

/* comment_end is where a comment of the form slash, star ends. */
static uint32_t comment_end(const char *p, uint32_t n, uint32_t i, int dialect) {
    uint32_t depth = 0;
    int nests = dialect == POSTGRESQL || dialect == SQLSERVER;
    for (; i + 1 < n; i++) {
        if (p[i] == '/' && p[i + 1] == '*' && (nests || depth == 0)) {
            depth++;
            i++;
        } else if (p[i] == '*' && p[i + 1] == '/') {
            i++;
            if (--depth == 0) return i + 1;
        }
    }
    return wrong_token("A comment isn't closed.");
}

/* blank skips white space and comments. mistake is set if one can't be read. */
static uint32_t blank(const char *p, uint32_t n, uint32_t i, int dialect) {
    for (;;) {
        while (i < n && (p[i] == ' ' || (p[i] >= '\t' && p[i] <= '\r'))) i++;
        if (i + 1 < n && p[i] == '/' && p[i + 1] == '*') {
            if (dialect == MYSQL && i + 2 < n && (p[i + 2] == '!' || (p[i + 2] == 'M' && i + 3 < n && p[i + 3] == '!'))) {
                wrong_token("A comment with a version is code.");
                return n;
            }
            i = comment_end(p, n, i, dialect);
            if (mistake) return n;
            continue;
        }
        if ((i + 1 < n && p[i] == '-' && p[i + 1] == '-' && (dialect != MYSQL || i + 2 == n || (unsigned char)p[i + 2] <= ' ')) || (i < n && p[i] == '#' && dialect == MYSQL)) {
            for (; i < n && p[i] != '\n'; i++)
                if (p[i] == 0 || (p[i] == '\r' && !(i + 1 < n && p[i + 1] == '\n'))) { /* some end the line there, and some don't */
                    wrong_token("A comment has a carriage return or a NUL in it.");
                    return n;
                }
            continue;
        }
        return i;
    }
}

static uint32_t number_end(const char *p, uint32_t n, uint32_t i, int dialect) {
    if (p[i] == '0' && i + 2 < n && (p[i + 1] == 'x' || p[i + 1] == 'X')) {
        for (i += 2; i < n && (digit(p[i]) || ((p[i] | 32) >= 'a' && (p[i] | 32) <= 'f')); i++) {}
    } else {
        while (i < n && digit(p[i])) i++;
        if (i < n && p[i] == '.') i++;
        while (i < n && digit(p[i])) i++;
        if (i + 1 < n && (p[i] | 32) == 'e' && (digit(p[i + 1]) || (i + 2 < n && (p[i + 1] == '-' || p[i + 1] == '+') && digit(p[i + 2]))))
            for (i += 2; i < n && digit(p[i]); i++) {}
    }
    if (i < n && word_char(p[i], dialect)) return wrong_token("A number runs into a word.");
    return i;
}

/* dollar_end is where a string in dollars ends, that begins at i; 0 if none begins there. */
static uint32_t dollar_end(const char *p, uint32_t n, uint32_t i) {
    uint32_t tag = i + 1, k, from;
    if (tag < n && digit(p[tag])) return 0;
    while (tag < n && (alpha(p[tag]) || digit(p[tag]))) tag++;
    if (tag >= n || p[tag] != '$') return 0;
    from = tag + 1;
    tag = from - i; /* with both dollars */
    for (k = from; k + tag <= n; k++) {
        uint32_t m = 0;
        while (m < tag && p[k + m] == p[i + m]) m++;
        if (m == tag) return k + tag;
    }
    return wrong_token("A string in dollars isn't closed.");
}

static uint32_t word_end(const char *p, uint32_t n, uint32_t i, int dialect) {
    while (i < n && word_char(p[i], dialect)) {
        if ((unsigned char)p[i] >= 0xc0 && odd(p + i, n - i)) return wrong_token("A name has a character that is no letter.");
        i++;
    }
    return i;
}

/* prefixed is the kind of a string with a letter before it, such as E'...': its quote is at i + n.
   0: there is none. */
static int prefixed(const char *p, uint32_t at, uint32_t len, uint32_t n) {
    char c = (char)(p[at] | 32);
    if (at + len >= n || p[at + len] != '\'' || len != 1) return 0;
    return c == 'e' || c == 'b' || c == 'x' || c == 'n' ? c : 0;
}

/* read_token reads the token at i and returns where it ends; 0 and a mistake if it can't. */
static uint32_t read_token(const char *p, uint32_t n, uint32_t i, int dialect, token *t) {
    char c = p[i];
    uint32_t end;
    int prefix;
    t->keyword = KW_none;
    t->at = i;
    if (c == '\'' || (c == '"' && dialect == MYSQL)) {
        t->kind = T_STRING;
        end = quoted_end(p, n, i, c, dialect == MYSQL);
        return end ? end : wrong_token("A string isn't closed.");
    }
    if (c == '"' || (c == '`' && (dialect == MYSQL || dialect == SQLITE)) || (c == '[' && (dialect == SQLSERVER || dialect == SQLITE))) {
        t->kind = T_QUOTED;
        end = quoted_end(p, n, i, c == '[' ? ']' : c, 0);
        return end ? end : wrong_token("A quoted name isn't closed.");
    }
    if (digit(c) || (c == '.' && i + 1 < n && digit(p[i + 1]))) {
        t->kind = T_NUMBER;
        return number_end(p, n, i, dialect);
    }
    if (alpha(c) || (c == '#' && dialect == SQLSERVER)) {
        end = word_end(p, n, i, dialect);
        if (!end) return 0;
        if ((c | 32) == 'u' && end == i + 1 && i + 2 < n && p[end] == '&' && (p[end + 1] == '\'' || p[end + 1] == '"'))
            return wrong_token("U& strings and names aren't read.");
        prefix = prefixed(p, i, end - i, n);
        if (prefix && (prefix != 'e' || dialect == POSTGRESQL)) {
            t->kind = T_STRING;
            end = quoted_end(p, n, end, '\'', prefix == 'e' || dialect == MYSQL);
            if (!end) return wrong_token("A string isn't closed.");
            if (prefix == 'e') { /* in another line it goes on, with backslashes */
                uint32_t next = blank(p, n, end, dialect);
                if (mistake) return 0;
                if (next < n && p[next] == '\'') return wrong_token("A string with backslashes goes on behind its end.");
            }
            return end;
        }
        t->kind = T_WORD;
        t->keyword = keyword(p + i, end - i);
        return end;
    }
    if (c == '$' && dialect == POSTGRESQL) {
        end = dollar_end(p, n, i);
        t->kind = T_STRING;
        if (end || mistake) return end;
    }
    if ((c == '$' || c == ':' || c == '@') && i + 1 < n && (word_char(p[i + 1], dialect) || p[i + 1] == '@') && !(c == '@' && dialect == POSTGRESQL)) {
        t->kind = T_PARAM;
        for (end = i + 1; end < n && (word_char(p[end], dialect) || p[end] == '@' || (p[end] == '.' && c == '@' && dialect == MYSQL)); end++)
            if ((unsigned char)p[end] >= 0xc0 && odd(p + end, n - end)) return wrong_token("A name has a character that is no letter.");
        if (dialect == SQLITE && end < n && (p[end] == '(' || p[end] == ':')) return wrong_token("A parameter has a parenthesis or a colon in its name.");
        return end;
    }
    if (dialect == SQLITE && (c == ':' || c == '@')) return wrong_token("A parameter has no plain name."); /* @::x(...) is one */
    t->kind = (uint8_t)c;
    if (c == ':' && i + 1 < n && (p[i + 1] == ':' || p[i + 1] == '=')) return i + 2;
    for (end = 0; "()+-*/%=<>!~^&|,.;:?@"[end]; end++)
        if (c == "()+-*/%=<>!~^&|,.;:?@"[end]) return i + 1;
    if ((c == '[' || c == ']' || c == '#') && dialect == POSTGRESQL) return i + 1;
    return wrong_token("There is a character that SQL doesn't have.");
}

/* tokenize takes a text apart. 0: it can't be read, and mistake says why. */
static int tokenize(const char *p, uint32_t n, int dialect) {
    uint32_t i = 0, depth = 0;
    mistake = 0;
    token_count = 0;
    for (;;) {
        token *t = &tokens[token_count];
        i = blank(p, n, i, dialect);
        if (mistake) return 0;
        if (i >= n) break;
        if (token_count == TOKENS) return (int)wrong_token("The text is too long.");
        t->len = read_token(p, n, i, dialect, t);
        if (!t->len) return 0;
        i = t->len;
        t->len -= t->at;
        if (token_count && t[-1].kind == '.') t->keyword = KW_none; /* the name of a column, a table or a function */
        if (t->kind == ')') {
            if (depth == 0) return (int)wrong_token("A parenthesis is closed that isn't open.");
            depth--;
        }
        t->depth = (uint16_t)depth;
        if (t->kind == '(' && ++depth == DEPTH) return (int)wrong_token("The parentheses are too deep.");
        if (t->kind == ';' && depth) return (int)wrong_token("A parenthesis isn't closed.");
        token_count++;
    }
    if (depth) return (int)wrong_token("A parenthesis isn't closed.");
    tokens[token_count].kind = T_END;
    tokens[token_count].keyword = KW_none;
    tokens[token_count].depth = 0;
    tokens[token_count].at = n;
    tokens[token_count].len = 0;
    return 1;
}

#endif

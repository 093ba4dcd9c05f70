/* The scanner: one pass over a text. It folds words, feeds their classes to the patterns, and looks at
   what isn't words: characters that nobody sees, tags, links, base64. */
#ifndef SCAN_H
#define SCAN_H

#include "match.h"

/* ---- what isn't words ---- */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c; }

/* has says whether a text stands at i, whatever its case. */
static int has(const scan *s, uint32_t i, const char *what) {
    uint32_t k;
    for (k = 0; what[k]; k++)
        if (i + k >= s->n || lower(s->text[i + k]) != what[k]) return 0;
    return 1;
}

/* plain is a character of a marker as ASCII, 0 if it can be none. */
static char plain(uint32_t c) {
    if (c < 0x80) return lower((char)c);
    if (in(c, 0xff01, 0xff5e)) return lower((char)(c - 0xfee0));
    if (c == 0x2039 || c == 0x2329 || c == 0x3008) return '<';
    if (c == 0x203a || c == 0x232a || c == 0x3009) return '>';
    return c == 0x2581 ? '_' : 0;
}

/* A marker is what may be one: ASCII in lower case, and where each character of it ends. */
typedef struct marker {
    char text[48];
    uint32_t n, end[48];
} marker;

static void read_marker(const scan *s, uint32_t i, marker *m) {
    rune r;
    uint32_t before = 0;
    for (m->n = 0; m->n < sizeof m->text && i < s->n; i += r.len) {
        char c;
        r = rune_at(s->text, s->n, i);
        if (visibility(r.code, before, 0) != SEEN) continue;
        before = r.code;
        c = plain(r.code);
        if (!c || c == '\n' || (c == '<' && m->n > 1) || (c == '[' && m->n) || (c == ' ' && m->text[0] == '<')) return; /* none has it there */
        m->text[m->n] = c;
        m->end[m->n++] = i + r.len;
        if (c == '>' && m->text[1] != '<') return; /* <<sys>> has two */
    }
}

static int begins(const marker *m, const char *what) {
    uint32_t k;
    for (k = 0; what[k]; k++)
        if (k >= m->n || m->text[k] != what[k]) return 0;
    return 1;
}

/* special is the number of characters of a token such as <|im_start|>. */
static uint32_t special(const marker *m) {
    uint32_t k = 2;
    while (k < m->n && k < 40 && ((m->text[k] >= 'a' && m->text[k] <= 'z') || (m->text[k] >= '0' && m->text[k] <= '9') || m->text[k] == '_')) k++;
    return k > 2 && k + 1 < m->n && m->text[k] == '|' && m->text[k + 1] == '>' ? k + 2 : 0;
}

/* alone says whether what stands from i to end is all that a pair of quotes holds: a name, not a use. */
static int alone(const scan *s, uint32_t i, uint32_t end) {
    char a = i > 0 ? s->text[i - 1] : 0, b = end < s->n ? s->text[end] : 0;
    return (a == '"' || a == '\'' || a == '`') && a == b;
}

static void tag(scan *s, uint32_t i) {
    uint32_t k, n = 0, weight = 0;
    marker m;
    read_marker(s, i, &m);
    for (k = 0; k < sizeof tags / sizeof *tags && !n; k++)
        if (begins(&m, tags[k].text)) {
            n = length(tags[k].text);
            weight = tags[k].weight;
            if (!weight) {
                n = special(&m);
                weight = n ? 2 : 0;
            }
        }
    if (!n) return;
    n = m.end[n - 1] - i;
    if (alone(s, i, i + n)) return;
    weigh(s, ROLES, weight, i, n, quoted(s, i));
    if (weight == 1) {
        s->word++;
        feed(s, C(TAG), i, i + n);
    }
}

static void speaker(scan *s, uint32_t i) {
    uint32_t k;
    for (k = 0; k < sizeof speakers / sizeof *speakers; k++) {
        uint32_t n = length(speakers[k]);
        if (!has(s, i, speakers[k]) || i + n + 1 >= s->n || s->text[i + n] != ':') continue;
        weigh(s, ROLES, 1, i, n + 1, quoted(s, i));
        s->word++;
        feed(s, C(TAG), i, i + n + 1);
    }
}

/* param says whether a parameter of a query is there to sign or to version a URL. */
static int signs(const scan *s, uint32_t i) {
    static const char *const names[] = {"x-amz-", "x-goog-", "sig=", "signature=", "jwt=", "token=", "expires=", "hmac=", "hash=", "sha=", "v=", "ver=", "version=", "cb=", "s=", "se=", "sv=", "etag=", "key-pair-id=", "policy="};
    uint32_t k;
    for (k = 0; k < sizeof names / sizeof *names; k++)
        if (has(s, i, names[k])) return 1;
    return 0;
}

/* link looks at the URL of a link from i to end: does it carry data, or a place for data, to whoever
   gets the request? Pictures are fetched without anybody asking for it. */
static void link(scan *s, uint32_t i, uint32_t end, int picture) {
    uint32_t k, query = end, run = 0, longest = 0, mixed = 0;
    int place = 0, signed_ = 0;
    for (k = i; k < end; k++) {
        char c = s->text[k];
        if (c == '?' && query == end) query = k;
        if (k <= query) continue;
        if (k == query + 1 || s->text[k - 1] == '&' || s->text[k - 1] == ';') signed_ |= signs(s, k);
        if (c == '{' || c == '<' || c == '[' || (c == '$' && k + 1 < end && s->text[k + 1] == '(') || has(s, k, "%7b")) place = 1;
        if (c == '=' || c == '&' || !base64_letter(c)) run = mixed = 0;
        else {
            run++;
            mixed |= c >= '0' && c <= '9' ? 1u : c >= 'a' && c <= 'z' ? 2u : c >= 'A' && c <= 'Z' ? 4u : 0;
        }
        if (mixed >= 5 && run > longest) longest = run;
    }
    if (place) weigh(s, LINKS, picture ? 2 : 1, i, end - i, quoted(s, i) && s->fence);
    else if (picture && !signed_ && longest >= 32) weigh(s, LINKS, 2, i, end - i, quoted(s, i) && s->fence);
}

/* url looks at ](URL) and at src="URL". */
static void url(scan *s, uint32_t i, int picture) {
    char close = ')';
    uint32_t end;
    if (i < s->n && (s->text[i] == '"' || s->text[i] == '\'')) close = s->text[i++];
    if (!has(s, i, "http") && !has(s, i, "//")) return;
    for (end = i; end < s->n && s->text[end] != close && s->text[end] != '\n' && end - i < 4096; end++) {}
    link(s, i, end, picture);
}

static int picture_before(const scan *s, uint32_t i) { /* i is at ] */
    uint32_t k;
    for (k = i; k > 0 && i - k < 300; k--)
        if (s->text[k - 1] == '[') return k > 1 && s->text[k - 2] == '!';
    return 0;
}

/* ends_base64 looks into a run of letters of base64. */
static void ends_base64(scan *s, uint32_t from, uint32_t end) {
    uint32_t i, bits = 0, have = 0, n = 0, blanks = 0;
    scan *inner = &scans[1];
    for (i = from; i < end && n < sizeof decoded; i++) {
        char c = s->text[i];
        uint32_t v = c >= 'A' && c <= 'Z' ? (uint32_t)(c - 'A') : c >= 'a' && c <= 'z' ? (uint32_t)(c - 'a') + 26 : c >= '0' && c <= '9' ? (uint32_t)(c - '0') + 52 : c == '+' || c == '-' ? 62 : 63;
        bits = bits << 6 | v;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        c = (char)(bits >> have & 255);
        if ((unsigned char)c < 0x20 ? c != '\n' && c != '\t' && c != '\r' : (unsigned char)c > 0x7e) return; /* no text of ASCII */
        blanks += c == ' ';
        decoded[n++] = c;
    }
    if (blanks * 20 < n) return;
    scan_text(inner, decoded, n, 1);
    for (i = INSTRUCTIONS; i < ENCODED; i++)
        if (inner->finds[i].weight || inner->finds[i].quoted) weigh(s, ENCODED, 2, from, end - from, 0);
}

/* unseen counts characters that nobody sees, ordering of right-to-left text, and controls. It returns how many bytes it
   has dealt with, 0 if the character is an ordinary one. */
static uint32_t unseen(scan *s, rune r) {
    uint32_t i = s->i, after, len;
    int colour, v;
    if (r.code == 0x1f3f4 && (len = flag(s->text, s->n, i)) > 0) return len;
    if (r.code == 0x1b || r.code == 0x9b) {
        len = sequence(s->text, s->n, i, &colour);
        if (!colour) weigh(s, CONTROL, 3, i, len, 0);
        return len;
    }
    if (control(r.code)) {
        weigh(s, CONTROL, 3, i, r.len, 0);
        return r.len;
    }
    if (embeds(r.code)) {
        if (r.code == 0x202d || r.code == 0x202e) s->overrides++;
        if (r.code == 0x202c || r.code == 0x2069) s->open ? s->open-- : s->unbalanced++;
        else s->open++;
        if (r.code < 0x2066) s->embeddings++;
        if (!s->finds[BIDI].len) {
            s->finds[BIDI].at = i;
            s->finds[BIDI].len = r.len;
        }
        return r.len;
    }
    after = rune_at(s->text, s->n, i + r.len).code;
    v = visibility(r.code, s->before.code, after);
    if (v == SEEN) {
        s->row = 0;
        return 0;
    }
    if (s->token_len) s->joined = 1;
    s->row = v == IDLE ? 0 : s->row + 1;
    s->unseen += v == UNSEEN;
    s->soft += v == SOFT;
    if (s->row >= 4) s->unseen++;
    if (v != IDLE && !s->finds[INVISIBLE].len) {
        s->finds[INVISIBLE].at = i;
        s->finds[INVISIBLE].len = r.len;
    }
    return r.len;
}

static void line(scan *s, uint32_t i) { /* at the beginning of a line */
    while (i < s->n && s->text[i] == ' ') i++;
    if (has(s, i, "```") || has(s, i, "~~~")) s->fence = !s->fence;
    if (i < s->n && s->text[i] == '#') tag(s, i);
    speaker(s, i);
    if (i + 3 < s->n && s->text[i] == '[' && s->text[i + 1] != '!') { /* [1]: https://... */
        uint32_t k = i + 1;
        while (k < s->n && k - i < 20 && s->text[k] != ']' && s->text[k] != '\n') k++;
        if (has(s, k, "]: http")) {
            uint32_t end = k + 3;
            while (end < s->n && (unsigned char)s->text[end] > ' ') end++;
            link(s, k + 3, end, 1);
        }
    }
}

static void punctuation(scan *s, char c) {
    uint32_t i = s->i;
    char next = i + 1 < s->n ? s->text[i + 1] : '\n';
    switch (c) {
    case '.': case '!': case '?': case ';':
        if ((next == ' ' || next == '\n') && (i == 0 || s->text[i - 1] != c)) s->word += 8;
        break;
    case '\n':
        if (next == '\n') {
            s->word += 8;
            if (s->open) s->unbalanced++;
            s->open = 0;
        }
        line(s, i + 1);
        break;
    case '<':
        if (has(s, i, "<!--")) s->comment = 1;
        tag(s, i);
        break;
    case '[':
        tag(s, i);
        break;
    case ']':
        if (next == '(') url(s, i + 2, picture_before(s, i));
        if (has(s, i, "]: # (") || has(s, i, "]:# (") || has(s, i, "]: #(")) s->comment = 2;
        break;
    case '-':
        if (s->comment == 1 && has(s, i, "-->")) s->comment = 0;
        break;
    case ')':
        if (s->comment == 2) s->comment = 0;
        break;
    case '=':
        if (i >= 4 && (has(s, i - 4, " src=") || has(s, i - 4, "\tsrc="))) url(s, i + 1, 1);
        if (i >= 5 && has(s, i - 5, " href=")) url(s, i + 1, 0);
        break;
    default:
        break;
    }
}

/* elsewhere looks for what stands in languages that fold makes nothing of. */
static void elsewhere(scan *s) {
    uint32_t f, i, k;
    for (f = 0; f < sizeof foreign / sizeof *foreign; f++)
        for (i = 0; i < s->n; i++) {
            if (s->text[i] != foreign[f].first[0] || !has(s, i, foreign[f].first)) continue;
            for (k = i; k < s->n && k - i < 120; k++)
                if (s->text[k] == foreign[f].second[0] && has(s, k, foreign[f].second)) weigh(s, INSTRUCTIONS, 2, i, k - i, quoted(s, i));
        }
}

static void scan_text(scan *s, const char *text, uint32_t n, int depth) {
    rune r;
    uint32_t i;
    int others = 0;
    __builtin_memset(s, 0, sizeof *s);
    s->text = text;
    s->n = n;
    s->depth = depth;
    line(s, 0);
    for (i = 0; i < n; i += r.len) {
        char c = text[i], folded = folds[(unsigned char)c];
        uint8_t trait = traits[(unsigned char)c];
        r.code = (unsigned char)c;
        r.len = 1;
        if (folded) { /* most of it */
            if (!s->base64) s->base64 = i + 1;
            s->before = r;
            s->row = 0;
            add(s, folded, i);
            continue;
        }
        s->i = i;
        if (trait & OTHER) {
            uint32_t gone;
            if ((unsigned char)c >= 0x80) r = rune_at(text, n, i);
            gone = unseen(s, r);
            if (gone) {
                if (r.code < 0x20) end_token(s, i);
                s->before = r;
                r.len = gone;
                continue;
            }
            if (right_to_left(r.code)) s->rtl = 1;
            if (r.code == 0x2019 && s->token_len) continue; /* don't */
            if (!in(r.code, 0x300, 0x36f)) { /* accents that stand by themselves */
                folded = letter(r.code);
                others |= folded == 1;
                if (folded) add(s, folded, i);
                else end_token(s, i);
                c = plain(r.code);
                if (c == '<' || c == '[') tag(s, i);
            }
            s->base64 = 0;
            s->before = r;
            continue;
        }
        s->before = r;
        s->row = 0;
        if (trait & BASE64) {
            if (!s->base64) s->base64 = i + 1;
        } else {
            if (s->base64 && i + 1 - s->base64 >= 40 && !depth) ends_base64(s, s->base64 - 1, i);
            s->base64 = 0;
        }
        if (trait & LEET && s->token_len && i + 1 < n && lower(text[i + 1]) >= 'a' && lower(text[i + 1]) <= 'z' && s->digits) {
            add(s, c == '@' ? 'a' : 's', i);
        } else if (!(trait & APOSTROPHE) || !s->token_len) {
            end_token(s, i);
            punctuation(s, c);
        }
    }
    s->i = n;
    if (s->base64 && n + 1 - s->base64 >= 40 && !depth) ends_base64(s, s->base64 - 1, n);
    end_token(s, n);
    joins_up(s);
    s->word += 2;
    settle(s, 0);
    if (others) elsewhere(s);
    if (s->open) s->unbalanced++;
}

#endif

/* The words of a text: they are folded, their classes fed to the patterns, and what matches is weighed. */
#ifndef MATCH_H
#define MATCH_H

#include "unicode.h"
#include "words.h"

_Static_assert(CLASSES <= 64, "classes are bits of 64");

/* ---- the dictionary, made when the plugin boots ---- */

enum { SLOTS = 2048, WORDS = sizeof vocabulary / sizeof *vocabulary, REFS = 640 };

static uint16_t slots[SLOTS];                 /* 1 + index of a word */
static uint8_t ref_pattern[REFS], ref_step[REFS];
static uint16_t ref_from[CLASSES + 1];        /* refs of each class, later steps first */

static uint32_t hash(const char *word, uint32_t n) {
    uint32_t h = 2166136261u;
    while (n--) h = (h ^ (unsigned char)*word++) * 16777619u;
    return h ^ h >> 15;
}

static uint32_t length(const char *s) {
    uint32_t n = 0;
    while (s[n]) n++;
    return n;
}

/* What a byte of ASCII is to the scanner: the character that it folds to if it is a letter or a digit,
   0 if it ends a word, and more. */
enum { BASE64 = 1, OTHER = 2 /* not ASCII, or a control */, APOSTROPHE = 4, LEET = 8 };
static char folds[256];
static uint8_t traits[256];

static int base64_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '-' || c == '_'; }

static void build_traits(void) {
    uint32_t i;
    for (i = 0; i < 256; i++) {
        char c = (char)i;
        folds[i] = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : c >= 'A' && c <= 'Z' ? (char)(c | 32) : 0;
        traits[i] = i >= 0x80 || i == 0x7f || (i < 0x20 && c != '\n' && c != '\t' && c != '\r') ? OTHER : 0;
        if (i < 0x80 && base64_letter(c)) traits[i] |= BASE64;
        if (c == '\'') traits[i] |= APOSTROPHE;
        if (c == '@' || c == '$') traits[i] |= LEET;
    }
}

static int build(void) {
    uint32_t w, c, p, refs = 0;
    int k;
    build_traits();
    __builtin_memset(slots, 0, sizeof slots);
    for (w = 0; w < WORDS; w++) {
        uint32_t at = hash(vocabulary[w].word, length(vocabulary[w].word)) % SLOTS;
        while (slots[at]) at = (at + 1) % SLOTS;
        slots[at] = (uint16_t)(w + 1);
    }
    for (c = 0; c < CLASSES; c++) {
        ref_from[c] = (uint16_t)refs;
        for (k = STEPS - 1; k >= 0; k--)
            for (p = 0; p < PATTERNS; p++)
                if (patterns[p].step[k].classes & C(c)) {
                    if (refs == REFS) return 1;
                    ref_pattern[refs] = (uint8_t)p;
                    ref_step[refs++] = (uint8_t)k;
                }
    }
    ref_from[CLASSES] = (uint16_t)refs;
    return 0;
}

/* classes_of is all classes of a word, which may stand in the vocabulary twice. */
static uint64_t classes_of(const char *word, uint32_t n, uint32_t *slot) {
    uint32_t at = hash(word, n) % SLOTS;
    uint64_t out = 0;
    for (; slots[at]; at = (at + 1) % SLOTS) {
        const char *v = vocabulary[slots[at] - 1].word;
        uint32_t i = 0;
        while (i < n && v[i] == word[i]) i++;
        if (i < n || v[n]) continue;
        out |= vocabulary[slots[at] - 1].classes;
        *slot = at;
    }
    return out;
}

/* ---- what a scan finds ---- */

typedef struct find {
    uint8_t weight, quoted; /* the most that speaks for it, and the same of what stands in quotes */
    uint8_t weak;           /* how many patterns of weight 1 */
    uint32_t at, len;       /* of the first that weighs most */
} find;

typedef struct scan {
    const char *text;
    uint32_t n, i;
    find finds[FINDS];
    struct {
        uint32_t word, at;
    } state[PATTERNS][STEPS]; /* of each step: when it was last reached, and where its match began; word 0: never */
    uint8_t weighed[PATTERNS];
    uint32_t word;            /* how many words there were, and some more for the ends of sentences */
    char token[32];
    uint32_t token_len, token_at, letters, digits;
    int token_long, token_split, joined;
    char spaced[96]; /* letters that stand one by one */
    char spaced_by;
    uint32_t spaced_len, spaced_at, spaced_end;
    struct {
        int there;
        uint32_t pattern, at, len, word;
    } pending; /* a match that ends in AI: what comes after may say that it is a person */
    uint32_t discuss[4], discussing; /* slots of words of those who write about such texts */
    int comment, fence, split, depth;
    uint32_t soft, unseen, row; /* unseen characters */
    uint32_t overrides, embeddings, open, unbalanced, rtl;
    uint32_t base64; /* where a run of its letters began, 1 more; 0 if there is none */
    rune before;
} scan;

static scan scans[2]; /* a text, and one that it encodes */
static char decoded[6144];

static void scan_text(scan *s, const char *text, uint32_t n, int depth);

/* quoted says whether a match stands in quotes, as an example does: in a line in which a quote is open,
   in a fence of code, or in a line that begins with >. */
static int quoted(const scan *s, uint32_t at) {
    uint32_t line = at, k;
    int open = 0, marks = 0, ticks = 0;
    if (s->fence) return 1;
    while (line > 0 && at - line < 1000 && s->text[line - 1] != '\n') line--;
    if (s->text[line] == '>') return 1;
    for (k = line; k < at; k++) {
        uint32_t c = rune_at(s->text, s->n, k).code;
        marks ^= c == '"';
        ticks ^= c == '`';
        if (c == 0x201c || c == 0x2018 || c == 0xab || c == 0x300c || c == 0x201e) open++;
        else if ((c == 0x201d || c == 0x2019 || c == 0xbb || c == 0x300d) && open) open--;
    }
    return marks || ticks || open || (at > 0 && s->text[at - 1] == '\'');
}

static void weigh(scan *s, uint32_t kind, uint32_t weight, uint32_t at, uint32_t len, int in_quotes) {
    find *f = &s->finds[kind];
    uint8_t *best = in_quotes ? &f->quoted : &f->weight;
    if (weight > *best) {
        if (!in_quotes || !f->weight) {
            f->at = at;
            f->len = len;
        }
        *best = (uint8_t)weight;
    }
}

static void commit(scan *s, uint32_t p, uint32_t at, uint32_t len) {
    int q = quoted(s, at);
    if (!q && !s->weighed[p] && patterns[p].weight == 1) s->finds[patterns[p].find].weak++;
    if (!q) s->weighed[p] = 1;
    weigh(s, patterns[p].find, patterns[p].weight + (s->comment ? 1u : 0u), at, len, q);
}

/* feed gives the classes of a word to the patterns. */
static void feed(scan *s, uint64_t classes, uint32_t at, uint32_t end) {
    while (classes) {
        uint32_t c = (uint32_t)__builtin_ctzll(classes), r;
        classes &= classes - 1;
        for (r = ref_from[c]; r < ref_from[c + 1]; r++) {
            uint32_t p = ref_pattern[r], k = ref_step[r], from = at;
            if (k > 0) {
                uint32_t last = s->state[p][k - 1].word;
                if (!last || last >= s->word || s->word - last - 1 > patterns[p].step[k].gap) continue;
                from = s->state[p][k - 1].at;
            }
            s->state[p][k].word = s->word;
            s->state[p][k].at = from;
            if (k + 1 < STEPS && patterns[p].step[k + 1].classes) continue;
            if (patterns[p].step[k].classes & (C(AI) | C(AI2))) {
                s->pending.there = 1;
                s->pending.pattern = p;
                s->pending.at = from;
                s->pending.len = end - from;
                s->pending.word = s->word;
            } else {
                commit(s, p, from, end - from);
            }
        }
    }
}

static void settle(scan *s, uint64_t classes) {
    if (!s->pending.there || s->pending.word == s->word) return;
    s->pending.there = 0;
    if (!(classes & C(JOB)) || s->word > s->pending.word + 1) commit(s, s->pending.pattern, s->pending.at, s->pending.len);
}

static void discusses(scan *s, uint32_t slot) {
    uint32_t k;
    for (k = 0; k < s->discussing; k++)
        if (s->discuss[k] == slot) return;
    if (s->discussing < 4) s->discuss[s->discussing++] = slot;
}

static void look_up(scan *s, const char *word, uint32_t n, uint32_t at, uint32_t end) {
    uint32_t slot = 0;
    uint64_t classes = classes_of(word, n, &slot);
    if (s->pending.there) settle(s, classes);
    if (classes & C(DISCUSS)) discusses(s, slot);
    if (classes) {
        if (s->token_split) s->split = 1;
        feed(s, classes, at, end);
    }
}

/* joins_up takes letters that stand one by one for words. */
static void joins_up(scan *s) {
    uint32_t at, n, slot, found = 0, all = s->spaced_len;
    s->spaced_len = 0;
    if (all < 4) return;
    s->word -= all - 1; /* they were counted one by one */
    for (at = 0; at < all; at += n) {
        n = all - at < 16 ? all - at : 16; /* the longest word that is there */
        while (n > 2 && !classes_of(s->spaced + at, n, &slot)) n--;
        if (n <= 2) {
            n = 1;
            continue;
        }
        if (found++) s->word++;
        look_up(s, s->spaced + at, n, s->spaced_at, s->spaced_end);
    }
}

static void end_token(scan *s, uint32_t end) {
    uint32_t k, n = s->token_len;
    if (!n) return;
    s->token_len = 0;
    if (n == 1 && s->letters == 1) {
        if (s->spaced_len && s->token_at == s->spaced_end + 1 && s->spaced_len < sizeof s->spaced) {
            char between = s->text[s->spaced_end];
            if (s->spaced_len == 2 && between != s->spaced_by) { /* <p>i-g-n: the run begins one later */
                s->spaced[0] = s->spaced[1];
                s->spaced_at = s->spaced_end - 1;
                s->spaced_len = 1;
            }
            s->spaced_by = between;
            s->spaced[s->spaced_len++] = s->token[0];
        } else {
            joins_up(s);
            s->spaced[0] = s->token[0];
            s->spaced_len = 1;
            s->spaced_at = s->token_at;
        }
        s->spaced_end = end;
    } else if (s->spaced_len) {
        joins_up(s);
    }
    s->word++;
    if (s->token_long) {
        if (s->pending.there) settle(s, 0);
        return;
    }
    if (s->digits && s->letters >= s->digits) { /* 1gn0re; but base64 is a word */
        uint32_t slot;
        if (!classes_of(s->token, n, &slot))
            for (k = 0; k < n; k++) {
                static const char leet[] = "oizeasgtbg";
                char c = s->token[k];
                if (c == '1') s->token[k] = 'i';
                else if (c >= '0' && c <= '9') s->token[k] = leet[c - '0'];
            }
    }
    look_up(s, s->token, n, s->token_at, end);
}

static void add(scan *s, char c, uint32_t at) {
    if (!s->token_len) {
        s->token_at = at;
        s->letters = s->digits = 0;
        s->token_long = s->token_split = s->joined = 0;
    }
    if (s->joined) {
        s->token_split = 1;
        s->joined = 0;
    }
    if (s->token_len == sizeof s->token) {
        s->token_long = 1;
        return;
    }
    if (c >= 'a') s->letters++;
    else if (c >= '0') s->digits++;
    s->token[s->token_len++] = c;
}

#endif

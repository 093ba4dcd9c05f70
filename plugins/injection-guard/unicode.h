/* Characters: reading them, folding those that look like letters, and telling which of those that
   nobody sees have a use where they stand. */
#ifndef UNICODE_H
#define UNICODE_H

/* A place in a text. The text is UTF-8: the gateway refuses anything else. */
typedef struct rune {
    uint32_t code, len;
} rune;

static rune rune_at(const char *text, uint32_t n, uint32_t i) {
    const unsigned char *p = (const unsigned char *)text + i;
    rune r = {0, 0};
    if (i >= n) return r;
    if (p[0] < 0x80) {
        r.code = p[0];
        r.len = 1;
    } else if (p[0] < 0xe0) {
        r.code = (p[0] & 31u) << 6 | (p[1] & 63u);
        r.len = 2;
    } else if (p[0] < 0xf0) {
        r.code = (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u);
        r.len = 3;
    } else {
        r.code = (p[0] & 7u) << 18 | (p[1] & 63u) << 12 | (p[2] & 63u) << 6 | (p[3] & 63u);
        r.len = 4;
    }
    return r;
}

static int in(uint32_t c, uint32_t from, uint32_t to) { return c >= from && c <= to; }

static int joins(uint32_t c) { /* scripts whose letters join, where ZWJ and ZWNJ are spelling */
    return in(c, 0x600, 0x8ff) || in(c, 0x900, 0xdff) || in(c, 0x1000, 0x109f) || in(c, 0x1780, 0x17ff) || in(c, 0x1800, 0x18af) || in(c, 0xfb50, 0xfdff) || in(c, 0xfe70, 0xfefc);
}
static int unspaced(uint32_t c) { return in(c, 0xe00, 0xeff) || in(c, 0x1000, 0x109f) || in(c, 0x1780, 0x17ff) || in(c, 0x3000, 0x9fff); } /* scripts that break words at ZWSP */
static int pictorial(uint32_t c) { return in(c, 0x2190, 0x2bff) || in(c, 0x1f000, 0x1faff) || in(c, 0xfe0e, 0xfe0f) || c == 0xa9 || c == 0xae; }
static int ideograph(uint32_t c) { return in(c, 0x3400, 0x9fff) || in(c, 0xf900, 0xfaff) || in(c, 0x20000, 0x3ffff); }
static int variation(uint32_t c) { return in(c, 0xfe00, 0xfe0f) || in(c, 0xe0100, 0xe01ef); }
static int right_to_left(uint32_t c) { return in(c, 0x590, 0x8ff) || in(c, 0xfb1d, 0xfdff) || in(c, 0xfe70, 0xfefc) || in(c, 0x10800, 0x10fff); }

/* What a character that isn't seen is. SOFT ones have uses that can't be told from where they stand,
   but not many of them in one text. */
enum { SEEN, SOFT, UNSEEN, IDLE /* unseen, and good for something here */ };

static int visibility(uint32_t c, uint32_t before, uint32_t after) {
    if (c < 0xad) return SEEN;
    if (c == 0xad) return IDLE;
    if (c < 0x34f) return SEEN;
    if (c == 0x34f) return SOFT;
    if (c == 0x115f || c == 0x1160 || c == 0x3164 || c == 0xffa0) return SOFT;
    if (in(c, 0x180b, 0x180f)) return in(before, 0x1800, 0x18af) ? IDLE : UNSEEN;
    if (c == 0x200b) return unspaced(before) || unspaced(after) ? IDLE : SOFT;
    if (c == 0x200c) return joins(before) ? IDLE : SOFT;
    if (c == 0x200d) return (pictorial(before) && pictorial(after)) || joins(before) ? IDLE : SOFT;
    if (in(c, 0x2060, 0x2064) || c == 0xfeff) return c == 0xfeff && before == 0 ? IDLE : SOFT;
    if (in(c, 0x206a, 0x206f) || in(c, 0xfff9, 0xfffb) || in(c, 0x1d173, 0x1d17a)) return UNSEEN;
    if (c == 0xfe0e || c == 0xfe0f) return before == '#' || before == '*' || in(before, '0', '9') || (before >= 0xa9 && !variation(before)) ? IDLE : UNSEEN;
    if (in(c, 0xfe00, 0xfe0d)) return before >= 0x1000 && !variation(before) ? IDLE : UNSEEN;
    if (in(c, 0xe0100, 0xe01ef)) return ideograph(before) ? IDLE : UNSEEN;
    if (in(c, 0xe0000, 0xe0fff)) return UNSEEN;
    return SEEN;
}

/* flag is the length of a flag of a part of a country at i: a black flag, tags that spell it, and the
   tag that ends it. 0 if there is none. */
static uint32_t flag(const char *text, uint32_t n, uint32_t i) {
    rune r = rune_at(text, n, i);
    uint32_t from = i, k;
    char name[6];
    if (r.code != 0x1f3f4) return 0;
    for (k = 0, i += r.len; k < sizeof name; k++, i += r.len) {
        r = rune_at(text, n, i);
        if (!in(r.code, 0xe0030, 0xe007a)) break;
        name[k] = (char)(r.code - 0xe0000);
    }
    r = rune_at(text, n, i);
    if (k < 4 || r.code != 0xe007f || ((name[0] != 'g' || name[1] != 'b') && (name[0] != 'u' || name[1] != 's'))) return 0;
    return i + r.len - from;
}

/* Escape sequences of terminals. sequence is the length of the one at i, and whether it is one that
   only colours. */
static uint32_t sequence(const char *text, uint32_t n, uint32_t i, int *colour) {
    uint32_t from = i, number = 0, skip = 0;
    *colour = 0;
    if (text[i] == 0x1b) i++;
    else i += 2; /* U+009B */
    if (i - from == 1) {
        if (i >= n) return 1;
        if (text[i] == ']' || text[i] == 'P' || text[i] == '_' || text[i] == '^' || text[i] == 'X') { /* up to BEL or ST */
            for (i++; i < n && text[i] != 0x07 && text[i] != 0x1b && text[i] != '\n'; i++) {}
            if (i < n && text[i] == 0x1b && i + 1 < n && text[i + 1] == '\\') return i + 2 - from;
            return i < n && text[i] == 0x07 ? i + 1 - from : i - from;
        }
        if (text[i] != '[') return (unsigned char)text[i] < 0x80 ? 2 : 1;
        i++;
    }
    *colour = text[from] == 0x1b;
    for (; i < n; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9') {
            number = number * 10 + (uint32_t)(c - '0');
            continue;
        }
        if (c == ';' || c == ':' || c == 'm') { /* 38;5;N and 38;2;R;G;B are colours, 8 is concealed */
            if (skip > 0) {
                if (skip == 5) skip = number == 5 ? 1 : number == 2 ? 3 : 0;
                else skip--;
            } else if (number == 38 || number == 48) skip = 5;
            else if (number == 8) *colour = 0;
            number = 0;
            if (c == 'm') return i + 1 - from;
            continue;
        }
        *colour = 0;
        if (c >= 0x40 && c <= 0x7e) return i + 1 - from;
        if (c < 0x20 || c > 0x7e) break;
    }
    *colour = 0;
    return i - from;
}

static int control(uint32_t c) { return (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f') || c == 0x7f || (in(c, 0x80, 0x9f) && c != 0x85); }
static int embeds(uint32_t c) { return in(c, 0x202a, 0x202e) || in(c, 0x2066, 0x2069); }

/* letter is what a character reads as: a lower-case letter or a digit of ASCII, 0 for what separates
   words, and 1 for letters of other scripts. */
static const char latin[] = /* U+00C0 to U+017F */
    "aaaaaaaceeeeiiiidnooooo?ouuuuypsaaaaaaaceeeeiiiidnooooo?ouuuuypyaaaaaaccccccccddddeeeeeeeeeegggg"
    "gggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnn?nnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
static const char cyrillic[] = "a?b??e????k?mho?pcty?x??????b???"; /* U+0430 to U+044F */
static const char greek[] = "aby?e?n?ik??v?onp?otu?x?w"; /* U+03B1 to U+03C9 */
/* Capitals of Greek look like other letters than the small ones do. */
static const char greek_capitals[] = "ab??ezh?ik?mn?o?p??ty?x??"; /* U+0391 to U+03A9 */

static char of_table(char c) { return c == '?' ? 1 : c; }

static char letter(uint32_t c) {
    if (in(c, 0xc0, 0x17f)) return of_table(latin[c - 0xc0]);
    if (in(c, 0x410, 0x42f)) c += 0x20;
    if (in(c, 0x430, 0x44f)) return of_table(cyrillic[c - 0x430]);
    if (in(c, 0x391, 0x3a9)) return of_table(greek_capitals[c - 0x391]);
    if (in(c, 0x3b1, 0x3c9)) return of_table(greek[c - 0x3b1]);
    switch (c) {
    case 0x4af: return 'y';
    case 0x456: case 0x406: case 0x4cf: return 'i';
    case 0x458: case 0x408: return 'j';
    case 0x455: case 0x405: return 's';
    case 0x4bb: return 'h';
    case 0x501: return 'd';
    case 0x51b: return 'q';
    case 0x51d: return 'w';
    case 0x475: return 'v';
    case 0x251: return 'a';
    case 0x261: case 0x262: return 'g';
    case 0x26a: case 0x269: return 'i';
    case 0x274: return 'n';
    case 0x280: return 'r';
    case 0x28f: return 'y';
    case 0x29c: return 'h';
    case 0x29f: return 'l';
    case 0x1d00: return 'a';
    case 0x299: return 'b';
    case 0x1d04: return 'c';
    case 0x1d05: return 'd';
    case 0x1d07: return 'e';
    case 0xa730: return 'f';
    case 0x1d0a: return 'j';
    case 0x1d0b: return 'k';
    case 0x1d0d: return 'm';
    case 0x1d0f: return 'o';
    case 0x1d18: return 'p';
    case 0xa731: return 's';
    case 0x1d1b: return 't';
    case 0x1d1c: return 'u';
    case 0x1d20: return 'v';
    case 0x1d21: return 'w';
    case 0x1d22: return 'z';
    default: break;
    }
    if (in(c, 0xff21, 0xff3a)) return (char)('a' + (c - 0xff21));
    if (in(c, 0xff41, 0xff5a)) return (char)('a' + (c - 0xff41));
    if (in(c, 0xff10, 0xff19)) return (char)('0' + (c - 0xff10));
    if (in(c, 0x24b6, 0x24cf)) return (char)('a' + (c - 0x24b6));
    if (in(c, 0x24d0, 0x24e9)) return (char)('a' + (c - 0x24d0));
    if (in(c, 0x1f130, 0x1f149)) return (char)('a' + (c - 0x1f130));
    if (in(c, 0x1d400, 0x1d6a3)) return (char)('a' + (c - 0x1d400) % 26);
    if (in(c, 0x2000, 0x200a) || in(c, 0x2010, 0x206f) || in(c, 0x3000, 0x3002) || c == 0xa0 || c == 0x85 || pictorial(c) || in(c, 0xff01, 0xff0f)) return 0;
    return c < 0xc0 ? 0 : 1;
}

#endif

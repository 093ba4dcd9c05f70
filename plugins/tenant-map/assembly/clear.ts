// Whether a path, a key or a URL is written so that all programs read it in one way.

/**
 * Whether all programs read the parts of a text in one way: none that leads upwards or is empty, nothing that
 * hides a separator. A part ends at the separator, at a slash, and where a URL's path or a segment of it may end.
 */
export function isClear(text: string, separator: string): bool {
  const plain = decode(text);
  if (plain === null) return false;
  const by = separator.charCodeAt(0);
  let from = 0;
  let parted = true; // whether a separator is before the part, or nothing
  for (let i = 0, n = plain.length; i <= n; i++) {
    const c = i < n ? plain.charCodeAt(i) : 0;
    const parts = i < n && (c == by || c == 0x2f);
    if (i < n && !parts && c != 0x3f && c != 0x23 && c != 0x3b) continue;
    if (i == from ? parted && (parts || c == 0x3b) : isDots(plain, from, i)) return false;
    parted = parts;
    from = i + 1;
  }
  return true;
}

/** Whether there is nothing but dots and blanks, which some programs take off the end. */
function isDots(text: string, from: i32, end: i32): bool {
  for (let i = from; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c != 0x2e && c != 0x20 && c != 0xa0 && c != 0x3000) return false;
  }
  return true;
}

/** The text without percent signs; null if it is not plain with or without them. */
function decode(text: string): string | null {
  let out = "";
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (isOdd(c)) return null;
    if (c != 0x25) continue;
    if ((text.charCodeAt(i + 1) | 0x20) == 0x75 && digit(text, i + 2) >= 0) return null; // %u002e
    const first = byte(text, i);
    if (first < 0) continue; // a percent sign like any other
    const code = escaped(text, i, first);
    if (code < 0 || hides(code) || isOdd(code)) return null;
    out += text.substring(from, i) + String.fromCharCode(code);
    from = i + 3 * size(code);
    i = from - 1;
  }
  return out + text.substring(from);
}

/** The character that percent signs write in UTF-8; less than 0 if they don't, or one above U+FFFF. */
function escaped(text: string, at: i32, first: i32): i32 {
  if (first < 0x80) return first;
  const second = byte(text, at + 3);
  if (second < 0x80 || second > 0xbf) return -1;
  if (first >= 0xc2 && first <= 0xdf) return ((first & 31) << 6) | (second & 63);
  if ((first & 0xf0) != 0xe0) return -1;
  const third = byte(text, at + 6);
  if (third < 0x80 || third > 0xbf) return -1;
  const code = ((first & 15) << 12) | ((second & 63) << 6) | (third & 63);
  return code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? -1 : code;
}

/** How many bytes a character takes. */
function size(code: i32): i32 {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
}

/** Whether it is a dot, a separator or a percent sign, which nobody needs to write with a percent sign. */
function hides(code: i32): bool {
  return code == 0x25 || code == 0x2e || code == 0x2f || code == 0x3a;
}

/** Backslashes, control characters, what can't be seen, and what other programs may take for a dot or a separator. */
function isOdd(c: i32): bool {
  if (c < 0x80) return c < 0x20 || c == 0x7f || c == 0x5c;
  if (c < 0x2000) return c < 0xa0 || c == 0xad || c == 0x34f || c == 0x61c || (c >= 0x115f && c <= 0x1160) || (c >= 0x17b4 && c <= 0x17b5) || (c >= 0x180b && c <= 0x180f);
  if (c <= 0x206f) return c <= 0x200f || (c >= 0x2024 && c <= 0x202f) || c == 0x2044 || c >= 0x205f;
  if (c < 0xfe00) return c == 0x2215 || c == 0x2216 || c == 0x29f5 || c == 0x29f8 || c == 0x29f9 || c == 0x3002 || c == 0x3164 || c == 0xdb40;
  if (c < 0xff00) return c <= 0xfe0f || c == 0xfe19 || c == 0xfe30 || c == 0xfe52 || c == 0xfe54 || c == 0xfe55 || c == 0xfe68 || c == 0xfe6a || c == 0xfeff;
  return c == 0xff03 || c == 0xff05 || c == 0xff0e || c == 0xff0f || c == 0xff1a || c == 0xff1b || c == 0xff1f || c == 0xff3c || c == 0xff61 || c == 0xffa0 || c >= 0xfff0;
}

/** The byte that a percent sign and two digits write; less than 0 if there are none. */
function byte(text: string, at: i32): i32 {
  if (at >= text.length || text.charCodeAt(at) != 0x25) return -1;
  return (digit(text, at + 1) << 4) | digit(text, at + 2);
}

/** A hexadecimal digit; less than 0 if there is none. */
function digit(text: string, at: i32): i32 {
  if (at >= text.length) return -1;
  const c = text.charCodeAt(at);
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const l = c | 0x20;
  return l >= 0x61 && l <= 0x66 ? l - 0x61 + 10 : -1;
}

// Masks the addresses and card numbers of text into out. Needs u8 and u32.
#pragma once

static u8 text[8192], out[16384];

static int digit(u8 c) { return c >= '0' && c <= '9'; }
static int mail(u8 c) { return digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '.' || c == '_' || c == '-' || c == '+'; }

static int luhn(u32 a, u32 b) {
  u32 sum = 0, alt = 0;
  for (u32 i = b; i > a;) {
    u8 c = text[--i];
    if (!digit(c)) continue;
    u32 d = c - '0';
    if (alt && (d *= 2) > 9) d -= 9;
    sum += d;
    alt ^= 1;
  }
  return sum % 10 == 0;
}

static u32 put(u32 o, const void *from, u32 n) {
  __builtin_memcpy(out + o, from, n);
  return o + n;
}

static u32 masked(u32 n) {
  u32 i = 0, last = 0, o = 0;
  int hit = 0;
  while (i < n) {
    u32 l = i, r = i + 1, digits = 0;
    if (text[i] == '@') {
      int dot = 0;
      while (l > last && mail(text[l - 1])) l--;
      while (r < n && mail(text[r])) dot |= text[r++] == '.';
      if (l == i || !dot) { i++; continue; }
    } else if (digit(text[i])) {
      for (r = i; r < n && (digit(text[r]) || text[r] == ' ' || text[r] == '-'); r++) digits += digit(text[r]);
      while (!digit(text[r - 1])) r--;
      if (digits < 13 || digits > 19 || !luhn(i, r)) { i = r; continue; }
    } else { i++; continue; }
    o = put(o, text + last, l - last);
    o = put(o, "***", 3);
    last = i = r;
    hit = 1;
  }
  if (!hit) return 0;
  return put(o, text + last, n - last);
}

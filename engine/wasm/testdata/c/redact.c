// Masks what the host's detectors find in the strings of the arguments.
#include "guest.h"

MANIFEST({
  "abi": "sallyport/1", "name": "redact", "version": "1.0.0", "hooks": ["request"],
  "strings": {"request": ["args"]}, "writes": ["args"], "verdicts": ["mutate"], "capabilities": ["match:pii"]
});

struct found { u32 start, end, rule; };
static struct found found[64];
static u8 text[8192], out[16384];

static u32 put(u32 o, const void *from, u32 n) {
  __builtin_memcpy(out + o, from, n);
  return o + n;
}

static void mask(i32 s, i32 matches) {
  i32 n = str(s, text, sizeof text);
  u32 at = 0, o = 0;
  if (n > (i32)sizeof text || matches > (i32)sizeof found) fail("too much", 8);
  for (i32 k = 0; k < matches / (i32)sizeof *found; k++) {
    o = put(o, text + at, found[k].start - at);
    o = put(o, "***", 3);
    at = found[k].end;
  }
  str_replace(s, out, put(o, text + at, (u32)n - at));
}

EXPORT(sp_on_request) i32 on_request(void) {
  i32 verdict = 0;
  for (i32 s = 0, n = str_count(); s < n; s++) {
    i32 matches = match(0, -1 - s, found, sizeof found);
    if (matches <= 0) continue;
    mask(s, matches);
    verdict = 2;
  }
  return verdict;
}

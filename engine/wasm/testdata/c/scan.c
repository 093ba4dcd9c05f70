// Masks addresses and card numbers in the strings of the arguments, all by itself.
#include "guest.h"

MANIFEST({
  "abi": "sallyport/1", "name": "scan", "version": "1.0.0", "hooks": ["request"],
  "strings": {"request": ["args"]}, "writes": ["args"], "verdicts": ["mutate"]
});

#include "mask.h"

EXPORT(sp_on_request) i32 on_request(void) {
  i32 verdict = 0;
  for (i32 s = 0, count = str_count(); s < count; s++) {
    i32 n = str(s, text, sizeof text);
    if (n > (i32)sizeof text) fail("too much", 8);
    u32 o = masked((u32)n);
    if (o == 0) continue;
    str_replace(s, out, o);
    verdict = 2;
  }
  return verdict;
}

// Denies who is not in the group dev a path outside of /srv/.
#include "guest.h"

MANIFEST({
  "abi": "sallyport/1", "name": "authorise", "version": "1.0.0", "hooks": ["request"],
  "reads": {"request": ["args.path", "mcp.tool.name", "principal.groups"]}, "verdicts": ["deny"], "deterministic": true
});

static u8 path[512], tool[64], groups[256];

EXPORT(sp_on_request) i32 on_request(void) {
  i32 t = field(1, tool, sizeof tool);
  if (!starts(tool, t, "read_", 5)) return 4;
  i32 g = field(2, groups, sizeof groups);
  i32 p = field(0, path, sizeof path);
  if (p > (i32)sizeof path || starts(path, p, "/srv/", 5)) return 0;
  for (i32 i = 0; i + 5 <= g && g <= (i32)sizeof groups; i++)
    if (starts(groups + i, g - i, "\"ops\"", 5)) return 0;
  reason("outside", 7, "The path is outside of /srv.", 28);
  return 1;
}

// sql-read-only: tools that run SQL may read. What writes is refused, or shown to a human if the
// caller is in a group that may write; what databases could read in two ways is always refused.
import { Call, field, Json, Settings, Verdict } from "@sallyport/assemblyscript";
import { look, Statement } from "./sql";

// Names are looked up in manifest.json when this is compiled: a misspelt one is an error.
const ARGUMENTS = field("args");
const TOOL = field("mcp.tool.name");
const GROUPS = field("principal.groups");

// What the settings say. It is set while the plugin boots; calls can't change it.
let tools: Json = Json.absent;
let writers: Json = Json.absent;
let argument = "sql";

/** Takes the settings. The gateway has checked them with the manifest's schema. */
export function configure(settings: Settings): bool {
  const all = settings.json;
  tools = all.get("tools");
  writers = all.get("writers");
  const name = all.get("argument").text;
  if (name !== null) argument = name;
  return true;
}

/** Judges a call. Every way out says which of these it is: not ours, refused and why, a human's, or good. */
export function onRequest(call: Call): Verdict {
  const tool = call.text(TOOL);
  if (tool === null || !tools.contains(tool)) return Verdict.Abstain;
  const sql = call.json(ARGUMENTS).get(argument).text; // null: absent, or something that is no text
  if (sql === null) return call.deny("no_sql", "Give one SQL statement as the argument " + argument + ", as a text.");
  const statement = look(sql);
  call.note("statement", statement.verb);
  if (statement.unclear !== null) return call.deny("sql_unclear", "Write it without " + statement.unclear! + ".");
  if (statement.writes === null) return Verdict.Pass;
  if (mayWrite(call)) return call.approve("May this run? " + sql);
  return call.deny("sql_writes", "Only statements that read may be run here, without " + statement.writes! + ".");
}

/** Whether the caller is in one of the groups that may write. */
function mayWrite(call: Call): bool {
  const groups = call.json(GROUPS);
  for (let i = 0; i < writers.length; i++) {
    if (groups.contains(writers.at(i).text!)) return true;
  }
  return false;
}

/** Runs before the plugin serves. A plugin that fails here is not loaded, and the one that served before it stays. */
export function selfTest(): string | null {
  if (!reads(look("SELECT 'DROP TABLE t' FROM t"))) return "a word in quotes was taken for a statement";
  if (reads(look("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x"))) return "a statement inside another was not seen";
  return null;
}

function reads(s: Statement): bool {
  return s.writes === null && s.unclear === null;
}

// A look at SQL that understands little, and so refuses what it would have to understand.

/** What is known of a statement. */
export class Statement {
  /** Its first word. */
  verb: string = "";
  /** What it writes with; null if it only reads. */
  writes: string | null = null;
  /** What databases read in different ways; null if there is nothing of the kind. */
  unclear: string | null = null;
}

/** What a statement that reads begins with. */
const READS = ["SELECT", "WITH", "VALUES", "SHOW", "EXPLAIN", "DESCRIBE"];

/** Words that write wherever they stand: also inside WITH, EXPLAIN ANALYZE and FOR UPDATE. */
const WRITES = [
  "ALTER", "ATTACH", "CALL", "COPY", "CREATE", "DELETE", "DETACH", "DO", "DROP", "EXEC", "EXECUTE", "GRANT", "HANDLER", "IMPORT", "INSERT", "INTO", "LOAD", "LOCK", "MERGE", "PRAGMA",
  "REINDEX", "RENAME", "RESET", "REVOKE", "SET", "TRUNCATE", "UPDATE", "UPSERT", "VACUUM", "WAITFOR",
];

/** How functions begin that do more than compute: files, sequences, other servers, waiting. */
const FUNCTIONS = ["BENCHMARK", "DBLINK", "LOAD_", "LO_", "NEXTVAL", "OPENROWSET", "PG_", "QUERY_TO_XML", "SETVAL", "SET_CONFIG", "SLEEP", "SP_", "SYS_EXEC", "UTL_", "XP_"];

/** Looks at a text that should be one statement. */
export function look(sql: string): Statement {
  const out = new Statement();
  for (let at = 0; at < sql.length && out.unclear === null; ) {
    const c = sql.charCodeAt(at);
    const next = at + 1 < sql.length ? sql.charCodeAt(at + 1) : 0;
    if (isLetter(c)) {
      const end = wordEnd(sql, at);
      take(out, upper(sql, at, end), end < sql.length && isQuote(sql.charCodeAt(end)));
      at = end;
    } else if (isQuote(c)) {
      at = quoteEnd(sql, at, out);
    } else if (c == 0x3b /* ; */) {
      if (sql.substring(at + 1).trim() != "") out.unclear = "a second statement";
      at++;
    } else {
      out.unclear = unclear(c, next);
      at++;
    }
  }
  if (out.verb == "" && out.unclear === null) out.unclear = "anything but a statement";
  return out;
}

/** Takes a word into account. */
function take(out: Statement, word: string, quoted: bool): void {
  if (quoted) out.unclear = "a letter before a quotation mark"; // E'', U&"" and their like have rules of their own
  if (out.verb == "") {
    out.verb = word;
    if (!READS.includes(word)) out.writes = word;
  }
  if (WRITES.includes(word)) out.writes = word;
  for (let i = 0; i < FUNCTIONS.length; i++) {
    if (word.startsWith(FUNCTIONS[i])) out.writes = word;
  }
}

/** What a character outside of words and quotes could be, if more than one thing. */
function unclear(c: i32, next: i32): string | null {
  if (c == 0x2d && next == 0x2d) return "comments"; // --
  if (c == 0x2f && next == 0x2a) return "comments"; // /*, which MySQL may run
  if (c == 0x23) return "#"; // a comment, or an operator
  if (c == 0x24 && (next < 0x30 || next > 0x39)) return "$ quotes"; // $1 is a parameter
  if (c == 0x5c) return "backslashes";
  if (c == 0x5b) return "["; // a name, or an index
  if (c >= 0x7f || (c < 0x20 && c != 0x09 && c != 0x0a && c != 0x0d)) return "characters other than those of ASCII outside of quotes";
  return null;
}

/** Where a quoted text ends. A quotation mark is doubled inside, everywhere; a backslash means something here and nothing there. */
function quoteEnd(sql: string, at: i32, out: Statement): i32 {
  const mark = sql.charCodeAt(at++);
  for (; at < sql.length; at++) {
    const c = sql.charCodeAt(at);
    if (c == 0x5c || c == 0) {
      out.unclear = c ? "backslashes" : "U+0000";
      return at;
    }
    if (c != mark) continue;
    if (at + 1 == sql.length || sql.charCodeAt(at + 1) != mark) return at + 1;
    at++;
  }
  out.unclear = "a quotation mark that nothing closes";
  return at;
}

function wordEnd(sql: string, at: i32): i32 {
  while (at < sql.length && (isLetter(sql.charCodeAt(at)) || isDigit(sql.charCodeAt(at)))) at++;
  return at;
}

/** A word in capitals. It is ASCII; toUpperCase would bring tables of all of Unicode along. */
function upper(sql: string, at: i32, end: i32): string {
  let out = "";
  for (; at < end; at++) {
    const c = sql.charCodeAt(at);
    out += String.fromCharCode(c >= 0x61 && c <= 0x7a ? c - 0x20 : c);
  }
  return out;
}

function isLetter(c: i32): bool {
  return ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a) || c == 0x5f;
}

function isDigit(c: i32): bool {
  return c >= 0x30 && c <= 0x39;
}

function isQuote(c: i32): bool {
  return c == 0x27 || c == 0x22 || c == 0x60;
}

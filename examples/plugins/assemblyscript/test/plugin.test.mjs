// Tests of the plugin as it was built, with the host of the SDK: `node --test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "@sallyport/assemblyscript/testing";

const file = new URL("../build/sql-read-only.wasm", import.meta.url);
const settings = { tools: ["query"], writers: ["dba"] };
const plugin = load(file, { settings });

/** The answer to a statement, in a few words. */
function ask(sql, { groups = ["dev"], on = plugin } = {}) {
  const got = on.request({ tool: "query", args: { sql }, principal: { id: "ann", type: "jwt", groups } });
  return [got.verdict, got.reason?.code ?? got.approval].filter(Boolean).join(" ");
}

test("statements that read pass", () => {
  for (const sql of [
    "SELECT 1", "select * from t where a = 'it''s' ;", "WITH x AS (SELECT 1) SELECT * FROM x", "(SELECT 1) UNION (SELECT 2)", "EXPLAIN SELECT 1",
    "SELECT 'drop table t; --', \"delete\", `update` FROM t", "SELECT replace(a, 'b', 'c') FROM t WHERE id = $1 AND n = '\u00e9\u{1f600}'",
  ]) assert.equal(ask(sql), "pass", sql);
});

test("statements that write are refused", () => {
  for (const sql of [
    "DROP TABLE t", "delete from t", "SELECT * INTO t2 FROM t", "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "EXPLAIN ANALYZE UPDATE t SET a = 1",
    "SELECT * FROM t FOR UPDATE", "SELECT pg_read_file('/etc/passwd')", "SELECT nextval('s')", "BEGIN", "SELECT load_extension('x')",
  ]) assert.equal(ask(sql), "deny sql_writes", sql);
});

test("what databases read in two ways is refused", () => {
  for (const sql of [
    "SELECT 1; DROP TABLE t", "SELECT 1 -- ", "SELECT 1 /*! INTO OUTFILE 'x' */", "SELECT '\\'; DROP TABLE t; -- '", "SELECT $$a$$", "SELECT 'a", "SELECT 1 # 2",
    "SELECT E'a'", "SELECT\u00a01", "SELECT '\u0000'", "", " ; ", "SELECT [delete]",
  ]) assert.equal(ask(sql), "deny sql_unclear", sql);
});

test("who may write is asked about", () => {
  assert.equal(ask("DELETE FROM t", { groups: ["dba", "dev"] }), "approve May this run? DELETE FROM t");
  assert.equal(ask("DELETE FROM t; SELECT 1", { groups: ["dba"] }), "deny sql_unclear");
  assert.equal(ask("DELETE FROM t", { groups: ["dba"], on: load(file, { settings: { tools: ["query"] } }) }), "deny sql_writes");
});

test("what is no text is refused, and other tools are not judged", () => {
  assert.equal(ask(["SELECT 1"]), "deny no_sql");
  assert.equal(plugin.request({ tool: "query", args: {} }).reason.text, "Give one SQL statement as the argument sql, as a text.");
  assert.equal(plugin.request({ tool: "read_file", args: { sql: "DROP TABLE t" } }).verdict, "abstain");
});

test("the record has the verb", () => {
  assert.deepEqual(plugin.request({ tool: "query", args: { sql: "select 1" } }).notes, { statement: "SELECT" });
});

test("an operator may grant less", () => {
  const less = load(file, { settings, grant: { verdicts: ["deny"] } });
  const got = less.request({ tool: "query", args: { sql: "DROP TABLE t" }, principal: { groups: ["dba"] } });
  assert.deepEqual([got.verdict, got.failure.type], ["deny", "capability"]);
});

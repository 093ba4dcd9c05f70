// A plugin that uses every part of the SDK, on the host that tests use.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "../testing/index.mjs";
import { compile } from "./asc.mjs";

const read = (name) => readFileSync(new URL(name, import.meta.url), "utf8");
const { errors, file } = await compile(read("plugin.ts"), JSON.parse(read("plugin.json")));
assert.equal(errors, "");

const tables = { tenants: { alice: "acme", bob: { id: 2, tags: ["x"] } } };
const detectors = { pii: [{ name: "email", regexp: "[a-z]+@[a-z.]+" }] };
const plugin = load(file, { tables, detectors, settings: { mask: "***" } });
const ask = (path, more = {}) => plugin.request({ args: { path, ...more } });
const said = (got) => [got.verdict, got.reason?.code, got.reason?.text, got.failure?.type, got.failure?.text].filter(Boolean).join(" ");

test("verdicts", () => {
  assert.equal(said(plugin.request({ args: {} })), "deny no_path A path is needed.");
  assert.equal(said(ask("/etc/passwd")), "deny denied_by_plugin");
  assert.equal(said(ask("nothing")), "pass");
  assert.equal(said(ask("not ours")), "abstain");
  assert.deepEqual([ask("ask").verdict, ask("ask").approval], ["approve", "Really?"]);
  assert.equal(said(ask("unset")), "deny denied_by_plugin");
});

test("values are of the type that was asked for", () => {
  assert.equal(said(plugin.request({ args: { path: ["a"] } })), "deny no_path A path is needed.");
  const got = ask("values", { amount: 2.5, flag: true, tags: ["a", { b: [1.5, null] }], "odd key": "x" }).notes;
  assert.deepEqual(got, {
    amount: "2.5", flag: "true", "no-number": "NaN", tags: '["a",{"b":[1.5,null]}]', kind: "6", odd: "x", bytes: "1",
    tree: '["a",{"b":[1.5,null]}] 2 a 1.5 true',
  });
});

test("texts come through whole, whatever they hold", () => {
  for (const text of ["", "\u0000", "\ufffd", "\u{1f600}\u{10ffff}", "e\u0301\u00e9", "\ud7ff\ue000", "x".repeat(5000), "\u{1f600}".repeat(3000), '"\\\u0001\u001f\u007f\u2028']) {
    const got = ask("copy", { body: text });
    assert.equal(said(got), "mutate");
    assert.deepEqual(JSON.parse(got.after).arguments, { path: "copy", body: text, note: { was: text } });
  }
});

test("large and small values in turn", () => {
  const long = "y".repeat(5000);
  const got = ask("sizes", { body: long, tags: [long], "odd key": "z", list: [{ text: "s" }, { text: long }, { text: "t" }] });
  assert.deepEqual(got.notes, { tags: "5000", odd: "z", again: "5000", body: "5000", strings: "5000 1 5000 1", kinds: "5000 1" });
});

test("half a surrogate pair is never written", () => {
  const got = ask("cut", { body: "a\u{1f600}" });
  assert.equal(said(got), "deny plugin_failed trap a text has half a surrogate pair: it was cut inside a character");
  assert.equal(ask("cut note", { body: "a\u{1f600}" }).notes.cut, "a\ufffd");
});

test("what is not UTF-8 ends the call", () => {
  const results = ["ff", "c0 80", "ed a0 80", "f4 90 80 80", "e2 82", "80", "f0 9f 98", "c3 28", "e0 9f bf", "f0 8f bf bf"].map((bytes) => ask("utf8", { body: bytes }).notes.utf8);
  assert.deepEqual(new Set(results), new Set(["false"]));
  assert.deepEqual(["", "41", "c3 a9", "ef bf bd", "ed 9f bf", "f4 8f bf bf", "00"].map((bytes) => ask("utf8", { body: bytes }).notes.utf8), Array(7).fill("true"));
});

test("edits", () => {
  const got = ask("edit", { list: [{ text: "a" }, { text: "mail bob@example.com" }], note: 1 });
  assert.equal(got.after, '{"name":"example","arguments":{"path":"edit","list":[{"text":"a"},{"text":"***"}],"note":"new \\"\\\\\\n\\u0001"}}');
  assert.deepEqual(got.edits.map((e) => e.path), ["args.list[1].text", "args.note"]);
  assert.deepEqual(got.notes, { path: "args.list[1].text", rule: "email", at: "5-20" });
  const text = "\u{e9}\u{1f600}\u20ac bob@example.com \u{e9}";
  const at = text.indexOf("bob");
  assert.equal(ask("edit", { list: [{ text }] }).notes.at, `${at}-${at + 15}`, "positions are those of substring");
  assert.equal(ask("remove", { note: 1 }).after, '{"name":"example","arguments":{"path":"remove"}}');
  assert.equal(said(ask("remove")), "deny plugin_failed trap there is nothing to remove: args.note");
  assert.equal(said(ask("outside")), "deny plugin_failed capability patch: args.path is not within the granted writes");
  assert.equal(said(ask("edit and pass")), "deny plugin_failed abi edits with the verdict pass");
});

test("tables, notes, labels, log lines", () => {
  const got = ask("lookup");
  assert.deepEqual(got.notes, { alice: "acme", bob: '{"id":2,"tags":["x"]}', carol: "none", granted: "true", feature: "true" });
  assert.deepEqual(got.labels, ["seen"]);
  assert.deepEqual(got.logs, [{ level: "warn", text: "hello" }]);
  const without = load(file, { detectors, settings: { mask: "" } });
  assert.equal(said(without.request({ args: { path: "lookup" } })), "deny plugin_failed capability lookup:tenants is not granted");
});

test("everything at once", () => {
  assert.deepEqual(ask("view", { amount: 1, body: "b" }).notes, { 0: "1", 4: "view", string: "0 b" });
});

test("failures", () => {
  assert.equal(said(ask("give up")), "deny plugin_failed trap can't judge");
  assert.match(said(ask("assert")), /^deny plugin_failed trap it must hold, in assembly\/index.ts:\d+:\d+$/);
  assert.match(said(ask("throw")), /^deny plugin_failed trap thrown, in assembly\/index.ts:\d+:\d+$/);
  assert.match(said(ask("bounds")), /^deny plugin_failed trap Index out of range/);
  assert.equal(said(ask("trap")), "deny plugin_failed trap unreachable");
  assert.equal(said(ask("bad json")), "deny plugin_failed trap not JSON, at the character 3");
  assert.equal(said(ask("other hook")), "deny plugin_failed trap a field is not among the manifest's reads of this hook");
  assert.equal(said(ask("code")), 'deny plugin_failed abi "No" is not the code of a reason');
});

test("JSON", () => {
  for (const text of ['{"a":[1,-2.50e+3,true,false,null,"\\u00e9\\ud83d\\ude00\\n\\/"],"b":{"":{}}}', " [ ] ", '{ "a" : 1 , "b" : [ 1 , 2 ] }', "0", '""']) {
    assert.deepEqual(JSON.parse(ask("json", { body: text }).notes.json), JSON.parse(text));
  }
  for (const text of ["", "{", "[1,]", '{"a"}', '{"a":1,}', "01", "1.", "-", "tru", '"', '"\\x"', '"\\u12g4"', '"\u0001"', "1 2", "[".repeat(200)]) {
    assert.equal(ask("json", { body: text }).failure?.type, "trap", text);
  }
});

test("lists", () => {
  const got = plugin.list({ items: [{ name: "a" }, { name: "secret", hint: 1 }, { name: "b" }] });
  assert.equal(got.after, '[{"name":"a"},{"name":"b"}]');
  assert.deepEqual(got.notes, { hint: "1" });
  assert.equal(said(plugin.list({ items: [] })), "pass");
});

test("a call leaves nothing behind", () => {
  assert.equal(ask("count").notes.count, "1");
  assert.equal(ask("count").notes.count, "1");
});

test("settings", () => {
  const refused = (settings, want) => assert.throws(() => load(file, { tables, detectors, settings }), { message: `the plugin failed while it booted: ${want}` });
  refused({ mask: 1 }, "settings_refused: /mask: The mask is no text.");
  refused({ mask: "refuse" }, "bad_mask: /mask: Not this one.");
  refused({ mask: "broken" }, "selftest_failed: the mask is broken");
  refused({ mask: "early" }, "field_kind was called at boot");
  assert.throws(() => load(file, { grant: { verdicts: ["approve", "pass"] }, tables, detectors }), /pass, so it can't be granted/);
});

test("a smaller grant", () => {
  const less = load(file, { tables, detectors, settings: { mask: "" }, grant: { verdicts: ["deny"] } });
  assert.equal(said(less.request({ args: { path: "ask" } })), "deny plugin_failed capability the verdict approve is not granted");
});

// What the vectors don't ask: the functions that plugins are written with.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "../testing.js";

const base = { name: "test", version: "1.0.0" };

/** Loads a plugin that has a hook request and reads args. */
function plugin(request, manifest = {}, options = {}) {
  return load({ manifest: { ...base, reads: { request: ["args", "args.text"] }, verdicts: ["deny", "mutate"], ...manifest }, request }, options);
}

function reason(request, args, manifest, options) {
  const r = plugin(request, manifest, options).request({ args });
  return r.failure ? r.failure.type + ": " + r.failure.text : r.reason?.text;
}

test("a manifest is completed and sorted", () => {
  const { manifest } = load({ manifest: { ...base, reads: { list: ["items[*].name", "items"] }, capabilities: ["match:b", "lookup:a"] }, list: () => "pass" });
  assert.deepEqual(manifest, {
    abi: "sallyport/1", hooks: ["list"], ...base, reads: { list: ["items", "items[*].name"] }, capabilities: ["lookup:a", "match:b"],
  });
});

test("lists are sorted by characters, not by units", () => {
  const list = ['args["\u{1f600}"]', 'args["\uff5e"]', "args.b", "args.a"];
  const { manifest } = load({ manifest: { ...base, reads: { request: list } }, request: () => "pass" });
  assert.deepEqual(manifest.reads.request, ["args.a", "args.b", 'args["\uff5e"]', 'args["\u{1f600}"]']);
});

test("values are values", () => {
  const args = { text: "t", n: 1.5, no: null, yes: true, list: [1, { a: "b" }] };
  assert.equal(reason((c) => c.deny("x", JSON.stringify(c.get("args"))), args), JSON.stringify(args));
  assert.equal(reason((c) => c.deny("x", [c.get("args.text"), c.text("args.text"), c.json("args.text"), c.kind("args.text")].join()), args), 't,t,"t",string');
  assert.equal(reason((c) => c.deny("x", [c.get("args.text"), c.text("args.text"), c.json("args.text"), c.kind("args.text")].join()), {}), ",,,absent");
  assert.equal(reason((c) => c.deny("x", [c.get("args.text"), c.text("args.text"), c.json("args.text"), c.kind("args.text")].join()), '{"text":1.50}'), "1.5,,1.50,number");
});

test("what isn't declared is an exception, and one that isn't caught denies", () => {
  assert.equal(reason((c) => c.get("args.other")), "trap: RangeError: args.other is not in reads.request");
  assert.equal(reason((c) => c.lookup("lookup:t", "k")), "trap: RangeError: lookup:t is not in capabilities");
  assert.equal(reason((c) => c.log("loud", "x")), "trap: RangeError: loud is not in the levels");
});

test("a failure can't be caught", () => {
  const refused = (c) => {
    try {
      c.set("args.text", 1);
    } catch {
      return "pass";
    }
  };
  assert.equal(reason(refused, { text: "" }), "capability: patch: args.text is not within the granted writes");
});

test("edits say where there was no place", () => {
  const manifest = { writes: ["args"] };
  assert.deepEqual(plugin((c) => (c.set("args.new", { a: "\u{1f600}" }), c.remove("args.text"), "mutate"), manifest).request({ args: { text: "" } }).edits, [
    { path: "args.new", json: '{"a":"\u{1f600}"}' }, { path: "args.text", json: null },
  ]);
  assert.equal(reason((c) => c.remove("args.gone"), {}, manifest), "trap: RangeError: args.gone: there is no such place to edit");
  assert.equal(reason((c) => c.set("args.text.a", 1), { text: "" }, manifest), "trap: RangeError: args.text.a: what is there can't be edited so");
  assert.equal(reason((c) => c.set("args.text", undefined), { text: "" }, manifest), "trap: TypeError: args.text can't be set to undefined: JSON has no such value");
});

test("half a surrogate pair doesn't get into a message", () => {
  const manifest = { writes: ["args"], strings: { request: ["args"] } };
  assert.equal(reason((c) => c.strings()[0].replace("\ud83d"), { text: "x" }, manifest), "trap: TypeError: the text has half a surrogate pair");
});

test("matches are in units of JavaScript", () => {
  const manifest = { capabilities: ["match:pii"], strings: { request: ["args"] } };
  const options = { detectors: { pii: [{ name: "word", regexp: "[a-z]+" }] } };
  const found = [{ start: 3, end: 5, text: "ab", rule: "word" }];
  assert.equal(reason((c) => c.deny("x", JSON.stringify(c.match("match:pii", "args.text"))), { text: "\u{1f600}€ab" }, manifest, options), JSON.stringify(found));
  assert.equal(reason((c) => c.deny("x", JSON.stringify(c.strings()[0].match("match:pii"))), { text: "\u{1f600}€ab" }, manifest, options), JSON.stringify(found));
  assert.equal(reason((c) => c.deny("x", String(c.match("match:pii", "args.text"))), {}, manifest, options), "undefined");
  assert.equal(reason((c) => c.deny("x", String(c.granted("match:pii"))), {}, manifest), "false");
});

test("a table is asked", () => {
  const manifest = { capabilities: ["lookup:t"] };
  const options = { tables: { t: { a: "text", b: { c: 1 } } } };
  assert.equal(reason((c) => c.deny("x", ["a", "b", "c"].map((k) => c.lookup("lookup:t", k)).join()), {}, manifest, options), 'text,{"c":1},');
});

test("verdicts", () => {
  for (const [returned, text] of [
    [undefined, "nothing"], ["alow", '"alow"'], ["constructor", '"constructor"'], [Promise.resolve("pass"), "a promise, and a hook can't wait"], [1.5, "1.5"], [null, "null"],
  ]) {
    assert.equal(reason(() => returned), `trap: TypeError: request returned ${text}: return a verdict, such as "pass"`);
  }
  assert.equal(reason(() => 77), "abi: there is no verdict 77");
  assert.equal(reason((c) => c.approve("?")), "capability: the verdict approve is not granted");
  assert.equal(plugin(() => "abstain").request({}).verdict, "abstain");
});

test("settings are refused with a reason and a place", () => {
  const boot = (members) => () => load({ manifest: base, request: () => "pass", ...members }, { settings: { a: 1 } });
  assert.throws(boot({ validate: (s) => ({ code: "bad", text: `no ${s.a}`, path: "/a" }) }), { message: "the plugin failed while it booted: bad: /a: no 1" });
  assert.throws(boot({ configure: (s, { text }) => text }), { message: 'the plugin failed while it booted: settings_refused: {"a":1}' });
  assert.throws(boot({ selfTest: () => false }), { message: "the plugin failed while it booted: selfTest" });
  assert.throws(boot({ selfTest: () => ({}) }), { message: "the plugin failed while it booted: TypeError: return nothing, or { code, text, path } to refuse" });
  assert.throws(boot({ validate: (s, { abi }) => abi.label("x") }), { message: "the plugin failed while it booted: label was called at boot" });
});

test("the host is that of the SDK for AssemblyScript: make host copies it", () => {
  for (const name of readdirSync(new URL("../testing", import.meta.url))) {
    const of = (dir) => readFileSync(new URL(`${dir}/${name}`, import.meta.url), "utf8");
    assert.equal(of("../testing"), of("../../assemblyscript/testing"), name);
  }
});

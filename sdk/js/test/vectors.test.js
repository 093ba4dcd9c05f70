// The vectors of hostapi/tck, asked of the host that tests use: it must answer as gateways do.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import guest from "../tck/guest.js";
import { load } from "../testing.js";
import { parse, quote, write } from "../testing/json.mjs";

const kit = new URL("../../../hostapi/tck/testdata/", import.meta.url);
const fixture = readFileSync(new URL("fixture.json", kit), "utf8");
const { detectors, principal, time } = JSON.parse(fixture);
const tables = { tenants: raw(parse(fixture), "tables", "tenants") };

const manifest = readFileSync(new URL("../manifest.json", kit), "utf8");

// What a host that only runs tests doesn't have: fuel, deadlines, bounds of memory, made modules, and a script that
// begins anew in every call.
const without = new Set(["spin", "grow", "count"]);

/** The members of a file's vector, each as the text that it is. */
function raw(node, ...keys) {
  for (const k of keys) node = node?.get(k);
  return node && write(node);
}

function messageOf(v, vector) {
  const m = { server: "files", source: "192.0.2.7", principal, time, ...vector.message };
  m.principal = { ...m.principal, apiKey: m.principal.api_key };
  m.method ??= vector.hook === "list" ? "tools/list" : "tools/call";
  m.tool ??= m.method === "tools/call" ? "tck" : "";
  for (const name of ["result", "items", "annotations"]) m[name] = raw(v, "message", name);
  const members = v.get("message")?.get("params")?.keys.map((k) => [k, raw(v, "message", "params", k)]) ?? (m.tool ? [["name", quote(m.tool)]] : []);
  if (vector.args) members.push(["arguments", raw(v, "args")]);
  if (vector.do) members.push(["_meta", `{"tck":${raw(v, "do")}}`]);
  m.params = members.length || vector.message?.params ? `{${members.map(([k, json]) => `${quote(k)}:${json}`).join(",")}}` : undefined;
  return m;
}

/** What is left of a message after edits, as the kit's README says. */
function after(got, vector) {
  if (got.after === null) return null;
  const v = parse(got.after);
  if (vector.args) return raw(v, "arguments");
  return v.keys.includes("_meta") ? `{${v.keys.map((k, i) => `${quote(k)}:${write(v.values[i])}`).filter((_, i) => v.keys[i] !== "_meta").join(",")}}` : got.after;
}

function wanted(v, expect, got) {
  const failed = expect.failure !== undefined;
  const notes = { ...expect.notes, ...(expect.out === undefined ? {} : { out: expect.out }) };
  return {
    failure: failed ? expect.failure.split("|").find((f) => f === got.failure?.type) ?? expect.failure : undefined,
    verdict: failed ? "deny" : expect.verdict ?? "pass",
    reason: failed ? ["plugin_failed", ""] : expect.reason ?? (expect.verdict === "deny" ? ["denied_by_plugin", ""] : undefined),
    approval: expect.approval ?? "",
    notes: expect.counts?.notes ?? notes,
    labels: expect.counts?.labels ?? expect.labels ?? [],
    logs: expect.counts?.logs ?? expect.logs ?? [],
    after: raw(v, "expect", "after") ?? null,
  };
}

function answered(got, vector) {
  const count = (name, list) => (vector.expect.counts?.[name] === undefined ? list : Object.keys(list).length);
  return {
    failure: got.failure?.type,
    verdict: got.verdict,
    reason: got.reason ? [got.reason.code, got.reason.text] : undefined,
    approval: got.approval,
    notes: count("notes", got.notes),
    labels: count("labels", got.labels),
    logs: count("logs", got.logs.map((l) => [l.level, l.text])),
    after: after(got, vector),
  };
}

for (const file of readdirSync(new URL("vectors", kit))) {
  const text = readFileSync(new URL(`vectors/${file}`, kit), "utf8");
  parse(text, { twice: true }).get("vectors").values.forEach((v) => {
    const vector = { expect: {}, ...JSON.parse(write(v)) };
    if (vector.module || !vector.do || without.has(vector.do.do)) return;
    test(`${file}: ${vector.name}`, () => {
      const grant = { capabilities: vector.grant ? [] : ["lookup:tenants", "match:pii"], ...vector.grant };
      const options = { manifest, tables, detectors, grant, settings: raw(v, "settings") };
      if (vector.expect.load) return assert.throws(() => load(guest, options));
      const got = load(guest, options)[vector.hook ?? "request"](messageOf(v, vector));
      assert.deepEqual(answered(got, vector), wanted(v, vector.expect, got));
    });
  });
}

// What doesn't compile, and what it says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { compile } from "./asc.mjs";

const hook = 'import { Call, Verdict, field, capability } from "@sallyport/assemblyscript";\nexport function onRequest(call: Call): Verdict {';
const reads = { reads: { request: ["args.path"] } };

const refused = [
  ["a field that isn't declared", `${hook} return call.text(field("args.pahs")) === null ? Verdict.Deny : Verdict.Pass; }`, reads,
    "doesn't have the field args.pahs in reads; did you mean args.path?"],
  ["a capability that isn't declared", `${hook} call.lookup(capability("lookup:tenant"), ""); return Verdict.Pass; }`, { capabilities: ["lookup:tenants"] },
    "doesn't have the capability lookup:tenant; did you mean lookup:tenants?"],
  ["a field that is no text", `${hook} const p = "args.path"; return call.text(field(p)) === null ? Verdict.Deny : Verdict.Pass; }`, reads,
    "field() takes a path between quotation marks"],
  ["a hook without its function", `${hook} return Verdict.Pass; }`, { hooks: ["request", "response"] },
    "has the hook response, and assembly/index.ts exports no function onResponse"],
  ["a function without its hook", `${hook} return Verdict.Pass; }\nexport function onResponse(call: Call): Verdict { return Verdict.Pass; }`, {},
    "manifest.json doesn't have the hook response"],
  ["a manifest out of order", `${hook} return Verdict.Pass; }`, { reads: { request: ["mcp.tool.name", "args.path"] } },
    'reads.request: "args.path" goes before "mcp.tool.name"'],
  ["a path that stands twice", `${hook} return Verdict.Pass; }`, { writes: ["args.path", "args.path"] },
    'writes: "args.path" stands twice'],
  ["a manifest that is no JSON", `${hook} return Verdict.Pass; }`, "{,}", "manifest.json:"],
  ["a manifest of another ABI", `${hook} return Verdict.Pass; }`, { abi: "sallyport/2" }, 'abi is not "sallyport/1"'],
  ["what gateways don't have", `${hook} return Math.random() < 0.5 ? Verdict.Deny : Verdict.Pass; }`, {}, "the program needs env.seed"],
  ["a hook of another type", 'import { Call } from "@sallyport/assemblyscript";\nexport function onRequest(call: Call): string { return ""; }', {}, "not assignable"],
];

for (const [name, program, manifest, want] of refused) {
  test(name, async () => {
    const { failed, errors } = await compile(program, manifest);
    assert.ok(failed);
    assert.ok(errors.includes(want), errors);
    assert.ok(!errors.includes("transform.mjs"), errors);
  });
}

test("a module has what a gateway wants, and nothing else", async () => {
  const { errors, file } = await compile(`${hook} assert(call.text(field("args.path")) !== null, "no path"); return Verdict.Pass; }`, reads);
  assert.equal(errors, "");
  const module = new WebAssembly.Module(readFileSync(file));
  assert.deepEqual(WebAssembly.Module.exports(module).map((e) => e.name).sort(), ["aborted", "memory", "sp_on_request"]);
  assert.deepEqual([...new Set(WebAssembly.Module.imports(module).map((i) => i.module))], ["sallyport_v1"]);
  const [section] = WebAssembly.Module.customSections(module, "sallyport.manifest");
  assert.equal(JSON.parse(new TextDecoder().decode(section)).reads.request[0], "args.path");
});

test("the same program makes the same bytes", async () => {
  const bytes = async () => readFileSync((await compile(`${hook} return call.deny("no", "no"); }`, { verdicts: ["deny"] })).file);
  assert.deepEqual(await bytes(), await bytes());
});

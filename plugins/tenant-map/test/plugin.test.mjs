// Tests of the module as it was built; the corpora are run by `go test ./plugins`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "@sallyport/assemblyscript/testing";

const file = new URL("../build/tenant-map.wasm", import.meta.url);

const tenants = {
  "principal:ann": "acme", "principal:gus": "globex", "principal:lea": "acme-labs", "principal:nil": "initech", "principal:": "acme", "principal:odd": "",
  "tenant:acme": { project: "acme-prod", root: "/srv/acme", key: "acme/", queue: ["acme-in", "acme-out"], docs: "https://acme.example/docs", empty: "" },
  "tenant:globex": { project: "globex-prod", root: "/srv/globex" },
  "tenant:acme-labs": { root: "/srv/acme-labs" },
  marks: { acme: ["acme", "/srv/acme"], globex: ["globex", "/srv/globex"], "acme-labs": ["acme-labs"] },
};
const settings = {
  tools: {
    query: { project: { set: "project" }, sql: "free" },
    publish: { queue: { check: "queue" }, body: "free" },
    read_file: { path: { begins: "root" }, paths: { begins: "root", optional: true } },
    put: { key: { prefix: "key" }, "odd name": { set: "project" } },
    bad: { x: { check: "empty" } },
    only: { project: { set: "project" } },
  },
  resources: "docs",
};
const boot = (more = {}, table = tenants) => load(file, { settings: { ...settings, ...more }, tables: { tenants: table } });
const plugin = boot();
const as = (id, more = {}) => ({ id, type: "jwt", ...more });

/** The answer to a call of a tool, in a few words. */
function ask(tool, args, { who = "ann", on = plugin } = {}) {
  const got = on.request({ tool, args, principal: as(who) });
  assert.equal(got.failure, null);
  return got.after ? JSON.parse(got.after).arguments : [got.verdict, got.reason?.code].filter(Boolean).join(" ");
}

test("set gives the tenant's value, whatever was sent", () => {
  assert.deepEqual(ask("query", { sql: "x" }), { sql: "x", project: "acme-prod" });
  assert.deepEqual(ask("query", { project: "globex-prod", sql: "x" }), { project: "acme-prod", sql: "x" });
  assert.deepEqual(ask("query", { project: ["globex"], sql: "x" }), { project: "acme-prod", sql: "x" });
  assert.deepEqual(ask("query", { sql: "x" }, { who: "gus" }), { sql: "x", project: "globex-prod" });
  assert.equal(ask("query", { project: "acme-prod", sql: "x" }), "pass");
  assert.deepEqual(ask("only", undefined), { project: "acme-prod" });
  assert.deepEqual(ask("put", { key: "acme/a" }), { key: "acme/a", "odd name": "acme-prod" });
});

test("check takes the tenant's values and no others", () => {
  assert.equal(ask("publish", { queue: "acme-in" }), "pass");
  assert.equal(ask("publish", { queue: ["acme-in", "acme-out"], body: "b" }), "pass");
  for (const queue of ["globex-in", "ACME-IN", "acme-in ", "", ["acme-in", "other"]]) assert.equal(ask("publish", { queue }), "deny outside_tenant");
  assert.equal(ask("publish", {}), "deny argument_missing");
  assert.equal(ask("publish", { queue: { a: 1 } }), "deny argument_no_text");
  assert.equal(ask("publish", { queue: [["acme-in"]] }), "deny argument_no_text");
});

test("begins takes what lies within", () => {
  for (const path of ["/srv/acme", "/srv/acme/", "/srv/acme/a/b.txt", "/srv/acme/100% sure", "/srv/acme/..a", "/srv/acme/\u00e9", "/srv/acme/%C3%A9%E4%B8%AD", "/srv/acme/a%20b", "/srv/acme/#/a", "/srv/acme/?a=1;b=2", "/srv/acme/\uff21\u3000b", "/srv/acme/\ud83d\ude00"]) assert.equal(ask("read_file", { path }), "pass", path);
  for (const path of ["/srv/acme2", "/srv/acm", "srv/acme/a", "/etc/passwd", "", "/SRV/acme", "/srv/globex"]) assert.equal(ask("read_file", { path }), "deny outside_tenant", path);
  for (const path of ["/srv/acme/../globex", "/srv/acme/./a", "/srv/acme//a", "/srv/acme/a\\..\\b", "/srv/acme/%2e%2e/b", "/srv/acme/%252e", "/srv/acme/a\u0000", "/srv/acme/..", "/srv/acme/%2Fa",
    "/srv/acme/a/..?x", "/srv/acme/a/..#x", "/srv/acme/a/..;/b", "/srv/acme/;/b", "/srv/acme/..%3Bx", "/srv/acme/%c0%ae%c0%ae/b", "/srv/acme/%e0%80%ae", "/srv/acme/%ff", "/srv/acme/%u002e%u002e/b", "/srv/acme/.. /b", "/srv/acme/..%20/b", "/srv/acme/..%C2%A0/b",
    "/srv/acme/\uff0e\uff0e/b", "/srv/acme/%EF%BC%8E./b", "/srv/acme/.\u200b./b", "/srv/acme/.%E2%80%8B./b", "/srv/acme/\u2025/b", "/srv/acme/...", "/srv/acme/a\u2215b"]) {
    assert.equal(ask("read_file", { path }), "deny path_unclear", path);
  }
  assert.equal(ask("read_file", { path: "/srv/acme/a", paths: ["/srv/acme/b", "/srv/globex/c"] }), "deny outside_tenant");
});

test("prefix is put before what doesn't have it, once", () => {
  assert.deepEqual(ask("put", { key: "a/b" }), { key: "acme/a/b", "odd name": "acme-prod" });
  assert.deepEqual(ask("put", { key: "" }), { key: "acme/", "odd name": "acme-prod" });
  assert.deepEqual(ask("put", { key: ["a", "acme/b"] }), { key: ["acme/a", "acme/b"], "odd name": "acme-prod" });
  assert.deepEqual(ask("put", { key: "acme/a" }), { key: "acme/a", "odd name": "acme-prod" });
  assert.equal(ask("put", { key: "/a" }), "deny outside_tenant");
  for (const key of ["../a", "a/../../b", "s3://a/b", "acme/../b", "a//b"]) assert.equal(ask("put", { key }), "deny path_unclear", key);
});

test("other tenants' names are refused wherever they stand", () => {
  assert.equal(ask("query", { sql: "select * from GLOBEX.users" }), "deny other_tenant");
  assert.equal(ask("query", { sql: "\uff27lobe\uff58" }), "deny other_tenant");
  assert.equal(ask("put", { key: "globex/a" }), "deny other_tenant");
  assert.deepEqual(ask("query", { sql: "globexample and myglobex" }), { sql: "globexample and myglobex", project: "acme-prod" });
  assert.deepEqual(ask("query", { sql: "acme" }), { sql: "acme", project: "acme-prod" });
  assert.equal(ask("query", { sql: "acme-labs" }), "deny other_tenant");
  assert.equal(ask("read_file", { path: "/srv/acme-labs/a" }, { who: "lea" }), "pass");
  assert.equal(ask("read_file", { path: "/srv/acme-labs/acme" }, { who: "lea" }), "deny other_tenant");
});

test("who has no tenant is refused", () => {
  for (const who of ["bob", "", "odd", "tenant:acme", "marks"]) assert.equal(ask("query", { sql: "x" }, { who }), "deny no_tenant", who);
  assert.equal(ask("read_file", { path: "/srv/acme" }, { who: "nil" }), "deny no_value");
  assert.equal(ask("bad", { x: "" }), "deny no_value");
});

test("the key may be a claim or an API key, of certain issuers", () => {
  const by = (more, principal) => boot(more).request({ tool: "only", principal }).verdict;
  assert.equal(by({ key: "claim", claim: "org" }, as("x", { claims: { org: "ann" } })), "mutate");
  assert.equal(by({ key: "claim", claim: "org" }, as("x", { claims: { org: ["ann"] } })), "deny");
  assert.equal(by({ key: "claim", claim: "org" }, as("ann")), "deny");
  assert.equal(by({ key: "apiKey" }, { id: "x", type: "api_key", apiKey: "ann" }), "mutate");
  assert.equal(by({ key: "apiKey" }, as("ann")), "deny");
  assert.equal(by({ issuers: ["https://a"] }, as("ann", { issuer: "https://a" })), "mutate");
  assert.equal(by({ issuers: ["https://a"] }, as("ann", { issuer: "https://b" })), "deny");
  assert.throws(() => boot({ key: "claim" }), /settings_refused: \/claim: Say which claim is the key\./);
});

test("what nothing is said of is refused, or left to others", () => {
  assert.equal(ask("unknown", {}), "deny tool_unmapped");
  assert.equal(ask("query", { sql: "x", workspace: "y" }), "deny argument_unmapped");
  assert.equal(ask("query", { sql: "x", Project: "y" }), "deny argument_unmapped");
  assert.equal(plugin.request({ method: "prompts/get", prompt: "p", params: {} }).reason.code, "prompt_unmapped");
  assert.equal(plugin.request({ method: "tools/list", tool: "", params: {} }).reason.code, "no_tenant");
  assert.equal(plugin.request({ method: "tools/list", tool: "", params: {}, principal: as("ann") }).verdict, "abstain");
  for (const method of ["initialize", "notifications/initialized", "ping", "server/discover"]) assert.equal(plugin.request({ method, tool: "", params: { a: "globex" } }).verdict, "abstain");
  const lenient = boot({ others: "abstain", resources: undefined });
  assert.equal(lenient.request({ tool: "unknown", principal: as("ann") }).verdict, "abstain");
  assert.equal(lenient.request({ tool: "unknown", args: { a: "globex" }, principal: as("ann") }).reason.code, "other_tenant");
  assert.equal(lenient.request({ tool: "unknown", args: { a: "x" }, principal: as("bob") }).verdict, "abstain");
  assert.equal(lenient.request({ method: "tools/list", tool: "", params: { cursor: "acme" }, principal: as("bob") }).reason.code, "other_tenant");
  assert.equal(lenient.request({ method: "prompts/get", prompt: "p", params: { name: "globex" }, principal: as("ann") }).reason.code, "other_tenant");
  assert.equal(lenient.request({ method: "resources/read", resource: "file:///a", params: { uri: "file:///a" } }).verdict, "abstain");
});

test("arguments that are no object are refused with a reason", () => {
  for (const args of [[], null, "x", 1]) {
    const got = plugin.request({ tool: "only", params: { name: "only", arguments: args }, principal: as("ann") });
    assert.equal(got.failure, null);
    assert.equal(got.reason?.code, "arguments_no_object");
  }
});

test("resources lie within the tenant's", () => {
  const read = (uri) => {
    const got = plugin.request({ method: "resources/read", resource: uri, params: { uri }, principal: as("ann") });
    return [got.verdict, got.reason?.code].filter(Boolean).join(" ");
  };
  assert.equal(read("https://acme.example/docs/a"), "pass");
  assert.equal(read("https://acme.example/docs@evil.example/"), "deny outside_tenant");
  assert.equal(read("https://acme.example/docs/../admin"), "deny path_unclear");
  for (const end of ["a/..?x", "a/..#x", "a/..;x"]) assert.equal(read("https://acme.example/docs/" + end), "deny path_unclear", end);
  assert.equal(read("https://acme.example/docs/globex"), "deny other_tenant");
});

const result = (text) => ({ content: [{ type: "text", text }], structuredContent: { rows: [{ path: text }] } });

test("results that name other tenants are refused or redacted", () => {
  const answer = (on, text, who = "ann") => on.response({ tool: "query", result: result(text), principal: as(who) });
  assert.equal(answer(plugin, "nothing of note, acme").verdict, "pass");
  assert.equal(answer(plugin, "see /srv/globex/a").reason.code, "other_tenant");
  assert.equal(answer(plugin, "see /srv/acme/a", "bob").reason.code, "other_tenant");
  assert.equal(answer(boot({ responses: "ignore" }), "globex").verdict, "abstain");
  const got = answer(boot({ responses: "redact" }), '{"a":"/srv/globex/a b","c":"s3://bucket/GLOBEX/x"} globex. ok');
  const text = '{"a":"[another tenant\'s] b","c":"[another tenant\'s]"} [another tenant\'s] ok';
  assert.deepEqual(JSON.parse(got.after), result(text));
  assert.deepEqual(got.labels, ["other-tenant-redacted"]);
});

test("notifications that name other tenants are refused, items left out", () => {
  const redact = boot({ responses: "redact" });
  assert.equal(redact.response({ method: "notifications/message", tool: "", params: { data: "globex" }, principal: as("ann") }).reason.code, "other_tenant");
  const got = redact.list({ method: "resources/list", items: [{ uri: "file:///srv/acme/a" }, { uri: "file:///srv/globex/a", name: "globex" }, { uri: "x" }], principal: as("ann") });
  assert.deepEqual(JSON.parse(got.after), [{ uri: "file:///srv/acme/a" }, { uri: "x" }]);
});

test("without marks everything is refused", () => {
  const { marks, ...rest } = tenants;
  assert.equal(boot({}, rest).response({ result: result("x"), principal: as("ann") }).reason.code, "no_marks");
  assert.equal(boot({}, rest).list({ items: [], principal: as("ann") }).reason.code, "no_marks");
  assert.equal(ask("query", { sql: "globex", project: "acme-prod" }, { on: boot({}, rest) }), "deny no_marks");
  const broken = boot({}, { ...tenants, marks: { globex: [""] } });
  assert.equal(broken.response({ result: result("x"), principal: as("ann") }).failure.type, "trap");
});

test("without a grant of the table every call fails", () => {
  const none = load(file, { settings });
  assert.equal(none.request({ tool: "query", args: { sql: "x" }, principal: as("ann") }).failure.type, "capability");
});

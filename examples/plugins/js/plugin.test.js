import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "../../../sdk/js/testing.js";
import plugin from "./plugin.js";

const manifest = readFileSync(new URL("manifest.json", import.meta.url), "utf8");
const settings = { tools: ["send_mail"], domains: ["example.com"], most: 3 };

function send(args) {
  return load(plugin, { manifest, settings }).request({ tool: "send_mail", args, principal: { id: "ann" } });
}

test("mail to the outside is asked about, once for all", () => {
  const got = send({ to: ["bob@example.com", "eve@other.example"], cc: "Kim@Elsewhere.example", subject: "Plans" });
  assert.equal(got.verdict, "approve");
  assert.equal(got.approval, 'May ann send "Plans" to eve@other.example, Kim@Elsewhere.example?');
  assert.deepEqual(got.notes, { recipients: "3", outside: "eve@other.example Kim@Elsewhere.example" });
});

test("mail inside goes on with the addresses that were judged", () => {
  const got = send({ to: "Bob <bob@example.com>, ann@EXAMPLE.com", subject: "x" });
  assert.equal(got.verdict, "mutate");
  assert.deepEqual(JSON.parse(got.after).arguments, { to: ["bob@example.com", "ann@EXAMPLE.com"], subject: "x" });
});

for (const [name, args, want] of [
  ["plain addresses inside", { to: ["bob@example.com"], cc: [], bcc: null }, "pass"],
  ["a domain below is outside", { to: "bob@sub.example.com", bcc: "bob@sub.example.com" }, "deny hidden_recipient"],
  ["nobody", { to: [] }, "deny no_recipient"],
  ["too many", { to: "a@example.com,b@example.com", cc: ["c@example.com", "d@example.com"] }, "deny too_many_recipients"],
  ["an attachment for the outside", { to: "eve@other.example", attachments: ["plan.pdf"] }, "deny attachment_outside"],
  ["an attachment of another type", { to: "eve@other.example", attachments: "plan.pdf" }, "deny attachment_outside"],
  ["a name that looks inside", { to: '"bob@example.com" <eve@other.example>' }, "deny address_unreadable"],
  ["a comment", { to: "eve@other.example(@example.com)" }, "deny address_unreadable"],
  ["two signs", { to: "eve@other.example@example.com" }, "deny address_unreadable"],
  ["a route", { to: "<@other.example:bob@example.com>" }, "deny address_unreadable"],
  ["a very long one", { to: "bob@example.com" + "m".repeat(1 << 20) }, "deny address_unreadable"],
  ["a number", { to: 5 }, "deny address_unreadable"],
  ["an object in a list", { to: ["bob@example.com", { email: "eve@other.example" }] }, "deny address_unreadable"],
  ["a line of its own", { to: "bob@example.com\nbcc: eve@other.example" }, "deny address_unreadable"],
]) {
  test(name, () => {
    const got = send(args);
    assert.equal(got.failure, null);
    assert.equal([got.verdict, got.reason?.code].join(" ").trim(), want);
  });
}

test("other tools are others' business", () => {
  assert.equal(load(plugin, { manifest, settings }).request({ tool: "read_mail", args: {} }).verdict, "abstain");
});

test("settings that are no domain are refused, with their place", () => {
  for (const domain of ["Example.com", "@example.com", "*", "com"]) {
    assert.throws(() => load(plugin, { manifest, settings: { tools: ["x"], domains: ["example.com", domain] } }), {
      message: "the plugin failed while it booted: settings_refused: /domains/1: write a domain in lower case, such as example.com",
    });
  }
});

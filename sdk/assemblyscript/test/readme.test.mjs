// The plugin and the test of README.md's quick start.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { compile } from "./asc.mjs";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const block = (language, n) => [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))][n][1];

test("the quick start", async () => {
  const { errors, file } = await compile(block("ts", 0), block("json", 0));
  assert.equal(errors, "");
  const dir = path.dirname(file);
  for (const name of ["build", "test"]) mkdirSync(path.join(dir, name));
  copyFileSync(file, path.join(dir, "build/no-dotdot.wasm"));
  writeFileSync(path.join(dir, "test/plugin.test.mjs"), block("js", 0));
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== "NODE_TEST_CONTEXT"));
  const { status, stdout } = spawnSync(process.execPath, ["--test"], { cwd: dir, encoding: "utf8", env });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^(#|\u2139) pass 1$/m);
  const config = JSON.parse(block("json", 1));
  assert.deepEqual([config.extends, config.entries], ["@sallyport/assemblyscript/asconfig.json", ["assembly/index.ts"]]);
});

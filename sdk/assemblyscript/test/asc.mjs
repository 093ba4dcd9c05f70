// Compiles programs for tests, in a directory of their own.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

const sdk = fileURLToPath(new URL("..", import.meta.url));
const root = mkdtempSync(path.join(tmpdir(), "sallyport-as-"));
after(() => rmSync(root, { recursive: true }));

mkdirSync(path.join(root, "node_modules/@sallyport"), { recursive: true });
symlinkSync(sdk, path.join(root, "node_modules/@sallyport/assemblyscript"));
let projects = 0;

/** Compiles a program with a manifest; what is left out of the manifest is of a plugin with one hook. */
export function compile(program, manifest = {}) {
  const dir = path.join(root, `project${projects++}`);
  mkdirSync(path.join(dir, "assembly"), { recursive: true });
  const all = { abi: "sallyport/1", name: "test", version: "1.0.0", hooks: ["request"], ...manifest };
  writeFileSync(path.join(dir, "manifest.json"), typeof manifest === "string" ? manifest : JSON.stringify(all));
  writeFileSync(path.join(dir, "assembly/index.ts"), program);
  writeFileSync(path.join(dir, "asconfig.json"), JSON.stringify({
    extends: "@sallyport/assemblyscript/asconfig.json",
    entries: ["assembly/index.ts"],
    options: { outFile: "plugin.wasm" },
  }));
  const asc = process.env.SALLYPORT_ASC;
  const { status, stderr } = spawnSync(process.execPath, [asc, "--noColors"], { cwd: dir, encoding: "utf8" });
  return { status, errors: stderr, file: path.join(dir, "plugin.wasm") };
}

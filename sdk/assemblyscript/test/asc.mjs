// Compiles programs for tests, in a directory of their own.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const sdk = fileURLToPath(new URL("..", import.meta.url));
const root = mkdtempSync(path.join(tmpdir(), "sallyport-as-"));
after(() => rmSync(root, { recursive: true }));

const asc = await import(new URL("../dist/asc.js", pathToFileURL(process.env.SALLYPORT_ASC)));

mkdirSync(path.join(root, "node_modules/@sallyport"), { recursive: true });
symlinkSync(sdk, path.join(root, "node_modules/@sallyport/assemblyscript"));
let projects = 0;

/** Compiles a program with a manifest; what is left out of the manifest is of a plugin with one hook. */
export async function compile(program, manifest = {}) {
  const dir = path.join(root, `project${projects++}`);
  mkdirSync(path.join(dir, "assembly"), { recursive: true });
  const all = { abi: "sallyport/1", name: "test", version: "1.0.0", hooks: ["request"], ...manifest };
  writeFileSync(path.join(dir, "manifest.json"), typeof manifest === "string" ? manifest : JSON.stringify(all));
  writeFileSync(path.join(dir, "assembly/index.ts"), program);
  writeFileSync(path.join(dir, "asconfig.json"), JSON.stringify({
    extends: "@sallyport/assemblyscript/asconfig.json",
    entries: [path.join(dir, "assembly/index.ts")],
    options: { outFile: path.join(dir, "plugin.wasm") },
  }));
  const stderr = asc.createMemoryStream();
  const { error } = await asc.main(["--baseDir", dir, "--noColors"], { stderr, stdout: asc.createMemoryStream() });
  return { failed: error !== null, errors: stderr.toString(), file: path.join(dir, "plugin.wasm") };
}

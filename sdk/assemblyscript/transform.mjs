// The transform of the AssemblyScript compiler that makes a plugin of a program: it looks up the
// names that field() and capability() are given in manifest.json, adds the exports that a
// gateway calls, and puts the manifest into the module. It needs nothing but Node.
import { readFileSync } from "node:fs";
import path from "node:path";

/** The custom section, and the module that may be imported from. */
const SECTION = "sallyport.manifest";
const MODULE = "sallyport_v1";

/** The source that is added; its exports are the module's. */
const ADDED = "sallyport-plugin";

/** The hooks by their numbers, and the functions that a plugin exports for them. */
const HOOKS = ["request", "response", "list"];
const FUNCTIONS = ["onRequest", "onResponse", "onList"];
const OTHERS = ["validateSettings", "configure", "selfTest"];

/** The compiler's number of an error that a transform makes up, and of the kind of a source that is no entry. */
const USER_DEFINED = 102;
const NO_ENTRY = 0;
const ENTRY = 1;

/** The flag of a declaration that is exported. */
const EXPORTED = 2;

export default class SallyportTransform {
  afterParse(parser) {
    const entries = parser.sources.filter((s) => s.sourceKind === ENTRY && !s.internalPath.startsWith("~lib/"));
    if (entries.length !== 1) throw plain(`a plugin has one entry file, and here are ${entries.length}`);
    const [entry] = entries;
    this.text = findManifest(path.resolve(this.baseDir, path.dirname(entry.normalizedPath)), path.resolve(this.baseDir));
    const ids = new Ids(readManifest(this.text));
    const wrong = (node, text) => parser.error(USER_DEFINED, node.range, text);
    for (const source of parser.sources) {
      if (!source.internalPath.startsWith("~lib/") || source.internalPath.includes("@sallyport")) {
        lookUp(parser, source, ids, wrong);
      }
    }
    const functions = exported(entry);
    this.checkFunctions(entry, functions, ids, wrong);
    const sdk = parser.sources.find((s) => exported(s).has("sallyportBegin"));
    if (!sdk) throw plain(`${entry.normalizedPath} doesn't import @sallyport/assemblyscript, which it needs for its hooks`);
    entry.sourceKind = NO_ENTRY;
    parser.parseFile(added(entry, sdk, functions), `${ADDED}.ts`, true);
    const options = this.program.options;
    options.globalAliases ??= new Map();
    options.globalAliases.set("abort", `${ADDED}/aborted`);
  }

  /** Refuses a hook of the manifest without its function, and the other way round. */
  checkFunctions(entry, functions, ids, wrong) {
    HOOKS.forEach((hook, i) => {
      const there = functions.get(FUNCTIONS[i]);
      if (ids.hooks.includes(hook) && !there) {
        throw plain(`manifest.json has the hook ${hook}, and ${entry.normalizedPath} exports no function ${FUNCTIONS[i]}`);
      }
      if (!ids.hooks.includes(hook) && there) wrong(there.name, `manifest.json doesn't have the hook ${hook}`);
    });
  }

  afterCompile(module) {
    for (let i = 0; i < module.getNumFunctions(); i++) {
      const f = this.binaryen.getFunctionInfo(module.getFunctionByIndex(i));
      if (f.module && f.module !== MODULE) {
        throw plain(`the program needs ${f.module}.${f.base}, which gateways don't have: no Math.random, Date.now, console or trace`);
      }
    }
    module.addCustomSection(SECTION, new TextEncoder().encode(this.text));
  }
}

/** An error that is the author's, shown without where in this file it was found. */
function plain(text) {
  const e = new Error(text);
  e.stack = text;
  return e;
}

// ---- the manifest ----

/** The text of the nearest manifest.json, from a directory upwards. */
function findManifest(from, to) {
  for (let dir = from; ; dir = path.dirname(dir)) {
    try {
      return readFileSync(path.join(dir, "manifest.json"), "utf8").trim();
    } catch (e) {
      if (e.code !== "ENOENT") throw e;
    }
    if (dir === to || dir === path.dirname(dir)) throw plain(`there is no manifest.json in ${path.relative(to, from) || "."} or above it`);
  }
}

/** The manifest of a text. Only what this file builds on is checked; gateways check all of it. */
function readManifest(text) {
  let m;
  try {
    m = JSON.parse(text);
  } catch (e) {
    throw plain(`manifest.json: ${e.message}`);
  }
  if (m?.abi !== "sallyport/1") throw plain('manifest.json: abi is not "sallyport/1"');
  if (!Array.isArray(m.hooks)) throw plain("manifest.json: there are no hooks");
  for (const h of HOOKS) {
    sorted(`reads.${h}`, m.reads?.[h]);
    sorted(`strings.${h}`, m.strings?.[h]);
  }
  sorted("writes", m.writes);
  sorted("capabilities", m.capabilities);
  return m;
}

/** Refuses a list that is out of order: an id is a place in it. */
function sorted(name, list = []) {
  for (let i = 1; i < list.length; i++) {
    const order = Buffer.compare(Buffer.from(list[i - 1]), Buffer.from(list[i]));
    if (order > 0) throw plain(`manifest.json: ${name}: ${JSON.stringify(list[i])} goes before ${JSON.stringify(list[i - 1])}: lists are sorted by their bytes`);
    if (order === 0) throw plain(`manifest.json: ${name}: ${JSON.stringify(list[i])} stands twice`);
  }
}

/** What names become. */
class Ids {
  constructor(manifest) {
    this.hooks = manifest.hooks;
    this.reads = HOOKS.map((h) => manifest.reads?.[h] ?? []);
    this.capabilities = manifest.capabilities ?? [];
  }

  /** The id of a field in each hook, one more than it is, nine bits each; 0 if no hook reads it. */
  field(path) {
    return this.reads.reduce((bits, list, hook) => bits | ((list.indexOf(path) + 1) << (9 * hook)), 0);
  }
}

// ---- names in the program ----

/** Gives field("...") and capability("...") numbers in the place of the texts. */
function lookUp(parser, source, ids, wrong) {
  const of = {
    field: (name, node) => {
      const bits = ids.field(name);
      if (bits === 0) wrong(node, `manifest.json doesn't have the field ${name} in reads${near(name, ids.reads.flat())}`);
      return bits;
    },
    capability: (name, node) => {
      const id = ids.capabilities.indexOf(name);
      if (id < 0) wrong(node, `manifest.json doesn't have the capability ${name}${near(name, ids.capabilities)}`);
      return Math.max(id, 0);
    },
  };
  walk(source.statements, (node) => {
    const lookup = Object.hasOwn(of, node.expression?.text) && Array.isArray(node.args) && of[node.expression.text];
    const text = lookup && node.args.length === 1 && node.args[0];
    if (!text || typeof text.value !== "string") return;
    const number = literal(parser, lookup(text.value, text));
    number.range = text.range;
    node.args[0] = number;
  });
}

/** The node of a number, which only the compiler's own parser can make. */
function literal(parser, n) {
  const p = new parser.constructor();
  p.parseFile(`${n};`, "number.ts", false);
  return p.sources[0].statements[0].expression;
}

/** Calls f for each node under what holds some. */
function walk(holder, f, seen = new Set()) {
  if (holder === null || typeof holder !== "object" || seen.has(holder)) return;
  seen.add(holder);
  if (holder instanceof Map || holder instanceof Set) return;
  if (!Array.isArray(holder) && holder.kind !== undefined) f(holder);
  for (const [name, value] of Object.entries(holder)) {
    if (name !== "range" && name !== "source" && name !== "parent") walk(value, f, seen);
  }
}

/** Says what may have been meant. */
function near(name, names) {
  let best = "", least = Math.max(2, name.length / 4);
  for (const n of new Set(names)) {
    const d = distance(name, n);
    if (d <= least) [best, least] = [n, d];
  }
  return best && `; did you mean ${best}?`;
}

/** How many characters have to be added, left out or changed. */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}

// ---- exports ----

/** The functions that a source exports, by name. */
function exported(source) {
  const out = new Map();
  for (const s of source.statements) {
    if (s.name?.text && s.signature && s.flags & EXPORTED) out.set(s.name.text, s);
  }
  return out;
}

/** The source whose exports are what a gateway calls. */
function added(entry, sdk, functions) {
  const used = [...FUNCTIONS, ...OTHERS].filter((name) => functions.has(name));
  const lines = [
    `import { ${used.join(", ")} } from ${JSON.stringify(importPath(entry))};`,
    `import { aborted as end, allocate, beginList, sallyportBegin, settings, tested, verdictNumber } from ${JSON.stringify(importPath(sdk))};`,
    "export function aborted(message: string | null, file: string | null, line: u32, column: u32): void { end(message, file, line, column); }",
  ];
  const lacks = (name) => !functions.has(name);
  HOOKS.forEach((hook, i) => {
    if (lacks(FUNCTIONS[i])) return;
    const call = hook === "list" ? "beginList()" : `sallyportBegin(${i})`;
    lines.push(`export function sp_on_${hook}(): i32 { return verdictNumber(${FUNCTIONS[i]}(${call})); }`);
  });
  if (!lacks("configure") || !lacks("validateSettings")) {
    lines.push("export function sp_alloc(length: usize): usize { return allocate(length); }");
  }
  if (!lacks("validateSettings")) {
    lines.push("export function sp_validate_settings(at: usize, length: usize): i32 { return i32(!validateSettings(settings(at, length))); }");
  }
  if (!lacks("configure")) {
    lines.push("export function sp_configure(at: usize, length: usize): i32 { return i32(!configure(settings(at, length))); }");
  }
  if (!lacks("selfTest")) lines.push("export function sp_selftest(): i32 { return tested(selfTest()); }");
  return lines.join("\n");
}

/** What to import to get a source. */
function importPath(source) {
  const p = source.internalPath;
  return p.startsWith("~lib/") ? p.slice("~lib/".length) : `./${p}`;
}

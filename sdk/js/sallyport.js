// The SDK: what a plugin's hooks are given, and what the engine calls. The same file runs in a
// plugin and under Node, where fake.js is the host. Plugins don't import it.

import { ABI, CODE, HOOK, KIND, LEVEL, PATCH, VERDICT, FEATURE } from "./abi.js";

const HOOKS = Object.keys(HOOK);
const MEMBERS = ["manifest", "validate", "configure", "selfTest", ...HOOKS];
const KINDS = Object.keys(KIND);

// call is the argument of request and response.
class Call {
  #hook;
  #ids;
  #capabilities;

  constructor(abi, manifest, hook) {
    this.abi = abi;
    this.#hook = hook;
    this.#ids = ids(manifest.reads?.[hook]);
    this.#capabilities = ids(manifest.capabilities);
  }

  #id(path) {
    return find(this.#ids, path, "reads." + this.#hook);
  }

  #capability(name) {
    return find(this.#capabilities, name, "capabilities");
  }

  get(path) {
    return this.abi.value(this.#id(path));
  }

  text(path) {
    const id = this.#id(path);
    return this.abi.field_kind(id) === KIND.string ? this.abi.field(id) : undefined;
  }

  json(path) {
    const id = this.#id(path);
    const text = this.abi.field(id) ?? undefined;
    return this.abi.field_kind(id) === KIND.string ? JSON.stringify(text) : text;
  }

  kind(path) {
    return KINDS[this.abi.field_kind(this.#id(path))];
  }

  strings() {
    const n = this.abi.str_count();
    const all = new Array(n);
    for (let i = 0; i < n; i++) all[i] = new MessageString(this, i);
    return all;
  }

  set(path, value) {
    const json = JSON.stringify(value);
    if (json === undefined) throw new TypeError(`${path} can't be set to ${String(value)}: JSON has no such value`);
    this.setJSON(path, json);
  }

  setJSON(path, json) {
    edited(this.abi.patch(PATCH.set, path, json), path);
  }

  remove(path) {
    edited(this.abi.patch(PATCH.remove, path, ""), path);
  }

  match(capability, where) {
    const id = this.#capability(capability);
    const what = where instanceof MessageString ? -1 - where.index : this.#id(where);
    const found = this.abi.match(id, what);
    if (!found) return undefined;
    const text = found.length > 0 ? (where instanceof MessageString ? where.text : this.abi.field(what)) : "";
    const all = [];
    for (let i = 0; i < found.length; i += 5) {
      const start = found[i + 3];
      const end = found[i + 4];
      all.push({ start, end, text: text.slice(start, end), rule: this.abi.match_rule(id, found[i + 2]) });
    }
    return all;
  }

  lookup(capability, key) {
    return this.abi.lookup(this.#capability(capability), key);
  }

  granted(capability) {
    return this.abi.granted(this.#capability(capability)) === 1;
  }

  deny(code, text) {
    this.abi.reason(code, text ?? "");
    return "deny";
  }

  approve(text) {
    this.abi.approve(text);
    return "approve";
  }

  note(key, text) {
    this.abi.note(key, text);
  }

  label(name) {
    this.abi.label(name);
  }

  log(level, text) {
    this.abi.log(find(LEVEL, level, "the levels"), text);
  }

  fail(text) {
    this.abi.fail(text);
  }

  feature(name) {
    return this.abi.feature(FEATURE[name] ?? 0) === 1;
  }

  now() {
    return this.abi.now_ms();
  }

  items() {
    const n = this.abi.item_count();
    const all = new Array(n);
    for (let i = 0; i < n; i++) all[i] = new Item(this, i);
    return all;
  }

  // item is for Item.
  item(index, path) {
    return this.abi.item(index, this.#id(path)) ?? undefined;
  }
}

// MessageString is one of the strings that the manifest's strings name.
class MessageString {
  #call;

  constructor(call, index) {
    this.#call = call;
    this.index = index;
  }

  get text() {
    return this.#call.abi.str(this.index);
  }

  get path() {
    return this.#call.abi.str_path(this.index);
  }

  replace(text) {
    edited(this.#call.abi.str_replace(this.index, text), "strings");
  }

  match(capability) {
    return this.#call.match(capability, this);
  }
}

// Item is one of the items of a list.
class Item {
  #call;

  constructor(call, index) {
    this.#call = call;
    this.index = index;
  }

  text(path) {
    return this.#call.item(this.index, path);
  }

  drop() {
    edited(this.#call.abi.item_drop(this.index), "items");
  }
}

function ids(list) {
  const found = Object.create(null);
  (list ?? []).forEach((name, i) => {
    found[name] = i;
  });
  return found;
}

function find(of, name, where) {
  const id = of[name];
  if (id === undefined) throw new RangeError(`${name} is not in ${where}`);
  return id;
}

function edited(code, path) {
  if (code === CODE.ok) return;
  throw new RangeError(code === CODE.absent ? `${path}: there is no such place to edit` : `${path}: what is there can't be edited so`);
}

// verdict makes a number of what a hook returned.
function verdict(v, hook) {
  const number = typeof v === "string" ? VERDICT[v] : v;
  if (Number.isInteger(number)) return number; // members that all objects have are no numbers
  const what = v instanceof Promise ? "a promise, and a hook can't wait" : v === undefined ? "nothing" : JSON.stringify(v) ?? String(v);
  throw new TypeError(`${hook} returned ${what}: return a verdict, such as "pass"`);
}

// refusal makes a number of what validate, configure or selfTest returned. Nothing is good.
function refusal(v, abi, code) {
  if (v === undefined || v === true) return 0;
  if (v === false) return 1;
  if (Number.isInteger(v)) return v;
  const why = typeof v === "string" ? { text: v } : v;
  if (typeof why?.text !== "string") throw new TypeError("return nothing, or { code, text, path } to refuse");
  abi.reason(why.code ?? code, why.text);
  if (why.path !== undefined) abi.note("path", why.path);
  return 1;
}

// start is called once, when the plugin boots. The engine calls what it returns.
export function start(plugin, manifestText, abi) {
  const manifest = JSON.parse(manifestText);
  const entries = {
    validate: (settings, text) => refusal(plugin.validate?.(settings, { abi, text }), abi, "settings_refused"),
    configure: (settings, text) => refusal(plugin.configure?.(settings, { abi, text }), abi, "settings_refused"),
    selfTest: () => refusal(plugin.selfTest?.({ abi }), abi, "selftest_failed"),
  };
  for (const hook of HOOKS) {
    const call = new Call(abi, manifest, hook);
    entries[hook] = () => verdict(plugin[hook](call), hook);
  }
  return entries;
}

// describe gives the manifest's text of a plugin, which must have it unless it is given, and
// says what is wrong with what else it has.
export function describe(plugin, given) {
  if (typeof plugin !== "object" || plugin === null) throw new TypeError("there is no plugin: export default { manifest, request(call) { ... } }");
  for (const name of Object.keys(plugin)) {
    if (!MEMBERS.includes(name)) throw new TypeError(`the plugin has ${name}, and can have ${MEMBERS.join(", ")}`);
    if (name !== "manifest" && typeof plugin[name] !== "function") throw new TypeError(`the plugin's ${name} is no function`);
  }
  if (given && plugin.manifest !== undefined) throw new TypeError("there are two manifests: that of the script, and the one beside it");
  if (!given && (typeof plugin.manifest !== "object" || plugin.manifest === null)) throw new TypeError("the plugin has no manifest");
  const manifest = given ? JSON.parse(given) : complete(plugin);
  for (const hook of HOOKS) {
    const declared = manifest.hooks?.includes?.(hook) ?? false;
    if (declared && !plugin[hook]) throw new TypeError(`the manifest declares the hook ${hook}, and the plugin has no function ${hook}`);
    if (plugin[hook] && !declared) throw new TypeError(`the plugin has a function ${hook}, and the manifest doesn't declare the hook`);
  }
  return given || JSON.stringify(manifest);
}

// complete fills in what a script needn't say, and sorts what the ABI wants sorted.
function complete(plugin) {
  const manifest = { abi: ABI, hooks: HOOKS.filter((hook) => plugin[hook]), ...plugin.manifest };
  for (const key of ["writes", "capabilities"]) if (Array.isArray(manifest[key])) manifest[key] = sorted(manifest[key]);
  for (const key of ["reads", "strings"]) {
    if (typeof manifest[key] !== "object" || manifest[key] === null) continue;
    manifest[key] = Object.fromEntries(Object.entries(manifest[key]).map(([hook, list]) => [hook, Array.isArray(list) ? sorted(list) : list]));
  }
  return manifest;
}

// sorted sorts texts by their bytes as UTF-8, which is the order of their characters.
function sorted(list) {
  const order = (a, b) => {
    const x = Array.from(a, (c) => c.codePointAt(0));
    const y = Array.from(b, (c) => c.codePointAt(0));
    const i = x.findIndex((c, k) => c !== y[k]);
    return i < 0 ? x.length - y.length : x[i] - (y[i] ?? -1);
  };
  return [...list].sort((a, b) => (typeof a === "string" && typeof b === "string" ? order(a, b) : 0));
}

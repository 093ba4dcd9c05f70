// Tests of plugins: plays the gateway for a plugin that runs under Node, and holds it to its
// manifest. README.md says how it is used, and what it doesn't do. The host itself, in testing/,
// is that of the SDK for AssemblyScript.

import { FEATURE } from "./abi.js";
import { describe, start } from "./sallyport.js";
import { Call, Failure } from "./testing/host.mjs";
import { parse, write } from "./testing/json.mjs";
import { Message } from "./testing/message.mjs";
import { Plan } from "./testing/plan.mjs";

/**
 * Loads a plugin: what its script exports. Options are `manifest` (the text or the object, where
 * the script has none), `settings`, `tables` (by name, of keys to values), `detectors` (by name,
 * lists of {name, regexp}) and `grant` (reads, strings, writes, verdicts, capabilities). It
 * throws what a gateway would refuse it for.
 */
export function load(plugin, options = {}) {
  return new Loaded(plugin, options);
}

class Loaded {
  #plan;
  #host;
  #entries;

  constructor(plugin, options) {
    const given = typeof options.manifest === "object" ? JSON.stringify(options.manifest) : options.manifest;
    const text = describe(plugin, given);
    this.manifest = JSON.parse(text);
    this.#plan = new Plan(this.manifest, options);
    this.#host = new Host();
    const call = this.#host.begin(this.#plan);
    try {
      this.#entries = start(plugin, text, this.#host);
      this.#boot(write(parse(typeof options.settings === "string" ? options.settings : JSON.stringify(options.settings ?? {}))), call);
    } catch (e) {
      throw new Error(`the plugin failed while it booted: ${(this.#host.failure ?? failureOf(e)).text}`, { cause: e });
    }
    this.logs = call.logs;
  }

  #boot(settings, call) {
    const steps = {
      validate: () => this.#entries.validate(JSON.parse(settings), settings),
      configure: () => this.#entries.configure(JSON.parse(settings), settings),
      selfTest: () => this.#entries.selfTest(),
    };
    for (const [name, step] of Object.entries(steps)) {
      const code = step();
      if (this.#host.failure) throw this.#host.failure; // it was caught
      if (code === 0) continue;
      throw new Failure("settings", [call.reason?.code ?? name, call.notes.get("path"), call.reason?.text].filter(Boolean).join(": "));
    }
  }

  /** Has the plugin judge a message that asks. */
  request(message = {}) {
    return this.#call("request", message);
  }

  /** Has it judge a result, or a notification. */
  response(message = {}) {
    return this.#call("response", message);
  }

  /** Has it judge the items of a list. */
  list(message = {}) {
    return this.#call("list", message);
  }

  #call(hook, given) {
    if (!this.manifest.hooks.includes(hook)) throw new Error(`the plugin has no hook ${hook}`);
    const call = this.#host.begin(this.#plan);
    const message = new Message(hook, given);
    call.begin(hook, message);
    const said = () => ({ notes: Object.fromEntries(call.notes), logs: call.logs });
    try {
      const number = this.#entries[hook]();
      if (this.#host.failure) throw this.#host.failure; // it was caught
      const verdict = call.accept(number);
      return { verdict, failure: null, ...outcome(verdict, call, message), ...said() };
    } catch (e) {
      const failure = this.#host.failure ?? failureOf(e);
      return { verdict: "deny", failure, reason: { code: "plugin_failed", text: "" }, approval: "", labels: [], edits: [], after: null, ...said() };
    }
  }
}

/** What a verdict lets stand. */
function outcome(verdict, call, message) {
  const mutate = verdict === "mutate";
  return {
    reason: verdict === "deny" ? (call.reason ?? { code: "denied_by_plugin", text: "" }) : null,
    approval: verdict === "approve" ? call.approval : "",
    labels: [...call.labels],
    edits: mutate ? call.edits.list.map(({ path, json }) => ({ path, json: json ?? null })) : [],
    after: mutate ? call.edits.apply(message.judged) : null,
  };
}

/** A failure of whatever was thrown: what nobody catches ends the call. */
function failureOf(e) {
  return e instanceof Failure ? { type: e.type, text: e.message } : { type: "trap", text: String(e), cause: e };
}

/** The functions of the host as a script sees them: engine/bridge.c has the same. */
class Host {
  #call;
  #functions;
  #buffer = new ArrayBuffer(0);

  /** Begins a call. */
  begin(plan) {
    this.failure = undefined;
    this.#call = new Call(plan, () => ({ buffer: this.#buffer }));
    [this.#functions] = Object.values(this.#call.imports);
    return this.#call;
  }

  /** Calls a function. A failure ends the call, whether or not the plugin catches it. */
  #ask(name, ...args) {
    try {
      return this.#functions[name](...args);
    } catch (e) {
      this.failure ??= failureOf(e);
      throw e;
    }
  }

  /** Calls a function that takes texts. */
  #give(name, numbers, texts) {
    const bytes = texts.map((t) => new TextEncoder().encode(t));
    this.#buffer = new ArrayBuffer(bytes.reduce((n, b) => n + b.length, 0));
    let at = 0;
    const args = bytes.flatMap((b) => {
      new Uint8Array(this.#buffer).set(b, at);
      at += b.length;
      return [at - b.length, b.length];
    });
    return this.#ask(name, ...numbers, ...args);
  }

  /** Calls a function that gives bytes; a code in their place is undefined or null. */
  #take(name, ...args) {
    const n = this.#ask(name, ...args, 0, 0);
    if (n < 0) return n === -1 ? undefined : null;
    this.#buffer = new ArrayBuffer(n);
    this.#ask(name, ...args, 0, n);
    return new DataView(this.#buffer);
  }

  #text(name, ...args) {
    const bytes = this.#take(name, ...args);
    return bytes && new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  }

  field = (id) => this.#text("field", id | 0);
  field_num = (id) => this.#ask("field_num", id | 0);
  field_kind = (id) => this.#ask("field_kind", id | 0);
  str = (index) => this.#text("str", index | 0);
  str_path = (index) => this.#text("str_path", index | 0);
  str_count = () => this.#ask("str_count");
  str_replace = (index, text) => this.#give("str_replace", [index | 0], [strict(text)]);
  patch = (op, path, json) => this.#give("patch", [op | 0], [strict(path), strict(json)]);
  item_count = () => this.#ask("item_count");
  item = (index, id) => this.#text("item", index | 0, id | 0);
  item_drop = (index) => this.#ask("item_drop", index | 0);
  match_rule = (capability, rule) => this.#text("match_rule", capability | 0, rule | 0);
  granted = (capability) => this.#ask("granted", capability | 0);
  feature = (id) => (Object.values(FEATURE).includes(id) ? 1 : 0);
  reason = (code, text) => void this.#give("reason", [], [code, text]);
  approve = (text) => void this.#give("approve", [], [text]);
  note = (key, text) => void this.#give("note", [], [key, text]);
  label = (name) => void this.#give("label", [], [name]);
  log = (level, text) => void this.#give("log", [level | 0], [text]);
  fail = (text) => this.#give("fail", [], [text]);
  now_ms = () => Number(this.#ask("now_ms"));

  value = (id) => {
    const kind = this.field_kind(id);
    const text = kind === 0 ? undefined : this.field(id);
    return kind === 0 || kind === 5 ? text : JSON.parse(text);
  };

  field_bytes = (id, bytes) => {
    this.#buffer = bytes.slice().buffer;
    const n = this.#ask("field", id | 0, 0, bytes.length);
    bytes.set(new Uint8Array(this.#buffer));
    return n;
  };

  view = (what) => {
    const bytes = this.#take("view", what | 0);
    const number = (at) => bytes.getUint32(at, true);
    const out = [];
    for (let at = 8; at < 8 + 16 * number(0); at += 16) {
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(this.#buffer, number(at + 4), number(at + 8)));
      out.push(number(at), number(at + 12), number(at) === 0 ? undefined : text);
    }
    return out;
  };

  match = (capability, what) => {
    const found = this.#take("match", capability | 0, what | 0);
    if (!found) return found;
    const out = [];
    const text = new TextEncoder().encode((what >= 0 ? this.field(what) : this.str(-1 - what)) ?? "");
    const units = (end) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(text.subarray(0, end)).length;
    for (let at = 0; at < found.byteLength; at += 12) {
      const [start, end, rule] = [0, 4, 8].map((k) => found.getUint32(at + k, true));
      out.push(start, end, rule, units(start), units(end));
    }
    return out;
  };

  lookup = (capability, key) => {
    const bytes = new TextEncoder().encode(strict(key));
    const into = (n) => {
      this.#buffer = new ArrayBuffer(bytes.length + n);
      new Uint8Array(this.#buffer).set(bytes);
      return this.#ask("lookup", capability | 0, 0, bytes.length, bytes.length, n);
    };
    const n = into(0);
    if (n < 0) return n === -1 ? undefined : null;
    into(n);
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(this.#buffer, bytes.length));
  };
}

/** A text that becomes a part of a message. */
function strict(text) {
  const s = String(text);
  if (!s.isWellFormed()) throw new TypeError("the text has half a surrogate pair");
  return s;
}

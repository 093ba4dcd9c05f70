// Tests of plugins: runs a module that was compiled as a gateway would, and holds it to its
// manifest. README.md says how it is used, and what it doesn't do.
import { readFileSync } from "node:fs";
import { HOOK, SECTION } from "./abi.mjs";
import { Call, Failure } from "./host.mjs";
import { write, parse } from "./json.mjs";
import { Message } from "./message.mjs";
import { Plan } from "./plan.mjs";

/**
 * Loads a plugin: a file, or its bytes. Options are `settings`, `tables` (by name, of keys to
 * values), `detectors` (by name, lists of {name, regexp}) and `grant` (reads, strings, writes,
 * verdicts, capabilities). It throws what a gateway would refuse it for.
 */
export function load(module, options = {}) {
  return new Plugin(module instanceof Uint8Array ? module : readFileSync(module), options);
}

class Plugin {
  #module;
  #plan;
  #settings;

  constructor(bytes, options) {
    this.#module = new WebAssembly.Module(bytes);
    const sections = WebAssembly.Module.customSections(this.#module, SECTION);
    if (sections.length !== 1) throw new Error(`the module has ${sections.length} sections ${SECTION}`);
    this.manifest = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(sections[0]));
    this.#plan = new Plan(this.manifest, options);
    this.#settings = write(parse(typeof options.settings === "string" ? options.settings : JSON.stringify(options.settings ?? {})));
    this.#checkExports();
    this.logs = this.#boot().call.logs;
  }

  #checkExports() {
    const names = WebAssembly.Module.exports(this.#module).map((e) => e.name);
    for (const hook of Object.keys(HOOK)) {
      const there = names.includes(`sp_on_${hook}`);
      if (there !== this.manifest.hooks.includes(hook)) throw new Error(`sp_on_${hook} and the manifest's hooks disagree`);
    }
  }

  /** An instance that has its settings. */
  #boot() {
    let exports;
    const call = new Call(this.#plan, () => exports?.memory ?? new WebAssembly.Memory({ initial: 0 }));
    try {
      exports = new WebAssembly.Instance(this.#module, call.imports).exports;
      exports._initialize?.();
      this.#configure(exports, call);
    } catch (e) {
      throw new Error(`the plugin failed while it booted: ${failureOf(e).text}`, { cause: e });
    }
    return { exports, call };
  }

  #configure(exports, call) {
    const refused = (what) => {
      const path = call.notes.get("path");
      throw new Failure("settings", [call.reason?.code ?? what, path, call.reason?.text].filter(Boolean).join(": "));
    };
    if (exports.sp_configure || exports.sp_validate_settings) {
      const bytes = new TextEncoder().encode(this.#settings);
      const at = exports.sp_alloc(bytes.length) >>> 0;
      if (at === 0) throw new Failure("abi", "sp_alloc has no memory");
      new Uint8Array(exports.memory.buffer).set(bytes, at);
      if (exports.sp_validate_settings?.(at, bytes.length)) refused("sp_validate_settings");
      if (exports.sp_configure?.(at, bytes.length)) refused("sp_configure");
    }
    if (exports.sp_selftest?.()) refused("sp_selftest");
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
    const { exports, call } = this.#boot();
    const message = new Message(hook, given);
    Object.assign(call, { reason: null, notes: new Map(), logs: [], said: 0 });
    call.begin(hook, message);
    const said = () => ({ notes: Object.fromEntries(call.notes), logs: call.logs });
    try {
      const verdict = call.accept(exports[`sp_on_${hook}`]());
      return { verdict, failure: null, ...outcome(verdict, call, message), ...said() };
    } catch (e) {
      const failure = failureOf(e);
      return { verdict: "deny", failure, reason: { code: "plugin_failed", text: "" }, approval: "", labels: [], edits: [], after: null, ...said() };
    }
  }
}

/** What a verdict lets stand. */
function outcome(verdict, call, message) {
  const mutate = verdict === "mutate";
  return {
    reason: verdict === "deny" ? call.reason ?? { code: "denied_by_plugin", text: "" } : null,
    approval: verdict === "approve" ? call.approval : "",
    labels: [...call.labels],
    edits: mutate ? call.edits.list.map(({ path, json }) => ({ path, json: json ?? null })) : [],
    after: mutate ? call.edits.apply(message.judged) : null,
  };
}

/** A failure of whatever was thrown. */
function failureOf(e) {
  if (e instanceof Failure) return { type: e.type, text: e.message };
  if (e instanceof WebAssembly.RuntimeError || e instanceof RangeError) return { type: "trap", text: e.message };
  throw e;
}

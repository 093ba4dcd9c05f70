// The functions of a gateway, for one call of a plugin. ABI.md of hostapi says what they do.
import { CODE, FEATURE, KIND, LEVEL, LIMIT, MODULE, PATCH, VERDICT } from "./abi.mjs";
import { Edits } from "./edits.mjs";
import { parse, quote, write } from "./json.mjs";
import { Path, strings, walk } from "./path.mjs";
import { cut, decode, isCode, isKey, known } from "./words.mjs";

/** A failure of a call. */
export class Failure extends Error {
  constructor(type, text) {
    super(text);
    this.type = type;
  }
}

/** One call: what the plugin sees of a message, and what it has said. */
export class Call {
  constructor(plan, memory) {
    this.plan = plan;
    this.memory = memory; // returns the instance's memory
    this.hook = null; // while the plugin boots
    this.edits = new Edits();
    this.reason = null;
    this.approval = "";
    this.notes = new Map();
    this.labels = new Set();
    this.logs = [];
    this.edited = 0;
    this.said = 0;
  }

  /** Begins a call of a hook. */
  begin(hook, message) {
    Object.assign(this, { hook, message });
    this.texts = [];
    this.plan.strings[hook].forEach((granted, declared) => {
      for (const path of granted) {
        if (!message.judges(path.name)) continue;
        this.texts.push(...strings(message.root(path.name), path).map((s) => ({ ...s, declared })));
      }
    });
  }

  fail(type, text) {
    throw new Failure(type, text);
  }

  // ---- memory ----

  bytes(at, length) {
    const buffer = this.memory().buffer;
    [at, length] = [at >>> 0, length >>> 0];
    if (length === 0) return new Uint8Array();
    if (at + length > buffer.byteLength) this.fail("abi", "bytes outside the memory");
    return new Uint8Array(buffer, at, length).slice();
  }

  /** The UTF-8 of a text that counts. */
  strict(at, length, what) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.bytes(at, length));
    } catch (e) {
      if (e instanceof Failure) throw e;
      return this.fail("abi", `${what} is not UTF-8`);
    }
  }

  /** A text for people. */
  people(at, length) {
    return cut(decode(this.bytes(at, length)), LIMIT.text_bytes);
  }

  count(...lengths) {
    this.said += lengths.reduce((a, b) => a + (b >>> 0), 0);
    if (this.said > LIMIT.said_bytes) this.fail("abi", `more than ${LIMIT.said_bytes} bytes are said`);
  }

  give(bytes, buf, cap) {
    [buf, cap] = [buf >>> 0, cap >>> 0];
    if (cap > 0 && buf + cap > this.memory().buffer.byteLength) this.fail("abi", "a buffer outside the memory");
    if (bytes.length <= cap) new Uint8Array(this.memory().buffer).set(bytes, bytes.length ? buf : 0);
    return bytes.length;
  }

  giveText(text, buf, cap) {
    return this.give(new TextEncoder().encode(text), buf, cap);
  }

  /** Gives a value, or a code. */
  giveValue(node, buf, cap) {
    if (!node) return CODE.absent;
    return this.giveText(node.kind === KIND.string ? node.text : write(node), buf, cap);
  }

  // ---- what is declared ----

  read(id) {
    const r = this.plan.reads[this.hook][id] ?? this.fail("capability", `the field ${id} is not in reads of ${this.hook}`);
    return r.granted ? r.path : this.fail("capability", `the field ${r.path.text} is not granted`);
  }

  /** The value of a read; one of each item is none. */
  field(path) {
    if (path.perItem) return undefined;
    if (path.type === "headers") {
      const h = this.message.headers[path.segments[0]];
      return h ? { kind: KIND.string, text: h } : undefined;
    }
    return walk(this.message.root(path.name), path.segments);
  }

  capability(id, kind) {
    const c = this.plan.capabilities[id];
    if (!c || kind && c.kind !== kind) this.fail("capability", `the capability ${id} is not in the manifest, or of another kind`);
    if (kind && !c.granted) this.fail("capability", `${c.kind}:${c.name} is not granted`);
    return c;
  }

  room(bytes) {
    this.edited += bytes;
    if (this.edited > LIMIT.edit_bytes) this.fail("abi", `more than ${LIMIT.edit_bytes} bytes of edits`);
    if (this.edits.list.length >= LIMIT.edits) this.fail("abi", `more than ${LIMIT.edits} edits`);
  }

  during(name, ...hooks) {
    if (!this.hook || hooks.length && !hooks.includes(this.hook)) this.fail("abi", `${name} was called ${this.hook ? `in ${this.hook}` : "at boot"}`);
  }

  // ---- functions ----

  /** What a plugin imports. */
  get imports() {
    const out = {};
    for (const name of Object.getOwnPropertyNames(Functions.prototype)) {
      if (name !== "constructor") out[name] = (...args) => Functions.prototype[name].apply(this, args);
    }
    return { [MODULE]: out };
  }

  /** What comes of the verdict that the hook has returned. */
  accept(number) {
    const name = known(VERDICT, number) ?? this.fail("abi", `there is no verdict ${number}`);
    if (["deny", "mutate", "approve"].includes(name) && !this.plan.verdicts.includes(name)) this.fail("capability", `the verdict ${name} is not granted`);
    const edited = this.edits.list.length > 0;
    if (name === "mutate" && !edited) return "pass";
    if (name === "mutate" && this.edits.conflict) this.fail("abi", "an edit lies in the place of another");
    if (edited && name !== "mutate" && name !== "deny") this.fail("abi", `edits with the verdict ${name}`);
    return name;
  }
}

/** The functions by their names; `this` is the call. */
class Functions {
  field(id, buf, cap) {
    this.during("field");
    const path = this.read(id);
    return path.perItem ? CODE.wrong_type : this.giveValue(this.field(path), buf, cap);
  }

  field_num(id) {
    this.during("field_num");
    const v = this.field(this.read(id));
    return v?.kind === KIND.number ? Number(v.text) : NaN;
  }

  field_kind(id) {
    this.during("field_kind");
    return this.field(this.read(id))?.kind ?? KIND.absent;
  }

  str_count() {
    this.during("str_count");
    return this.texts.length;
  }

  str(index, buf, cap) {
    this.during("str");
    return this.giveValue(this.texts[index]?.node, buf, cap);
  }

  str_path(index, buf, cap) {
    this.during("str_path");
    const s = this.texts[index];
    return s ? this.giveText(s.path, buf, cap) : CODE.absent;
  }

  str_replace(index, at, length) {
    this.during("str_replace");
    const s = this.texts[index];
    if (!s) return CODE.absent;
    const text = this.strict(at, length, "the new text");
    if (!this.plan.mayWrite(new Path(s.path))) this.fail("capability", `${s.path} is not within the granted writes`);
    this.room(length >>> 0);
    this.edits.replace(s.node, s.path, quote(text));
    return CODE.ok;
  }

  view(what, buf, cap) {
    this.during("view");
    if (what !== 0 && what !== 1) this.fail("abi", `there is no view ${what}`);
    const entries = what === 0
      ? this.plan.reads[this.hook].map((_, id) => ({ node: this.field(this.read(id)), path: id }))
      : this.texts.map((s) => ({ node: s.node, path: s.declared }));
    return this.give(layOut(entries), buf, cap);
  }

  patch(op, path, pathLength, json, jsonLength) {
    this.during("patch");
    const text = this.strict(path, pathLength, "a path");
    let p, value;
    try {
      p = new Path(text);
      if (p.wild) throw new Error(`${text} is more than one place`);
      if (op === PATCH.set) value = write(parse(this.strict(json, jsonLength, "a value")));
      else if (op !== PATCH.remove) throw new Error(`there is no op ${op}`);
      else if (jsonLength !== 0) throw new Error("a place that is removed takes no value");
    } catch (e) {
      if (e instanceof Failure) throw e;
      this.fail("abi", `patch: ${e.message}`);
    }
    if (!this.message.judges(p.name) || !this.plan.mayWrite(p)) this.fail("capability", `patch: ${text} is not within the granted writes`);
    this.room(jsonLength >>> 0);
    return this.edits.patch(this.message, p, op, value);
  }

  item_count() {
    this.during("item_count", "list");
    return this.message.items?.values.length ?? 0;
  }

  item(index, id, buf, cap) {
    this.during("item", "list");
    const path = this.read(id);
    if (!path.perItem) return CODE.wrong_type;
    return this.giveValue(walk(this.message.items?.values[index], path.segments.slice(1)), buf, cap);
  }

  item_drop(index) {
    this.during("item_drop", "list");
    const item = this.message.items?.values[index];
    if (!item) return CODE.absent;
    this.room(0);
    this.edits.replace(item, "", undefined);
    return CODE.ok;
  }

  match(id, what, buf, cap) {
    this.during("match");
    const set = this.plan.detectors[this.capability(id, "match").name];
    const v = what < 0 ? this.texts[-1 - what]?.node : this.field(this.read(what));
    if (!v) return CODE.absent;
    if (v.kind !== KIND.string) return CODE.wrong_type;
    const out = new Uint32Array(found(set, v.text).flat());
    return this.give(new Uint8Array(out.buffer), buf, cap);
  }

  match_rule(id, rule, buf, cap) {
    const r = this.plan.detectors[this.capability(id, "match").name][rule];
    return r ? this.giveText(r.name, buf, cap) : CODE.absent;
  }

  lookup(id, key, keyLength, buf, cap) {
    this.during("lookup");
    const table = this.plan.tables[this.capability(id, "lookup").name];
    const k = decode(this.bytes(key, keyLength));
    return keyLength >>> 0 > LIMIT.lookup_key_bytes ? CODE.absent : this.giveValue(table.get(k), buf, cap);
  }

  reason(code, codeLength, text, textLength) {
    this.count(codeLength, textLength);
    const c = decode(this.bytes(code, codeLength));
    if (!isCode(c)) this.fail("abi", `${JSON.stringify(c)} is not the code of a reason`);
    this.reason = { code: c, text: this.people(text, textLength) };
  }

  approve(text, length) {
    this.during("approve");
    this.count(length);
    this.approval = this.people(text, length);
  }

  note(key, keyLength, text, textLength) {
    this.count(keyLength, textLength);
    const k = decode(this.bytes(key, keyLength));
    if (!isKey(k)) this.fail("abi", `${JSON.stringify(k)} is not the key of a note`);
    if (!this.notes.has(k) && this.notes.size === LIMIT.notes) this.fail("abi", `more than ${LIMIT.notes} notes`);
    this.notes.set(k, this.people(text, textLength));
  }

  label(name, length) {
    this.during("label");
    this.count(length);
    const n = decode(this.bytes(name, length));
    if (!isKey(n)) this.fail("abi", `${JSON.stringify(n)} is not a label`);
    this.labels.add(n);
    if (this.labels.size > LIMIT.labels) this.fail("abi", `more than ${LIMIT.labels} labels`);
  }

  now_ms() {
    this.during("now_ms");
    if (this.plan.manifest.deterministic) this.fail("capability", "a deterministic plugin has no time");
    return BigInt(this.message.time);
  }

  feature(id) {
    return known(FEATURE, id) ? 1 : 0;
  }

  granted(id) {
    return this.plan.capabilities[id]?.granted ? 1 : 0;
  }

  log(level, text, length) {
    const line = { level: known(LEVEL, level) ?? "error", text: this.people(text, length) };
    if (this.logs.length < LIMIT.log_lines) this.logs.push(line);
  }

  fail(text, length) {
    this.fail("trap", this.people(text, length));
  }
}

/** A view of entries. */
function layOut(entries) {
  const texts = entries.map(({ node }) => new TextEncoder().encode(!node ? "" : node.kind === KIND.string ? node.text : write(node)));
  const head = 8 + 16 * entries.length;
  const out = new Uint8Array(texts.reduce((n, t) => n + t.length, head));
  const numbers = new DataView(out.buffer);
  let at = head;
  [entries.length, out.length].forEach((n, i) => numbers.setUint32(4 * i, n, true));
  entries.forEach(({ node, path }, i) => {
    [node?.kind ?? KIND.absent, at, texts[i].length, path].forEach((n, k) => numbers.setUint32(8 + 16 * i + 4 * k, n, true));
    out.set(texts[i], at);
    at += texts[i].length;
  });
  return out;
}

/** What rules find in a text: start and end in bytes, and the rule, without what overlaps. */
function found(rules, text) {
  const bytes = (n) => Buffer.byteLength(text.slice(0, n));
  const all = rules.flatMap(({ regexp }, rule) => [...text.matchAll(new RegExp(regexp, "gu"))].map((m) => [m.index, m.index + m[0].length, rule]));
  all.sort((a, b) => a[0] - b[0] || b[1] - a[1] || a[2] - b[2]);
  const out = [];
  let end = 0;
  for (const m of all) {
    if (m[0] < end || m[0] === m[1]) continue;
    end = m[1];
    out.push([bytes(m[0]), bytes(m[1]), m[2]]);
  }
  return out;
}

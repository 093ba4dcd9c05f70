// Field paths: ABI.md of hostapi says what they mean.
import { KIND, LIMIT, NAMES } from "./abi.mjs";
import { quote } from "./json.mjs";

const ANY = Symbol("[*]");
const KEY = /^[A-Za-z_][A-Za-z0-9_]*$/;
const SEGMENT = /\.([A-Za-z_][A-Za-z0-9_]*)|\[(0|[1-9][0-9]*)\]|\[\*\]|\[("(?:[^"\\]|\\.)*")\]/y;

/** A path: the name that it begins with, and a key, an index or ANY for each segment. */
export class Path {
  constructor(text) {
    this.text = text;
    if (Buffer.byteLength(text) > LIMIT.path_bytes) throw new Error("the path is too long");
    this.name = nameOf(text);
    this.type = NAMES[this.name].type;
    this.segments = segments(text, this.name.length);
    if (this.segments.length > LIMIT.path_segments) throw new Error(`${text}: the path is too deep`);
    this.check();
  }

  check() {
    const n = this.segments.length;
    if ((this.type === "string" || this.type === "list") && n > 0) throw new Error(`${this.text}: ${this.name} has no parts`);
    if (this.type !== "headers") return;
    const [key] = this.segments;
    if (n !== 1 || typeof key !== "string" || key !== key.toLowerCase()) throw new Error(`${this.text}: a header is named in lower case`);
  }

  get wild() {
    return this.segments.includes(ANY);
  }

  /** Whether it is about each item of a list. */
  get perItem() {
    return this.name === "items" && this.segments[0] === ANY;
  }

  /** The place as its name and segments, whatever it is called. */
  get place() {
    const at = NAMES[this.name].at;
    return at ? [...new Path(at).place, ...this.segments] : [this.name, ...this.segments];
  }

  /** Whether another path is at or below it. */
  holds(other) {
    const a = this.place, b = other.place;
    return a.length <= b.length && a.every((s, i) => s === b[i] || fits(s, b[i]) || fits(b[i], s));
  }
}

function fits(any, s) {
  return any === ANY && typeof s === "number";
}

function nameOf(text) {
  let head = /^[A-Za-z0-9_.]*/.exec(text)[0];
  while (head && !Object.hasOwn(NAMES, head)) head = head.slice(0, Math.max(head.lastIndexOf("."), 0));
  if (!head) throw new Error(`${JSON.stringify(text)} is not a field path: no name begins so`);
  return head;
}

function segments(text, from) {
  const out = [];
  SEGMENT.lastIndex = from;
  for (let at = from; at < text.length; at = SEGMENT.lastIndex) {
    const m = SEGMENT.exec(text);
    if (!m) throw new Error(`${text} is not a field path, at ${text.slice(at)}`);
    const s = m[1] ?? (m[2] ? Number(m[2]) : m[3] ? JSON.parse(m[3]) : ANY);
    if (s !== ANY && (segment(s) !== m[0] || s > 2147483647)) throw new Error(`${text} is another spelling of a field path, at ${m[0]}`);
    out.push(s);
  }
  return out;
}

/** How a segment is written. */
export function segment(s) {
  if (typeof s === "number") return `[${s}]`;
  return KEY.test(s) ? `.${s}` : `[${quote(s)}]`;
}

/** The value at segments below a value; undefined if there is none. */
export function walk(node, path) {
  for (const s of path) node = typeof s === "number" ? node?.at(s) : node?.get(s);
  return node;
}

/** The strings at and below a path, with the paths of each. */
export function strings(node, path) {
  const out = [];
  const below = (n, at) => {
    if (n.kind === KIND.string) out.push({ node: n, path: at });
    n.values.forEach((v, i) => below(v, at + segment(n.keys[i] ?? i)));
  };
  const find = (n, rest, at) => {
    if (!n) return;
    if (rest.length === 0) return below(n, at);
    const [s, ...more] = rest;
    if (s !== ANY) return find(walk(n, [s]), more, at + segment(s));
    if (n.kind === KIND.array) n.values.forEach((v, i) => find(v, more, `${at}[${i}]`));
  };
  find(node, path.segments, path.name);
  return out;
}

// JSON as gateways have it: strict, with the order of members and the digits of numbers kept,
// which JavaScript's own values lose.
import { KIND } from "./abi.mjs";

const DEPTH = 128;

/** A value. Children know what they are in, so that places can be compared. */
export class Node {
  constructor(kind, text = "") {
    this.kind = kind;
    this.text = text; // of a string its text, of a number its digits
    this.keys = [];
    this.values = [];
    this.parent = null;
  }

  add(key, value) {
    value.parent = this;
    this.keys.push(key);
    this.values.push(value);
  }

  get(key) {
    const i = this.kind === KIND.object ? this.keys.indexOf(key) : -1;
    return i < 0 ? undefined : this.values[i];
  }

  at(index) {
    return this.kind === KIND.array ? this.values[index] : undefined;
  }

  /** Whether it is below another. */
  isIn(other) {
    for (let n = this.parent; n; n = n.parent) if (n === other) return true;
    return false;
  }
}

/** What a value of JavaScript is, or a document if it is a text. */
export function read(value) {
  if (value === undefined) return undefined;
  return parse(typeof value === "string" ? value : JSON.stringify(value));
}

/** The tree of a document. Keys that stand twice are refused, unless they may. */
export function parse(text, { twice = false } = {}) {
  const p = new Parser(text, twice);
  const v = p.value(0);
  if (p.at !== text.length) p.wrong("text after the end");
  return v;
}

/** The document of a tree, without white space. */
export function write(node) {
  switch (node.kind) {
    case KIND.string: return quote(node.text);
    case KIND.array: return `[${node.values.map(write).join(",")}]`;
    case KIND.object: return `{${node.values.map((v, i) => `${quote(node.keys[i])}:${write(v)}`).join(",")}}`;
    default: return node.text;
  }
}

/** A string with the fewest escapes. */
export function quote(text) {
  return JSON.stringify(text);
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const STRING = /"([^"\\\u0000-\u001f]|\\(["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORDS = { true: KIND.true, false: KIND.false, null: KIND.null };

class Parser {
  constructor(text, twice) {
    this.text = text;
    this.twice = twice;
    this.at = 0;
  }

  wrong(why) {
    throw new SyntaxError(`${why}, at the character ${this.at}`);
  }

  match(form) {
    form.lastIndex = this.at;
    const m = form.exec(this.text);
    if (m) this.at = form.lastIndex;
    return m && m[0];
  }

  eat(c) {
    if (this.text[this.at] !== c) return false;
    this.at++;
    this.match(SPACE);
    return true;
  }

  value(depth) {
    if (depth > DEPTH) this.wrong("nested too deeply");
    this.match(SPACE);
    const v = this.bare(depth);
    this.match(SPACE);
    return v;
  }

  bare(depth) {
    if (this.eat("{")) return this.members(new Node(KIND.object), depth);
    if (this.eat("[")) return this.elements(new Node(KIND.array), depth);
    if (this.text[this.at] === '"') return new Node(KIND.string, this.string());
    for (const [word, kind] of Object.entries(WORDS)) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return new Node(kind, word);
      }
    }
    const digits = this.match(NUMBER) ?? this.wrong("not JSON");
    if (!Number.isFinite(Number(digits))) this.wrong("a number that is too large");
    return new Node(KIND.number, digits);
  }

  members(out, depth) {
    if (this.eat("}")) return out;
    do {
      const key = this.string();
      if (!this.twice && out.keys.includes(key)) this.wrong(`the key ${key} stands twice`);
      this.match(SPACE);
      if (!this.eat(":")) this.wrong("not JSON");
      out.add(key, this.value(depth + 1));
    } while (this.eat(","));
    if (!this.eat("}")) this.wrong("not JSON");
    return out;
  }

  elements(out, depth) {
    if (this.eat("]")) return out;
    do out.add(null, this.value(depth + 1));
    while (this.eat(","));
    if (!this.eat("]")) this.wrong("not JSON");
    return out;
  }

  string() {
    const s = JSON.parse(this.match(STRING) ?? this.wrong("not JSON"));
    if (!s.isWellFormed()) this.wrong("half a surrogate pair");
    return s;
  }
}

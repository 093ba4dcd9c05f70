// JSON as the host gives it: strict, no key twice, no half surrogate pair.
import { Kind } from "./names";
import { fail } from "./text";

/** How deep a document may be nested. */
const DEPTH = 128;

/** A JSON value. One of the kind Absent stands for what isn't there, so that `a.get("b").get("c")` needs no checks. */
export class Json {
  /** Members of an object: the key of values[i] is keys[i]. */
  readonly keys: string[] = [];
  readonly values: Json[] = [];

  constructor(readonly kind: Kind, private content: string = "") {}

  /** What isn't there. */
  static readonly absent: Json = new Json(Kind.Absent);

  /** A string. */
  static text(text: string): Json {
    return new Json(Kind.String, text);
  }

  /** The value of a document. What is not JSON ends the call. */
  static parse(text: string): Json {
    const p = new Parser(text);
    p.space();
    const v = p.value(0);
    p.space();
    if (p.at != text.length) p.wrong();
    return v;
  }

  get exists(): bool {
    return this.kind != Kind.Absent;
  }

  /** A string's text; null if it is anything else. */
  get text(): string | null {
    return this.kind == Kind.String ? this.content : null;
  }

  /** A number's value; NaN if it is anything else. */
  get number(): f64 {
    return this.kind == Kind.Number ? F64.parseFloat(this.content) : NaN;
  }

  /** Whether it is the value true. */
  get isTrue(): bool {
    return this.kind == Kind.True;
  }

  /** How many elements or members it has. */
  get length(): i32 {
    return this.values.length;
  }

  /** A member of an object. */
  get(key: string): Json {
    for (let i = 0; i < this.keys.length; i++) {
      if (this.keys[i] == key) return this.values[i];
    }
    return Json.absent;
  }

  /** An element of an array, or the i-th member. */
  at(i: i32): Json {
    return <u32>i < <u32>this.values.length ? this.values[i] : Json.absent;
  }

  /** Whether it is an array that holds a text. */
  contains(text: string): bool {
    if (this.kind != Kind.Array) return false;
    for (let i = 0; i < this.values.length; i++) {
      const v = this.values[i];
      if (v.kind == Kind.String && v.content == text) return true;
    }
    return false;
  }

  /** The JSON: no white space, numbers as they were written. */
  toString(): string {
    switch (this.kind) {
      case Kind.Null: return "null";
      case Kind.False: return "false";
      case Kind.True: return "true";
      case Kind.Number: return this.content;
      case Kind.String: return quote(this.content);
      case Kind.Array: {
        let out = "[";
        for (let i = 0; i < this.values.length; i++) out += (i ? "," : "") + this.values[i].toString();
        return out + "]";
      }
      case Kind.Object: {
        let out = "{";
        for (let i = 0; i < this.keys.length; i++) out += (i ? "," : "") + quote(this.keys[i]) + ":" + this.values[i].toString();
        return out + "}";
      }
      default: return "";
    }
  }
}

/** The JSON of a text. */
export function quote(text: string): string {
  let out = "\"";
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    out += text.substring(from, i) + escaped(c);
    from = i + 1;
  }
  return out + text.substring(from) + "\"";
}

function escaped(c: i32): string {
  switch (c) {
    case 0x22: return "\\\"";
    case 0x5c: return "\\\\";
    case 0x08: return "\\b";
    case 0x09: return "\\t";
    case 0x0a: return "\\n";
    case 0x0c: return "\\f";
    case 0x0d: return "\\r";
    default: return "\\u00" + (c >> 4).toString() + "0123456789abcdef".charAt(c & 15);
  }
}

class Parser {
  at: i32 = 0;

  constructor(private text: string) {}

  /** Ends the call. It returns, so that the compiler is content. */
  wrong(): Json {
    fail("not JSON, at the character " + this.at.toString());
    return Json.absent;
  }

  /** The character that is next; -1 at the end. */
  // @ts-ignore: decorator
  @inline
  private next(): i32 {
    return this.text.charCodeAt(this.at);
  }

  space(): void {
    for (let c = this.next(); c == 0x20 || c == 0x09 || c == 0x0a || c == 0x0d; c = this.next()) this.at++;
  }

  private eat(c: i32): bool {
    this.space();
    if (this.next() != c) return false;
    this.at++;
    this.space();
    return true;
  }

  value(depth: i32): Json {
    if (depth == DEPTH) fail("JSON is nested too deeply");
    const c = this.next();
    switch (c) {
      case 0x7b: return this.object(depth);
      case 0x5b: return this.array(depth);
      case 0x22: return Json.text(this.string());
      case 0x74: return this.word("true", Kind.True);
      case 0x66: return this.word("false", Kind.False);
      case 0x6e: return this.word("null", Kind.Null);
      default: return this.number();
    }
  }

  private word(word: string, kind: Kind): Json {
    if (!this.text.startsWith(word, this.at)) return this.wrong();
    this.at += word.length;
    return new Json(kind);
  }

  private object(depth: i32): Json {
    const out = new Json(Kind.Object);
    this.at++;
    this.space();
    if (this.next() == 0x7d) {
      this.at++;
      return out;
    }
    do {
      if (this.next() != 0x22) return this.wrong();
      out.keys.push(this.string());
      if (!this.eat(0x3a)) return this.wrong();
      out.values.push(this.value(depth + 1));
    } while (this.eat(0x2c));
    this.space();
    if (this.next() != 0x7d) return this.wrong();
    this.at++;
    return out;
  }

  private array(depth: i32): Json {
    const out = new Json(Kind.Array);
    this.at++;
    this.space();
    if (this.next() == 0x5d) {
      this.at++;
      return out;
    }
    do out.values.push(this.value(depth + 1));
    while (this.eat(0x2c));
    this.space();
    if (this.next() != 0x5d) return this.wrong();
    this.at++;
    return out;
  }

  private digits(): bool {
    const from = this.at;
    while (this.next() >= 0x30 && this.next() <= 0x39) this.at++;
    return this.at > from;
  }

  private number(): Json {
    const from = this.at;
    if (this.next() == 0x2d) this.at++;
    if (this.next() == 0x30) this.at++;
    else if (!this.digits()) return this.wrong();
    if (this.next() == 0x2e) {
      this.at++;
      if (!this.digits()) return this.wrong();
    }
    if ((this.next() | 0x20) == 0x65) {
      this.at++;
      if (this.next() == 0x2b || this.next() == 0x2d) this.at++;
      if (!this.digits()) return this.wrong();
    }
    return new Json(Kind.Number, this.text.substring(from, this.at));
  }

  private string(): string {
    const text = this.text;
    let out = "";
    let from = ++this.at;
    for (;;) {
      let at = this.at;
      let c = text.charCodeAt(at);
      while (c >= 0x20 && c != 0x22 && c != 0x5c) c = text.charCodeAt(++at);
      this.at = at + 1;
      if (at > from) out = out == "" ? text.substring(from, at) : out + text.substring(from, at);
      if (c == 0x22) break;
      if (c != 0x5c) this.wrong();
      out += this.escape();
      from = this.at;
    }
    return out;
  }

  private escape(): string {
    const c = this.next();
    this.at++;
    switch (c) {
      case 0x22: return "\"";
      case 0x5c: return "\\";
      case 0x2f: return "/";
      case 0x62: return "\b";
      case 0x66: return "\f";
      case 0x6e: return "\n";
      case 0x72: return "\r";
      case 0x74: return "\t";
      case 0x75: return String.fromCharCode(this.unit());
      default: return this.wrong().toString();
    }
  }

  /** The four digits of \u. Two of them may make a pair. */
  private unit(): i32 {
    let n = 0;
    for (let i = 0; i < 4; i++) {
      const c = this.next();
      let d = c - 0x30;
      if (d < 0 || d > 9) {
        d = (c | 0x20) - 0x61 + 10;
        if (d < 10 || d > 15) this.wrong();
      }
      n = (n << 4) | d;
      this.at++;
    }
    return n;
  }
}

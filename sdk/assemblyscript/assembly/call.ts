// A message that is judged.
import * as abi from "./abi";
import { Json, quote } from "./json";
import { Capability, Field, Kind, Level, Verdict } from "./names";
import * as said from "./said";
import { decode, encode, encodeLoosely, fail } from "./text";

// ---- bytes of the host ----

/** Where short texts are put before they are decoded. */
const SCRATCH: usize = memory.data(4096);
const SCRATCH_BYTES: usize = 4096;

/** Which function of the host ask() calls. */
enum Ask {
  Field,
  Str,
  StrPath,
  Item,
  View,
  Match,
  MatchRule,
  Lookup,
}

/** Calls a function of the host that fills a buffer. a, b and c are what it takes before that. */
function call(what: Ask, a: i32, b: i32, c: usize, d: usize, buf: usize, cap: usize): i32 {
  switch (what) {
    case Ask.Field: return abi.field(a, buf, cap);
    case Ask.Str: return abi.str(a, buf, cap);
    case Ask.StrPath: return abi.str_path(a, buf, cap);
    case Ask.Item: return abi.item(a, b, buf, cap);
    case Ask.View: return abi.view(a, buf, cap);
    case Ask.Match: return abi.match(a, b, buf, cap);
    case Ask.MatchRule: return abi.match_rule(a, b, buf, cap);
    default: return abi.lookup(a, c, d, buf, cap);
  }
}

/** Where ask() has left the bytes. */
let answer: usize = 0;

/** Has the host give bytes, however many, and returns their number; less than 0 if there are none. */
function ask(what: Ask, a: i32, b: i32 = 0, c: usize = 0, d: usize = 0): i32 {
  answer = SCRATCH;
  const n = call(what, a, b, c, d, SCRATCH, SCRATCH_BYTES);
  if (n <= <i32>SCRATCH_BYTES) return n;
  answer = heap.alloc(n);
  return call(what, a, b, c, d, answer, n);
}

function textOf(n: i32): string | null {
  return n < 0 ? null : decode(answer, n);
}

function bytesOf(n: i32): ArrayBuffer | null {
  if (n < 0) return null;
  const out = new ArrayBuffer(n);
  memory.copy(changetype<usize>(out), answer, n);
  return out;
}

// ---- a call ----

/**
 * One message that is judged. It and all that comes from it is good until the hook returns:
 * the next call begins with the memory as it was after booting.
 */
export class Call {
  /** The hook's number. */
  readonly hook: i32;

  constructor(hook: i32) {
    this.hook = hook;
  }

  /** The id of a field in this hook. One that the hook doesn't read ends the call. */
  id(f: Field): i32 {
    const id = <i32>((changetype<usize>(f) >> (9 * this.hook)) & 511) - 1;
    if (id < 0) fail("a field is not among the manifest's reads of this hook");
    return id;
  }

  /** The text of a field that is a string; null if it is absent or anything else. */
  text(f: Field): string | null {
    const id = this.id(f);
    return abi.field_kind(id) == Kind.String ? textOf(ask(Ask.Field, id)) : null;
  }

  /** A field as the ABI gives it: a string's text, anything else as JSON; null if it is absent. */
  raw(f: Field): string | null {
    return textOf(ask(Ask.Field, this.id(f)));
  }

  /** The same as UTF-8. */
  bytes(f: Field): ArrayBuffer | null {
    return bytesOf(ask(Ask.Field, this.id(f)));
  }

  /** A field as a tree; one of the kind Absent if it is absent. */
  json(f: Field): Json {
    const id = this.id(f);
    const kind = abi.field_kind(id);
    if (kind == Kind.Absent) return Json.absent;
    const n = ask(Ask.Field, id); // sets answer
    const text = decode(answer, n);
    return kind == Kind.String ? Json.text(text) : Json.parse(text);
  }

  /** The number of a field; NaN if it is absent or anything else. */
  number(f: Field): f64 {
    return abi.field_num(this.id(f));
  }

  /** Whether a field is the value true. */
  isTrue(f: Field): bool {
    return abi.field_kind(this.id(f)) == Kind.True;
  }

  kind(f: Field): Kind {
    return <Kind>abi.field_kind(this.id(f));
  }

  /** All fields of the hook's reads in one call of the host, by their ids. */
  fields(): View {
    return view(abi.VIEW_FIELDS);
  }

  /** All strings of the hook's strings in one call of the host, by their indexes. */
  texts(): View {
    return view(abi.VIEW_STRINGS);
  }

  /** The strings of the message at the manifest's strings. */
  strings(): StaticArray<MessageString> {
    const n = abi.str_count();
    const out = new StaticArray<MessageString>(n);
    for (let i = 0; i < n; i++) out[i] = new MessageString(i);
    return out;
  }

  /** Gives the place at a field path a text. Return Verdict.Mutate after it. A place that can't be set ends the call. */
  setText(path: string, text: string): void {
    this.setJson(path, quote(text));
  }

  /** Gives the place at a field path a value, which is JSON. Return Verdict.Mutate after it. */
  setJson(path: string, json: string): void {
    if (patch(abi.PATCH_SET, path, json) != abi.CODE_OK) fail("there is no place to set: " + path);
  }

  /** Takes the place at a field path out. Return Verdict.Mutate after it. */
  remove(path: string): void {
    if (patch(abi.PATCH_REMOVE, path, null) != abi.CODE_OK) fail("there is nothing to remove: " + path);
  }

  /** What the host's detectors find in a field; null if it is absent or no string. */
  match(c: Capability, f: Field): StaticArray<Match> | null {
    return matches(c, this.id(f));
  }

  /** The name of a detector's rule. */
  rule(c: Capability, rule: i32): string {
    const name = textOf(ask(Ask.MatchRule, idOf(c), rule));
    return name === null ? "" : name;
  }

  /** What a table of the host has for a key: a string's text, anything else as JSON; null if there is nothing. */
  lookup(c: Capability, key: string): string | null {
    const k = encode(key);
    return textOf(ask(Ask.Lookup, idOf(c), 0, changetype<usize>(k), k.byteLength));
  }

  /** The verdict to deny, and why: a code for machines and a text for people. */
  deny(code: string, text: string): Verdict {
    said.reason(code, text);
    return Verdict.Deny;
  }

  /** The verdict that a human must agree, and to what. */
  approve(text: string): Verdict {
    const t = encodeLoosely(text);
    abi.approve(changetype<usize>(t), t.byteLength);
    return Verdict.Approve;
  }

  /** Ends the call as a failure, which denies: the plugin can't judge. */
  fail(text: string): Verdict {
    fail(text);
    return Verdict.Deny;
  }

  note(key: string, text: string): void {
    said.note(key, text);
  }

  label(name: string): void {
    const n = encodeLoosely(name);
    abi.label(changetype<usize>(n), n.byteLength);
  }

  log(level: Level, text: string): void {
    said.log(level, text);
  }

  /** The time of the decision, in milliseconds since 1970; not in a plugin that says it is deterministic. */
  now(): i64 {
    return abi.now_ms();
  }
}

/** The call of the hook list. */
export class ListCall extends Call {
  constructor() {
    super(abi.HOOK_LIST);
  }

  items(): StaticArray<Item> {
    const n = abi.item_count();
    const out = new StaticArray<Item>(n);
    for (let i = 0; i < n; i++) out[i] = new Item(this, i);
    return out;
  }
}

/** An item of a list. */
export class Item {
  constructor(readonly call: ListCall, readonly index: i32) {}

  /** A field that begins with items[*]: a string's text, anything else as JSON; null if the item lacks it. */
  raw(f: Field): string | null {
    return textOf(ask(Ask.Item, this.index, this.call.id(f)));
  }

  /** Leaves the item out. Return Verdict.Mutate after it. */
  drop(): void {
    abi.item_drop(this.index);
  }
}

/** A string of the message. */
export class MessageString {
  constructor(readonly index: i32) {}

  get text(): string {
    const t = textOf(ask(Ask.Str, this.index));
    return t === null ? "" : t;
  }

  /** Its field path. */
  get path(): string {
    const t = textOf(ask(Ask.StrPath, this.index));
    return t === null ? "" : t;
  }

  /** What the host's detectors find in it. */
  match(c: Capability): StaticArray<Match> {
    const m = matches(c, -1 - this.index);
    return m === null ? new StaticArray<Match>(0) : m;
  }

  /** Gives it another text. Return Verdict.Mutate after it. */
  replace(text: string): void {
    const t = encode(text);
    abi.str_replace(this.index, changetype<usize>(t), t.byteLength);
  }
}

/** A place that a detector has found, as substring() takes it: text.substring(start, end). */
export class Match {
  constructor(readonly start: i32, readonly end: i32, readonly rule: i32) {}
}

/** Values that the host has laid out. */
export class View {
  constructor(private at: usize) {}

  get length(): i32 {
    return load<i32>(this.at);
  }

  // @ts-ignore: decorator
  @operator("[]")
  get(i: i32): Value {
    if (<u32>i >= <u32>this.length) fail("a view has no such entry");
    const e = this.at + abi.VIEW_HEADER_BYTES + abi.VIEW_ENTRY_BYTES * i;
    const kind = <Kind>load<i32>(e);
    const text: string | null = kind == Kind.Absent ? null : decode(this.at + load<u32>(e, 4), load<u32>(e, 8));
    return new Value(kind, load<i32>(e, 12), text);
  }
}

/** A value of a view: its kind, the index of its path in the manifest, and its text or JSON. */
export class Value {
  constructor(readonly kind: Kind, readonly path: i32, readonly raw: string | null) {}
}

// ---- settings ----

/** The plugin's settings, which the gateway has checked against the manifest's schema. */
export class Settings {
  constructor(private at: usize, private length: usize) {}

  /** The settings as they are written, without white space. */
  get raw(): string {
    return decode(this.at, this.length);
  }

  get json(): Json {
    return Json.parse(this.raw);
  }

  /** Refuses them: what is wrong, and where, as a JSON Pointer. `return settings.refuse(...)` */
  refuse(pointer: string, text: string, code: string = "settings_refused"): bool {
    said.reason(code, text);
    said.note("path", pointer);
    return false;
  }
}

// ---- what all of this is made of ----

function idOf(c: Capability): i32 {
  return <i32>changetype<usize>(c);
}

function view(what: i32): View {
  const n = ask(Ask.View, what);
  const at = heap.alloc(n);
  memory.copy(at, answer, n);
  return new View(at);
}

// The host counts bytes of UTF-8, and texts of AssemblyScript are UTF-16.
function matches(c: Capability, what: i32): StaticArray<Match> | null {
  const n = ask(Ask.Match, idOf(c), what);
  if (n < 0) return null;
  const out = new StaticArray<Match>(n / abi.MATCH_BYTES);
  if (n == 0) return out;
  const found = changetype<usize>(bytesOf(n));
  const size = what < 0 ? ask(Ask.Str, -1 - what) : ask(Ask.Field, what); // sets answer
  let at = 0;
  let units = 0;
  for (let i = 0; i < out.length; i++) {
    const m = found + abi.MATCH_BYTES * i;
    const start = load<i32>(m);
    const end = load<i32>(m, 4);
    if (start < at || end < start || end > size) fail("a match is not in the text");
    const from = units + unitsOf(answer + at, answer + start);
    units = from + unitsOf(answer + start, answer + end);
    at = end;
    out[i] = new Match(from, units, load<i32>(m, 8));
  }
  return out;
}

/** How long a part of a text is in UTF-16. */
function unitsOf(at: usize, end: usize): i32 {
  let n = 0;
  for (; at < end; at++) {
    const b = load<u8>(at);
    if ((b & 0xc0) != 0x80) n += b < 0xf0 ? 1 : 2;
  }
  return n;
}

function patch(op: i32, path: string, json: string | null): i32 {
  const p = encode(path);
  const j = json === null ? new ArrayBuffer(0) : encode(json);
  return abi.patch(op, changetype<usize>(p), p.byteLength, changetype<usize>(j), j.byteLength);
}

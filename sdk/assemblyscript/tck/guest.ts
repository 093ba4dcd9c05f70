// The plugin of hostapi/tck in AssemblyScript: what its README says a guest must do.
import * as abi from "../assembly/abi";
import { Call, capability, Capability, Feature, Field, field, granted, has, Item, Kind, ListCall, Match, MessageString, Settings, Verdict, View } from "../assembly/index";

const DO = field("params._meta.tck.do");
const ID = field("params._meta.tck.id");
const INDEX = field("params._meta.tck.index");
const JSON = field("params._meta.tck.json");
const JSON2 = field("params._meta.tck.json2");
const KEY = field("params._meta.tck.key");
const LEVEL = field("params._meta.tck.level");
const N = field("params._meta.tck.n");
const OP = field("params._meta.tck.op");
const OP2 = field("params._meta.tck.op2");
const PATH = field("params._meta.tck.path");
const PATH2 = field("params._meta.tck.path2");
const TEXT = field("params._meta.tck.text");
const VERDICT = field("params._meta.tck.verdict");
const NAME = field("items[*].name");

/** How many reads each hook has. */
const READS: StaticArray<i32> = [42, 21, 19];

function parameter(call: Call, f: Field): string {
  const t = call.text(f);
  return t === null ? "" : t;
}

function number(call: Call, f: Field): i32 {
  const n = call.number(f);
  return isNaN(n) ? 0 : <i32>n;
}

/** A field or a capability of any number, such as an author can't write. */
function anyField(call: Call, id: i32): Field {
  return changetype<Field>(<usize>((id + 1) << (9 * call.hook)));
}

function anyCapability(id: i32): Capability {
  return changetype<Capability>(<usize>id);
}

function valueOf(text: string | null): string {
  return text === null ? "absent" : "=" + text;
}

function hex(at: usize, n: i32, step: i32): string {
  const digits = "0123456789abcdef";
  let out = "";
  for (let i = step > 0 ? 0 : n - 1; i >= 0 && i < n; i += step) {
    const b = load<u8>(at + i);
    out += digits.charAt(b >> 4) + digits.charAt(b & 15);
  }
  return out;
}

// ---- the message ----

function isParameter(call: Call, id: i32): bool {
  const first = call.id(DO);
  return id >= first && id <= call.id(VERDICT);
}

function line(id: i32, kind: Kind, text: string | null): string {
  return id.toString() + ":" + (<i32>kind).toString() + ":" + (text === null ? "" : text) + "\n";
}

/** The field with an id, which may be one that isn't declared. */
function fieldValue(call: Call, id: i32): string {
  const n = abi.field(id, 0, 0);
  if (n == abi.CODE_WRONG_TYPE) return "wrong type";
  return valueOf(n < 0 ? null : call.raw(anyField(call, id)));
}

function fieldNumber(id: i32): string {
  const n = memory.data(8);
  store<f64>(n, abi.field_num(id));
  return isNaN(load<f64>(n)) ? "nan" : hex(n, 8, -1);
}

function fields(call: Call): string {
  let out = "";
  for (let i = 0; i < READS[call.hook]; i++) {
    if (!isParameter(call, i)) out += line(i, call.kind(anyField(call, i)), call.raw(anyField(call, i)));
  }
  return out;
}

function viewFields(call: Call): string {
  const v = call.fields();
  if (v.length != READS[call.hook]) call.fail("a view of another length");
  let out = "";
  for (let i = 0; i < v.length; i++) {
    if (!isParameter(call, i)) out += line(v[i].path, v[i].kind, v[i].raw);
  }
  return out;
}

function viewStrings(call: Call): string {
  const v = call.texts();
  let out = "";
  for (let i = 0; i < v.length; i++) out += line(v[i].path, v[i].kind, v[i].raw);
  return out;
}

function strings(call: Call): string {
  const all = call.strings();
  let out = "";
  for (let i = 0; i < all.length; i++) out += all[i].path + "=" + all[i].text + "\n";
  return out;
}

function smallBuffer(id: i32, n: i32): string {
  const buf = memory.data(16);
  memory.fill(buf, 0xee, 16);
  const got = abi.field(id, buf, n);
  return got.toString() + " " + hex(buf, 16, 1);
}

// ---- edits ----

function bytesOf(text: string): ArrayBuffer {
  return String.UTF8.encode(text);
}

function strReplace(index: i32, text: string): i32 {
  const t = bytesOf(text);
  return abi.str_replace(index, changetype<usize>(t), t.byteLength);
}

function patch(call: Call, op: Field, path: Field, json: Field): string {
  const p = bytesOf(parameter(call, path));
  const j = bytesOf(parameter(call, json));
  return abi.patch(number(call, op), changetype<usize>(p), p.byteLength, changetype<usize>(j), j.byteLength).toString();
}

function patches(call: Call): string {
  const first = patch(call, OP, PATH, JSON);
  return call.kind(PATH2) == Kind.Absent ? first : first + " " + patch(call, OP2, PATH2, JSON2);
}

function replaceAll(call: Call): Verdict {
  let v = Verdict.Pass;
  const all = call.strings();
  for (let i = 0; i < all.length; i++) {
    if (all[i].text != parameter(call, KEY)) continue;
    all[i].replace(parameter(call, TEXT));
    v = Verdict.Mutate;
  }
  return v;
}

function dropAll(list: ListCall): Verdict {
  let v = Verdict.Pass;
  const items = list.items();
  for (let i = 0; i < items.length; i++) {
    const name = items[i].raw(NAME);
    if (name === null || name != parameter(list, KEY)) continue;
    items[i].drop();
    v = Verdict.Mutate;
  }
  return v;
}

// ---- the host ----

function item(call: Call, index: i32, id: i32): string {
  const n = abi.item(index, id, 0, 0);
  if (n == abi.CODE_WRONG_TYPE) return "wrong type";
  return valueOf(n < 0 ? null : new Item(<ListCall>call, index).raw(anyField(call, id)));
}

function found(call: Call, id: i32, what: i32): string {
  const n = abi.match(id, what, 0, 0);
  if (n < 0) return n.toString();
  const c = anyCapability(id);
  const all = what < 0 ? new MessageString(-1 - what).match(c) : <StaticArray<Match>>call.match(c, anyField(call, what));
  const text = <string>(what < 0 ? new MessageString(-1 - what).text : call.raw(anyField(call, what)));
  let out = "";
  for (let i = 0; i < all.length; i++) {
    out += bytesBefore(text, all[i].start) + "-" + bytesBefore(text, all[i].end) + " " + call.rule(c, all[i].rule) + "\n";
  }
  return out;
}

/** What the vectors count, and Match doesn't. */
function bytesBefore(text: string, at: i32): string {
  return String.UTF8.byteLength(text.substring(0, at)).toString();
}

function ruleName(call: Call, id: i32, rule: i32): string {
  const n = abi.match_rule(id, rule, 0, 0);
  return valueOf(n < 0 ? null : call.rule(anyCapability(id), rule));
}

// ---- what is said ----

function many(call: Call, what: string): void {
  for (let i = 0; i < number(call, N); i++) {
    const x = "x" + i.toString();
    if (what == "notes") call.note(x, x);
    else if (what == "labels") call.label(x);
    else call.log(1, x);
  }
}

function says(call: Call, what: string): bool {
  const text = parameter(call, TEXT);
  if (what == "reason") call.deny(parameter(call, KEY), text);
  else if (what == "approve") call.approve(text);
  else if (what == "note") call.note(parameter(call, KEY), text);
  else if (what == "label") call.label(text);
  else if (what == "log") call.log(number(call, LEVEL), text);
  else if (what == "notes" || what == "labels" || what == "logs") many(call, what);
  else return false;
  return true;
}

// ---- what must not be ----

let turns = 0;

function deeper(above: i32): i32 {
  turns++;
  if (turns < 0) return 0;
  return deeper(above + 1) + turns;
}

function breaks(call: Call, what: string): void {
  if (what == "fail") call.fail(parameter(call, TEXT));
  if (what == "trap") unreachable();
  if (what == "spin") while (true) turns++;
  if (what == "recurse") turns = deeper(0);
  if (what == "grow") {
    while (memory.grow(16) >= 0) turns++;
    call.fail("no more memory");
  }
}

// ---- the hooks ----

let settingsKept = "";
let calls = 0;

/** The note out of what is done; null if nothing is. */
function act(call: Call, what: string): string | null {
  const id = number(call, ID);
  const index = number(call, INDEX);
  if (what == "settings") return valueOf(settingsKept);
  if (what == "count") return (++calls).toString();
  if (what == "field") return fieldValue(call, id);
  if (what == "field_num") return fieldNumber(id);
  if (what == "field_kind") return abi.field_kind(id).toString();
  if (what == "fields") return fields(call);
  if (what == "view_fields") return viewFields(call);
  if (what == "strings") return strings(call);
  if (what == "view_strings") return viewStrings(call);
  if (what == "str") return valueOf(abi.str(index, 0, 0) < 0 ? null : new MessageString(index).text);
  if (what == "str_path") return valueOf(abi.str_path(index, 0, 0) < 0 ? null : new MessageString(index).path);
  if (what == "str_count") return call.strings().length.toString();
  if (what == "small_buffer") return smallBuffer(id, number(call, N));
  if (what == "str_replace") return strReplace(index, parameter(call, TEXT)).toString();
  if (what == "patch") return patches(call);
  if (what == "item_drop") return abi.item_drop(index).toString();
  if (what == "item_count") return abi.item_count().toString();
  if (what == "item") return item(call, index, id);
  if (what == "match") return found(call, id, index);
  if (what == "match_rule") return ruleName(call, id, index);
  if (what == "lookup") return valueOf(call.lookup(anyCapability(id), parameter(call, KEY)));
  if (what == "granted") return (<i32>granted(anyCapability(id))).toString();
  if (what == "feature") return (<i32>has(<Feature>id)).toString();
  if (what == "now") return call.now().toString();
  return null;
}

function judge(call: Call): Verdict {
  const n = number(call, VERDICT);
  const verdict = <Verdict>(<u32>n < 2 ? n ^ 1 : n);
  if (call.kind(DO) == Kind.Absent) return verdict;
  const what = parameter(call, DO);
  if (what == "replace_all") return replaceAll(call);
  breaks(call, what);
  if (says(call, what)) return verdict;
  const out = act(call, what);
  if (out === null) return call.fail("the guest doesn't know what to do");
  call.note("out", out);
  return verdict;
}

export function onRequest(call: Call): Verdict {
  return judge(call);
}

export function onResponse(call: Call): Verdict {
  return judge(call);
}

export function onList(list: ListCall): Verdict {
  if (parameter(list, DO) == "drop_all") return dropAll(list);
  return judge(list);
}

// ---- settings ----

export function validateSettings(settings: Settings): bool {
  const mode = settings.json.get("mode").text;
  if (mode === null) return true;
  if (mode == "refuse") return settings.refuse("/mode", "There is no such mode.", "bad_mode");
  if (mode == "early") abi.field_kind(0);
  if (mode == "trap") unreachable();
  return true;
}

export function configure(settings: Settings): bool {
  settingsKept = settings.raw;
  return settings.raw != '{"mode":"refuse to configure"}';
}

export function selfTest(): string | null {
  return settingsKept == '{"mode":"broken"}' ? "it is broken" : null;
}

// A plugin that uses every part of the SDK, for plugin.test.mjs.
import { Call, capability, Feature, field, granted, has, Json, Level, ListCall, Settings, Verdict } from "@sallyport/assemblyscript";
import { isUTF8 } from "@sallyport/assemblyscript/assembly/text";

const AMOUNT = field("args.amount");
const BODY = field("args.body");
const FLAG = field("args.flag");
const MISSING = field("args.missing");
const PATH = field("args.path");
const TAGS = field("args.tags");
const ODD = field("args[\"odd key\"]");
const NAME = field("items[*].name");
const HINT = field("items[*].hint");
const TENANTS = capability("lookup:tenants");
const PII = capability("match:pii");

let mask = "";
let calls = 0;

function shown(text: string | null): string {
  return text === null ? "none" : text;
}

function values(call: Call): Verdict {
  call.note("amount", call.number(AMOUNT).toString());
  call.note("no-number", call.number(PATH).toString());
  call.note("flag", call.isTrue(FLAG).toString());
  call.note("tags", shown(call.raw(TAGS)));
  call.note("kind", (<i32>call.kind(TAGS)).toString());
  call.note("odd", shown(call.text(ODD)));
  const bytes = call.bytes(ODD);
  call.note("bytes", bytes === null ? "none" : bytes.byteLength.toString());
  const tree = call.json(TAGS);
  const number = tree.at(1).get("b").at(0).number;
  call.note("tree", tree.toString() + " " + tree.length.toString() + " " + shown(tree.at(0).text) + " " + number.toString() + " " + (!call.json(MISSING).get("x").exists && tree.contains("a")).toString());
  return Verdict.Pass;
}

function edit(call: Call): Verdict {
  const strings = call.strings();
  for (let i = 0; i < strings.length; i++) {
    const found = strings[i].match(PII);
    if (found.length == 0) continue;
    call.note("path", strings[i].path);
    call.note("rule", call.rule(PII, found[0].rule));
    call.note("at", found[0].start.toString() + "-" + found[0].end.toString());
    strings[i].replace(mask);
  }
  call.setText("args.note", "new \"\\\n\u0001");
  return Verdict.Mutate;
}

function copy(call: Call): Verdict {
  const all = call.strings();
  const text = call.text(BODY);
  for (let i = 0; i < all.length; i++) {
    if (all[i].text != text) return Verdict.Deny;
    all[i].replace(all[i].text);
  }
  const note = new Map<string, string>();
  note.set("was", shown(text));
  call.setJson("args.note", '{"was":' + Json.text(note.get("was")).toString() + "}");
  return Verdict.Mutate;
}

/** Values that fit into the SDK's buffer, and values that don't, one after the other. */
function sizes(call: Call): Verdict {
  call.note("tags", shown(call.json(TAGS).at(0).text).length.toString());
  call.note("odd", shown(call.json(ODD).text));
  call.note("again", shown(call.json(TAGS).at(0).text).length.toString());
  call.note("body", shown(call.raw(BODY)).length.toString());
  const strings = call.strings();
  call.note("strings", strings.map<string>((s) => s.text.length.toString()).join(" "));
  const bytes = call.bytes(BODY);
  const odd = call.bytes(ODD);
  if (bytes !== null && odd !== null) call.note("kinds", bytes.byteLength.toString() + " " + odd.byteLength.toString());
  return Verdict.Pass;
}

function utf8(call: Call): Verdict {
  const hex = shown(call.text(BODY)).split(" ");
  const bytes = new Uint8Array(hex[0] == "" ? 0 : hex.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = <u8>parseInt(hex[i], 16);
  call.note("utf8", isUTF8(bytes.dataStart, bytes.dataStart + bytes.length).toString());
  return Verdict.Pass;
}

function lookup(call: Call): Verdict {
  const names = ["alice", "bob", "carol"];
  for (let i = 0; i < names.length; i++) call.note(names[i], shown(call.lookup(TENANTS, names[i])));
  call.note("granted", granted(TENANTS).toString());
  call.note("feature", has(Feature.View).toString());
  call.label("seen");
  call.log(Level.Warn, "hello");
  return Verdict.Pass;
}

function view(call: Call): Verdict {
  const fields = call.fields();
  for (let i = 0; i < fields.length; i++) {
    const v = fields[i];
    if (v.raw !== null && i != call.id(BODY)) call.note(v.path.toString(), v.raw!);
  }
  const texts = call.texts();
  for (let i = 0; i < texts.length; i++) call.note("string", texts[i].path.toString() + " " + shown(texts[i].raw));
  return Verdict.Pass;
}

function breaks(call: Call, path: string): Verdict {
  if (path == "give up") return call.fail("can't judge");
  if (path == "assert") assert(mask == "nothing", "it must hold");
  if (path == "throw") throw new Error("thrown");
  if (path == "bounds") return call.strings()[99] !== null ? Verdict.Pass : Verdict.Deny;
  if (path == "trap") unreachable();
  if (path == "bad json") Json.parse("[1,");
  if (path == "other hook") call.text(NAME);
  if (path == "code") return call.deny("No", "");
  return Verdict.Pass;
}

export function onRequest(call: Call): Verdict {
  const path = call.text(PATH);
  if (path === null) return call.deny("no_path", "A path is needed.");
  if (path.startsWith("/etc/")) return Verdict.Deny;
  if (path == "not ours") return Verdict.Abstain;
  if (path == "ask") return call.approve("Really?");
  if (path == "unset") {
    let v: Verdict = 0;
    return v;
  }
  if (path == "values") return values(call);
  if (path == "edit") return edit(call);
  if (path == "copy") return copy(call);
  if (path == "sizes") return sizes(call);
  if (path == "utf8") return utf8(call);
  if (path == "lookup") return lookup(call);
  if (path == "view") return view(call);
  if (path == "cut") call.setText("args.note", shown(call.text(BODY)).substring(0, 2));
  if (path == "cut note") call.note("cut", shown(call.text(BODY)).substring(0, 2));
  if (path == "outside") call.setText("args.path", "x");
  if (path == "edit and pass") call.setText("args.note", "x");
  if (path == "json") call.note("json", Json.parse(shown(call.text(BODY))).toString());
  if (path == "count") call.note("count", (++calls).toString());
  if (path == "remove") {
    call.remove("args.note");
    return Verdict.Mutate;
  }
  return breaks(call, path);
}

export function onList(list: ListCall): Verdict {
  const items = list.items();
  let v = Verdict.Pass;
  for (let i = 0; i < items.length; i++) {
    if (items[i].raw(NAME) != "secret") continue;
    list.note("hint", shown(items[i].raw(HINT)));
    items[i].drop();
    v = Verdict.Mutate;
  }
  return v;
}

export function validateSettings(settings: Settings): bool {
  const m = settings.json.get("mask");
  const text = m.text;
  if (m.exists && text === null) return settings.refuse("/mask", "The mask is no text.");
  if (text == "refuse") return settings.refuse("/mask", "Not this one.", "bad_mask");
  if (text == "early") new Call(0).kind(PATH);
  return true;
}

export function configure(settings: Settings): bool {
  mask = shown(settings.json.get("mask").text);
  return true;
}

export function selfTest(): string | null {
  return mask == "broken" ? "the mask is broken" : null;
}

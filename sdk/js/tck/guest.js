// The plugin of hostapi/tck in JavaScript: what its README says a guest must do. Its manifest is
// the kit's.

const reads = { request: 42, response: 21, list: 19 };
const first = { request: 17, response: 6, list: 4 }; // of the parameters, which nothing is said about
const parameters = 14;

let calls = 0;
let kept = "";

const value = (text) => (text === undefined ? "absent" : "=" + text);
const typed = (text) => (text === null ? "wrong type" : value(text));
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
const count = (n) => Array.from({ length: n }, (_, i) => "x" + i);

// guest makes the function of a hook.
function guest(hook) {
  return (call) => {
    const { abi } = call;
    const text = (name) => call.text("params._meta.tck." + name) ?? "";
    const number = (name) => {
      const n = call.get("params._meta.tck." + name);
      return typeof n === "number" ? Math.trunc(n) : 0;
    };
    const isParameter = (id) => id >= first[hook] && id < first[hook] + parameters;
    const name = call.text("params._meta.tck.do");
    if (name === undefined) return number("verdict");
    const act = acts[name];
    if (!act) call.fail("the guest doesn't know what to do");
    const { out, verdict } = act({ call, abi, hook, text, number, isParameter, id: number("id"), index: number("index") });
    if (out !== undefined) call.note("out", String(out));
    return verdict ?? number("verdict");
  };
}

const noted = (act) => (c) => ({ out: act(c) });
const said = (act) => (c) => {
  act(c);
  return {};
};

function fields({ abi, hook, isParameter }) {
  let out = "";
  for (let id = 0; id < reads[hook]; id++) {
    if (!isParameter(id)) out += `${id}:${abi.field_kind(id)}:${abi.field(id) ?? ""}\n`;
  }
  return out;
}

// entries writes what a view has.
function entries(view, left) {
  let out = "";
  for (let i = 0; i < view.length; i += 3) {
    if (!left(i / 3)) out += `${view[i + 1]}:${view[i]}:${view[i + 2] ?? ""}\n`;
  }
  return out;
}

function float(n) {
  if (Number.isNaN(n)) return "nan";
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setFloat64(0, n);
  return hex(new Uint8Array(bytes.buffer));
}

function matches({ abi, id, index }) {
  const found = abi.match(id, index);
  if (!found) return found === null ? -2 : -1;
  let out = "";
  for (let i = 0; i < found.length; i += 5) out += `${found[i]}-${found[i + 1]} ${abi.match_rule(id, found[i + 2])}\n`;
  return out;
}

function patches({ abi, call, text, number }) {
  const out = String(abi.patch(number("op"), text("path"), text("json")));
  if (call.text("params._meta.tck.path2") === undefined) return out;
  return out + " " + abi.patch(number("op2"), text("path2"), text("json2"));
}

function smallBuffer({ abi, id, number }) {
  const bytes = new Uint8Array(16).fill(0xee);
  return abi.field_bytes(id, bytes.subarray(0, number("n"))) + " " + hex(bytes);
}

const deeper = (n) => deeper(n + 1) + n;

const acts = {
  field: noted(({ abi, id }) => typed(abi.field(id))),
  field_num: noted(({ abi, id }) => float(abi.field_num(id))),
  field_kind: noted(({ abi, id }) => abi.field_kind(id)),
  fields: noted(fields),
  view_fields: noted(({ abi, isParameter }) => entries(abi.view(0), isParameter)),
  strings: noted(({ call }) => call.strings().map((s) => `${s.path}=${s.text}\n`).join("")),
  view_strings: noted(({ abi }) => entries(abi.view(1), () => false)),
  str: noted(({ abi, index }) => value(abi.str(index))),
  str_path: noted(({ abi, index }) => value(abi.str_path(index))),
  str_count: noted(({ abi }) => abi.str_count()),
  small_buffer: noted(smallBuffer),
  str_replace: noted(({ abi, index, text }) => abi.str_replace(index, text("text"))),
  patch: noted(patches),
  item_drop: noted(({ abi, index }) => abi.item_drop(index)),
  replace_all({ call, text }) {
    const found = call.strings().filter((s) => s.text === text("key"));
    for (const s of found) s.replace(text("text"));
    return { verdict: found.length > 0 ? "mutate" : "pass" };
  },
  drop_all({ call, text }) {
    const found = call.items().filter((item) => item.text("items[*].name") === text("key"));
    for (const item of found) item.drop();
    return { verdict: found.length > 0 ? "mutate" : "pass" };
  },
  item_count: noted(({ abi }) => abi.item_count()),
  item: noted(({ abi, id, index }) => typed(abi.item(index, id))),
  match: noted(matches),
  match_rule: noted(({ abi, id, index }) => value(abi.match_rule(id, index))),
  lookup: noted(({ abi, id, text }) => value(abi.lookup(id, text("key")))),
  granted: noted(({ abi, id }) => abi.granted(id)),
  feature: noted(({ abi, id }) => abi.feature(id)),
  now: noted(({ call }) => call.now()),
  settings: noted(() => value(kept)),
  count: noted(() => ++calls),
  reason: said(({ call, text }) => call.deny(text("key"), text("text"))),
  approve: said(({ call, text }) => call.approve(text("text"))),
  label: said(({ call, text }) => call.label(text("text"))),
  note: said(({ call, text }) => call.note(text("key"), text("text"))),
  log: said(({ abi, text, number }) => abi.log(number("level"), text("text"))),
  notes: said(({ call, number }) => count(number("n")).forEach((x) => call.note(x, x))),
  labels: said(({ call, number }) => count(number("n")).forEach((x) => call.label(x))),
  logs: said(({ call, number }) => count(number("n")).forEach((x) => call.log("info", x))),
  fail: said(({ call, text }) => call.fail(text("text"))),
  trap() {
    throw new Error("the guest was told to trap");
  },
  spin() {
    for (;;) calls++;
  },
  recurse: noted(() => deeper(0)),
  grow() {
    for (const all = []; ; ) all.push(new Uint8Array(1 << 20));
  },
};

export default {
  request: guest("request"),
  response: guest("response"),
  list: guest("list"),
  validate(settings, { abi, text }) {
    if (text === '{"mode":"refuse"}') return { code: "bad_mode", text: "There is no such mode.", path: "/mode" };
    if (settings.mode === "early") abi.field_kind(0);
    if (settings.mode === "trap") throw new Error("the guest was told to trap");
  },
  configure(settings, { text }) {
    kept = text;
    return settings.mode !== "refuse to configure";
  },
  selfTest: () => (kept === '{"mode":"broken"}' ? 3 : 0),
};

import { Call, Json, Kind, quote, Verdict } from "@sallyport/assemblyscript";
import { isClear } from "./clear";

/** Why a call is refused. */
export class Refusal {
  constructor(readonly code: string, readonly text: string) {}
}

/** What comes of the arguments of a call. */
export class Judged {
  refusal: Refusal | null = null;
  /** Paths at and below which strings no longer count, because they are overwritten. */
  private overwritten: string[] = [];
  private paths: string[] = [];
  private texts: string[] = [];

  change(path: string, text: string): void {
    this.paths.push(path);
    this.texts.push(text);
  }

  overwrite(path: string): void {
    this.overwritten.push(path);
  }

  /** Whether a place is overwritten. */
  overwrites(path: string): bool {
    for (let i = 0; i < this.overwritten.length; i++) {
      const p = this.overwritten[i];
      if (path == p || path.startsWith(p + ".") || path.startsWith(p + "[")) return true;
    }
    return false;
  }

  /** Makes the changes; if the call has no arguments, they are all it has. */
  edit(call: Call, given: bool): Verdict {
    if (this.paths.length == 0) return Verdict.Pass;
    if (!given) call.setJson("args", this.object());
    else for (let i = 0; i < this.paths.length; i++) call.setText("args" + this.paths[i], this.texts[i]);
    return Verdict.Mutate;
  }

  private object(): string {
    let out = "{";
    for (let i = 0; i < this.paths.length; i++) {
      const path = this.paths[i];
      const key = path.startsWith(".") ? quote(path.substring(1)) : path.substring(1, path.length - 1);
      out += (i ? "," : "") + key + ":" + quote(this.texts[i]);
    }
    return out + "}";
  }
}

/** What the settings say of arguments, with what the table says is the tenant's. */
export class Rules {
  constructor(private values: Json) {}

  /** Judges arguments by a tool's rules. */
  judge(args: Json, rules: Json): Judged {
    const out = new Judged();
    for (let i = 0; i < args.length && out.refusal === null; i++) {
      if (!rules.get(args.keys[i]).exists) out.refusal = unlisted(args.keys[i]);
    }
    for (let i = 0; i < rules.length && out.refusal === null; i++) {
      if (rules.at(i).kind == Kind.Object) this.argument(out, rules.keys[i], args.get(rules.keys[i]), rules.at(i));
    }
    return out;
  }

  private argument(out: Judged, name: string, value: Json, rule: Json): void {
    const path = segment(name);
    const set = rule.get("set").text;
    if (set !== null) {
      const to = this.values.get(set).text;
      if (to === null || to == "") out.refusal = lacks(set);
      else if (value.text != to) out.change(path, to);
      out.overwrite("params.arguments" + path);
      return;
    }
    if (!value.exists) {
      if (!rule.get("optional").isTrue) out.refusal = new Refusal("argument_missing", "Give the argument " + name + ".");
      return;
    }
    if (value.kind != Kind.Array) {
      this.text(out, name, path, value, rule);
      return;
    }
    for (let i = 0; i < value.length && out.refusal === null; i++) {
      this.text(out, name, path + "[" + i.toString() + "]", value.at(i), rule);
    }
  }

  /** Judges one text of an argument. */
  private text(out: Judged, name: string, path: string, value: Json, rule: Json): void {
    const text = value.text;
    if (text === null) {
      out.refusal = new Refusal("argument_no_text", "The argument " + name + " must be a text, or a list of texts.");
      return;
    }
    const separator = rule.get("separator").text;
    const between = separator === null ? "/" : separator;
    const check = rule.get("check").text;
    const begins = rule.get("begins").text;
    const prefix = rule.get("prefix").text;
    if (check !== null) out.refusal = this.equal(text, check);
    else if (begins !== null) out.refusal = this.within(text, begins, between);
    else if (prefix !== null) this.add(out, path, text, prefix, between);
  }

  /** Refuses what is none of the tenant's values of a name. */
  private equal(text: string, name: string): Refusal | null {
    const allowed = this.list(name);
    if (allowed.length == 0) return lacks(name);
    return allowed.includes(text) ? null : outside(name);
  }

  /** Refuses what doesn't lie within one of the tenant's values of a name. */
  within(text: string, name: string, separator: string): Refusal | null {
    const allowed = this.list(name);
    if (allowed.length == 0) return lacks(name);
    for (let i = 0; i < allowed.length; i++) {
      const rest = below(text, allowed[i], separator);
      if (rest !== null) return isClear(rest, separator) ? null : unclear();
    }
    return outside(name);
  }

  /** Puts the tenant's value of a name before a text, unless it lies within it. */
  private add(out: Judged, path: string, text: string, name: string, separator: string): void {
    const prefix = this.values.get(name).text;
    if (prefix === null || prefix == "") {
      out.refusal = lacks(name);
      return;
    }
    const rest = below(text, prefix, separator);
    if (rest !== null) {
      if (!isClear(rest, separator)) out.refusal = unclear();
      return;
    }
    if (text.startsWith(separator)) out.refusal = outside(name);
    else if (text.includes("://") || !isClear(text, separator)) out.refusal = unclear();
    else out.change(path, prefix + (prefix.endsWith(separator) || text == "" ? "" : separator) + text);
  }

  /** The tenant's values of a name: a text, or a list of texts. Empty ones are none: they would hold everything. */
  private list(name: string): string[] {
    const v = this.values.get(name);
    const out: string[] = [];
    const one = v.text;
    if (one !== null && one != "") out.push(one);
    for (let i = 0; i < v.length; i++) {
      const t = v.at(i).text;
      if (t !== null && t != "") out.push(t);
    }
    return out;
  }
}

/** What follows a prefix, if the text lies within it: nothing, or what a separator begins. */
function below(text: string, prefix: string, separator: string): string | null {
  if (!text.startsWith(prefix)) return null;
  const rest = text.substring(prefix.length);
  if (rest == "") return rest;
  if (prefix.endsWith(separator)) return rest;
  return rest.startsWith(separator) ? rest.substring(1) : null;
}

/** A segment of a field path. */
function segment(key: string): string {
  for (let i = 0; i < key.length; i++) {
    const c = key.charCodeAt(i);
    const letter = ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a) || c == 0x5f;
    if (!letter && (i == 0 || c < 0x30 || c > 0x39)) return "[" + quote(key) + "]";
  }
  return key == "" ? '[""]' : "." + key;
}

function unlisted(name: string): Refusal {
  return new Refusal("argument_unmapped", "Nothing says whether the argument " + name + " is the tenant's.");
}

function lacks(name: string): Refusal {
  return new Refusal("no_value", "The tenant has no " + name + ".");
}

function outside(name: string): Refusal {
  return new Refusal("outside_tenant", "This is not within the tenant's " + name + ".");
}

function unclear(): Refusal {
  return new Refusal("path_unclear", "Write it without .., empty parts, backslashes and percent signs that hide them.");
}

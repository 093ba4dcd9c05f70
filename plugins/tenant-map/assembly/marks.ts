import { Call, Json, Kind } from "@sallyport/assemblyscript";
import { marksRow } from "./tenants";

/** How many lists of marks there are, and how many bits of a product choose one. */
const LISTS = 1024;
const LIST_BITS = 10;

/** How many characters of a mark choose its list: marks that are shorter are in lists of their own. */
const LONG = 8;
const SHORT = 4;

/** Texts by which tenants are known: names, prefixes of paths and keys. */
export class Marks {
  private texts: string[] = [];
  private folded: ArrayBuffer[] = [];
  private own: bool[] = [];
  /** Marks in lists, by how they begin: the number of a mark, one more than it is, and that of the next one. */
  private heads: StaticArray<u16> = new StaticArray<u16>(2 * LISTS);
  private nexts: u16[] = [];
  /** Marks that are shorter than any that choose a list. */
  private tiny: i32[] = [];
  /** Where the last mark that was found begins and ends. */
  private at: i32 = 0;
  private end: i32 = 0;

  /** The marks of the table, seen from a tenant; null if the table has none. A row that can't be read ends the call, and so denies. */
  static of(call: Call, tenant: string): Marks | null {
    const row = marksRow(call);
    if (row === null) return null;
    const out = new Marks();
    const all = Json.parse(row);
    assert(all.kind == Kind.Object, "the row marks of the table is no object");
    for (let i = 0; i < all.length; i++) out.add(all.at(i), all.keys[i] == tenant);
    return out;
  }

  private add(texts: Json, own: bool): void {
    assert(texts.kind == Kind.Array, "the row marks of the table has something else than lists");
    for (let k = 0; k < texts.length; k++) {
      const t = texts.at(k).text;
      assert(t !== null && t != "", "the row marks of the table has something else than texts");
      const n = this.texts.length;
      assert(n < 0xffff, "the row marks of the table has too many texts");
      this.texts.push(t!);
      this.own.push(own);
      const f = fold(t!);
      this.folded.push(f);
      const list = t!.length >= LONG ? longList(f, 0) : t!.length >= SHORT ? shortList(f, 0) : -1;
      this.nexts.push(list < 0 ? 0 : this.heads[list]);
      if (list < 0) this.tiny.push(n);
      else this.heads[list] = <u16>(n + 1);
    }
  }

  /**
   * Finds the first mark of another tenant from a place on. Of marks at one place the longest counts, and the
   * caller's own before others; one that runs into an own mark is a part of that.
   */
  find(text: string, from: i32): bool {
    const f = fold(text);
    const heads = this.heads;
    const tiny = this.tiny.length > 0;
    for (let i = from, n = text.length; i < n; i++) {
      if (!tiny && unchecked(heads[longList(f, i)]) == 0 && unchecked(heads[shortList(f, i)]) == 0) continue;
      const k = this.longest(text, f, i);
      if (k < 0) continue;
      this.at = i;
      this.end = i + this.texts[k].length;
      if (!this.own[k] && !this.runsOn(text, f)) return true;
      i = this.end - 1;
    }
    return false;
  }

  /** Whether an own mark begins inside the one that was found and ends after it; it then takes its place. */
  private runsOn(text: string, f: ArrayBuffer): bool {
    for (let i = this.at + 1; i < this.end; i++) {
      const k = this.longest(text, f, i);
      if (k < 0 || !this.own[k] || i + this.texts[k].length <= this.end) continue;
      this.end = i + this.texts[k].length;
      return true;
    }
    return false;
  }

  /** The longest mark at a place, of two the own one; -1 if there is none. */
  private longest(text: string, f: ArrayBuffer, at: i32): i32 {
    let best = -1;
    for (let k: i32 = this.heads[longList(f, at)]; k; k = this.nexts[k - 1]) best = this.better(best, k - 1, text, f, at);
    for (let k: i32 = this.heads[shortList(f, at)]; k; k = this.nexts[k - 1]) best = this.better(best, k - 1, text, f, at);
    for (let i = 0; i < this.tiny.length; i++) best = this.better(best, this.tiny[i], text, f, at);
    return best;
  }

  /** The better of a mark that stands at a place and one that may. */
  private better(best: i32, k: i32, text: string, f: ArrayBuffer, at: i32): i32 {
    if (best >= 0) {
      const longer = this.texts[k].length - this.texts[best].length;
      if (longer < 0 || (longer == 0 && !this.own[k])) return best;
    }
    return matches(text, f, at, this.texts[k], this.folded[k]) ? k : best;
  }

  /** The text with every word that has a mark in it taken out. */
  redact(text: string): string {
    let out = "";
    let from = 0;
    while (this.find(text, from)) {
      let start = this.at;
      while (start > from && !isSpace(text.charCodeAt(start - 1))) start--;
      let end = this.end;
      while (end < text.length && !isSpace(text.charCodeAt(end))) end++;
      out += text.substring(from, start) + "[another tenant's]";
      from = end;
    }
    return out + text.substring(from);
  }
}

/** Whether a mark stands at a place, in capitals or not. */
function matches(text: string, f: ArrayBuffer, at: i32, mark: string, folded: ArrayBuffer): bool {
  const n = mark.length;
  const end = at + n;
  if (end > text.length) return false;
  if (memory.compare(changetype<usize>(f) + at, changetype<usize>(folded), n) != 0) return false;
  for (let i = 0; i < n; i++) {
    const c = mark.charCodeAt(i);
    if (c > 0x7e && text.charCodeAt(at + i) != c) return false; // one byte doesn't tell them apart
  }
  const from = changetype<usize>(f);
  if (at > 0 && goesOn(load<u8>(from + at)) && goesOn(load<u8>(from + at - 1))) return false;
  return end == text.length || !goesOn(load<u8>(from + end - 1)) || !goesOn(load<u8>(from + end));
}

/** A text of one byte a character: in lower case, the wide forms of ASCII taken for it, 255 for others. Zeros follow. */
function fold(text: string): ArrayBuffer {
  const out = new ArrayBuffer(text.length + LONG);
  const to = changetype<usize>(out);
  for (let i = 0, n = text.length; i < n; i++) {
    let c = text.charCodeAt(i);
    if (c >= 0xff01 && c <= 0xff5e) c -= 0xfee0;
    if (c >= 0x41 && c <= 0x5a) c += 0x20;
    store<u8>(to + i, c > 0x7e ? 255 : c);
  }
  return out;
}

/** The list of what begins at a place, by its first eight characters, and by its first four. */
// @ts-ignore: decorator
@inline
function longList(f: ArrayBuffer, at: i32): i32 {
  return <i32>((load<u64>(changetype<usize>(f) + at) * 0x9e3779b97f4a7c15) >> (64 - LIST_BITS));
}

// @ts-ignore: decorator
@inline
function shortList(f: ArrayBuffer, at: i32): i32 {
  return LISTS + <i32>((load<u32>(changetype<usize>(f) + at) * 0x9e3779b1) >> (32 - LIST_BITS));
}

/** Lower-case letters and digits: a mark that ends in one isn't followed by another. */
function goesOn(c: i32): bool {
  return (c >= 0x30 && c <= 0x39) || (c >= 0x61 && c <= 0x7a);
}

/** What separates words: white space, quotation marks, brackets, commas. */
function isSpace(c: i32): bool {
  return c <= 0x20 || c == 0x22 || c == 0x27 || c == 0x60 || c == 0x28 || c == 0x29 || c == 0x2c || c == 0x3c || c == 0x3e || c == 0x5b || c == 0x5d || c == 0x7b || c == 0x7d;
}

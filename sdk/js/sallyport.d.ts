// Types of plugins, for editors and for checkers: a plugin itself needs nothing.
//
//     /** @type {import("./sdk/sallyport").Plugin} */
//     export default { ... };

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Hook = "request" | "response" | "list";
export type Kind = "absent" | "null" | "false" | "true" | "number" | "string" | "array" | "object";
export type Level = "debug" | "info" | "warn" | "error";
export type Feature = "strings" | "patch" | "view" | "list" | "match" | "lookup";

/** What a hook returns. Use what deny and approve return for these two; a number is the ABI's. */
export type Verdict = "pass" | "deny" | "mutate" | "approve" | "abstain" | number;

/** What a plugin is and asks for. What can be told from the script (abi, hooks) may be left out, and lists may be in any order. */
export interface Manifest {
  abi?: "sallyport/1";
  name: string;
  version: string;
  hooks?: Hook[];
  reads?: { [hook in Hook]?: string[] };
  strings?: { [hook in Hook]?: string[] };
  writes?: string[];
  verdicts?: Exclude<Verdict, number>[];
  capabilities?: string[];
  features?: { require?: string[]; optional?: string[] };
  settings_schema?: object;
  state?: "none";
  deterministic?: boolean;
  limits?: { pages?: number; fuel?: number; deadline_ms?: number };
  meta?: { [key: string]: string };
}

/** What a script exports by default. */
export interface Plugin {
  /** Left out if manifest.json is beside the script. */
  manifest?: Manifest;
  /** Judges a message that asks. */
  request?(call: Call): Verdict;
  /** Judges a result, or a notification of a server. */
  response?(call: Call): Verdict;
  /** Judges the items of a list. */
  list?(call: List): Verdict;
  /** Looks at settings, which fit settings_schema. */
  validate?(settings: Json, boot: Boot): Refusal;
  /** Takes settings. */
  configure?(settings: Json, boot: Boot): Refusal;
  /** Tests the plugin before it serves. */
  selfTest?(boot: Boot): Refusal;
}

/** Nothing (or true) is good; a text, or an object with a JSON Pointer to the mistake, says what is wrong. */
export type Refusal = void | boolean | number | string | { code?: string; text: string; path?: string };

/** What there is besides the settings. */
export interface Boot {
  /** The settings as JSON, byte by byte; selfTest doesn't have it. */
  text: string;
  abi: Abi;
}

/** One message. Whatever is wrong with a call of these functions is an exception, and one that nobody catches denies the message. */
export interface Call {
  /** A field's value; undefined if it is absent. A number that JavaScript can't hold is the nearest one. */
  get(path: string): Json | undefined;
  /** A field's text; undefined if it is absent, or no string. */
  text(path: string): string | undefined;
  /** A field as JSON, with the digits that were received; undefined if it is absent. */
  json(path: string): string | undefined;
  kind(path: string): Kind;

  /** The strings at the manifest's strings. */
  strings(): MessageString[];

  /** Gives a place another value; throws if there is no such place. Return "mutate" after it. */
  set(path: string, value: Json): void;
  setJSON(path: string, json: string): void;
  /** Takes a member or an element out. */
  remove(path: string): void;

  /** What the host's detectors find in a field or a string; undefined if there is no text. */
  match(capability: string, where: string | MessageString): Found[] | undefined;
  /** What a table of the host has for a key: a text, or JSON. */
  lookup(capability: string, key: string): string | undefined;
  granted(capability: string): boolean;
  feature(name: Feature): boolean;

  /** A verdict: refuse the message, and why. */
  deny(code: string, text?: string): "deny";
  /** A verdict: a human must agree. */
  approve(text: string): "approve";
  /** Puts a text into the decision's record. */
  note(key: string, text: string): void;
  /** Marks the message. */
  label(name: string): void;
  /** Writes a line to the operator's log; so do console.debug, log, warn and error. */
  log(level: Level, text: string): void;
  /** Ends the call as a failure, which denies. It can't be caught. */
  fail(text: string): never;
  /** The time of the decision in milliseconds, as Date.now() too; a deterministic plugin has none. */
  now(): number;

  abi: Abi;
}

export interface List extends Call {
  items(): Item[];
}

export interface MessageString {
  readonly index: number;
  readonly text: string;
  readonly path: string;
  /** Gives it another text. Return "mutate" after it. */
  replace(text: string): void;
  match(capability: string): Found[] | undefined;
}

export interface Item {
  readonly index: number;
  /** A field of the item, such as "items[*].name": a string's text, JSON of anything else. */
  text(path: string): string | undefined;
  /** Leaves it out of the list. Return "mutate" after it. */
  drop(): void;
}

/** Start and end are those of String.prototype.slice. */
export interface Found {
  start: number;
  end: number;
  text: string;
  rule: string;
}

/** The functions of the ABI (hostapi/ABI.md) by their own names and numbers. What is absent is undefined, what is of another type null. */
export interface Abi {
  field(id: number): string | undefined | null;
  field_num(id: number): number;
  field_kind(id: number): number;
  /** field with a buffer of the script's; it returns what the host does. */
  field_bytes(id: number, bytes: Uint8Array): number;
  /** A field as a value of JavaScript. */
  value(id: number): Json | undefined;
  str(index: number): string | undefined;
  str_path(index: number): string | undefined;
  str_count(): number;
  str_replace(index: number, text: string): number;
  /** Of each entry the kind, the index of its path, the text. */
  view(what: number): (number | string | undefined)[];
  patch(op: number, path: string, json: string): number;
  item_count(): number;
  item(index: number, id: number): string | undefined | null;
  item_drop(index: number): number;
  /** Of each match start and end in bytes, the rule, start and end in units of JavaScript. */
  match(capability: number, what: number): number[] | undefined | null;
  match_rule(capability: number, rule: number): string | undefined;
  lookup(capability: number, key: string): string | undefined;
  granted(capability: number): number;
  feature(id: number): number;
  reason(code: string, text: string): void;
  approve(text: string): void;
  note(key: string, text: string): void;
  label(name: string): void;
  log(level: number, text: string): void;
  fail(text: string): never;
  now_ms(): number;
}

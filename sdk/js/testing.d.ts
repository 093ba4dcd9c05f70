// Types of testing.js.

import type { Json, Level, Manifest, Plugin, Verdict } from "./sallyport";

export function load(plugin: Plugin, options?: Options): Loaded;

export interface Options {
  /** Where the script has none. */
  manifest?: Manifest | string;
  /** An object, or its JSON. They are not checked against settings_schema. */
  settings?: Json | string;
  /** Tables by name, each of keys to values. A table or a set that is given is granted. */
  tables?: { [name: string]: { [key: string]: Json } };
  detectors?: { [name: string]: { name: string; regexp: string }[] };
  grant?: { reads?: string[]; strings?: string[]; writes?: string[]; verdicts?: string[]; capabilities?: string[] };
}

export interface Loaded {
  readonly manifest: Manifest;
  /** What was logged while it booted. */
  readonly logs: Line[];
  request(message?: Message): Result;
  response(message?: Message): Result;
  list(message?: Message): Result;
}

/** A message. A value may be given as JSON, as a text, where digits count. */
export interface Message {
  method?: string;
  server?: string;
  tool?: string;
  prompt?: string;
  resource?: string;
  /** The arguments of the call; or params as a whole. */
  args?: Json | string;
  params?: Json | string;
  result?: Json | string;
  items?: Json | string;
  annotations?: Json | string;
  principal?: { id?: string; type?: string; issuer?: string; groups?: string[]; roles?: string[]; scopes?: string[]; claims?: Json; apiKey?: string };
  source?: string;
  headers?: { [name: string]: string };
  /** Milliseconds. */
  time?: number;
}

export interface Line {
  level: Level;
  text: string;
}

export interface Result {
  /** deny if the call failed. */
  verdict: Exclude<Verdict, number>;
  /** Of a denial. */
  reason: { code: string; text: string } | null;
  approval: string;
  labels: string[];
  /** Of mutate; json is null for what is taken out. */
  edits: { path: string; json: string | null }[];
  /** The JSON of what was judged, with the edits: params, result or items. */
  after: string | null;
  notes: { [key: string]: string };
  logs: Line[];
  /** Why the call failed, null if it didn't. */
  failure: { type: "trap" | "abi" | "capability"; text: string; cause?: unknown } | null;
}

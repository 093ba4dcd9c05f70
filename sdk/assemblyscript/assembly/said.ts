// What a plugin can say at any time.
import * as abi from "./abi";
import { Capability, Feature, Level } from "./names";
import { encodeLoosely } from "./text";

/** Sets the reason of a denial. */
export function reason(code: string, text: string): void {
  const c = encodeLoosely(code);
  const t = encodeLoosely(text);
  abi.reason(changetype<usize>(c), c.byteLength, changetype<usize>(t), t.byteLength);
}

/** Puts a text into the decision's record. */
export function note(key: string, text: string): void {
  const k = encodeLoosely(key);
  const t = encodeLoosely(text);
  abi.note(changetype<usize>(k), k.byteLength, changetype<usize>(t), t.byteLength);
}

/** Writes a line to the operator's log. */
export function log(level: Level, text: string): void {
  const t = encodeLoosely(text);
  abi.log(level, changetype<usize>(t), t.byteLength);
}

/** Whether a capability was granted. */
export function granted(capability: Capability): bool {
  return abi.granted(<i32>changetype<usize>(capability)) != 0;
}

/** Whether the host has a feature. */
export function has(feature: Feature): bool {
  return abi.feature(feature) != 0;
}

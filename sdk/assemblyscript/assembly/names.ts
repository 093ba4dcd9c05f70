// The names that a plugin writes, and what they are at run time.

/**
 * A field of the manifest's reads: `const PATH = field("args.path");`. It holds the field's id
 * in each hook, which the transform has looked up, nine bits each, 0 for none.
 */
// @ts-ignore: decorator
@unmanaged
export class Field {}

/** A capability of the manifest: `const TENANTS = capability("lookup:tenants");`. */
// @ts-ignore: decorator
@unmanaged
export class Capability {}

/** The field of a path, which must stand in the manifest's reads: otherwise it doesn't compile. */
// @ts-ignore: decorator
@inline
export function field<T>(path: T): Field {
  if (!isInteger<T>()) ERROR("field() takes a path between quotation marks, and needs the transform of the SDK");
  return changetype<Field>(<usize>path);
}

/** The capability of a name, which must stand in the manifest's capabilities: otherwise it doesn't compile. */
// @ts-ignore: decorator
@inline
export function capability<T>(name: T): Capability {
  if (!isInteger<T>()) ERROR("capability() takes a name between quotation marks, and needs the transform of the SDK");
  return changetype<Capability>(<usize>name);
}

/** What a hook says. The one that a variable has before it is set is to deny. */
export enum Verdict {
  /** the message is refused; `call.deny` says why */
  Deny = 0,
  /** nothing to say against the message */
  Pass = 1,
  /** the message passes with the edits that were made */
  Mutate = 2,
  /** a human must agree; `call.approve` says to what */
  Approve = 3,
  /** the message is not one that the plugin judges */
  Abstain = 4,
}

/** The kind of a value. */
export enum Kind {
  Absent,
  Null,
  False,
  True,
  Number,
  String,
  Array,
  Object,
}

/** The level of a log line. */
export enum Level {
  Debug,
  Info,
  Warn,
  Error,
}

/** A part of the ABI that a host may lack. */
export enum Feature {
  Strings = 1,
  Patch,
  View,
  List,
  Match,
  Lookup,
}

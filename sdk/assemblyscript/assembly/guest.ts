// What the transform builds a plugin's exports of. Nothing here is for authors.
import { Call, ListCall, Settings } from "./call";
import { Verdict } from "./names";
import { note, reason } from "./said";
import { fail } from "./text";

/** Begins a call of a hook. The transform knows this file by the function. */
export function sallyportBegin(hook: i32): Call {
  return new Call(hook);
}

export function beginList(): ListCall {
  return new ListCall();
}

/** The ABI's number of a verdict: there 0 passes, and here it denies. */
export function verdictNumber(v: Verdict): i32 {
  const n = <i32>v;
  return <u32>n < 2 ? n ^ 1 : n;
}

/** Memory for settings, which is kept. */
export function allocate(length: usize): usize {
  return heap.alloc(max<usize>(length, 1));
}

export function settings(at: usize, length: usize): Settings {
  return new Settings(at, length);
}

/** What sp_selftest returns: a text says what is wrong. */
export function tested(wrong: string | null): i32 {
  if (wrong === null) return 0;
  reason("selftest_failed", wrong);
  note("selftest", wrong);
  return 1;
}

/** What AssemblyScript calls when an assertion fails, and for throw: the call fails. */
export function aborted(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message === null ? "aborted" : message;
  fail(file === null ? what : what + ", in " + file + ":" + line.toString() + ":" + column.toString());
}

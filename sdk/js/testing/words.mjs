// Texts as gateways keep them.
import { LIMIT } from "./abi.mjs";

/** The name of a number of an enum. */
export function known(names, number) {
  return Object.keys(names).find((n) => names[n] === number);
}

export function isCode(text) {
  return /^[a-z][a-z0-9_.-]*$/.test(text) && text.length <= LIMIT.reason_code_bytes;
}

export function isKey(text) {
  return /^[a-z0-9_.-]+$/.test(text) && text.length <= LIMIT.key_bytes;
}

/** The text of bytes, with U+FFFD for each byte that is not UTF-8. */
export function decode(bytes) {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return strict.decode(bytes);
  } catch {
    // Character by character.
  }
  let out = "";
  for (let at = 0; at < bytes.length; ) {
    const [text, n] = character(strict, bytes, at);
    out += text;
    at += n;
  }
  return out;
}

function character(strict, bytes, at) {
  for (let n = 1; n <= 4 && at + n <= bytes.length; n++) {
    try {
      return [strict.decode(bytes.subarray(at, at + n)), n];
    } catch {
      // Perhaps a longer one.
    }
  }
  return ["\ufffd", 1];
}

/** As many whole characters of a text as fit into a number of bytes. */
export function cut(text, limit) {
  let out = "";
  for (const c of text) {
    limit -= Buffer.byteLength(c);
    if (limit < 0) break;
    out += c;
  }
  return out;
}

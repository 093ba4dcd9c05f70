// Texts: the host's are UTF-8, AssemblyScript's UTF-16. What can't be told in the other form
// ends the call, because what U+FFFD stands for can't be known any more.
import { fail as abiFail } from "./abi";

/** Ends the call as a failure, which denies. */
export function fail(text: string): void {
  const bytes = String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
  abiFail(changetype<usize>(bytes), bytes.byteLength);
  unreachable();
}

/** The UTF-8 of a text that is judged or edited. Half a surrogate pair ends the call. */
export function encode(text: string): ArrayBuffer {
  for (let i = 0, n = text.length; i < n; i++) {
    const c = text.charCodeAt(i);
    if ((c & 0xf800) != 0xd800) continue; // no part of a pair
    if (c >= 0xdc00 || i + 1 == n || (text.charCodeAt(i + 1) & 0xfc00) != 0xdc00) {
      fail("a text has half a surrogate pair: it was cut inside a character");
    }
    i++;
  }
  return String.UTF8.encode(text);
}

/** The UTF-8 of a text for people, with U+FFFD where half a surrogate pair stands. */
export function encodeLoosely(text: string): ArrayBuffer {
  return String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
}

/** The text of bytes. What is not UTF-8 ends the call. */
export function decode(at: usize, length: usize): string {
  const end = at + length;
  if (!isUTF8(at, end)) fail("a text is not UTF-8; its bytes can be had with bytes()");
  return String.UTF8.decodeUnsafe(at, length);
}

/** Whether bytes are UTF-8: no half surrogate pairs, nothing overlong, nothing cut. */
export function isUTF8(at: usize, end: usize): bool {
  while (at < end) {
    while (at + 8 <= end && (load<u64>(at) & 0x8080808080808080) == 0) at += 8;
    if (at == end) return true;
    const b = <u32>load<u8>(at++);
    if (b < 0x80) continue;
    let more: i32, least: u32, code: u32;
    if (b < 0xc2) return false;
    else if (b < 0xe0) (more = 1), (least = 0x80), (code = b & 0x1f);
    else if (b < 0xf0) (more = 2), (least = 0x800), (code = b & 0x0f);
    else if (b < 0xf5) (more = 3), (least = 0x10000), (code = b & 0x07);
    else return false;
    for (; more > 0; more--) {
      if (at == end) return false;
      const c = <u32>load<u8>(at++);
      if ((c & 0xc0) != 0x80) return false;
      code = (code << 6) | (c & 0x3f);
    }
    if (code < least || code > 0x10ffff || (code & 0xfffff800) == 0xd800) return false;
  }
  return true;
}

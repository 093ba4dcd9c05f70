//! Texts in base64, as the blobs of resources are.

use sallyport::{Buffer, Call, Hook};

/// Shorter ones are words.
const LEAST: usize = 16;

/// Splits a text into `data:text/plain;base64,` if it begins so, what may be base64, and the blanks and ends of lines after it.
pub fn split(text: &str) -> (&str, &str, &str) {
    let prefix = if text.starts_with("data:") { text.find(";base64,").map_or(0, |at| at + 8) } else { 0 };
    let (prefix, rest) = text.split_at(prefix);
    let (encoded, end) = rest.split_at(rest.trim_end_matches(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).len());
    (prefix, encoded, end)
}

fn value(c: u8) -> u32 {
    match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a') + 26,
        b'0'..=b'9' => u32::from(c - b'0') + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => 64,
    }
}

/// The text that a whole string is in base64; none if it is none: other characters, or bytes that are no text.
pub fn decode<'c, H: Hook>(call: &'c Call<H>, encoded: &str) -> Option<&'c str> {
    let bytes = encoded.trim_end_matches('=').as_bytes();
    let padding = encoded.len() - bytes.len();
    if bytes.len() < LEAST || bytes.len() % 4 == 1 || padding > 2 || padding > 0 && encoded.len() % 4 != 0 {
        return None;
    }
    if bytes.iter().any(|c| value(*c) == 64) {
        return None;
    }
    let mut out = call.buffer(bytes.len() * 3 / 4 + 4);
    let mut pending = Character { bytes: [0; 4], n: 0 };
    for group in bytes.chunks(4) {
        let bits = group.iter().fold(0, |n, c| n << 6 | value(*c)) << (6 * (4 - group.len()));
        for i in 0..group.len() - 1 {
            pending.push((bits >> (16 - 8 * i)) as u8, &mut out)?;
        }
    }
    if pending.n > 0 {
        return None;
    }
    Some(out.into_str())
}

/// A character of UTF-8 whose bytes come one by one.
struct Character {
    bytes: [u8; 4],
    n: usize,
}

impl Character {
    /// Takes a byte, and writes the character if that was its last. None: it is no text.
    fn push(&mut self, byte: u8, out: &mut Buffer<'_>) -> Option<()> {
        if byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r') {
            return None;
        }
        *self.bytes.get_mut(self.n)? = byte;
        self.n += 1;
        let length = match self.bytes[0] {
            0..=0x7f => 1,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return None,
        };
        if self.n == length {
            out.push_str(core::str::from_utf8(&self.bytes[..length]).ok()?);
            self.n = 0;
        }
        Some(())
    }
}

/// Encodes a text in the alphabet, and with the padding, that another has.
pub fn encode(text: &str, like: &str, out: &mut Buffer<'_>) {
    let url = like.bytes().any(|c| matches!(c, b'-' | b'_'));
    let padded = like.ends_with('=') || like.len() % 4 == 0;
    let last: &[u8; 2] = if url { b"-_" } else { b"+/" };
    for group in text.as_bytes().chunks(3) {
        let mut bits = [0; 3];
        bits[..group.len()].copy_from_slice(group);
        let bits = u32::from(bits[0]) << 16 | u32::from(bits[1]) << 8 | u32::from(bits[2]);
        for i in 0..4 {
            let sextet = (bits >> (18 - 6 * i) & 63) as u8;
            if i <= group.len() {
                out.push(match sextet {
                    0..=25 => b'A' + sextet,
                    26..=51 => b'a' + sextet - 26,
                    52..=61 => b'0' + sextet - 52,
                    _ => last[usize::from(sextet - 62)],
                } as char);
            } else if padded {
                out.push('=');
            }
        }
    }
}

//! Addresses: of people and of machines.

use crate::kinds::Kind;
use crate::scan::{Found, Text};

/// Names that end like a domain and are those of files.
const FILES: [&[u8]; 16] =
    [b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"json", b"html", b"txt", b"yaml", b"yml", b"pdf", b"exe", b"lock", b"toml"];

/// An e-mail address around an at sign, which takes `len` bytes: `%40` in URLs.
pub fn email(text: &Text<'_>, at: usize, len: usize) -> Option<Found> {
    let b = text.bytes;
    let mut start = at;
    while let Some(before) = local_before(b, start) {
        if at - before > 64 {
            break;
        }
        start = before;
    }
    while start < at && matches!(b[start], b'.' | b'\'' | b'*' | b'_' | b'-') {
        start += 1; // quotes and marks of Markdown
    }
    let end = domain(text, at + len)?;
    let closed = text.before(at) == b'.' || b[start..at].windows(2).any(|w| w == b"..");
    if start == at || closed || is_login(text, start, at, end) {
        return None;
    }
    Some(Found { start, end, kind: Kind::Email })
}

/// Where the character before a position begins, if it may stand in the local part of an address.
fn local_before(b: &[u8], end: usize) -> Option<usize> {
    let mut i = end.checked_sub(1)?;
    if b[i] < 0x80 {
        return if b[i].is_ascii_alphanumeric() || b".!$'*+-^_~".contains(&b[i]) { Some(i) } else { None };
    }
    while i > 0 && b[i] & 0xc0 == 0x80 {
        i -= 1;
    }
    // Of scripts that need no blanks, what stands right before Latin letters is the text around them.
    let mixed = b[i] >= 0xe3 && b.get(end).map_or(false, u8::is_ascii_alphanumeric);
    if is_sign(&b[i..]) || mixed {
        None
    } else {
        Some(i)
    }
}

/// Whether a character that is not ASCII is a blank, a quote, a dash or the like.
fn is_sign(b: &[u8]) -> bool {
    matches!(b, [0xc2 | 0xe2, ..] | [0xe3, 0x80, ..] | [0xef, 0xbc | 0xbd, ..])
}

/// The end of the domain at a position.
fn domain(text: &Text<'_>, from: usize) -> Option<usize> {
    let (mut i, mut label, mut dots, mut end, mut last) = (from, from, 0, from, from);
    loop {
        let c = text.at(i);
        if c.is_ascii_alphanumeric() || c == b'-' || c >= 0x80 && !is_sign(&text.bytes[i..]) {
            i += 1;
            continue;
        }
        if i == label || text.at(label) == b'-' || i - label > 63 {
            break; // a dot that ends a sentence, for instance
        }
        end = i;
        last = label;
        if c != b'.' || text.at(i + 1) == b'.' {
            break;
        }
        dots += 1;
        i += 1;
        label = i;
    }
    // com of com\u{8b1d}: text that goes on without a blank.
    let top = text.bytes.get(last..end)?;
    let latin = top.iter().position(|c| *c >= 0x80).filter(|n| *n >= 2);
    let end = latin.map_or(end, |n| last + n);
    let top = text.bytes.get(last..end)?;
    let letters = top.iter().all(|c| c.is_ascii_alphabetic() || *c >= 0x80) || top.starts_with(b"xn--");
    let file = FILES.iter().any(|f| f.eq_ignore_ascii_case(top));
    if dots == 0 || last == from || top.len() < 2 || !letters || file {
        return None;
    }
    Some(end)
}

/// Whether it is the login of a URL or of a repository, which is nobody's address.
fn is_login(text: &Text<'_>, start: usize, at: usize, end: usize) -> bool {
    let b = text.bytes;
    if b[start..at] == *b"git" && matches!(text.at(end), b':' | b'/') {
        return true;
    }
    if b[..start].ends_with(b"://") {
        return true;
    }
    if text.before(start) != b':' {
        return false;
    }
    let mut i = start - 1;
    while i > 0 && start - i < 64 && !matches!(b[i - 1], b'/' | b' ' | b'\n' | b'"' | b'<' | b'(') {
        i -= 1;
    }
    b[..i].ends_with(b"://")
}

/// An IPv4 address of four numbers.
pub fn ipv4(octets: &[u32; 4]) -> bool {
    let inside = matches!(octets, [0 | 10 | 127, ..] | [192, 168, ..] | [169, 254, ..] | [172, 16..=31, ..] | [255, 255, 255, 255]);
    octets.iter().all(|o| *o <= 255) && !inside
}

/// An IPv6 address around a colon.
pub fn ipv6(text: &Text<'_>, at: usize, done: usize) -> Option<Found> {
    let b = text.bytes;
    let part = |c: u8| c.is_ascii_hexdigit() || c == b':';
    let (mut start, mut end) = (at, at);
    while start > done && part(b[start - 1]) && at - start < 40 {
        start -= 1;
    }
    while end < b.len() && part(b[end]) && end - start < 40 {
        end += 1;
    }
    let outside = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b':' | b'_');
    if outside(text.before(start)) || outside(text.at(end)) {
        return None;
    }
    let address = core::str::from_utf8(&b[start..end]).ok()?;
    let (mut groups, mut digits) = (0, false);
    for group in address.split(':') {
        groups += usize::from(!group.is_empty());
        digits |= group.bytes().any(|c| c.is_ascii_digit());
        if group.len() > 4 {
            return None;
        }
    }
    let gaps = address.matches("::").count();
    let shape = gaps == 1 && groups < 8 || gaps == 0 && groups == 8;
    let edges = (!address.starts_with(':') || address.starts_with("::")) && (!address.ends_with(':') || address.ends_with("::"));
    if !shape || !edges || groups < 2 || !digits || address.contains(":::") || address.starts_with("fe80") || address.starts_with("fd") {
        return None;
    }
    Some(Found { start, end, kind: Kind::Ip })
}

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
    while start > 0 && at - start < 64 && is_local(b[start - 1]) {
        start -= 1;
    }
    while start < at && (matches!(b[start], b'.' | b'\'' | b'*' | b'_' | b'-') || b[start] & 0xc0 == 0x80) {
        start += 1; // quotes and marks of Markdown; the rest of a character that was cut
    }
    let end = domain(text, at + len)?;
    let closed = text.before(at) == b'.' || b[start..at].windows(2).any(|w| w == b"..");
    if start == at || closed || is_login(text, start, at, end) {
        return None;
    }
    Some(Found { start, end, kind: Kind::Email })
}

fn is_local(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b".!$'*+-^_~".contains(&c) || c >= 0x80
}

/// The end of the domain at a position.
fn domain(text: &Text<'_>, from: usize) -> Option<usize> {
    let (mut i, mut label, mut dots, mut end, mut last) = (from, from, 0, from, from);
    loop {
        let c = text.at(i);
        if c.is_ascii_alphanumeric() || c == b'-' || c >= 0x80 {
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

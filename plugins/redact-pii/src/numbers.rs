//! What begins with a digit. A number is read as runs of digits with single signs in between; each kind has its shapes.

use crate::kinds::{Kind, Kinds};
use crate::scan::{Found, Text};
use crate::words::ends;
use crate::{addresses, checks};

/// Runs of digits from a position on.
struct Runs {
    start: [usize; 8],
    len: [usize; 8],
    /// What stands before a run; of the first, 0.
    sign: [u8; 8],
    n: usize,
}

/// Digits of a number, as values.
struct Digits {
    d: [u8; 24],
    n: usize,
}

impl Digits {
    fn of(text: &Text<'_>, from: usize, to: usize) -> Digits {
        let mut out = Digits { d: [0; 24], n: 0 };
        for c in &text.bytes[from..to] {
            if c.is_ascii_digit() && out.n < 24 {
                out.d[out.n] = c - b'0';
                out.n += 1;
            }
        }
        out
    }

    fn all(&self) -> &[u8] {
        &self.d[..self.n]
    }
}

impl Runs {
    fn of(text: &Text<'_>, from: usize) -> Runs {
        let mut r = Runs { start: [0; 8], len: [0; 8], sign: [0; 8], n: 0 };
        let mut i = from;
        let mut sign = 0;
        while r.n < 8 {
            let run = text.bytes[i..].iter().take_while(|c| c.is_ascii_digit()).count();
            r.start[r.n] = i;
            r.len[r.n] = run;
            r.sign[r.n] = sign;
            r.n += 1;
            i += run;
            let (mark, width) = text.sign(i);
            sign = mark;
            if !matches!(sign, b' ' | b'-' | b'.' | b'/') || !text.at(i + width).is_ascii_digit() {
                break;
            }
            i += width;
        }
        r
    }

    fn end(&self, k: usize) -> usize {
        self.start[k - 1] + self.len[k - 1]
    }

    /// Whether the first runs have these lengths, with one of these signs in between, and end there.
    fn fit(&self, text: &Text<'_>, lens: &[usize], signs: &[u8]) -> bool {
        let k = lens.len();
        if self.n < k || self.len[0] != lens[0] || self.len[..k] != *lens {
            return false;
        }
        let same = self.sign[1..k].iter().all(|s| *s == self.sign[1]);
        if k > 1 && !(same && signs.contains(&self.sign[1])) {
            return false;
        }
        self.closed(text, k)
    }

    /// Whether the number ends after k runs: what follows is another one only after a blank.
    fn closed(&self, text: &Text<'_>, k: usize) -> bool {
        if self.n > k {
            return self.sign[k] == b' ' && (k == 1 || self.sign[1] != b' ' || self.len[k] != self.len[k - 1]) || self.sign[k] == b'/';
        }
        ends(text, self.end(k))
    }
}

/// What begins at a digit that begins a word.
pub fn find(text: &Text<'_>, start: usize, kinds: Kinds) -> Option<Found> {
    let before = text.before(start);
    let prior = if start > 1 { text.before(start - 1) } else { 0 };
    if before == b'+' {
        return international(text, start, prior);
    }
    if before == b'(' {
        return in_parentheses(text, start);
    }
    let joined = match before {
        b'_' => true,
        b'.' | b',' => prior.is_ascii_digit(),
        b'-' => prior.is_ascii_alphanumeric(),
        _ => false,
    };
    if joined {
        return None;
    }
    let runs = Runs::of(text, start);
    let found = |(k, kind): (usize, Kind)| Found { start, end: runs.end(k), kind };
    if kinds.has(Kind::Ip) && runs.n >= 4 && runs.sign[1..4] == [b'.'; 3] {
        return ipv4(text, &runs).map(found);
    }
    // Less than seven digits are nothing, and most numbers are short.
    let total: usize = runs.len[..runs.n].iter().sum();
    if total < 7 {
        return None;
    }
    if let Some(end) = dni(text, &runs) {
        return Some(Found { start, end, kind: Kind::EsDni });
    }
    let path = before == b'/' && prior.is_ascii_alphanumeric() && runs.n == 1;
    if path {
        return None; // a part of a URL or of a path
    }
    let number = card(text, &runs).or_else(|| formatted(text, &runs)).or_else(|| named(text, &runs));
    if let Some(found) = number.map(found).filter(|f| kinds.has(f.kind)) {
        return Some(found);
    }
    phone(text, &runs).map(|end| Found { start, end, kind: Kind::Phone })
}

fn card(text: &Text<'_>, r: &Runs) -> Option<(usize, Kind)> {
    let k = match r.len[..r.n] {
        [12..=19, ..] => 1,
        [4, 4, 4, 4, 3, ..] => 5,
        [4, 4, 4, 4, ..] => 4,
        [4, 6, 5, ..] | [4, 6, 4, ..] => 3,
        _ => return None,
    };
    let lens = &r.len[..k];
    if r.fit(text, lens, b" -.") && checks::card(Digits::of(text, r.start[0], r.end(k)).all()) {
        Some((k, Kind::Card))
    } else {
        None
    }
}

/// Numbers whose form says enough.
fn formatted(text: &Text<'_>, r: &Runs) -> Option<(usize, Kind)> {
    let is = |lens: &[usize], signs: &[u8], check: fn(&[u8]) -> bool, kind| {
        let good = r.fit(text, lens, signs) && check(Digits::of(text, r.start[0], r.end(lens.len())).all());
        if good {
            Some((lens.len(), kind))
        } else {
            None
        }
    };
    match r.len[..r.n] {
        [3, 2, 4, ..] => is(&[3, 2, 4], b"-", checks::ssn, Kind::Ssn),
        [15, ..] => is(&[15], b"", checks::nir, Kind::FrNir),
        [1, 2, 2, 2, 3, 3, 2, ..] => is(&[1, 2, 2, 2, 3, 3, 2], b" ", checks::nir, Kind::FrNir),
        [13, 2, ..] => is(&[13, 2], b" ", checks::nir, Kind::FrNir),
        [13, ..] => is(&[13], b"", checks::ahv, Kind::ChAhv),
        [3, 4, 4, 2, ..] => is(&[3, 4, 4, 2], b". ", checks::ahv, Kind::ChAhv),
        [3, 3, 3, 2, ..] if r.sign[1..4] == *b"..-" && r.closed(text, 4) && checks::cpf(Digits::of(text, r.start[0], r.end(4)).all()) => Some((4, Kind::BrCpf)),
        [6, 4, ..] => is(&[6, 4], b"-", checks::personnummer, Kind::SePersonnummer),
        [8, 4, ..] => is(&[8, 4], b"-", |d| matches!(d, [1, 9, ..] | [2, 0, ..]) && checks::personnummer(&d[2..]), Kind::SePersonnummer),
        [4, 4, 4, ..] => is(&[4, 4, 4], b" -", checks::aadhaar, Kind::InAadhaar),
        _ => None,
    }
}

/// How a number is called that is written in several ways: its kind, its shapes, its check, and the words that stand before it.
type Name = (Kind, &'static [&'static [usize]], fn(&[u8]) -> bool, &'static [&'static str]);

const NAMES: [Name; 10] = [
    (Kind::Ssn, &[&[9], &[3, 2, 4]], checks::ssn, &["ssn", "social security", "soc sec"]),
    (Kind::CaSin, &[&[9], &[3, 3, 3]], checks::luhn, &["sin", "social insurance"]),
    (Kind::NlBsn, &[&[9], &[4, 2, 3], &[3, 3, 3]], checks::bsn, &["bsn", "burgerservice", "sofinummer"]),
    (Kind::UkNhs, &[&[10], &[3, 3, 4]], checks::nhs, &["nhs"]),
    (Kind::SePersonnummer, &[&[10]], checks::personnummer, &["personnummer", "pnr"]),
    (Kind::BrCpf, &[&[11], &[9, 2]], checks::cpf, &["cpf"]),
    (Kind::DeSteuerId, &[&[11], &[2, 3, 3, 3]], checks::steuer_id, &["steuer", "idnr", "tax id", "tin"]),
    (Kind::PlPesel, &[&[11]], checks::pesel, &["pesel"]),
    (Kind::InAadhaar, &[&[12]], checks::aadhaar, &["aadhaar", "aadhar", "uidai"]),
    (Kind::SePersonnummer, &[&[12]], |d| checks::personnummer(&d[2..]), &["personnummer", "pnr"]),
];

/// Numbers of which the text must say what they are.
fn named(text: &Text<'_>, r: &Runs) -> Option<(usize, Kind)> {
    for (kind, shapes, check, words) in &NAMES {
        for lens in shapes.iter() {
            if r.fit(text, lens, b" -.") && check(Digits::of(text, r.start[0], r.end(lens.len())).all()) && text.says(r.start[0], 40, words) {
                return Some((lens.len(), *kind));
            }
        }
    }
    None
}

/// Eight digits and a letter that checks them.
fn dni(text: &Text<'_>, r: &Runs) -> Option<usize> {
    let end = r.start[0] + 9;
    let letter = text.at(end - 1);
    if r.n != 1 || r.len[0] != 8 || !letter.is_ascii_uppercase() || !ends(text, end) {
        return None;
    }
    let digits = Digits::of(text, r.start[0], end - 1);
    if checks::dni(0, digits.all(), letter) {
        Some(end)
    } else {
        None
    }
}

fn ipv4(text: &Text<'_>, r: &Runs) -> Option<(usize, Kind)> {
    let mut octets = [0; 4];
    for (i, o) in octets.iter_mut().enumerate() {
        if r.len[i] > 3 || r.len[i] > 1 && text.at(r.start[i]) == b'0' {
            return None;
        }
        *o = text.bytes[r.start[i]..r.start[i] + r.len[i]].iter().fold(0, |n, c| n * 10 + u32::from(c - b'0'));
    }
    let end = r.end(4);
    let port = text.at(end) == b':';
    let more = r.n > 4 && r.sign[4] != b' ' && r.sign[4] != b'/' || r.n == 4 && !port && !ends(text, end);
    if more || !addresses::ipv4(&octets) || text.says(r.start[0], 16, &["version", "release", "build"]) {
        return None;
    }
    Some((4, Kind::Ip))
}

// ---- telephone numbers ----

const PHONE: [&str; 17] = [
    "phone", "telephone", "tel", "mobile", "mobil", "cell", "fax", "whatsapp", "telefon", "telefono", "handy", "celular", "portable", "gsm", "sms", "ph", "t\u{e9}l",
];
const CALL: [&str; 8] = ["call", "dial", "contact", "reach", "ring", "anruf", "llama", "appel"];

/// A number after a plus sign, of which the country code is one that there is.
fn international(text: &Text<'_>, start: usize, prior: u8) -> Option<Found> {
    if prior.is_ascii_alphanumeric() || prior == b'+' {
        return None;
    }
    let (mut i, mut end, mut n, mut signs) = (start, start, 0, 0);
    while n < 15 {
        let (sign, width) = text.sign(i);
        match sign {
            b'0'..=b'9' => {
                n += 1;
                end = i + 1;
            }
            b' ' | b'-' | b'.' | b'(' | b')' | b'/' if i - end < 4 => signs += 1,
            _ => break,
        }
        i += width;
    }
    let code = checks::country_code(Digits::of(text, start, end).all());
    if code == 0 || n < 8 || n < 10 && signs == 0 || !ends(text, end) {
        return None;
    }
    Some(Found { start: start - 1, end, kind: Kind::Phone })
}

/// (415) 555-2671
fn in_parentheses(text: &Text<'_>, start: usize) -> Option<Found> {
    if text.at(start + 3) != b')' || !text.bytes[start..start + 3].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut from = start + 4;
    from += usize::from(text.at(from) == b' ');
    if !text.at(from).is_ascii_digit() {
        return None;
    }
    let r = Runs::of(text, from);
    if !r.fit(text, &[3, 4], b"-. ") || !checks::nanp(Digits::of(text, start, r.end(2)).all()) {
        return None;
    }
    Some(Found { start: start - 1, end: r.end(2), kind: Kind::Phone })
}

fn phone(text: &Text<'_>, r: &Runs) -> Option<usize> {
    let start = r.start[0];
    // North America, with a sign that says enough.
    for lens in [&[3, 3, 4][..], &[1, 3, 3, 4]] {
        if r.fit(text, lens, b"-.") {
            let digits = Digits::of(text, r.start[lens.len() - 3], r.end(lens.len()));
            if checks::nanp(digits.all()) && (lens.len() == 3 || text.at(start) == b'1') {
                return Some(r.end(lens.len()));
            }
        }
    }
    // As many runs as one number may have: up to 15 digits.
    let (mut k, mut n) = (0, 0);
    while k < r.n && n + r.len[k] <= 15 {
        n += r.len[k];
        k += 1;
    }
    let closed = r.closed(text, k.max(1)) || k < r.n && r.sign[k] == b' ';
    if k == 0 || !closed || is_date(text, r, k) {
        return None;
    }
    let digits = Digits::of(text, start, r.end(k));
    if k > 1 && n >= 11 && digits.all().starts_with(&[0, 0]) && checks::country_code(&digits.all()[2..]) > 0 {
        return Some(r.end(k));
    }
    let strong = (k > 1 && n >= 7 || n >= 8) && text.says(start, 24, &PHONE);
    let weak = k > 1 && n >= 9 && text.says(start, 24, &CALL);
    if strong || weak {
        Some(r.end(k))
    } else {
        None
    }
}

/// 2026-11-22, 22.11.2026: also with an hour after it.
fn is_date(text: &Text<'_>, r: &Runs, k: usize) -> bool {
    if k < 3 || r.sign[1] != r.sign[2] || r.sign[1] == b' ' {
        return false;
    }
    let year = |i: usize| r.len[i] == 4 && matches!(text.at(r.start[i]), b'1' | b'2');
    year(0) && r.len[1] <= 2 && r.len[2] <= 2 || year(2) && r.len[0] <= 2 && r.len[1] <= 2
}

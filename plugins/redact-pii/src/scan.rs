//! Goes over a text once, and stops only at what a piece of personal data can't be without: a digit or an at sign.

use crate::kinds::{Kind, Kinds};
use crate::{addresses, numbers, words};

/// A piece of personal data, in bytes of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
}

/// Where to look.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    pub bytes: &'a [u8],
    /// The name of the member that the text is the value of, which may say what it is. Asked for only if that matters.
    pub key: &'a dyn Fn() -> &'a str,
}

/// The pieces of a text, in its order and apart from each other.
pub struct Scanner<'a> {
    text: Text<'a>,
    kinds: Kinds,
    at: usize,
    /// Where the last piece ended.
    done: usize,
}

const DIGIT: u8 = 1;
const AT: u8 = 2;
const COLON: u8 = 4;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut c = b'0';
    while c <= b'9' {
        classes[c as usize] = DIGIT;
        c += 1;
    }
    classes[b'@' as usize] = AT;
    classes[b':' as usize] = COLON;
    classes
};

/// How many bytes at the beginning of a text can be passed over, eight at a time: those with no digit, colon or at sign among them.
pub fn boring(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const LOW: u64 = ONES * 0x7f;
    let mut passed = 0;
    for eight in text.chunks_exact(8) {
        let x = u64::from_le_bytes([eight[0], eight[1], eight[2], eight[3], eight[4], eight[5], eight[6], eight[7]]);
        let low = x & LOW;
        // The highest bit of a byte says: it is greater than '/', it is greater than ':', it is not '@'.
        let numbers = (low + ONES * (0x7f - 0x2f)) & !(low + ONES * (0x7f - 0x3a));
        let at = !((x ^ (ONES * 0x40)) & LOW).wrapping_add(LOW);
        if (numbers | at) & !x & (ONES * 0x80) != 0 {
            break;
        }
        passed += 8;
    }
    passed
}

impl<'a> Scanner<'a> {
    pub fn new(text: Text<'a>, kinds: Kinds) -> Scanner<'a> {
        Scanner { text, kinds, at: 0, done: 0 }
    }

    fn take(&mut self, found: Option<Found>) -> Option<Found> {
        let found = found?;
        if found.end <= self.at.max(self.done) || !self.kinds.has(found.kind) {
            return None;
        }
        let start = found.start.max(self.done);
        self.at = found.end;
        self.done = found.end;
        Some(Found { start, ..found })
    }
}

impl Iterator for Scanner<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let wanted = if self.kinds.has(Kind::Ip) { DIGIT | AT | COLON } else { DIGIT | AT };
        loop {
            let rest = self.text.bytes.get(self.at..)?;
            self.at += boring(rest);
            self.at += self.text.bytes[self.at..].iter().position(|c| CLASSES[*c as usize] & wanted != 0)?;
            let found = match self.text.bytes[self.at] {
                b'@' => addresses::email(&self.text, self.at, 1),
                b':' => addresses::ipv6(&self.text, self.at, self.done),
                _ => self.digit(),
            };
            if let Some(found) = self.take(found) {
                return Some(found);
            }
            self.at = self.after_word();
        }
    }
}

impl Scanner<'_> {
    fn digit(&self) -> Option<Found> {
        let (b, at) = (self.text.bytes, self.at);
        if at > 0 && b[at - 1] == b'%' && b[at..].starts_with(b"40") {
            return addresses::email(&self.text, at - 1, 3);
        }
        let mut word = at;
        while word > self.done && b[word - 1].is_ascii_alphanumeric() && at - word <= 8 {
            word -= 1;
        }
        if word == at && at >= self.done + 3 && b[at - 1] == b' ' && b[at - 3..at - 1].iter().all(u8::is_ascii_uppercase) {
            // AB 12 34 56 C: letters of their own.
            let outside = !self.text.before(at - 3).is_ascii_alphanumeric();
            let found = if outside { words::find(&self.text, at - 3) } else { None };
            return found.or_else(|| numbers::find(&self.text, at, self.kinds));
        }
        if word == at {
            numbers::find(&self.text, at, self.kinds)
        } else {
            words::find(&self.text, word)
        }
    }

    /// Where to go on when nothing begins here: after the word.
    fn after_word(&self) -> usize {
        let b = self.text.bytes;
        let word = b[self.at..].iter().position(|c| !c.is_ascii_alphanumeric()).unwrap_or(b.len() - self.at);
        self.at + word.max(1)
    }
}

// ---- what is around a piece ----

impl<'a> Text<'a> {
    /// The byte at a position, 0 outside of the text.
    pub fn at(&self, i: usize) -> u8 {
        self.bytes.get(i).copied().unwrap_or(0)
    }

    /// The byte before a position, 0 at the beginning.
    pub fn before(&self, i: usize) -> u8 {
        self.at(i.wrapping_sub(1))
    }

    /// The sign at a position and how many bytes it has: blanks of any width are blanks.
    pub fn sign(&self, i: usize) -> (u8, usize) {
        match self.bytes.get(i..).unwrap_or(&[]) {
            [0xc2, 0xa0, ..] => (b' ', 2),
            [0xe2, 0x80, 0x80..=0x8a | 0xaf, ..] | [0xe2, 0x81, 0x9f, ..] | [0xe3, 0x80, 0x80, ..] => (b' ', 3),
            [0xe2, 0x80, 0x90 | 0x91, ..] => (b'-', 3),
            [c, ..] => (*c, 1),
            [] => (0, 0),
        }
    }

    /// Whether one of these words, in lower case, stands in the `far` bytes before a position and begins there, or is in the name of the
    /// member. Other digits in between speak of something else.
    pub fn says(&self, start: usize, far: usize, words: &[&str]) -> bool {
        let mut from = start.saturating_sub(far);
        if let Some(digit) = self.bytes[from..start].iter().rposition(|c| c.is_ascii_digit()) {
            from += digit + 1;
        }
        let window = &self.bytes[from..start];
        if says(window, self.before(from), words) {
            return true;
        }
        if from > 0 {
            return false;
        }
        let key = (self.key)();
        words.iter().any(|w| names(key, w))
    }
}

fn same(a: u8, lower: u8) -> bool {
    a.to_ascii_lowercase() == lower
}

/// Whether one of the words begins where a word of the window does. A word of up to three letters must end too: ph, not photo.
fn says(window: &[u8], mut prior: u8, words: &[&str]) -> bool {
    for (i, c) in window.iter().enumerate() {
        if c.is_ascii_alphabetic() && !prior.is_ascii_alphabetic() {
            let rest = &window[i..];
            let whole = |w: &[u8]| w.len() > 3 || !rest.get(w.len()).map_or(false, u8::is_ascii_alphabetic);
            if words.iter().any(|w| begins(rest, w.as_bytes()) && whole(w.as_bytes())) {
                return true;
            }
        }
        prior = *c;
    }
    false
}

fn begins(text: &[u8], word: &[u8]) -> bool {
    text.len() >= word.len() && text.iter().zip(word).all(|(a, w)| same(*a, *w))
}

/// Whether a key names something: has a word as a part, as `home_phone` and `homePhone` do. A short one must be the whole part.
fn names(key: &str, word: &str) -> bool {
    let (key, word) = (key.as_bytes(), word.as_bytes());
    key.windows(word.len()).enumerate().any(|(i, part)| {
        let begins = i == 0 || !key[i - 1].is_ascii_alphabetic() || part[0].is_ascii_uppercase() || word.len() > 4;
        let ends = word.len() > 3 || !key.get(i + word.len()).map_or(false, u8::is_ascii_lowercase);
        begins && ends && part.iter().zip(word).all(|(a, w)| same(*a, *w))
    })
}

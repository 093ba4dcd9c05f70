//! Values that a host gives as JSON.

use crate::Kind;
use core::fmt;

/// A value, in the form in which hosts give it: JSON without white space, strings with the
/// fewest escapes. Reading it needs no memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    json: &'a str,
}

/// A string of a [`Value`]. It may have escapes, so it is compared and read by characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    escaped: &'a str,
}

impl<'a> Value<'a> {
    /// Takes JSON as a host gives it. Something else gives values that mean nothing, but no
    /// panic.
    pub const fn new(json: &'a str) -> Value<'a> {
        Value { json }
    }

    /// The value as JSON.
    pub const fn json(self) -> &'a str {
        self.json
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        match self.json.as_bytes().first() {
            None => Kind::Absent,
            Some(b'n') => Kind::Null,
            Some(b'f') => Kind::False,
            Some(b't') => Kind::True,
            Some(b'"') => Kind::String,
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            Some(_) => Kind::Number,
        }
    }

    /// The string that it is.
    pub fn text(self) -> Option<Text<'a>> {
        let inside = self.json.strip_prefix('"')?.strip_suffix('"')?;
        Some(Text { escaped: inside })
    }

    /// Whether it is a string that has this text.
    pub fn is(self, text: &str) -> bool {
        self.text().map_or(false, |t| t == *text)
    }

    /// The truth value that it is.
    pub fn flag(self) -> Option<bool> {
        match self.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// The whole number that it is: digits, without a fraction or an exponent.
    pub fn int(self) -> Option<i64> {
        let digits = self.json.strip_prefix('-').unwrap_or(self.json);
        if digits.is_empty() {
            return None;
        }
        let mut n = 0i64;
        for c in digits.bytes() {
            if !c.is_ascii_digit() {
                return None;
            }
            n = n.checked_mul(10)?.checked_sub(i64::from(c - b'0'))?;
        }
        if digits.len() < self.json.len() {
            Some(n)
        } else {
            n.checked_neg()
        }
    }

    /// A member of the object that it is.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.members().find(|(name, _)| *name == *key).map(|(_, value)| value)
    }

    /// The elements of the array that it is; none if it is something else.
    pub fn elements(self) -> Elements<'a> {
        Elements { rest: self.inside(b'[') }
    }

    /// The members of the object that it is; none if it is something else.
    pub fn members(self) -> Members<'a> {
        Members { rest: self.inside(b'{') }
    }

    /// Whether it is an array with a string that has this text.
    pub fn contains(self, text: &str) -> bool {
        self.elements().any(|e| e.is(text))
    }

    fn inside(self, open: u8) -> &'a str {
        match self.json.as_bytes() {
            [first, .., _] if *first == open => self.json.get(1..self.json.len() - 1).unwrap_or(""),
            _ => "",
        }
    }
}

/// See [`Value::elements`].
#[derive(Clone)]
pub struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        take(&mut self.rest, b',').map(Value::new)
    }
}

/// See [`Value::members`].
#[derive(Clone)]
pub struct Members<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Text<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = take(&mut self.rest, b':')?;
        let value = take(&mut self.rest, b',').unwrap_or("");
        Some((Value::new(key).text().unwrap_or(Text { escaped: "" }), Value::new(value)))
    }
}

/// Takes the first value of rest, and what separates it from the next one.
fn take<'a>(rest: &mut &'a str, separator: u8) -> Option<&'a str> {
    if rest.is_empty() {
        return None;
    }
    let b = rest.as_bytes();
    let (mut i, mut depth) = (0, 0usize);
    while i < b.len() {
        match b[i] {
            b'"' => i = string_end(b, i),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            c if c == separator && depth == 0 => break,
            _ => {}
        }
        i += 1;
    }
    let value = rest.get(..i).unwrap_or(rest);
    *rest = rest.get(i + 1..).unwrap_or("");
    Some(value)
}

/// The position of the quote that ends the string at i.
fn string_end(b: &[u8], mut i: usize) -> usize {
    i += 1;
    while i < b.len() && b[i] != b'"' {
        i += if b[i] == b'\\' { 2 } else { 1 };
    }
    i
}

impl<'a> Text<'a> {
    /// The text itself, if it has no escapes: if it has no quotes, backslashes and control
    /// characters.
    pub fn plain(self) -> Option<&'a str> {
        if self.escaped.as_bytes().contains(&b'\\') {
            None
        } else {
            Some(self.escaped)
        }
    }

    /// The text, character by character.
    pub fn chars(self) -> Chars<'a> {
        Chars { rest: self.escaped.chars() }
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        match self.plain() {
            Some(plain) => plain == other,
            None => self.chars().eq(other.chars()),
        }
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escaped)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json)
    }
}

/// See [`Text::chars`].
#[derive(Clone)]
pub struct Chars<'a> {
    rest: core::str::Chars<'a>,
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.rest.next()? {
            '\\' => Some(match self.rest.next()? {
                'b' => '\u{8}',
                't' => '\t',
                'n' => '\n',
                'f' => '\u{c}',
                'r' => '\r',
                'u' => {
                    let mut code = 0;
                    for _ in 0..4 {
                        code = code * 16 + self.rest.next()?.to_digit(16)?;
                    }
                    char::from_u32(code)?
                }
                c => c,
            }),
            c => Some(c),
        }
    }
}

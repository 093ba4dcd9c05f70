//! JSON, in constants: positions in a text, and [`NONE`] where there is nothing.

pub(super) const NONE: usize = usize::MAX;
const END: u32 = u32::MAX;

pub(super) const fn begins(text: &[u8], with: &[u8]) -> bool {
    let mut i = 0;
    while i < with.len() {
        if i >= text.len() || text[i] != with[i] {
            return false;
        }
        i += 1;
    }
    true
}

pub(super) const fn at(b: &[u8], i: usize) -> u8 {
    if i < b.len() {
        b[i]
    } else {
        0
    }
}

pub(super) const fn space(b: &[u8], mut i: usize) -> usize {
    while matches!(at(b, i), b' ' | b'\t' | b'\r' | b'\n') {
        i += 1;
    }
    i
}

/// The position after the value at i.
pub(super) const fn skip(b: &[u8], i: usize) -> usize {
    match at(b, i) {
        b'"' => skip_string(b, i),
        b'{' | b'[' => skip_container(b, i),
        b't' => skip_word(b, i, b"true"),
        b'f' => skip_word(b, i, b"false"),
        b'n' => skip_word(b, i, b"null"),
        b'-' | b'0'..=b'9' => skip_number(b, i),
        _ => panic!("the manifest is no JSON: a value is missing"),
    }
}

const fn skip_word(b: &[u8], i: usize, word: &[u8]) -> usize {
    let mut n = 0;
    while n < word.len() {
        if at(b, i + n) != word[n] {
            panic!("the manifest is no JSON: there is no such word");
        }
        n += 1;
    }
    i + n
}

const fn skip_number(b: &[u8], mut i: usize) -> usize {
    while matches!(at(b, i), b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') {
        i += 1;
    }
    i
}

const fn skip_string(b: &[u8], mut i: usize) -> usize {
    i += 1;
    while at(b, i) != b'"' {
        if at(b, i) < b' ' {
            panic!("the manifest is no JSON: a string doesn't end");
        }
        i += if b[i] == b'\\' { 2 } else { 1 };
    }
    i + 1
}

const fn skip_container(b: &[u8], mut i: usize) -> usize {
    let object = b[i] == b'{';
    let close = if object { b'}' } else { b']' };
    i = space(b, i + 1);
    if at(b, i) == close {
        return i + 1;
    }
    loop {
        if object {
            i = value_of(b, i);
        }
        i = space(b, skip(b, i));
        if at(b, i) == close {
            return i + 1;
        }
        if at(b, i) != b',' {
            panic!("the manifest is no JSON: a comma is missing");
        }
        i = space(b, i + 1);
    }
}

/// The position of the value whose key is at i.
pub(super) const fn value_of(b: &[u8], i: usize) -> usize {
    if at(b, i) != b'"' {
        panic!("the manifest is no JSON: a key is missing");
    }
    let colon = space(b, skip_string(b, i));
    if at(b, colon) != b':' {
        panic!("the manifest is no JSON: a colon is missing");
    }
    space(b, colon + 1)
}

/// The first key or element in the container at i, NONE if it is empty.
pub(super) const fn first(b: &[u8], i: usize, open: u8) -> usize {
    if i == NONE {
        return NONE;
    }
    if at(b, i) != open {
        panic!("the manifest has a value of the wrong type");
    }
    let inside = space(b, i + 1);
    if matches!(at(b, inside), b'}' | b']') {
        NONE
    } else {
        inside
    }
}

/// The key or element after the value at i, NONE if it is the last.
pub(super) const fn next(b: &[u8], i: usize) -> usize {
    let after = space(b, skip(b, i));
    if at(b, after) == b',' {
        space(b, after + 1)
    } else {
        NONE
    }
}

pub(super) const fn member(b: &[u8], object: usize, name: &[u8]) -> usize {
    let mut key = first(b, object, b'{');
    while key != NONE {
        let value = value_of(b, key);
        if is(b, key, name) {
            return value;
        }
        key = next(b, value);
    }
    NONE
}

pub(super) const fn index_of(b: &[u8], array: usize, text: &[u8]) -> i32 {
    let mut element = first(b, array, b'[');
    let mut n = 0;
    while element != NONE {
        if is(b, element, text) {
            return n;
        }
        n += 1;
        element = next(b, element);
    }
    -1
}

/// A byte of a string, of which i is a position inside, and how long it is there; END at its end.
const fn unit(b: &[u8], i: usize) -> (u32, usize) {
    if at(b, i) == b'"' {
        return (END, 0);
    }
    if at(b, i) != b'\\' {
        return (at(b, i) as u32, 1);
    }
    match at(b, i + 1) {
        b'b' => (8, 2),
        b't' => (9, 2),
        b'n' => (10, 2),
        b'f' => (12, 2),
        b'r' => (13, 2),
        b'u' => panic!("write the character itself in the manifest, in the place of \\u"),
        c => (c as u32, 2),
    }
}

/// Whether the string at i has a text.
pub(super) const fn is(b: &[u8], i: usize, text: &[u8]) -> bool {
    if at(b, i) != b'"' {
        panic!("the manifest has a value of the wrong type: a string is needed");
    }
    let mut j = i + 1;
    let mut n = 0;
    loop {
        let (c, len) = unit(b, j);
        if c == END {
            return n == text.len();
        }
        if n == text.len() || c != text[n] as u32 {
            return false;
        }
        j += len;
        n += 1;
    }
}

/// Whether the string at i is less than the one at j, by bytes.
pub(super) const fn less(b: &[u8], mut i: usize, mut j: usize) -> bool {
    i += 1;
    j += 1;
    loop {
        let (x, x_len) = unit(b, i);
        let (y, y_len) = unit(b, j);
        if x != y || x == END {
            return y != END && (x == END || x < y);
        }
        i += x_len;
        j += y_len;
    }
}

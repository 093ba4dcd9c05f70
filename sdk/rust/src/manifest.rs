//! The manifest, read while the plugin is compiled: a name in the code is looked up in it, and
//! one that isn't there doesn't compile.

use crate::abi;
use crate::{Detectors, Field, Hook, ItemField, List, Table};
use core::marker::PhantomData;

/// A plugin's manifest. See ABI.md for what stands in it.
#[derive(Clone, Copy)]
pub struct Manifest {
    json: &'static str,
}

/// Which hooks there are, by their numbers.
pub type Hooks = [bool; 3];

const HOOKS: [&str; 3] = ["request", "response", "list"];
const NONE: usize = usize::MAX;
const END: u32 = u32::MAX;

impl Manifest {
    /// Takes a manifest, most often `include_str!("manifest.json")`.
    ///
    /// # Panics
    ///
    /// In a constant, which makes it an error of the compiler: if the manifest is no JSON, has
    /// keys that there are not, lacks one that is needed, has a list out of order or a word
    /// that no host knows. A gateway looks at more when it loads the plugin: at the names of
    /// field paths, and at the limits.
    pub const fn new(json: &'static str) -> Manifest {
        check(json.as_bytes());
        Manifest { json }
    }

    /// The manifest as it was written.
    pub const fn json(&self) -> &'static str {
        self.json
    }

    /// The length of the manifest in bytes.
    #[allow(clippy::len_without_is_empty)] // it is an object at least
    pub const fn len(&self) -> usize {
        self.json.len()
    }

    /// A field of the hook's `reads`. One that is not there doesn't compile, if the result is
    /// a constant.
    pub const fn field<H: Hook>(&self, path: &str) -> Field<H> {
        if H::NUMBER == abi::HOOK_LIST && of_items(path.as_bytes()) {
            panic!("this is a field of each item: use item_field");
        }
        Field { id: self.read(H::NAME, path), hook: PhantomData }
    }

    /// A field of each item of a list: a path in the reads of the hook `list` that begins with
    /// `items[*]`.
    pub const fn item_field(&self, path: &str) -> ItemField {
        if !of_items(path.as_bytes()) {
            panic!("a field of items begins with items[*]: use field");
        }
        ItemField { id: self.read(List::NAME, path) }
    }

    /// A set of the host's detectors, such as `match:pii`, of the manifest's `capabilities`.
    pub const fn detectors(&self, capability: &str) -> Detectors {
        if !begins(capability.as_bytes(), b"match:") {
            panic!("the capability of detectors is written match:NAME");
        }
        Detectors { id: self.capability(capability) }
    }

    /// A table of the host, such as `lookup:tenants`, of the manifest's `capabilities`.
    pub const fn table(&self, capability: &str) -> Table {
        if !begins(capability.as_bytes(), b"lookup:") {
            panic!("the capability of a table is written lookup:NAME");
        }
        Table { id: self.capability(capability) }
    }

    const fn read(&self, hook: &str, path: &str) -> i32 {
        let b = self.json.as_bytes();
        let id = index_of(b, member(b, member(b, space(b, 0), b"reads"), hook.as_bytes()), path.as_bytes());
        if id < 0 {
            panic!("the manifest doesn't declare this field in the reads of this hook");
        }
        id
    }

    const fn capability(&self, name: &str) -> i32 {
        let b = self.json.as_bytes();
        let id = index_of(b, member(b, space(b, 0), b"capabilities"), name.as_bytes());
        if id < 0 {
            panic!("the manifest doesn't declare this capability");
        }
        id
    }

    /// Whether the manifest declares a hook.
    pub const fn has(&self, hook: i32) -> bool {
        let b = self.json.as_bytes();
        index_of(b, member(b, space(b, 0), b"hooks"), HOOKS[hook as usize].as_bytes()) >= 0
    }

    /// The manifest as the bytes of a custom section.
    ///
    /// # Panics
    ///
    /// If N is not [`Manifest::len`].
    #[doc(hidden)]
    pub const fn section<const N: usize>(&self) -> [u8; N] {
        assert!(N == self.json.len());
        // SAFETY: there are N bytes, as was just seen, and bytes need no alignment.
        unsafe { *self.json.as_ptr().cast::<[u8; N]>() }
    }

    /// Compares the hooks that the plugin implements with those that it declares.
    #[doc(hidden)]
    pub const fn implements(&self, hooks: Hooks) {
        let mut i = 0;
        while i < 3 {
            if hooks[i] && !self.has(i as i32) {
                panic!("plugin! names a hook that the manifest doesn't declare");
            }
            if !hooks[i] && self.has(i as i32) {
                panic!("the manifest declares a hook that plugin! doesn't name");
            }
            i += 1;
        }
    }
}

const fn of_items(path: &[u8]) -> bool {
    begins(path, b"items[*]")
}

const fn begins(text: &[u8], with: &[u8]) -> bool {
    let mut i = 0;
    while i < with.len() {
        if i >= text.len() || text[i] != with[i] {
            return false;
        }
        i += 1;
    }
    true
}

// ---- JSON, in constants: positions in a text, and NONE where there is nothing ----

const fn at(b: &[u8], i: usize) -> u8 {
    if i < b.len() {
        b[i]
    } else {
        0
    }
}

const fn space(b: &[u8], mut i: usize) -> usize {
    while matches!(at(b, i), b' ' | b'\t' | b'\r' | b'\n') {
        i += 1;
    }
    i
}

/// The position after the value at i.
const fn skip(b: &[u8], i: usize) -> usize {
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
const fn value_of(b: &[u8], i: usize) -> usize {
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
const fn first(b: &[u8], i: usize, open: u8) -> usize {
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
const fn next(b: &[u8], i: usize) -> usize {
    let after = space(b, skip(b, i));
    if at(b, after) == b',' {
        space(b, after + 1)
    } else {
        NONE
    }
}

const fn member(b: &[u8], object: usize, name: &[u8]) -> usize {
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

const fn index_of(b: &[u8], array: usize, text: &[u8]) -> i32 {
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
const fn is(b: &[u8], i: usize, text: &[u8]) -> bool {
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
const fn less(b: &[u8], mut i: usize, mut j: usize) -> bool {
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

// ---- what a manifest may say ----

const KEYS: [&str; 15] = [
    "abi", "name", "version", "hooks", "reads", "strings", "writes", "verdicts", "capabilities", "features", "settings_schema", "state", "deterministic",
    "limits", "meta",
];

const fn check(b: &[u8]) {
    if b.len() > abi::LIMIT_MANIFEST_BYTES {
        panic!("the manifest is too long");
    }
    let top = space(b, 0);
    if at(b, top) != b'{' || space(b, skip(b, top)) != b.len() {
        panic!("the manifest is no JSON object");
    }
    check_keys(b, top);
    if !is(b, needed(b, top, "abi"), abi::ABI.as_bytes()) {
        panic!("the manifest's abi is not sallyport/1");
    }
    needed(b, top, "name");
    needed(b, top, "version");
    check_words(b, needed(b, top, "hooks"), &HOOKS);
    check_words(b, member(b, top, b"verdicts"), &["pass", "deny", "mutate", "approve", "abstain"]);
    check_hooks(b, member(b, top, b"reads"));
    check_hooks(b, member(b, top, b"strings"));
    check_sorted(b, member(b, top, b"writes"));
    check_sorted(b, member(b, top, b"capabilities"));
    let mutates = index_of(b, member(b, top, b"verdicts"), b"mutate") >= 0;
    let writes = first(b, member(b, top, b"writes"), b'[') != NONE;
    if writes && !mutates {
        panic!("writes need the verdict mutate");
    }
    if mutates && !writes && index_of(b, member(b, top, b"hooks"), b"list") < 0 {
        panic!("the verdict mutate needs writes, or the hook list");
    }
}

const fn needed(b: &[u8], top: usize, key: &str) -> usize {
    let value = member(b, top, key.as_bytes());
    if value == NONE {
        panic!("the manifest lacks abi, name, version or hooks");
    }
    value
}

const fn check_keys(b: &[u8], top: usize) {
    let mut seen = [false; KEYS.len()];
    let mut key = first(b, top, b'{');
    while key != NONE {
        let which = word(b, key, &KEYS);
        if which == NONE {
            panic!("the manifest has a key that there is not");
        }
        if seen[which] {
            panic!("the manifest has a key twice");
        }
        seen[which] = true;
        key = next(b, value_of(b, key));
    }
}

const fn word(b: &[u8], i: usize, words: &[&str]) -> usize {
    let mut n = 0;
    while n < words.len() {
        if is(b, i, words[n].as_bytes()) {
            return n;
        }
        n += 1;
    }
    NONE
}

const fn check_words(b: &[u8], array: usize, words: &[&str]) {
    let mut element = first(b, array, b'[');
    let mut seen = [false; 8];
    while element != NONE {
        let which = word(b, element, words);
        if which == NONE {
            panic!("the manifest has a hook or a verdict that there is not");
        }
        if seen[which] {
            panic!("the manifest has a hook or a verdict twice");
        }
        seen[which] = true;
        element = next(b, element);
    }
}

const fn check_hooks(b: &[u8], object: usize) {
    let mut key = first(b, object, b'{');
    while key != NONE {
        if word(b, key, &HOOKS) == NONE {
            panic!("the manifest has a hook that there is not");
        }
        let value = value_of(b, key);
        check_sorted(b, value);
        key = next(b, value);
    }
}

const fn check_sorted(b: &[u8], array: usize) {
    let mut element = first(b, array, b'[');
    while element != NONE {
        let after = next(b, element);
        if after != NONE && !less(b, element, after) {
            panic!("reads, strings, writes and capabilities of a manifest must be sorted, and hold nothing twice");
        }
        element = after;
    }
}

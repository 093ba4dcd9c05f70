//! What a manifest may say.

use super::json::{at, first, index_of, is, less, member, next, skip, space, value_of, NONE};
use super::HOOKS;
use crate::abi;

const KEYS: [&str; 15] = [
    "abi", "name", "version", "hooks", "reads", "strings", "writes", "verdicts", "capabilities", "features", "settings_schema", "state", "deterministic",
    "limits", "meta",
];

pub(super) const fn check(b: &[u8]) {
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

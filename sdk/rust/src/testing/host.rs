//! The functions of the host, as wasm32 has them, for tests.

use super::state::{stop, State};
use super::tree::spell;
use crate::abi;
use std::borrow::ToOwned;
use std::cell::RefCell;
use std::string::String;
use std::{slice, thread_local};

thread_local! {
    /// The call that runs in this thread.
    pub(crate) static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

fn with<T>(f: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|s| f(s.borrow_mut().as_mut().expect("functions of the host are called by a plugin that a testing::Host calls")))
}

unsafe fn bytes<'a>(at: *const u8, len: usize) -> &'a [u8] {
    slice::from_raw_parts(at, len)
}

unsafe fn text(at: *const u8, len: usize) -> String {
    match std::str::from_utf8(bytes(at, len)) {
        Ok(text) => text.to_owned(),
        Err(_) => stop(abi::FAILURE_ABI, "a text is no UTF-8".to_owned()),
    }
}

/// A text for people: each byte that is no UTF-8 becomes U+FFFD, and what is too long is cut.
unsafe fn said(at: *const u8, len: usize) -> String {
    let (mut text, mut rest) = (String::new(), bytes(at, len));
    while !rest.is_empty() {
        let whole = match std::str::from_utf8(rest) {
            Ok(whole) => whole,
            Err(e) => std::str::from_utf8_unchecked(&rest[..e.valid_up_to()]),
        };
        text.push_str(whole);
        rest = &rest[whole.len()..];
        if let Some((_, after)) = rest.split_first() {
            text.push(char::REPLACEMENT_CHARACTER);
            rest = after;
        }
    }
    while text.len() > abi::LIMIT_TEXT_BYTES {
        text.pop();
    }
    text
}

unsafe fn give(value: &[u8], buf: *mut u8, cap: usize) -> i32 {
    if value.len() <= cap {
        slice::from_raw_parts_mut(buf, value.len()).copy_from_slice(value);
    }
    value.len() as i32
}

unsafe fn give_or(value: Result<impl AsRef<[u8]>, i32>, buf: *mut u8, cap: usize) -> i32 {
    match value {
        Ok(value) => give(value.as_ref(), buf, cap),
        Err(code) => code,
    }
}

pub(crate) unsafe fn field(id: i32, buf: *mut u8, cap: usize) -> i32 {
    give_or(with(|s| s.field(id)).map(|t| t.bytes()), buf, cap)
}
pub(crate) unsafe fn field_num(id: i32) -> f64 {
    match with(|s| s.field(id)) {
        Ok(t) if t.kind() == abi::KIND_NUMBER => t.bytes().parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}
pub(crate) unsafe fn field_kind(id: i32) -> i32 {
    with(|s| s.field(id)).map_or(abi::KIND_ABSENT, |t| t.kind())
}
pub(crate) unsafe fn str(index: i32, buf: *mut u8, cap: usize) -> i32 {
    give_or(with(|s| s.string(index).map(|x| x.1.clone())).ok_or(abi::CODE_ABSENT), buf, cap)
}
pub(crate) unsafe fn str_path(index: i32, buf: *mut u8, cap: usize) -> i32 {
    give_or(with(|s| s.string(index).map(|x| spell(&x.0))).ok_or(abi::CODE_ABSENT), buf, cap)
}
pub(crate) unsafe fn str_count() -> i32 {
    with(|s| {
        let _ = s.string(0);
        s.strings.len() as i32
    })
}
pub(crate) unsafe fn str_replace(index: i32, at: *const u8, len: usize) -> i32 {
    let text = text(at, len);
    with(|s| s.replace(index, text))
}
pub(crate) unsafe fn view(what: i32, buf: *mut u8, cap: usize) -> i32 {
    give(&with(|s| s.view(what)), buf, cap)
}
pub(crate) unsafe fn patch(op: i32, path: *const u8, path_len: usize, json: *const u8, json_len: usize) -> i32 {
    let (path, json) = (text(path, path_len), text(json, json_len));
    with(|s| s.patch(op, &path, &json))
}
pub(crate) unsafe fn item_count() -> i32 {
    with(|s| s.item_count()) as i32
}
pub(crate) unsafe fn item(index: i32, id: i32, buf: *mut u8, cap: usize) -> i32 {
    give_or(with(|s| s.item(index, id)).map(|t| t.bytes()), buf, cap)
}
pub(crate) unsafe fn item_drop(index: i32) -> i32 {
    with(|s| s.drop_item(index))
}
pub(crate) unsafe fn match_(capability: i32, what: i32, buf: *mut u8, cap: usize) -> i32 {
    give_or(with(|s| s.matches(capability, what)), buf, cap)
}
pub(crate) unsafe fn match_rule(capability: i32, rule: i32, buf: *mut u8, cap: usize) -> i32 {
    give_or(with(|s| s.rule_name(capability, rule)).ok_or(abi::CODE_ABSENT), buf, cap)
}
pub(crate) unsafe fn lookup(capability: i32, key: *const u8, key_len: usize, buf: *mut u8, cap: usize) -> i32 {
    let key = text(key, key_len);
    give_or(with(|s| s.lookup(capability, &key)).ok_or(abi::CODE_ABSENT), buf, cap)
}
pub(crate) unsafe fn reason(code: *const u8, code_len: usize, at: *const u8, len: usize) {
    let (code, text) = (text(code, code_len), said(at, len));
    with(|s| s.reason(code, text));
}
pub(crate) unsafe fn approve(at: *const u8, len: usize) {
    let text = said(at, len);
    with(|s| s.approve(text));
}
pub(crate) unsafe fn note(key: *const u8, key_len: usize, at: *const u8, len: usize) {
    let (key, text) = (text(key, key_len), said(at, len));
    with(|s| s.note(key, text));
}
pub(crate) unsafe fn label(at: *const u8, len: usize) {
    let name = text(at, len);
    with(|s| s.label(name));
}
pub(crate) unsafe fn now_ms() -> i64 {
    with(|s| s.now())
}
pub(crate) unsafe fn feature(id: i32) -> i32 {
    with(|s| s.feature(id))
}
pub(crate) unsafe fn granted(capability: i32) -> i32 {
    with(|s| s.granted(capability))
}
pub(crate) unsafe fn log(level: i32, at: *const u8, len: usize) {
    let text = said(at, len);
    with(|s| s.log(level, text));
}
pub(crate) unsafe fn fail(at: *const u8, len: usize) -> ! {
    stop(abi::FAILURE_TRAP, said(at, len))
}

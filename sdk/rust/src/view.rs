//! What hosts lay out as bytes: values, and what detectors have found.

use crate::manifest::Field;
use crate::{abi, Hook, Value};
use core::marker::PhantomData;
use core::str;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
#[allow(missing_docs)]
pub enum Kind {
    Absent = abi::KIND_ABSENT,
    Null = abi::KIND_NULL,
    False = abi::KIND_FALSE,
    True = abi::KIND_TRUE,
    Number = abi::KIND_NUMBER,
    String = abi::KIND_STRING,
    Array = abi::KIND_ARRAY,
    Object = abi::KIND_OBJECT,
}

impl Kind {
    pub(crate) fn of(number: i32) -> Kind {
        match number {
            abi::KIND_NULL => Kind::Null,
            abi::KIND_FALSE => Kind::False,
            abi::KIND_TRUE => Kind::True,
            abi::KIND_NUMBER => Kind::Number,
            abi::KIND_STRING => Kind::String,
            abi::KIND_ARRAY => Kind::Array,
            abi::KIND_OBJECT => Kind::Object,
            _ => Kind::Absent,
        }
    }
}

/// Values as a host has laid them out.
#[derive(Clone, Copy)]
pub(crate) struct View<'c> {
    bytes: &'c [u8],
}

#[derive(Clone, Copy)]
pub(crate) struct Entry<'c> {
    kind: Kind,
    pub(crate) text: &'c str,
}

impl<'c> View<'c> {
    pub(crate) fn new(bytes: &'c [u8]) -> View<'c> {
        View { bytes }
    }

    pub(crate) fn count(&self) -> usize {
        word(self.bytes, 0)
    }

    pub(crate) fn entry(&self, i: usize) -> Entry<'c> {
        let at = abi::VIEW_HEADER_BYTES + abi::VIEW_ENTRY_BYTES * i;
        let (start, len) = (word(self.bytes, at + 4), word(self.bytes, at + 8));
        let bytes = self.bytes.get(start..).and_then(|b| b.get(..len)).unwrap_or(&[]);
        Entry { kind: Kind::of(word(self.bytes, at) as i32), text: text_of(bytes) }
    }
}

fn word(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at..at + 4) {
        Some(b) => u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize,
        None => 0,
    }
}

#[cfg(target_arch = "wasm32")]
pub(crate) fn text_of(bytes: &[u8]) -> &str {
    // SAFETY: hosts give UTF-8 (ABI.md, Values), and a plugin has to believe its host.
    unsafe { str::from_utf8_unchecked(bytes) }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn text_of(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("the host gives UTF-8")
}

/// All fields of a hook: see [`Call::fields`](crate::Call::fields).
#[derive(Clone, Copy)]
pub struct Fields<'c, H> {
    view: View<'c>,
    hook: PhantomData<H>,
}

impl<'c, H: Hook> Fields<'c, H> {
    pub(crate) fn new(view: View<'c>) -> Fields<'c, H> {
        Fields { view, hook: PhantomData }
    }

    /// As [`Call::kind`](crate::Call::kind).
    pub fn kind(&self, field: Field<H>) -> Kind {
        self.view.entry(field.id as usize).kind
    }

    /// As [`Call::text`](crate::Call::text).
    pub fn text(&self, field: Field<H>) -> Option<&'c str> {
        let e = self.view.entry(field.id as usize);
        if e.kind == Kind::String {
            Some(e.text)
        } else {
            None
        }
    }

    /// As [`Call::value`](crate::Call::value).
    pub fn value(&self, field: Field<H>) -> Option<Value<'c>> {
        let e = self.view.entry(field.id as usize);
        match e.kind {
            Kind::Absent | Kind::String => None,
            _ => Some(Value::new(e.text)),
        }
    }
}

/// What detectors have found, in the order of the text.
#[derive(Clone)]
pub struct Matches<'c> {
    rest: &'c [u8],
}

/// One thing that detectors have found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it begins, in bytes of the text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The detector: [`Call::rule_name`](crate::Call::rule_name) has its name.
    pub rule: u32,
}

impl<'c> Matches<'c> {
    pub(crate) fn new(bytes: &'c [u8]) -> Matches<'c> {
        Matches { rest: bytes }
    }
}

impl Iterator for Matches<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let rest = self.rest.get(abi::MATCH_BYTES..)?;
        let found = Found { start: word(self.rest, 0), end: word(self.rest, 4), rule: word(self.rest, 8) as u32 };
        self.rest = rest;
        Some(found)
    }
}

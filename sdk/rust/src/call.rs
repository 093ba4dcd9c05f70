//! A call of a plugin: a message that is judged.

use crate::memory::Memory;
use crate::{abi, raw, Buffer, Value};
use core::marker::PhantomData;
use core::str;

/// A hook: what a [`Call`] is about. [`Request`], [`Response`] and [`List`] are all there are.
pub trait Hook: Copy + sealed::Sealed {
    /// Its number in the ABI.
    const NUMBER: i32;
    /// Its name in a manifest.
    const NAME: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! hooks {
    ($($(#[doc = $doc:literal])* $hook:ident = $number:ident $name:literal;)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Copy, Debug)]
            pub enum $hook {}
            impl sealed::Sealed for $hook {}
            impl Hook for $hook {
                const NUMBER: i32 = abi::$number;
                const NAME: &'static str = $name;
            }
        )*
    };
}

hooks! {
    /// The hook `request`: a message that asks, before it is passed on.
    Request = HOOK_REQUEST "request";
    /// The hook `response`: a result, or a notification, before it is passed on.
    Response = HOOK_RESPONSE "response";
    /// The hook `list`: the items of a list, before they are passed on.
    List = HOOK_LIST "list";
}

/// A field that the manifest declares for a hook: [`Manifest::field`](crate::Manifest::field)
/// makes one.
#[derive(Clone, Copy, Debug)]
pub struct Field<H> {
    pub(crate) id: i32,
    pub(crate) hook: PhantomData<H>,
}

/// A field of each item of a list: [`Manifest::item_field`](crate::Manifest::item_field) makes one.
#[derive(Clone, Copy, Debug)]
pub struct ItemField {
    pub(crate) id: i32,
}

/// A set of the host's detectors: [`Manifest::detectors`](crate::Manifest::detectors) makes one.
#[derive(Clone, Copy, Debug)]
pub struct Detectors {
    pub(crate) id: i32,
}

/// A table of the host: [`Manifest::table`](crate::Manifest::table) makes one.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub(crate) id: i32,
}

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

/// What a plugin says of a message.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict(pub(crate) i32);

#[allow(non_upper_case_globals)] // they are written as the variants that they are
impl Verdict {
    /// Nothing to say against it.
    pub const Pass: Verdict = Verdict(abi::VERDICT_PASS);
    /// It is refused. [`Call::deny`] says why, too.
    pub const Deny: Verdict = Verdict(abi::VERDICT_DENY);
    /// It passes with the edits that were made.
    pub const Mutate: Verdict = Verdict(abi::VERDICT_MUTATE);
    /// A human must agree. [`Call::approve`] says to what, too.
    pub const Approve: Verdict = Verdict(abi::VERDICT_APPROVE);
    /// It is not one that the plugin judges.
    pub const Abstain: Verdict = Verdict(abi::VERDICT_ABSTAIN);
}

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
#[allow(missing_docs)]
pub enum Level {
    Debug = abi::LEVEL_DEBUG,
    Info = abi::LEVEL_INFO,
    Warn = abi::LEVEL_WARN,
    Error = abi::LEVEL_ERROR,
}

/// Why an edit found no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// The place, or for [`Call::set`] what is around it, is not there.
    Absent,
    /// What is around it is no object, or no array, as the path needs.
    WrongType,
}

fn placed(code: i32) -> Result<(), NoPlace> {
    match code {
        abi::CODE_OK => Ok(()),
        abi::CODE_WRONG_TYPE => Err(NoPlace::WrongType),
        _ => Err(NoPlace::Absent),
    }
}

/// One message that is judged. Texts that it gives are good as long as it is.
pub struct Call<H> {
    memory: Memory,
    hook: PhantomData<H>,
}

impl<H: Hook> Call<H> {
    pub(crate) fn new() -> Call<H> {
        Call { memory: Memory::new(), hook: PhantomData }
    }

    // Hosts give UTF-8 only, and a plugin has to believe its host.
    fn take(&self, write: impl FnMut(&mut [u8]) -> i32) -> Result<&str, i32> {
        self.memory.take(write).map(text_of)
    }

    // ---- fields ----

    /// What a field is.
    pub fn kind(&self, field: Field<H>) -> Kind {
        Kind::of(raw::field_kind(field.id))
    }

    /// The text of a field that is a string. A value of another type is none: it can't pass
    /// for a text, whatever its JSON looks like.
    pub fn text(&self, field: Field<H>) -> Option<&str> {
        if self.kind(field) != Kind::String {
            return None;
        }
        self.any(field)
    }

    /// A field that is a number.
    pub fn number(&self, field: Field<H>) -> Option<f64> {
        let n = raw::field_num(field.id);
        if n.is_nan() {
            None
        } else {
            Some(n)
        }
    }

    /// A field that is true or false.
    pub fn flag(&self, field: Field<H>) -> Option<bool> {
        match self.kind(field) {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// A field that is no string, as JSON: an object or a list most often.
    pub fn value(&self, field: Field<H>) -> Option<Value<'_>> {
        if self.kind(field) == Kind::String {
            return None;
        }
        self.any(field).map(Value::new)
    }

    /// A field whatever it is: the text of a string, the JSON of anything else. [`Call::text`]
    /// and [`Call::value`] tell the two apart.
    pub fn any(&self, field: Field<H>) -> Option<&str> {
        self.take(|buf| raw::field(field.id, buf)).ok()
    }

    /// All fields of the hook in one call of the host, which is faster than one by one from
    /// about three on. It fails if one of them isn't granted.
    pub fn fields(&self) -> Fields<'_, H> {
        Fields { view: self.view(abi::VIEW_FIELDS), hook: PhantomData }
    }

    fn view(&self, what: i32) -> View<'_> {
        View { bytes: self.memory.take(|buf| raw::view(what, buf)).unwrap_or(&[]) }
    }

    // ---- strings ----

    /// How many strings the message has at the manifest's `strings`.
    pub fn string_count(&self) -> usize {
        raw::str_count() as usize
    }

    /// The strings of the message at the manifest's `strings`.
    pub fn strings(&self) -> impl Iterator<Item = Str<'_, H>> + '_ {
        (0..raw::str_count()).map(move |index| Str { call: self, index })
    }

    /// The strings and their texts, in one call of the host.
    pub fn texts(&self) -> impl Iterator<Item = (Str<'_, H>, &str)> + '_ {
        let view = self.view(abi::VIEW_STRINGS);
        (0..view.count()).map(move |i| (Str { call: self, index: i as i32 }, view.entry(i).text))
    }

    // ---- edits ----

    /// Gives the place at a field path a value, which is JSON. Return [`Verdict::Mutate`]
    /// after it.
    pub fn set(&self, path: &str, json: &str) -> Result<(), NoPlace> {
        placed(raw::patch(abi::PATCH_SET, path.as_bytes(), json.as_bytes()))
    }

    /// Gives the place at a field path a text.
    pub fn set_text(&self, path: &str, text: &str) -> Result<(), NoPlace> {
        let mut json = self.buffer(text.len() + 2);
        json.push_json(text);
        self.set(path, json.as_str())
    }

    /// Takes a member or an element out.
    pub fn remove(&self, path: &str) -> Result<(), NoPlace> {
        placed(raw::patch(abi::PATCH_REMOVE, path.as_bytes(), &[]))
    }

    // ---- detectors and tables ----

    /// Runs detectors over a field that is a string: none if it is absent or something else.
    pub fn find(&self, set: Detectors, field: Field<H>) -> Option<Matches<'_>> {
        self.matches(set, field.id)
    }

    fn matches(&self, set: Detectors, what: i32) -> Option<Matches<'_>> {
        let found = self.memory.take(|buf| raw::match_(set.id, what, buf)).ok()?;
        Some(Matches { rest: found })
    }

    /// The name of a detector.
    pub fn rule_name(&self, set: Detectors, rule: u32) -> Option<&str> {
        self.take(|buf| raw::match_rule(set.id, rule as i32, buf)).ok()
    }

    /// What a table has for a key: the text of a string, the JSON of anything else.
    pub fn lookup(&self, table: Table, key: &str) -> Option<&str> {
        self.take(|buf| raw::lookup(table.id, key.as_bytes(), buf)).ok()
    }

    // ---- the decision ----

    /// The verdict deny, and its reason: a code for machines and a text for people.
    pub fn deny(&self, code: &str, text: &str) -> Verdict {
        raw::reason(code.as_bytes(), text.as_bytes());
        Verdict::Deny
    }

    /// The verdict approve, and what a human is asked.
    pub fn approve(&self, text: &str) -> Verdict {
        raw::approve(text.as_bytes());
        Verdict::Approve
    }

    /// Puts a text into the decision's record. Records are read by many.
    pub fn note(&self, key: &str, text: &str) {
        raw::note(key.as_bytes(), text.as_bytes());
    }

    /// Marks the message.
    pub fn label(&self, name: &str) {
        raw::label(name.as_bytes());
    }

    /// Writes a line to the operator's log.
    pub fn log(&self, level: Level, text: &str) {
        raw::log(level as i32, text.as_bytes());
    }

    /// Ends the call as a failure, which denies: for what can't be judged.
    pub fn fail(&self, text: &str) -> ! {
        raw::fail(text)
    }

    /// The time of the decision, in milliseconds since 1970. Not in a plugin that says it is
    /// deterministic.
    pub fn now_ms(&self) -> i64 {
        raw::now_ms()
    }

    /// An empty text in the call's memory, to write into.
    pub fn buffer(&self, capacity: usize) -> Buffer<'_> {
        Buffer::new(&self.memory, capacity)
    }
}

impl Call<List> {
    /// The items of the list.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> + '_ {
        (0..raw::item_count()).map(move |index| Item { call: self, index })
    }
}

impl Detectors {
    /// Whether the operator has granted them.
    pub fn granted(self) -> bool {
        raw::granted(self.id) == 1
    }
}

impl Table {
    /// Whether the operator has granted it.
    pub fn granted(self) -> bool {
        raw::granted(self.id) == 1
    }
}

/// A string of the message.
pub struct Str<'c, H> {
    call: &'c Call<H>,
    index: i32,
}

impl<'c, H: Hook> Str<'c, H> {
    /// Its text.
    pub fn text(&self) -> &'c str {
        self.call.take(|buf| raw::str(self.index, buf)).unwrap_or("")
    }

    /// Its field path.
    pub fn path(&self) -> &'c str {
        self.call.take(|buf| raw::str_path(self.index, buf)).unwrap_or("")
    }

    /// Gives it another text. Return [`Verdict::Mutate`] after it.
    pub fn replace(&self, text: &str) {
        raw::str_replace(self.index, text.as_bytes());
    }

    /// Runs detectors over it.
    pub fn find(&self, set: Detectors) -> Matches<'c> {
        self.call.matches(set, -1 - self.index).unwrap_or(Matches { rest: &[] })
    }
}

/// An item of a list.
pub struct Item<'c> {
    call: &'c Call<List>,
    index: i32,
}

impl<'c> Item<'c> {
    /// A field of the item: the text of a string, the JSON of anything else.
    pub fn any(&self, field: ItemField) -> Option<&'c str> {
        self.call.take(|buf| raw::item(self.index, field.id, buf)).ok()
    }

    /// Its place in the list.
    pub fn index(&self) -> usize {
        self.index as usize
    }

    /// Leaves it out of the list. Return [`Verdict::Mutate`] after it.
    pub fn drop(&self) {
        raw::item_drop(self.index);
    }
}

/// Values as a host has laid them out.
#[derive(Clone, Copy)]
struct View<'c> {
    bytes: &'c [u8],
}

#[derive(Clone, Copy)]
struct Entry<'c> {
    kind: Kind,
    text: &'c str,
}

impl<'c> View<'c> {
    fn count(&self) -> usize {
        word(self.bytes, 0)
    }

    fn entry(&self, i: usize) -> Entry<'c> {
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

/// All fields of a hook: see [`Call::fields`].
#[derive(Clone, Copy)]
pub struct Fields<'c, H> {
    view: View<'c>,
    hook: PhantomData<H>,
}

impl<'c, H: Hook> Fields<'c, H> {
    /// As [`Call::kind`].
    pub fn kind(&self, field: Field<H>) -> Kind {
        self.view.entry(field.id as usize).kind
    }

    /// As [`Call::text`].
    pub fn text(&self, field: Field<H>) -> Option<&'c str> {
        let e = self.view.entry(field.id as usize);
        if e.kind == Kind::String {
            Some(e.text)
        } else {
            None
        }
    }

    /// As [`Call::value`].
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
    /// The detector: [`Call::rule_name`] has its name.
    pub rule: u32,
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

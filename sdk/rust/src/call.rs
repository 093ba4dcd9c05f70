//! A call of a plugin: a message that is judged.

use crate::manifest::{Detectors, Field, ItemField, Table};
use crate::memory::Memory;
use crate::verdict::placed;
use crate::view::{text_of, Fields, Matches, View};
use crate::{abi, raw, Buffer, Hook, Kind, Level, List, NoPlace, Value, Verdict};
use core::marker::PhantomData;

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
        Fields::new(self.view(abi::VIEW_FIELDS))
    }

    fn view(&self, what: i32) -> View<'_> {
        View::new(self.memory.take(|buf| raw::view(what, buf)).unwrap_or(&[]))
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
        Some(Matches::new(found))
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
        self.call.matches(set, -1 - self.index).unwrap_or_else(|| Matches::new(&[]))
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

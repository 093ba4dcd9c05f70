//! The functions of the ABI as they are, with slices in the place of addresses. [`Call`](crate::Call)
//! has better ones: these take ids, and return lengths and codes.

#[cfg(target_arch = "wasm32")]
use crate::abi::host;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::host;

macro_rules! functions {
    ($($(#[doc = $doc:literal])* fn $name:ident($($arg:ident: $kind:tt),*) -> $result:ty;)*) => {
        $(
            $(#[doc = $doc])*
            #[inline]
            pub fn $name($($arg: functions!(@type $kind)),*) -> $result {
                functions!(@call $name [] $($arg: $kind,)*)
            }
        )*
    };
    (@type in) => { &[u8] };
    (@type out) => { &mut [u8] };
    (@type $other:tt) => { $other };
    // SAFETY: addresses and lengths are those of slices, and the host keeps none.
    (@call $name:ident [$($done:expr,)*]) => { unsafe { host::$name($($done),*) } };
    (@call $name:ident [$($done:expr,)*] $arg:ident: in, $($rest:tt)*) => { functions!(@call $name [$($done,)* $arg.as_ptr(), $arg.len(),] $($rest)*) };
    (@call $name:ident [$($done:expr,)*] $arg:ident: out, $($rest:tt)*) => { functions!(@call $name [$($done,)* $arg.as_mut_ptr(), $arg.len(),] $($rest)*) };
    (@call $name:ident [$($done:expr,)*] $arg:ident: $kind:tt, $($rest:tt)*) => { functions!(@call $name [$($done,)* $arg,] $($rest)*) };
}

functions! {
    /// The text or JSON of a field.
    fn field(id: i32, buf: out) -> i32;
    /// The number of a field; NaN if it has none.
    fn field_num(id: i32) -> f64;
    /// The kind of a field.
    fn field_kind(id: i32) -> i32;
    /// The text of a string.
    fn str(index: i32, buf: out) -> i32;
    /// The field path of a string.
    fn str_path(index: i32, buf: out) -> i32;
    /// How many strings there are.
    fn str_count() -> i32;
    /// Gives a string another text.
    fn str_replace(index: i32, text: in) -> i32;
    /// Many values in one call.
    fn view(what: i32, buf: out) -> i32;
    /// Sets or removes a value.
    fn patch(op: i32, path: in, json: in) -> i32;
    /// How many items the list has.
    fn item_count() -> i32;
    /// The text or JSON of a field of an item.
    fn item(index: i32, id: i32, buf: out) -> i32;
    /// Leaves an item out of the list.
    fn item_drop(index: i32) -> i32;
    /// Where the host's detectors find something in a field or a string.
    fn match_(capability: i32, what: i32, buf: out) -> i32;
    /// The name of a detector.
    fn match_rule(capability: i32, rule: i32, buf: out) -> i32;
    /// The text or JSON that a table has for a key.
    fn lookup(capability: i32, key: in, buf: out) -> i32;
    /// Why a message is denied, for machines and for people.
    fn reason(code: in, text: in) -> ();
    /// What a human is asked to agree to.
    fn approve(text: in) -> ();
    /// Something for the decision's record.
    fn note(key: in, text: in) -> ();
    /// Marks the message.
    fn label(name: in) -> ();
    /// The time of the decision, in milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms() -> i64;
    /// Whether the host has a feature.
    fn feature(id: i32) -> i32;
    /// Whether a capability was granted.
    fn granted(capability: i32) -> i32;
    /// A line for the operator's log.
    fn log(level: i32, text: in) -> ();
}

/// Ends the call as a failure, which denies.
#[inline]
pub fn fail(text: &str) -> ! {
    // SAFETY: the address and the length are those of a slice.
    unsafe { host::fail(text.as_ptr(), text.len()) }
}

/// A verdict by its number, which the host refuses if there is no such verdict.
pub const fn verdict(number: i32) -> crate::Verdict {
    crate::Verdict(number)
}

//! The hooks, as types.

use crate::abi;

/// A hook: what a [`Call`](crate::Call) is about. [`Request`], [`Response`] and [`List`] are all there are.
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

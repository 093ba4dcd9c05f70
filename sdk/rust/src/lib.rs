//! Plugins for Sallyport gateways: a plugin is a function from a call to a verdict.
//!
//! ```
//! #![cfg_attr(target_arch = "wasm32", no_std)]
//! use sallyport::{Call, Field, Manifest, OnRequest, Request, Verdict};
//!
//! const MANIFEST: Manifest = Manifest::new(r#"{
//!   "abi": "sallyport/1", "name": "need-path", "version": "1.0.0",
//!   "hooks": ["request"],
//!   "reads": {"request": ["args.path"]},
//!   "verdicts": ["deny"]
//! }"#);
//! const PATH: Field<Request> = MANIFEST.field("args.path");
//!
//! #[derive(Default)]
//! struct NeedPath;
//!
//! impl OnRequest for NeedPath {
//!     fn on_request(&self, call: &Call<Request>) -> Verdict {
//!         match call.text(PATH) {
//!             Some(_) => Verdict::Pass,
//!             None => call.deny("no_path", "A path is needed."),
//!         }
//!     }
//! }
//!
//! sallyport::plugin!(NeedPath, MANIFEST: OnRequest);
//! ```
//!
//! A field that the manifest doesn't declare doesn't compile:
//!
//! ```compile_fail
//! # use sallyport::{Field, Manifest, Request};
//! # const MANIFEST: Manifest = Manifest::new(r#"{"abi": "sallyport/1", "name": "a", "version": "1.0.0", "hooks": ["request"], "reads": {"request": ["args.path"]}}"#);
//! const PATH: Field<Request> = MANIFEST.field("args.paht");
//! ```
//!
//! Nor does a field of another hook:
//!
//! ```compile_fail
//! # use sallyport::{Call, Field, Manifest, Request, Response};
//! # const MANIFEST: Manifest = Manifest::new(r#"{"abi": "sallyport/1", "name": "a", "version": "1.0.0", "hooks": ["request"], "reads": {"request": ["args.path"]}}"#);
//! # const PATH: Field<Request> = MANIFEST.field("args.path");
//! fn judge(call: &Call<Response>) -> Option<&str> {
//!     call.text(PATH)
//! }
//! ```
//!
//! What a plugin can't judge is denied: a panic is a trap, and so is what doesn't fit into the
//! memory. Each call begins with the memory as it was after booting. On any other machine than
//! wasm32 there is [`testing`], a gateway to test plugins with.
#![no_std]
#![warn(missing_docs)]

#[cfg(any(feature = "std", not(target_arch = "wasm32")))]
extern crate std;

pub mod abi;
mod buffer;
mod call;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod export;
mod hook;
mod json;
mod manifest;
mod memory;
mod plugin;
pub mod raw;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod verdict;
mod view;

pub use buffer::Buffer;
pub use call::{Call, Item, Str};
pub use hook::{Hook, List, Request, Response};
pub use json::{Chars, Elements, Members, Text, Value};
pub use manifest::{Detectors, Field, ItemField, Manifest, Table};
pub use plugin::{OnList, OnRequest, OnResponse, Plugin, Refusal, SelfTest, Settings};
pub use verdict::{Level, NoPlace, Verdict};
pub use view::{Fields, Found, Kind, Matches};

/// What README.md shows is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// Whether the host has a feature, one of `abi::FEATURE_...`. Ask before using what
/// `features.optional` names.
pub fn has_feature(feature: i32) -> bool {
    raw::feature(feature) == 1
}

/// Without the standard library a panic is a trap, and its message isn't in the module.
#[cfg(all(target_arch = "wasm32", not(feature = "std")))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

//! The manifest, read while the plugin is compiled: a name in the code is looked up in it, and
//! one that isn't there doesn't compile.

mod check;
mod json;

use crate::{abi, raw, Hook, List};
use core::marker::PhantomData;
use json::{begins, index_of, member, space};

/// A plugin's manifest. See ABI.md for what stands in it.
#[derive(Clone, Copy)]
pub struct Manifest {
    json: &'static str,
}

/// Which hooks there are, by their numbers.
pub type Hooks = [bool; 3];

const HOOKS: [&str; 3] = ["request", "response", "list"];

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
        check::check(json.as_bytes());
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

/// A field that the manifest declares for a hook: [`Manifest::field`]
/// makes one.
#[derive(Clone, Copy, Debug)]
pub struct Field<H> {
    pub(crate) id: i32,
    pub(crate) hook: PhantomData<H>,
}

/// A field of each item of a list: [`Manifest::item_field`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct ItemField {
    pub(crate) id: i32,
}

/// A set of the host's detectors: [`Manifest::detectors`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Detectors {
    pub(crate) id: i32,
}

/// A table of the host: [`Manifest::table`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub(crate) id: i32,
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

//! What the functions that a module exports do. Only [`plugin!`](crate::plugin!) uses it.

use crate::{view::text_of, memory, raw, Call, Hook, Plugin, Refusal, Value, Verdict};
use core::cell::UnsafeCell;
use core::slice;

/// A plugin that was booted.
pub struct Slot<P>(UnsafeCell<Option<P>>);

// SAFETY: a module has one thread.
unsafe impl<P> Sync for Slot<P> {}

impl<P: Plugin> Slot<P> {
    #[allow(clippy::new_without_default, missing_docs)]
    pub const fn new() -> Slot<P> {
        Slot(UnsafeCell::new(None))
    }

    /// Calls a function with the plugin: the one that was configured, or a new one if there
    /// are no settings to configure.
    fn with<T>(&self, f: impl FnOnce(&P) -> T) -> T {
        if !P::TAKES_SETTINGS {
            if let Ok(plugin) = P::boot(Value::new("{}")) {
                return f(&plugin);
            }
        }
        // SAFETY: one thread, and nothing is written after booting.
        match unsafe { &*self.0.get() } {
            Some(plugin) => f(plugin),
            None => raw::fail("the plugin was not configured"),
        }
    }
}

/// A hook.
#[inline]
pub fn call<P: Plugin, H: Hook>(slot: &Slot<P>, hook: fn(&P, &Call<H>) -> Verdict) -> i32 {
    slot.with(|plugin| hook(plugin, &Call::new())).0
}

/// Memory for settings.
pub fn alloc(len: usize) -> *mut u8 {
    memory::keep(len)
}

fn settings(at: *const u8, len: usize) -> Value<'static> {
    // SAFETY: the host gives what alloc gave it, which is kept.
    Value::new(text_of(unsafe { slice::from_raw_parts(at, len) }))
}

fn code(result: Result<(), Refusal>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(refusal) => {
            raw::reason(refusal.code.as_bytes(), refusal.text.as_bytes());
            if !refusal.path.is_empty() {
                raw::note(b"path", refusal.path.as_bytes());
            }
            1
        }
    }
}

#[allow(missing_docs)]
pub fn validate<P: Plugin>(at: *const u8, len: usize) -> i32 {
    code(P::validate(settings(at, len)))
}

#[allow(missing_docs)]
pub fn configure<P: Plugin>(slot: &Slot<P>, at: *const u8, len: usize) -> i32 {
    code(P::boot(settings(at, len)).map(|plugin| {
        // SAFETY: one thread, and no hook has been called.
        unsafe { *slot.0.get() = Some(plugin) };
    }))
}

#[allow(missing_docs)]
pub fn test<P: Plugin>(slot: &Slot<P>) -> i32 {
    code(slot.with(P::test))
}

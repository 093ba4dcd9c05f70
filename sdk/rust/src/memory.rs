//! Memory of a call: texts that the host gives are put one after the other, and are forgotten
//! together when the call ends.

#[cfg(all(target_arch = "wasm32", not(feature = "std")))]
pub(crate) use bump::{keep, Memory};
#[cfg(not(all(target_arch = "wasm32", not(feature = "std"))))]
pub(crate) use chunks::Memory;
#[cfg(all(target_arch = "wasm32", feature = "std"))]
pub(crate) use chunks::keep;

/// What lies behind the plugin's own data. Nothing is ever given back: a host puts the memory
/// back to its state after booting when a call has ended.
#[cfg(all(target_arch = "wasm32", not(feature = "std")))]
mod bump {
    use core::arch::wasm32;
    use core::cell::{Cell, UnsafeCell};
    use core::slice;

    const PAGE: usize = 65536;

    extern "C" {
        static __heap_base: u8;
    }

    /// Where free memory begins, 0 for `__heap_base`. Only what is kept for good moves it.
    struct Begin(UnsafeCell<usize>);
    // SAFETY: a module has one thread.
    unsafe impl Sync for Begin {}
    static BEGIN: Begin = Begin(UnsafeCell::new(0));

    fn begin() -> usize {
        // SAFETY: one thread; __heap_base is only asked for its address.
        unsafe {
            let kept = *BEGIN.0.get();
            if kept != 0 {
                kept
            } else {
                &__heap_base as *const u8 as usize
            }
        }
    }

    pub(crate) struct Memory {
        at: Cell<usize>,
        end: Cell<usize>,
    }

    impl Memory {
        pub(crate) fn new() -> Memory {
            Memory { at: Cell::new(begin()), end: Cell::new(wasm32::memory_size::<0>() * PAGE) }
        }

        /// Memory for n bytes, which nobody else has.
        #[allow(clippy::mut_from_ref)]
        pub(crate) fn room(&self, n: usize) -> &mut [u8] {
            let at = self.at.get();
            if n > self.end.get() - at {
                self.grow(n);
            }
            self.at.set(at + n);
            // SAFETY: the memory is there, is initialized, and is given once.
            unsafe { slice::from_raw_parts_mut(at as *mut u8, n) }
        }

        /// Has the host write a text. What it returns below 0 is an error.
        pub(crate) fn take(&self, mut write: impl FnMut(&mut [u8]) -> i32) -> Result<&[u8], i32> {
            loop {
                let (at, end) = (self.at.get(), self.end.get());
                // SAFETY: as in room; the host writes, and nobody else has a reference.
                let n = write(unsafe { slice::from_raw_parts_mut(at as *mut u8, end - at) });
                if n < 0 {
                    return Err(n);
                }
                if n as usize <= end - at {
                    return Ok(self.room(n as usize));
                }
                self.grow(n as usize);
            }
        }

        #[cold]
        fn grow(&self, n: usize) {
            let missing = n - (self.end.get() - self.at.get());
            let pages = missing / PAGE + 1;
            if wasm32::memory_grow::<0>(pages) == usize::MAX {
                crate::raw::fail("the plugin's memory is full");
            }
            self.end.set(self.end.get() + pages * PAGE);
        }
    }

    /// Memory that is kept for good.
    pub(crate) fn keep(n: usize) -> *mut u8 {
        let memory = Memory::new();
        let kept = memory.room(n).as_mut_ptr();
        // SAFETY: one thread.
        unsafe { *BEGIN.0.get() = memory.at.get() };
        kept
    }
}

/// What an allocator gives: on the machine, and where a plugin has the standard library.
#[cfg(not(all(target_arch = "wasm32", not(feature = "std"))))]
mod chunks {
    use core::cell::RefCell;
    use std::boxed::Box;
    use std::vec;
    use std::vec::Vec;

    pub(crate) struct Memory {
        chunks: RefCell<Vec<Box<[u8]>>>,
    }

    impl Memory {
        pub(crate) fn new() -> Memory {
            Memory { chunks: RefCell::new(Vec::new()) }
        }

        #[allow(clippy::mut_from_ref)]
        pub(crate) fn room(&self, n: usize) -> &mut [u8] {
            let mut chunk = vec![0; n].into_boxed_slice();
            let room: *mut [u8] = &mut *chunk;
            self.chunks.borrow_mut().push(chunk);
            // SAFETY: the box keeps its bytes where they are as long as self lives, and they are given once.
            unsafe { &mut *room }
        }

        pub(crate) fn take(&self, mut write: impl FnMut(&mut [u8]) -> i32) -> Result<&[u8], i32> {
            let mut small = [0; 256];
            let n = write(&mut small);
            if n < 0 {
                return Err(n);
            }
            let room = self.room(n as usize);
            match small.get(..n as usize) {
                Some(text) => room.copy_from_slice(text),
                None => {
                    write(room);
                }
            }
            Ok(room)
        }
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn keep(n: usize) -> *mut u8 {
        Box::leak(vec![0u8; n.max(1)].into_boxed_slice()).as_mut_ptr()
    }
}

use crate::view::text_of;
use crate::memory::Memory;
use core::fmt;

/// A text that is being written, in a call's memory.
pub struct Buffer<'c> {
    memory: &'c Memory,
    room: &'c mut [u8],
    len: usize,
}

impl<'c> Buffer<'c> {
    pub(crate) fn new(memory: &'c Memory, capacity: usize) -> Buffer<'c> {
        Buffer { memory, room: memory.room(capacity), len: 0 }
    }

    /// Appends a text.
    pub fn push_str(&mut self, text: &str) {
        let end = self.len + text.len();
        if end > self.room.len() {
            self.grow(end);
        }
        if let Some(free) = self.room.get_mut(self.len..end) {
            free.copy_from_slice(text.as_bytes());
            self.len = end;
        }
    }

    #[cold]
    fn grow(&mut self, least: usize) {
        let room = self.memory.room(least.max(2 * self.len));
        for (to, from) in room.iter_mut().zip(&self.room[..]) {
            *to = *from;
        }
        self.room = room;
    }

    /// Appends a character.
    pub fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    /// Appends a number, in decimal.
    pub fn push_int(&mut self, n: i64) {
        if n < 0 {
            self.push('-');
        }
        let (mut digits, mut at, mut left) = ([0; 20], 20, n.unsigned_abs());
        loop {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.push_str(text_of(&digits[at..]));
    }

    /// Appends a text as a JSON string.
    pub fn push_json(&mut self, text: &str) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.push('"');
        for c in text.chars() {
            match c {
                '"' => self.push_str("\\\""),
                '\\' => self.push_str("\\\\"),
                '\u{0}'..='\u{1f}' => {
                    self.push_str("\\u00");
                    self.push(HEX[c as usize >> 4] as char);
                    self.push(HEX[c as usize & 15] as char);
                }
                c => self.push(c),
            }
        }
        self.push('"');
    }

    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        text_of(self.room.get(..self.len).unwrap_or(&[]))
    }

    /// What was written, for as long as the call lasts.
    pub fn into_str(self) -> &'c str {
        let room: &'c [u8] = self.room;
        text_of(room.get(..self.len).unwrap_or(&[]))
    }
}

impl fmt::Write for Buffer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

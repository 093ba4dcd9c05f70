//! What a vector asks of the guest, and what the guest writes as its answer.

use crate::MANIFEST;
use sallyport::{Buffer, Call, Field, Hook};

/// The fields that say what to do.
pub struct Parameters<H> {
    pub what: Field<H>,
    pub id: Field<H>,
    pub index: Field<H>,
    pub json: Field<H>,
    pub json2: Field<H>,
    pub key: Field<H>,
    pub level: Field<H>,
    pub n: Field<H>,
    pub op: Field<H>,
    pub op2: Field<H>,
    pub path: Field<H>,
    pub path2: Field<H>,
    pub text: Field<H>,
    pub verdict: Field<H>,
    /// The ids of these fields: from, and up to.
    pub first: i32,
    pub last: i32,
    /// How many reads the hook has.
    pub reads: i32,
}

pub const fn parameters<H: Hook>(first: i32, reads: i32) -> Parameters<H> {
    Parameters {
        what: MANIFEST.field("params._meta.tck.do"),
        id: MANIFEST.field("params._meta.tck.id"),
        index: MANIFEST.field("params._meta.tck.index"),
        json: MANIFEST.field("params._meta.tck.json"),
        json2: MANIFEST.field("params._meta.tck.json2"),
        key: MANIFEST.field("params._meta.tck.key"),
        level: MANIFEST.field("params._meta.tck.level"),
        n: MANIFEST.field("params._meta.tck.n"),
        op: MANIFEST.field("params._meta.tck.op"),
        op2: MANIFEST.field("params._meta.tck.op2"),
        path: MANIFEST.field("params._meta.tck.path"),
        path2: MANIFEST.field("params._meta.tck.path2"),
        text: MANIFEST.field("params._meta.tck.text"),
        verdict: MANIFEST.field("params._meta.tck.verdict"),
        first,
        last: first + 13,
        reads,
    }
}

/// One question.
pub struct Ask<'c, H: 'static> {
    pub call: &'c Call<H>,
    pub p: &'static Parameters<H>,
    pub what: &'c str,
    pub out: Buffer<'c>,
}

impl<'c, H: Hook> Ask<'c, H> {
    pub fn text(&self, field: Field<H>) -> &'c str {
        self.call.text(field).unwrap_or("")
    }

    pub fn number(&self, field: Field<H>) -> i32 {
        self.call.number(field).unwrap_or(0.0) as i32
    }

    /// Writes a value after a sign that tells it from what is not there.
    pub fn put_value(&mut self, length: i32, bytes: &[u8]) {
        match bytes.get(..length as usize) {
            Some(value) if length >= 0 => {
                self.out.push_str("=");
                self.put(value);
            }
            _ if length >= 0 => self.call.fail("the value is longer than the guest takes"),
            _ => self.out.push_str(if length == -2 { "wrong type" } else { "absent" }),
        }
    }

    pub fn put(&mut self, bytes: &[u8]) {
        match core::str::from_utf8(bytes) {
            Ok(text) => self.out.push_str(text),
            Err(_) => self.call.fail("the host gave what is no UTF-8"),
        }
    }

    pub fn put_hex(&mut self, bytes: &[u8]) {
        for b in bytes {
            for digit in [b >> 4, b & 15] {
                self.out.push(b"0123456789abcdef"[digit as usize] as char);
            }
        }
    }

    pub fn put_entry(&mut self, id: i32, kind: i32, bytes: &[u8]) {
        self.out.push_int(id.into());
        self.out.push_str(":");
        self.out.push_int(kind.into());
        self.out.push_str(":");
        self.put(bytes);
        self.out.push_str("\n");
    }

    pub fn is_parameter(&self, id: i32) -> bool {
        (self.p.first..=self.p.last).contains(&id)
    }
}

//! What a plugin says, and what it is told of its edits.

use crate::abi;

/// What a plugin says of a message.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict(pub(crate) i32);

#[allow(non_upper_case_globals)] // they are written as the variants that they are
impl Verdict {
    /// Nothing to say against it.
    pub const Pass: Verdict = Verdict(abi::VERDICT_PASS);
    /// It is refused. [`Call::deny`](crate::Call::deny) says why, too.
    pub const Deny: Verdict = Verdict(abi::VERDICT_DENY);
    /// It passes with the edits that were made.
    pub const Mutate: Verdict = Verdict(abi::VERDICT_MUTATE);
    /// A human must agree. [`Call::approve`](crate::Call::approve) says to what, too.
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
    /// The place, or for [`Call::set`](crate::Call::set) what is around it, is not there.
    Absent,
    /// What is around it is no object, or no array, as the path needs.
    WrongType,
}

pub(crate) fn placed(code: i32) -> Result<(), NoPlace> {
    match code {
        abi::CODE_OK => Ok(()),
        abi::CODE_WRONG_TYPE => Err(NoPlace::WrongType),
        _ => Err(NoPlace::Absent),
    }
}

//! What a plugin says about a decision.

use super::{stop, State};
use crate::abi;
use std::format;
use std::string::String;

impl State {
    fn say(&mut self, bytes: usize) {
        self.said += bytes;
        if self.said > abi::LIMIT_SAID_BYTES {
            stop(abi::FAILURE_ABI, format!("more than {} bytes are said", abi::LIMIT_SAID_BYTES));
        }
    }

    pub(crate) fn reason(&mut self, code: String, text: String) {
        let good = code.len() <= abi::LIMIT_REASON_CODE_BYTES && code.starts_with(|c: char| c.is_ascii_lowercase()) && code.chars().all(in_word);
        if !good {
            stop(abi::FAILURE_ABI, format!("{:?} is no code", code));
        }
        self.say(code.len() + text.len());
        self.reason = Some((code, text));
    }

    pub(crate) fn approve(&mut self, text: String) {
        self.in_hook("approve");
        self.say(text.len());
        self.approval = Some(text);
    }

    pub(crate) fn note(&mut self, key: String, text: String) {
        self.say(key.len() + text.len());
        check_key(&key);
        self.notes.insert(key, text);
        if self.notes.len() > abi::LIMIT_NOTES {
            stop(abi::FAILURE_ABI, format!("more than {} notes", abi::LIMIT_NOTES));
        }
    }

    pub(crate) fn label(&mut self, name: String) {
        self.in_hook("label");
        self.say(name.len());
        check_key(&name);
        if !self.labels.contains(&name) {
            self.labels.push(name);
        }
        if self.labels.len() > abi::LIMIT_LABELS {
            stop(abi::FAILURE_ABI, format!("more than {} labels", abi::LIMIT_LABELS));
        }
    }

    pub(crate) fn log(&mut self, level: i32, text: String) {
        let level = if (abi::LEVEL_DEBUG..=abi::LEVEL_ERROR).contains(&level) { level } else { abi::LEVEL_ERROR };
        if self.logs.len() < abi::LIMIT_LOG_LINES {
            self.logs.push((level, text));
        }
    }
}

fn in_word(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c)
}

fn check_key(key: &str) {
    if key.is_empty() || key.len() > abi::LIMIT_KEY_BYTES || !key.chars().all(in_word) {
        stop(abi::FAILURE_ABI, format!("{:?} is no key", key));
    }
}

//! What a host has: detectors, tables, features and the time.

use super::{stop, State};
use crate::abi;
use crate::testing::tree::Tree;
use std::borrow::ToOwned;
use std::string::String;
use std::vec::Vec;

impl State {
    pub(crate) fn matches(&self, capability: i32, what: i32) -> Result<Vec<u8>, i32> {
        self.in_hook("match");
        let set = self.granted_one(capability, abi::CAPABILITY_KIND_MATCH);
        let text = if what >= 0 {
            match self.field(what)? {
                Tree::Text(text) => text,
                _ => return Err(abi::CODE_WRONG_TYPE),
            }
        } else {
            self.string(-1 - what).ok_or(abi::CODE_ABSENT)?.1.clone()
        };
        let rules = self.rules(&set);
        let (mut out, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let here = self.world.detectors.iter().filter(|d| d.0 == set && text.as_bytes()[at..].starts_with(d.2.as_bytes()));
            let rule_of = |name: &str| rules.iter().position(|r| r == name).unwrap_or(0);
            match here.min_by_key(|d| (usize::MAX - d.2.len(), rule_of(&d.1))) {
                Some(d) => {
                    let rule = rule_of(&d.1);
                    out.extend([at, at + d.2.len(), rule].iter().flat_map(|w| (*w as u32).to_le_bytes()));
                    at += d.2.len();
                }
                None => at += 1,
            }
        }
        Ok(out)
    }

    fn rules(&self, set: &str) -> Vec<String> {
        let mut rules = Vec::new();
        for d in self.world.detectors.iter().filter(|d| d.0 == set) {
            if !rules.contains(&d.1) {
                rules.push(d.1.clone());
            }
        }
        rules
    }

    pub(crate) fn rule_name(&self, capability: i32, rule: i32) -> Option<String> {
        let set = self.granted_one(capability, abi::CAPABILITY_KIND_MATCH);
        usize::try_from(rule).ok().and_then(|i| self.rules(&set).get(i).cloned())
    }

    pub(crate) fn lookup(&self, capability: i32, key: &str) -> Option<String> {
        self.in_hook("lookup");
        let table = self.granted_one(capability, abi::CAPABILITY_KIND_LOOKUP);
        self.world.tables.iter().find(|t| t.0 == table && t.1 == key).map(|t| t.2.bytes())
    }

    pub(crate) fn granted(&self, capability: i32) -> i32 {
        let names = self.member(&["capabilities"]);
        let name = usize::try_from(capability).ok().and_then(|i| names.get(i));
        name.map_or(0, |n| i32::from(!self.withheld(n)))
    }

    pub(crate) fn feature(&self, id: i32) -> i32 {
        i32::from((abi::FEATURE_STRINGS..=abi::FEATURE_LOOKUP).contains(&id) && !self.world.lacking.contains(&id))
    }

    pub(crate) fn now(&self) -> i64 {
        self.in_hook("now_ms");
        if self.deterministic() {
            stop(abi::FAILURE_CAPABILITY, "now_ms in a plugin that says it is deterministic".to_owned());
        }
        self.world.now
    }
}

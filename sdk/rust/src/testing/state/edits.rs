//! The edits of a call.

use super::{stop, State};
use crate::abi;
use crate::testing::tree::{below, parse_path, place, share, spell, Path, Step, Tree};
use std::borrow::ToOwned;
use std::format;
use std::string::String;
use std::vec::Vec;

pub(crate) struct Edit {
    pub(crate) path: String,
    place: Path,
    pub(crate) value: Option<Tree>,
}

fn steps(text: &str) -> Path {
    place(&parse_path(text).unwrap_or_else(|e| panic!("a path of the manifest: {}", e)))
}

impl State {
    /// The parts of the message that the hook judges.
    fn parts(&self) -> Vec<Path> {
        let names: &[&str] = match self.hook {
            Some(abi::HOOK_REQUEST) => &["params"],
            Some(abi::HOOK_RESPONSE) => &["mcp.result", "params"],
            _ => &["items"],
        };
        names.iter().map(|n| steps(n)).collect()
    }

    fn may_write(&self, path: &str, at: &[Step]) {
        let granted = self.member(&["writes"]).iter().any(|w| below(at, &steps(w)));
        let part = self.parts().iter().any(|p| below(at, p));
        if !granted || !part || abi::PROTECTED.iter().any(|p| share(at, &steps(p))) {
            stop(abi::FAILURE_CAPABILITY, format!("{} is not within writes", path));
        }
    }

    pub(crate) fn replace(&mut self, index: i32, text: String) -> i32 {
        self.in_hook("str_replace");
        let path = match self.string(index) {
            Some((path, _, _)) => path.clone(),
            None => return abi::CODE_ABSENT,
        };
        let (text, at) = (Tree::Text(text), place(&path));
        let path = spell(&path);
        self.may_write(&path, &at);
        self.edit(path, at, Some(text));
        abi::CODE_OK
    }

    pub(crate) fn patch(&mut self, op: i32, path: &str, json: &str) -> i32 {
        self.in_hook("patch");
        let steps = parse_path(path).unwrap_or_else(|e| stop(abi::FAILURE_ABI, e));
        if steps.contains(&Step::Each) {
            stop(abi::FAILURE_ABI, format!("{} has [*]", path));
        }
        let value = match op {
            abi::PATCH_SET => Some(Tree::parse(json).unwrap_or_else(|e| stop(abi::FAILURE_ABI, e))),
            abi::PATCH_REMOVE if json.is_empty() => None,
            _ => stop(abi::FAILURE_ABI, format!("there is no patch {} with {} bytes", op, json.len())),
        };
        let at = place(&steps);
        self.may_write(path, &at);
        let (last, around) = at.split_last().expect("a path has a step");
        let there = self.root.get(&at).is_some();
        let code = match (self.root.get(around), last) {
            // All that a name stands for can be replaced, and not be taken out.
            _ if self.parts().contains(&at) && there && value.is_none() => abi::CODE_WRONG_TYPE,
            _ if self.parts().contains(&at) && !there => abi::CODE_ABSENT,
            (None, _) => abi::CODE_ABSENT,
            (Some(Tree::Object(_)), Step::Key(_)) if there || value.is_some() => abi::CODE_OK,
            (Some(Tree::Array(_)), Step::Index(_)) if there => abi::CODE_OK,
            (Some(Tree::Object(_)), Step::Key(_)) | (Some(Tree::Array(_)), Step::Index(_)) => abi::CODE_ABSENT,
            _ => abi::CODE_WRONG_TYPE,
        };
        if code == abi::CODE_OK {
            self.edit(path.to_owned(), at, value);
        }
        code
    }

    fn edit(&mut self, path: String, place: Path, value: Option<Tree>) {
        self.edits.retain(|e| e.place != place);
        self.edits.push(Edit { path, place, value });
    }

    /// Ends the call if an edit is inside of another.
    pub(super) fn check_edits(&self) {
        for (i, a) in self.edits.iter().enumerate() {
            let inside = self.edits.iter().enumerate().any(|(j, b)| i != j && below(&a.place, &b.place));
            let dropped = self.drops.iter().any(|d| below(&a.place, &[Step::Key("items".to_owned()), Step::Index(*d)]));
            if inside || dropped {
                stop(abi::FAILURE_ABI, format!("an edit of {} is inside of another", a.path));
            }
        }
    }

    pub(super) fn apply(&mut self) -> Tree {
        let mut root = self.root.clone();
        let mut gone: Vec<Path> = self.drops.iter().map(|d| std::vec![Step::Key("items".to_owned()), Step::Index(*d)]).collect();
        for e in &self.edits {
            match &e.value {
                Some(value) => root.put(&e.place, value.clone()),
                None => gone.push(e.place.clone()),
            }
        }
        // From the end, so that the indexes of the message hold.
        gone.sort_by_key(|p| match p.last() {
            Some(Step::Index(i)) => usize::MAX - i,
            _ => 0,
        });
        gone.dedup();
        for place in gone {
            let (last, around) = place.split_last().expect("a place has a step");
            match (root.get_mut(around), last) {
                (Some(Tree::Array(elements)), Step::Index(i)) => {
                    elements.remove(*i);
                }
                (Some(Tree::Object(members)), Step::Key(key)) => members.retain(|(k, _)| k != key),
                _ => {}
            }
        }
        root
    }
}

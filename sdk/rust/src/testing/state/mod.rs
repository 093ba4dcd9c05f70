//! What a call has seen and done.

mod edits;
mod host;
mod said;

use super::tree::{parse_path, place, spell, Path, Step, Tree};
use super::{Failure, Outcome};
use crate::{abi, Manifest};
use std::borrow::ToOwned;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::format;
use edits::Edit;
use std::string::{String, ToString};
use std::vec::Vec;

const HOOKS: [&str; 3] = ["request", "response", "list"];
const VERDICTS: [&str; 5] = ["pass", "deny", "mutate", "approve", "abstain"];
/// What a test gives.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) detectors: Vec<(String, String, String)>,
    pub(crate) tables: Vec<(String, String, Tree)>,
    pub(crate) withheld: Vec<String>,
    pub(crate) lacking: Vec<i32>,
    pub(crate) now: i64,
}

pub(crate) struct State {
    manifest: Tree,
    world: World,
    /// None while booting.
    hook: Option<i32>,
    root: Tree,
    pub(crate) strings: Vec<(Path, String, usize)>,
    edits: Vec<Edit>,
    drops: Vec<usize>,
    reason: Option<(String, String)>,
    approval: Option<String>,
    notes: BTreeMap<String, String>,
    labels: Vec<String>,
    logs: Vec<(i32, String)>,
    said: usize,
}

/// Ends the call.
pub(crate) fn stop(kind: &'static str, text: String) -> ! {
    std::panic::resume_unwind(Box::new(Failure { kind, text }))
}

impl State {
    pub(crate) fn new(manifest: &Manifest, world: World, hook: Option<i32>, root: Tree) -> State {
        let manifest = Tree::parse(manifest.json()).unwrap_or_else(|e| panic!("the manifest is {}", e));
        let mut s = State {
            manifest,
            world,
            hook,
            root,
            strings: Vec::new(),
            edits: Vec::new(),
            drops: Vec::new(),
            reason: None,
            approval: None,
            notes: BTreeMap::new(),
            labels: Vec::new(),
            logs: Vec::new(),
            said: 0,
        };
        if hook.is_some() {
            s.enumerate();
        }
        s
    }

    fn enumerate(&mut self) {
        for (index, text) in self.of_hook("strings").iter().enumerate() {
            let declared = parse_path(text).unwrap_or_else(|e| panic!("strings: {}", e));
            let top = place(&declared);
            let mut found = Vec::new();
            self.root.strings(&top, &mut Vec::new(), &mut found);
            for (at, text) in found {
                // The path begins as the declared one does: args is a name of params.arguments.
                let (name, of) = match declared.len() {
                    _ if top == declared => (0, 0),
                    n if n < top.len() => (1, 2), // args
                    _ => (3, 2),                  // mcp.tool.result
                };
                let mut path = declared[..name].to_vec();
                path.extend_from_slice(&at[of..]);
                self.strings.push((path, text, index));
            }
        }
    }

    // ---- the manifest ----

    fn member(&self, keys: &[&str]) -> Vec<String> {
        let path: Path = keys.iter().map(|k| Step::Key((*k).to_owned())).collect();
        match self.manifest.get(&path) {
            Some(Tree::Array(elements)) => elements.iter().map(Tree::bytes).collect(),
            _ => Vec::new(),
        }
    }

    fn of_hook(&self, key: &str) -> Vec<String> {
        self.member(&[key, HOOKS[self.hook.unwrap_or(0) as usize]])
    }

    fn deterministic(&self) -> bool {
        self.manifest.step(&Step::Key("deterministic".to_owned())) == Some(&Tree::Word("true".to_owned()))
    }

    fn read(&self, id: i32) -> String {
        match self.of_hook("reads").get(id as usize) {
            Some(path) if id >= 0 => path.clone(),
            _ => stop(abi::FAILURE_CAPABILITY, format!("field {} is not declared", id)),
        }
    }

    fn granted_one(&self, id: i32, kind: &str) -> String {
        match self.member(&["capabilities"]).get(id as usize) {
            Some(name) if id >= 0 && name.starts_with(&format!("{}:", kind)) => {
                if self.withheld(name) {
                    stop(abi::FAILURE_CAPABILITY, format!("{} is not granted", name));
                }
                name.clone()
            }
            _ => stop(abi::FAILURE_CAPABILITY, format!("capability {} is not declared as one of the kind {}", id, kind)),
        }
    }

    /// A capability is granted if a test gives it something to find.
    fn withheld(&self, name: &str) -> bool {
        let given = self.world.detectors.iter().any(|d| d.0 == name) || self.world.tables.iter().any(|t| t.0 == name);
        !given || self.world.withheld.iter().any(|w| w == name)
    }

    fn in_hook(&self, function: &str) {
        if self.hook.is_none() {
            stop(abi::FAILURE_ABI, format!("{} is called before the first hook", function));
        }
    }

    fn in_list(&self, function: &str) {
        self.in_hook(function);
        if self.hook != Some(abi::HOOK_LIST) {
            stop(abi::FAILURE_ABI, format!("{} is called in another hook than list", function));
        }
    }

    // ---- fields and strings ----

    fn value(&self, path: &str) -> Option<Tree> {
        let path = parse_path(path).unwrap_or_else(|e| panic!("reads: {}", e));
        let top = place(&path);
        match self.root.get(&top) {
            None if spell(&path) == "args" => Some(Tree::Object(Vec::new())),
            found => found.cloned(),
        }
    }

    pub(crate) fn field(&self, id: i32) -> Result<Tree, i32> {
        self.in_hook("field");
        let path = self.read(id);
        if path.starts_with("items[*]") {
            return Err(abi::CODE_WRONG_TYPE);
        }
        self.value(&path).ok_or(abi::CODE_ABSENT)
    }

    pub(crate) fn view(&self, what: i32) -> Vec<u8> {
        self.in_hook("view");
        let values: Vec<(i32, String, usize)> = match what {
            abi::VIEW_FIELDS => (0..self.of_hook("reads").len()).map(|id| match self.field(id as i32) {
                Ok(tree) => (tree.kind(), tree.bytes(), id),
                Err(_) => (abi::KIND_ABSENT, String::new(), id),
            }).collect(),
            abi::VIEW_STRINGS => self.strings.iter().map(|(_, text, path)| (abi::KIND_STRING, text.clone(), *path)).collect(),
            _ => stop(abi::FAILURE_ABI, format!("there is no view {}", what)),
        };
        let mut at = abi::VIEW_HEADER_BYTES + abi::VIEW_ENTRY_BYTES * values.len();
        let size = at + values.iter().map(|v| v.1.len()).sum::<usize>();
        let mut words = std::vec![values.len(), size];
        for (kind, text, path) in &values {
            words.extend([*kind as usize, at, text.len(), *path]);
            at += text.len();
        }
        let mut out: Vec<u8> = words.iter().flat_map(|w| (*w as u32).to_le_bytes()).collect();
        values.iter().for_each(|v| out.extend_from_slice(v.1.as_bytes()));
        out
    }

    pub(crate) fn string(&self, index: i32) -> Option<&(Path, String, usize)> {
        self.in_hook("str");
        usize::try_from(index).ok().and_then(|i| self.strings.get(i))
    }

    // ---- items ----

    pub(crate) fn item_count(&self) -> usize {
        self.in_list("item_count");
        match self.root.get(&[Step::Key("items".to_owned())]) {
            Some(Tree::Array(items)) => items.len(),
            _ => 0,
        }
    }

    pub(crate) fn item(&self, index: i32, id: i32) -> Result<Tree, i32> {
        self.in_list("item");
        let path = self.read(id);
        if !path.starts_with("items[*]") {
            return Err(abi::CODE_WRONG_TYPE);
        }
        let mut path = parse_path(&path).unwrap_or_else(|e| panic!("reads: {}", e));
        path[1] = Step::Index(usize::try_from(index).map_err(|_| abi::CODE_ABSENT)?);
        self.root.get(&path).cloned().ok_or(abi::CODE_ABSENT)
    }

    pub(crate) fn drop_item(&mut self, index: i32) -> i32 {
        match usize::try_from(index) {
            Ok(i) if i < self.item_count() => {
                self.drops.push(i);
                abi::CODE_OK
            }
            _ => abi::CODE_ABSENT,
        }
    }

    // ---- the end ----

    /// Ends the call if the plugin may not give its verdict.
    pub(crate) fn accept(&self, verdict: i32) {
        let declared = self.member(&["verdicts"]);
        let edited = !self.edits.is_empty() || !self.drops.is_empty();
        let name = match VERDICTS.get(verdict as usize) {
            Some(name) if verdict >= 0 => *name,
            _ => stop(abi::FAILURE_ABI, format!("there is no verdict {}", verdict)),
        };
        if !matches!(name, "pass" | "abstain") && !declared.iter().any(|d| d == name) {
            stop(abi::FAILURE_CAPABILITY, format!("the verdict {} is not declared", name));
        }
        if edited && !matches!(name, "mutate" | "deny") {
            stop(abi::FAILURE_ABI, format!("edits with the verdict {}", name));
        }
        if name == "mutate" {
            self.check_edits();
        }
    }

    /// What the call came to.
    pub(crate) fn outcome(mut self, result: Result<i32, Failure>) -> Outcome {
        let verdict = match &result {
            Ok(v) if VERDICTS[*v as usize] == "mutate" && self.edits.is_empty() && self.drops.is_empty() => abi::VERDICT_PASS,
            Ok(v) => *v,
            Err(_) => abi::VERDICT_DENY,
        };
        let denied = verdict == abi::VERDICT_DENY;
        let mut out = Outcome {
            verdict: VERDICTS[verdict as usize],
            code: String::new(),
            text: String::new(),
            approval: self.approval.take().filter(|_| verdict == abi::VERDICT_APPROVE),
            notes: self.notes.clone(),
            labels: self.labels.clone(),
            logs: self.logs.iter().map(|(level, text)| format!("{} {}", ["debug", "info", "warn", "error"][*level as usize], text)).collect(),
            edits: Vec::new(),
            after: String::new(),
            failure: result.err(),
        };
        if denied {
            let (code, text) = self.reason.take().unwrap_or(("denied_by_plugin".to_owned(), String::new()));
            out.code = code;
            out.text = text;
            self.edits.clear();
            self.drops.clear();
        }
        if let Some(f) = &out.failure {
            out.code = "plugin_failed".to_owned();
            out.text = f.to_string();
            out.labels.clear();
        }
        out.edits = self.edits.iter().map(|e| (e.path.clone(), e.value.as_ref().map(Tree::json))).collect();
        let judged = match self.hook {
            Some(abi::HOOK_LIST) => "items",
            Some(abi::HOOK_RESPONSE) if self.value("mcp.result").is_some() => "mcp.result",
            _ => "params",
        };
        let place = parse_path(judged).expect("a name");
        out.after = self.apply().get(&place).map(Tree::json).unwrap_or_default();
        out
    }

    pub(crate) fn refusal(&self) -> String {
        let (code, text) = self.reason.clone().unwrap_or_default();
        format!("{}: {}", code, text)
    }
}

//! What a call has seen and done.

use super::tree::{below, parse_path, place, share, spell, Path, Step, Tree};
use super::{Failure, Outcome};
use crate::{abi, Manifest};
use std::borrow::ToOwned;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

const HOOKS: [&str; 3] = ["request", "response", "list"];
const VERDICTS: [&str; 5] = ["pass", "deny", "mutate", "approve", "abstain"];
const PROTECTED: [&str; 10] = [
    "items[*].name", "items[*].taskId", "items[*].uri", "items[*].uriTemplate", "params._meta", "params.name", "params.ref", "params.requestState",
    "params.taskId", "params.uri",
];

/// What a test gives.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) detectors: Vec<(String, String, String)>,
    pub(crate) tables: Vec<(String, String, Tree)>,
    pub(crate) withheld: Vec<String>,
    pub(crate) lacking: Vec<i32>,
    pub(crate) now: i64,
}

pub(crate) struct Edit {
    pub(crate) path: String,
    place: Path,
    pub(crate) value: Option<Tree>,
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

    // ---- edits ----

    fn may_write(&self, path: &str, at: &[Step]) {
        let parts: &[&str] = match self.hook {
            Some(abi::HOOK_REQUEST) => &["params"],
            Some(abi::HOOK_RESPONSE) => &["mcp.result", "params"],
            _ => &["items"],
        };
        let steps = |text: &str| place(&parse_path(text).unwrap_or_else(|e| panic!("writes: {}", e)));
        let granted = self.member(&["writes"]).iter().any(|w| below(at, &steps(w)));
        let part = parts.iter().any(|p| below(at, &steps(p)));
        if !granted || !part || PROTECTED.iter().any(|p| share(at, &steps(p))) {
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
        let code = match (self.root.get(around), last) {
            (None, _) => abi::CODE_ABSENT,
            (Some(Tree::Object(_)), Step::Key(_)) if value.is_some() => abi::CODE_OK,
            (Some(Tree::Object(_)), Step::Key(_)) | (Some(Tree::Array(_)), Step::Index(_)) => match self.root.get(&at) {
                Some(_) => abi::CODE_OK,
                None => abi::CODE_ABSENT,
            },
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

    // ---- detectors and tables ----

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
            match here.max_by_key(|d| d.2.len()) {
                Some(d) => {
                    let rule = rules.iter().position(|r| *r == d.1).unwrap_or(0);
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

    // ---- what is said ----

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
        for (i, a) in self.edits.iter().enumerate() {
            let inside = self.edits.iter().enumerate().any(|(j, b)| i != j && below(&a.place, &b.place));
            let dropped = self.drops.iter().any(|d| below(&a.place, &[Step::Key("items".to_owned()), Step::Index(*d)]));
            if name == "mutate" && (inside || dropped) {
                stop(abi::FAILURE_ABI, format!("an edit of {} is inside of another", a.path));
            }
        }
    }

    fn apply(&mut self) -> Tree {
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

fn in_word(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c)
}

fn check_key(key: &str) {
    if key.is_empty() || key.len() > abi::LIMIT_KEY_BYTES || !key.chars().all(in_word) {
        stop(abi::FAILURE_ABI, format!("{:?} is no key", key));
    }
}

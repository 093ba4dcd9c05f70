//! JSON as a tree, and field paths into it.

use std::borrow::ToOwned;
use std::format;
use std::string::String;
use std::vec::Vec;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    /// null, true, false, or a number as it is written.
    Word(String),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
    Each,
}

pub(crate) type Path = Vec<Step>;

// ---- trees ----

impl Tree {
    pub(crate) fn parse(json: &str) -> Result<Tree, String> {
        let mut p = Parser { rest: json };
        let tree = p.value().ok_or_else(|| format!("no JSON: {} (at {:?})", json, p.rest))?;
        p.space();
        if p.rest.is_empty() {
            Ok(tree)
        } else {
            Err(format!("no JSON: {} (after its end: {:?})", json, p.rest))
        }
    }

    pub(crate) fn kind(&self) -> i32 {
        use crate::abi::*;
        match self {
            Tree::Word(w) => match &w[..] {
                "null" => KIND_NULL,
                "false" => KIND_FALSE,
                "true" => KIND_TRUE,
                _ => KIND_NUMBER,
            },
            Tree::Text(_) => KIND_STRING,
            Tree::Array(_) => KIND_ARRAY,
            Tree::Object(_) => KIND_OBJECT,
        }
    }

    /// The bytes that a host gives for it.
    pub(crate) fn bytes(&self) -> String {
        match self {
            Tree::Text(text) => text.clone(),
            other => other.json(),
        }
    }

    pub(crate) fn json(&self) -> String {
        match self {
            Tree::Word(w) => w.clone(),
            Tree::Text(text) => quote(text),
            Tree::Array(elements) => format!("[{}]", elements.iter().map(Tree::json).collect::<Vec<_>>().join(",")),
            Tree::Object(members) => {
                format!("{{{}}}", members.iter().map(|(k, v)| format!("{}:{}", quote(k), v.json())).collect::<Vec<_>>().join(","))
            }
        }
    }

    pub(crate) fn step(&self, step: &Step) -> Option<&Tree> {
        match (self, step) {
            (Tree::Object(members), Step::Key(key)) => members.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            (Tree::Array(elements), Step::Index(i)) => elements.get(*i),
            _ => None,
        }
    }

    pub(crate) fn get(&self, path: &[Step]) -> Option<&Tree> {
        path.iter().try_fold(self, |t, s| t.step(s))
    }

    pub(crate) fn get_mut(&mut self, path: &[Step]) -> Option<&mut Tree> {
        path.iter().try_fold(self, |t, s| match (t, s) {
            (Tree::Object(members), Step::Key(key)) => members.iter_mut().find(|(k, _)| k == key).map(|(_, v)| v),
            (Tree::Array(elements), Step::Index(i)) => elements.get_mut(*i),
            _ => None,
        })
    }

    /// Sets a place, making the objects on the way.
    pub(crate) fn put(&mut self, path: &[Step], value: Tree) {
        let (step, rest) = match path.split_first() {
            Some(split) => split,
            None => {
                *self = value;
                return;
            }
        };
        match (self, step) {
            (Tree::Object(members), Step::Key(key)) => {
                if let Some((_, v)) = members.iter_mut().find(|(k, _)| k == key) {
                    return v.put(rest, value);
                }
                let mut inner = Tree::Object(Vec::new());
                inner.put(rest, value);
                members.push((key.clone(), inner));
            }
            (Tree::Array(elements), Step::Index(i)) if *i < elements.len() => elements[*i].put(rest, value),
            (tree, _) => panic!("there is no such place in {}", tree.json()),
        }
    }

    /// Every string at or below a path, with its whole path.
    pub(crate) fn strings(&self, path: &[Step], at: &mut Path, out: &mut Vec<(Path, String)>) {
        match (self, path.split_first()) {
            (Tree::Array(elements), Some((Step::Each, rest))) => within(elements, rest, at, out),
            (tree, Some((step, rest))) => {
                if let Some(inner) = tree.step(step) {
                    at.push(step.clone());
                    inner.strings(rest, at, out);
                    at.pop();
                }
            }
            (Tree::Text(text), None) => out.push((at.clone(), text.clone())),
            (Tree::Array(elements), None) => within(elements, &[], at, out),
            (Tree::Object(members), None) => {
                for (key, value) in members {
                    at.push(Step::Key(key.clone()));
                    value.strings(&[], at, out);
                    at.pop();
                }
            }
            (Tree::Word(_), None) => {}
        }
    }
}

fn within(elements: &[Tree], path: &[Step], at: &mut Path, out: &mut Vec<(Path, String)>) {
    for (i, e) in elements.iter().enumerate() {
        at.push(Step::Index(i));
        e.strings(path, at, out);
        at.pop();
    }
}

fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

// ---- reading ----

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n'].as_ref());
    }

    fn eat(&mut self, what: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(what) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Option<Tree> {
        self.space();
        match self.rest.chars().next()? {
            '"' => self.string().map(Tree::Text),
            '[' => self.list('[', ']', Parser::value).map(Tree::Array),
            '{' => self.members(),
            _ => self.word(),
        }
    }

    fn members(&mut self) -> Option<Tree> {
        let members = self.list('{', '}', |p| {
            p.space();
            let key = p.string()?;
            if !p.eat(":") {
                return None;
            }
            Some((key, p.value()?))
        })?;
        let twice = members.iter().enumerate().any(|(i, (k, _))| members[..i].iter().any(|(other, _)| other == k));
        if twice {
            return None;
        }
        Some(Tree::Object(members))
    }

    fn list<T>(&mut self, open: char, close: char, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let (mut out, close) = (Vec::new(), String::from(close));
        self.rest = self.rest.strip_prefix(open)?;
        if self.eat(&close) {
            return Some(out);
        }
        loop {
            out.push(one(self)?);
            if self.eat(&close) {
                return Some(out);
            }
            if !self.eat(",") {
                return None;
            }
        }
    }

    fn word(&mut self) -> Option<Tree> {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if !matches!(word, "null" | "true" | "false") && !number(word) {
            return None;
        }
        self.rest = rest;
        Some(Tree::Word(word.to_owned()))
    }

    fn string(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut chars = self.rest.strip_prefix('"')?.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => out.push(escape(&mut chars)?),
                c if c < ' ' => return None,
                c => out.push(c),
            }
        }
        self.rest = chars.as_str();
        Some(out)
    }
}

fn escape(chars: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        'b' => '\u{8}',
        't' => '\t',
        'n' => '\n',
        'f' => '\u{c}',
        'r' => '\r',
        'u' => {
            let high = hex(chars)?;
            if !(0xd800..0xdc00).contains(&high) {
                return char::from_u32(high);
            }
            if chars.next()? != '\\' || chars.next()? != 'u' {
                return None;
            }
            let low = hex(chars)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            char::from_u32(0x10000 + (high - 0xd800) * 0x400 + low)?
        }
        c if "\"\\/".contains(c) => c,
        _ => return None,
    })
}

fn hex(chars: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |n, _| Some(n * 16 + chars.next()?.to_digit(16)?))
}

fn number(word: &str) -> bool {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let whole = unsigned.split(['.', 'e', 'E'].as_ref()).next().unwrap_or("");
    unsigned.starts_with(|c: char| c.is_ascii_digit())
        && (whole.len() == 1 || !whole.starts_with('0'))
        && !unsigned.ends_with('.')
        && word.parse::<f64>().map_or(false, f64::is_finite)
}

// ---- paths ----

/// Reads a field path in its one spelling.
pub(crate) fn parse_path(text: &str) -> Result<Path, String> {
    let bad = || format!("{} is no field path", text);
    let (mut path, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix("[\"") {
            let mut p = Parser { rest: &rest[1..] };
            path.push(Step::Key(p.string().ok_or_else(bad)?));
            rest = p.rest.strip_prefix(']').ok_or_else(bad)?;
            let _ = inside;
        } else if let Some(inside) = rest.strip_prefix('[') {
            let end = inside.find(']').ok_or_else(bad)?;
            path.push(match &inside[..end] {
                "*" => Step::Each,
                index => Step::Index(index.parse().map_err(|_| bad())?),
            });
            rest = &inside[end + 1..];
        } else {
            let key = if path.is_empty() { rest } else { rest.strip_prefix('.').ok_or_else(bad)? };
            let end = key.find(['.', '['].as_ref()).unwrap_or(key.len());
            path.push(Step::Key(key[..end].to_owned()));
            rest = &key[end..];
        }
    }
    if path.is_empty() || spell(&path) != text {
        return Err(bad());
    }
    Ok(path)
}

pub(crate) fn spell(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Key(key) if plain(key) && out.is_empty() => out.push_str(key),
            Step::Key(key) if plain(key) => out.push_str(&format!(".{}", key)),
            Step::Key(key) => out.push_str(&format!("[{}]", quote(key))),
            Step::Index(i) => out.push_str(&format!("[{}]", i)),
            Step::Each => out.push_str("[*]"),
        }
    }
    out
}

fn plain(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The place that a path means: `args` is `params.arguments`, `mcp.tool.result` is `mcp.result`.
pub(crate) fn place(path: &[Step]) -> Path {
    let key = |s: &str| Step::Key(s.to_owned());
    let (mut out, rest) = if path.first() == Some(&key("args")) {
        (std::vec![key("params"), key("arguments")], &path[1..])
    } else if path.starts_with(&[key("mcp"), key("tool"), key("result")]) {
        (std::vec![key("mcp"), key("result")], &path[3..])
    } else {
        (Vec::new(), path)
    };
    out.extend_from_slice(rest);
    out
}

/// Whether a place is at or below another, in which `[*]` takes any index.
pub(crate) fn below(place: &[Step], top: &[Step]) -> bool {
    place.len() >= top.len() && agree(place, top)
}

/// Whether one of two places is at or below the other.
pub(crate) fn share(a: &[Step], b: &[Step]) -> bool {
    agree(a, b)
}

fn agree(a: &[Step], b: &[Step]) -> bool {
    a.iter().zip(b).all(|(x, y)| match (x, y) {
        (Step::Each, Step::Index(_)) | (Step::Index(_), Step::Each) => true,
        (x, y) => x == y,
    })
}

//! A gateway for tests: it gives a plugin a message, holds it to its manifest as a gateway
//! does, and says what came of it.
//!
//! ```
//! # use sallyport::{Call, Field, Manifest, OnRequest, Request, Verdict};
//! # const MANIFEST: Manifest = Manifest::new(r#"{"abi": "sallyport/1", "name": "a", "version": "1.0.0", "hooks": ["request"],
//! #   "reads": {"request": ["args.path"]}, "verdicts": ["deny"]}"#);
//! # const PATH: Field<Request> = MANIFEST.field("args.path");
//! # #[derive(Default)]
//! # struct NeedPath;
//! # impl OnRequest for NeedPath {
//! #     fn on_request(&self, call: &Call<Request>) -> Verdict {
//! #         match call.text(PATH) { Some(_) => Verdict::Pass, None => call.deny("no_path", "A path is needed.") }
//! #     }
//! # }
//! # sallyport::plugin!(NeedPath, MANIFEST: OnRequest);
//! use sallyport::testing::{Host, Message};
//!
//! let host = Host::<NeedPath>::new();
//! let out = host.request(&Message::tool_call("read_file", r#"{"path": "/srv/a"}"#));
//! assert_eq!(out.to_string(), "pass");
//! let out = host.request(&Message::tool_call("read_file", "{}"));
//! assert_eq!(out.to_string(), "deny no_path: A path is needed.");
//! ```
//!
//! It measures neither fuel nor time, doesn't check settings against `settings_schema`, and
//! doesn't find everything that is wrong with a manifest: a gateway does when it loads the
//! plugin. What a plugin does to statics of its own isn't undone after a call.

pub(crate) mod host;
mod state;
mod tree;

use crate::{abi, Call, Plugin, Value};
use host::STATE;
use state::{State, World};
use std::any::Any;
use std::borrow::ToOwned;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{fmt, format};
use tree::{parse_path, place, Tree};

/// A message that a plugin is asked about.
#[derive(Clone)]
pub struct Message {
    root: Tree,
}

impl Message {
    /// A message of a method, without params, by nobody.
    pub fn new(method: &str) -> Message {
        let mut m = Message { root: Tree::Object(Vec::new()) };
        m.put("mcp.method", Tree::Text(method.to_owned()));
        for empty in ["params", "jwt", "principal.claims", "apiKey.claims", "request.headers"] {
            m.put(empty, Tree::Object(Vec::new()));
        }
        for list in ["principal.groups", "principal.roles", "principal.scopes"] {
            m.put(list, Tree::Array(Vec::new()));
        }
        for text in ["principal.id", "principal.issuer", "apiKey.id", "source.address", "request.mcp.backend"] {
            m.put(text, Tree::Text(String::new()));
        }
        m.put("principal.type", Tree::Text("anonymous".to_owned()));
        m
    }

    /// A call of a tool, with its arguments as JSON.
    pub fn tool_call(tool: &str, args: &str) -> Message {
        Message::new("tools/call").text("params.name", tool).text("mcp.tool.name", tool).json("args", args)
    }

    /// The result of a call of a tool, as JSON.
    pub fn tool_result(tool: &str, result: &str) -> Message {
        Message::tool_call(tool, "{}").json("mcp.result", result)
    }

    /// The items of a list, as JSON.
    pub fn tools(items: &str) -> Message {
        Message::new("tools/list").json("items", items)
    }

    /// Puts JSON at a field path: `json("principal.groups", r#"["dev"]"#)`.
    ///
    /// # Panics
    ///
    /// If it is no JSON, or no path.
    pub fn json(mut self, path: &str, json: &str) -> Message {
        self.put(path, Tree::parse(json).unwrap_or_else(|e| panic!("{}: {}", path, e)));
        self
    }

    /// Puts a text at a field path.
    ///
    /// # Panics
    ///
    /// If it is no path.
    pub fn text(mut self, path: &str, text: &str) -> Message {
        self.put(path, Tree::Text(text.to_owned()));
        self
    }

    fn put(&mut self, path: &str, value: Tree) {
        let steps = parse_path(path).unwrap_or_else(|e| panic!("{}", e));
        self.root.put(&place(&steps), value);
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of `abi::FAILURE_...`.
    pub kind: &'static str,
    /// What happened.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.text)
    }
}

/// What came of a call. As a text it is such as `deny no_path: A path is needed.`, `mutate`,
/// or `deny plugin_failed: capability: the verdict mutate is not declared`.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The verdict's name; deny if the call failed, pass after `mutate` without an edit.
    pub verdict: &'static str,
    /// A denial's code; `plugin_failed` if the call failed.
    pub code: String,
    /// A denial's text.
    pub text: String,
    /// What a human is asked.
    pub approval: Option<String>,
    /// The notes, by their keys.
    pub notes: BTreeMap<String, String>,
    /// The labels.
    pub labels: Vec<String>,
    /// The log: level and line.
    pub logs: Vec<String>,
    /// The edits: the path of each, and the JSON that is there now; none if it was removed.
    pub edits: Vec<(String, Option<String>)>,
    /// What was judged, after the edits: the params, the result or the items, as JSON.
    pub after: String,
    /// The failure.
    pub failure: Option<Failure>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verdict)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        match &self.approval {
            Some(text) => write!(f, " {}", text),
            None => Ok(()),
        }
    }
}

/// A gateway with one plugin.
pub struct Host<P> {
    plugin: P,
    world: World,
}

impl<P: Plugin> Host<P> {
    /// A gateway with a plugin that takes no settings.
    ///
    /// # Panics
    ///
    /// If the plugin doesn't boot.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Host<P> {
        Host::with_settings("{}").unwrap_or_else(|e| panic!("the plugin doesn't boot: {}", e))
    }

    /// A gateway with a plugin that has settings, or why the plugin didn't take them, or
    /// failed its self-test: `/mode: bad_mode: There is no such mode.`
    pub fn with_settings(json: &str) -> Result<Host<P>, String> {
        let tree = Tree::parse(json)?;
        let (result, state) = run(State::new(&P::MANIFEST, World::default(), None, Tree::Object(Vec::new())), || {
            let settings = Value::new(Box::leak(tree.json().into_boxed_str()));
            P::validate(settings)?;
            let plugin = P::boot(settings)?;
            plugin.test()?;
            Ok(plugin)
        });
        match result {
            Ok(Ok(plugin)) => Ok(Host { plugin, world: World::default() }),
            Ok(Err(crate::Refusal { code, text, path: "" })) => Err(format!("{}: {}", code, text)),
            Ok(Err(crate::Refusal { code, text, path })) => Err(format!("{}: {}: {}", path, code, text)),
            Err(failure) => Err(format!("{}{}", failure, Some(state.refusal()).filter(|r| r != ": ").unwrap_or_default())),
        }
    }

    /// Grants a set of detectors, such as `match:pii`, and has a rule of it find a text.
    pub fn detect(mut self, capability: &str, rule: &str, text: &str) -> Host<P> {
        self.world.detectors.push((capability.to_owned(), rule.to_owned(), text.to_owned()));
        self
    }

    /// Grants a table, such as `lookup:tenants`, and puts JSON there for a key.
    ///
    /// # Panics
    ///
    /// If it is no JSON.
    pub fn table(mut self, capability: &str, key: &str, json: &str) -> Host<P> {
        let value = Tree::parse(json).unwrap_or_else(|e| panic!("{}", e));
        self.world.tables.push((capability.to_owned(), key.to_owned(), value));
        self
    }

    /// Doesn't grant a capability, whatever the test gave. One that was given nothing isn't granted anyway.
    pub fn withhold(mut self, capability: &str) -> Host<P> {
        self.world.withheld.push(capability.to_owned());
        self
    }

    /// Lacks a feature, one of `abi::FEATURE_...`.
    pub fn lack(mut self, feature: i32) -> Host<P> {
        self.world.lacking.push(feature);
        self
    }

    /// Sets the time of decisions, in milliseconds since 1970.
    pub fn at(mut self, ms: i64) -> Host<P> {
        self.world.now = ms;
        self
    }

    /// The plugin.
    pub fn plugin(&self) -> &P {
        &self.plugin
    }

    /// Has the plugin judge a request.
    pub fn request(&self, message: &Message) -> Outcome {
        self.call(abi::HOOK_REQUEST, message)
    }

    /// Has the plugin judge a response.
    pub fn response(&self, message: &Message) -> Outcome {
        self.call(abi::HOOK_RESPONSE, message)
    }

    /// Has the plugin judge a list.
    pub fn list(&self, message: &Message) -> Outcome {
        self.call(abi::HOOK_LIST, message)
    }

    fn call(&self, hook: i32, message: &Message) -> Outcome {
        let state = State::new(&P::MANIFEST, self.world.clone(), Some(hook), message.root.clone());
        let (result, state) = run(state, || match hook {
            abi::HOOK_REQUEST => self.plugin.request(&Call::new()),
            abi::HOOK_RESPONSE => self.plugin.response(&Call::new()),
            _ => self.plugin.list(&Call::new()),
        });
        let result = result.and_then(|verdict| {
            let verdict = verdict.0;
            caught(catch_unwind(AssertUnwindSafe(|| state.accept(verdict)))).map(|()| verdict)
        });
        state.outcome(result)
    }
}

/// Runs a part of a plugin, and catches its failure.
fn run<T>(state: State, f: impl FnOnce() -> T) -> (Result<T, Failure>, State) {
    STATE.with(|s| *s.borrow_mut() = Some(state));
    let result = caught(catch_unwind(AssertUnwindSafe(f)));
    let state = STATE.with(|s| s.borrow_mut().take()).expect("a call has a state");
    (result, state)
}

fn caught<T>(result: Result<T, Box<dyn Any + Send>>) -> Result<T, Failure> {
    result.map_err(|what| match what.downcast::<Failure>() {
        Ok(failure) => *failure,
        Err(other) => {
            let text = other.downcast_ref::<&str>().map(ToString::to_string).or_else(|| other.downcast_ref::<String>().cloned());
            Failure { kind: abi::FAILURE_TRAP, text: text.unwrap_or_default() }
        }
    })
}

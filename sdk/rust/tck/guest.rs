//! The plugin of hostapi/tck in Rust: what its README says a guest must do.
#![cfg_attr(target_arch = "wasm32", no_std)]

mod ask;

use ask::{parameters, Ask, Parameters};
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use sallyport::{raw, Call, Field, Hook, ItemField, List, Manifest, OnList, OnRequest, OnResponse, Refusal, Request, Response, SelfTest, Settings, Value, Verdict};

const MANIFEST: Manifest = Manifest::new(include_str!("../../../hostapi/tck/manifest.json"));

const OF_REQUEST: Parameters<Request> = parameters(17, 42);
const OF_RESPONSE: Parameters<Response> = parameters(6, 21);
const OF_LIST: Parameters<List> = parameters(4, 19);
const ITEM_NAME: ItemField = MANIFEST.item_field("items[*].name");

impl<'c, H: Hook> Ask<'c, H> {
    // ---- the message ----

    fn reads(&mut self) -> bool {
        let (id, index) = (self.number(self.p.id), self.number(self.p.index));
        let mut buf = [0; 2048];
        match self.what {
            "field" => {
                let n = raw::field(id, &mut buf);
                self.put_value(n, &buf);
            }
            "field_num" => {
                let n = raw::field_num(id);
                if n.is_nan() {
                    self.out.push_str("nan");
                } else {
                    self.put_hex(&n.to_be_bytes());
                }
            }
            "field_kind" => self.out.push_int(raw::field_kind(id).into()),
            "fields" => {
                for id in 0..self.p.reads {
                    if !self.is_parameter(id) {
                        let n = raw::field(id, &mut buf).max(0) as usize;
                        self.put_entry(id, raw::field_kind(id), &buf[..n]);
                    }
                }
            }
            "view_fields" => self.view(sallyport::abi::VIEW_FIELDS),
            "view_strings" => self.view(sallyport::abi::VIEW_STRINGS),
            "strings" => {
                for s in self.call.strings() {
                    self.out.push_str(s.path());
                    self.out.push_str("=");
                    self.out.push_str(s.text());
                    self.out.push_str("\n");
                }
            }
            "str" => {
                let n = raw::str(index, &mut buf);
                self.put_value(n, &buf);
            }
            "str_path" => {
                let n = raw::str_path(index, &mut buf);
                self.put_value(n, &buf);
            }
            "str_count" => self.out.push_int(self.call.string_count() as i64),
            "small_buffer" => {
                let mut small = [0xee; 16];
                let n = raw::field(id, small.get_mut(..self.number(self.p.n) as usize).unwrap_or(&mut []));
                self.out.push_int(n.into());
                self.out.push_str(" ");
                self.put_hex(&small);
            }
            _ => return false,
        }
        true
    }

    /// What view lays out, by its words.
    fn view(&mut self, what: i32) {
        let mut buf = [0; 4096];
        let n = raw::view(what, &mut buf) as usize;
        let view = buf.get(..n).unwrap_or_else(|| self.call.fail("the view is longer than the guest takes"));
        let word = |at: usize| u32::from_le_bytes([view[at], view[at + 1], view[at + 2], view[at + 3]]) as usize;
        if word(4) != n || what == sallyport::abi::VIEW_FIELDS && word(0) != self.p.reads as usize {
            self.call.fail("a view of another length");
        }
        for i in 0..word(0) {
            let at = 8 + 16 * i;
            let (kind, start, len, path) = (word(at), word(at + 4), word(at + 8), word(at + 12));
            if what == sallyport::abi::VIEW_STRINGS || !self.is_parameter(i as i32) {
                self.put_entry(path as i32, kind as i32, &view[start..start + len]);
            }
        }
    }

    // ---- edits ----

    fn patch(&mut self, op: Field<H>, path: Field<H>, json: Field<H>) {
        let code = raw::patch(self.number(op), self.text(path).as_bytes(), self.text(json).as_bytes());
        self.out.push_int(code.into());
    }

    fn edits(&mut self) -> bool {
        let index = self.number(self.p.index);
        match self.what {
            "str_replace" => {
                let code = raw::str_replace(index, self.text(self.p.text).as_bytes());
                self.out.push_int(code.into());
            }
            "patch" => {
                self.patch(self.p.op, self.p.path, self.p.json);
                if self.call.text(self.p.path2).is_some() {
                    self.out.push_str(" ");
                    self.patch(self.p.op2, self.p.path2, self.p.json2);
                }
            }
            "item_drop" => self.out.push_int(raw::item_drop(index).into()),
            _ => return false,
        }
        true
    }

    /// What plugins do: the verdict follows from the message.
    fn replace_all(&self) -> Verdict {
        let mut verdict = Verdict::Pass;
        for (s, text) in self.call.texts() {
            if text == self.text(self.p.key) {
                s.replace(self.text(self.p.text));
                verdict = Verdict::Mutate;
            }
        }
        verdict
    }

    // ---- the host ----

    fn asks_host(&mut self) -> bool {
        let (id, index) = (self.number(self.p.id), self.number(self.p.index));
        let mut buf = [0; 2048];
        match self.what {
            "item_count" => self.out.push_int(raw::item_count().into()),
            "item" => {
                let n = raw::item(index, id, &mut buf);
                self.put_value(n, &buf);
            }
            "match" => {
                let n = raw::match_(id, index, &mut buf);
                if n < 0 {
                    self.out.push_int(n.into());
                }
                for m in buf[..n.max(0) as usize].chunks_exact(12) {
                    let word = |at: usize| i64::from(u32::from_le_bytes([m[at], m[at + 1], m[at + 2], m[at + 3]]));
                    self.out.push_int(word(0));
                    self.out.push_str("-");
                    self.out.push_int(word(4));
                    self.out.push_str(" ");
                    let mut name = [0; 64];
                    let n = raw::match_rule(id, word(8) as i32, &mut name).max(0) as usize;
                    self.put(&name[..n]);
                    self.out.push_str("\n");
                }
            }
            "match_rule" => {
                let n = raw::match_rule(id, index, &mut buf);
                self.put_value(n, &buf);
            }
            "lookup" => {
                let n = raw::lookup(id, self.text(self.p.key).as_bytes(), &mut buf);
                self.put_value(n, &buf);
            }
            "granted" => self.out.push_int(raw::granted(id).into()),
            "feature" => self.out.push_int(raw::feature(id).into()),
            "now" => self.out.push_int(self.call.now_ms()),
            _ => return false,
        }
        true
    }

    // ---- what is said ----

    fn says(&mut self) -> bool {
        let (key, text) = (self.text(self.p.key), self.text(self.p.text));
        match self.what {
            "reason" => raw::reason(key.as_bytes(), text.as_bytes()),
            "approve" => raw::approve(text.as_bytes()),
            "note" => self.call.note(key, text),
            "label" => self.call.label(text),
            "log" => raw::log(self.number(self.p.level), text.as_bytes()),
            "notes" => self.many(|call, x| call.note(x, x)),
            "labels" => self.many(|call, x| call.label(x)),
            "logs" => self.many(|call, x| call.log(sallyport::Level::Info, x)),
            _ => return false,
        }
        true
    }

    fn many(&mut self, say: fn(&Call<H>, &str)) {
        for i in 0..self.number(self.p.n) {
            self.out.clear();
            self.out.push_str("x");
            self.out.push_int(i.into());
            say(self.call, self.out.as_str());
        }
    }

    // ---- what must not be ----

    fn breaks(&self) {
        match self.what {
            "fail" => self.call.fail(self.text(self.p.text)),
            "trap" => panic!("asked to"),
            "spin" => loop {
                TURNS.fetch_add(1, Relaxed);
            },
            "recurse" => {
                deeper(&[0; 16].map(AtomicU32::new));
            }
            #[cfg(target_arch = "wasm32")]
            "grow" => {
                while core::arch::wasm32::memory_grow::<0>(16) != usize::MAX {}
                self.call.fail("no more memory");
            }
            _ => {}
        }
    }
}

/// What a compiler must believe that others look at.
static TURNS: AtomicU32 = AtomicU32::new(0);

#[inline(never)]
fn deeper(above: &[AtomicU32; 16]) -> u32 {
    let turn = above[3].load(Relaxed) + 1;
    let here = [0; 16].map(|n| AtomicU32::new(n + turn));
    if TURNS.fetch_add(1, Relaxed) == u32::MAX {
        return 0;
    }
    deeper(&here) + here[TURNS.load(Relaxed) as usize % 16].load(Relaxed)
}

// ---- the plugin ----

struct Guest {
    settings: &'static str,
    calls: Cell<i64>,
}

impl Guest {
    /// Returns the verdict as a number, whatever it is, in the place of one of [`Verdict`].
    fn judge<H: Hook>(&self, call: &Call<H>, p: &'static Parameters<H>) -> Verdict {
        let what = call.text(p.what).unwrap_or("");
        let mut ask = Ask { call, p, what, out: call.buffer(256) };
        ask.breaks();
        match what {
            "" => return verdict(call, p),
            "replace_all" => return ask.replace_all(),
            "settings" => ask.put_value(self.settings.len() as i32, self.settings.as_bytes()),
            "count" => {
                self.calls.set(self.calls.get() + 1);
                ask.out.push_int(self.calls.get());
            }
            _ if ask.says() => return verdict(call, p),
            _ => {
                if !ask.reads() && !ask.edits() && !ask.asks_host() {
                    call.fail("the guest doesn't know what to do");
                }
            }
        }
        call.note("out", ask.out.as_str());
        verdict(call, p)
    }
}

fn verdict<H: Hook>(call: &Call<H>, p: &Parameters<H>) -> Verdict {
    raw::verdict(call.number(p.verdict).unwrap_or(0.0) as i32)
}

impl OnRequest for Guest {
    fn on_request(&self, call: &Call<Request>) -> Verdict {
        self.judge(call, &OF_REQUEST)
    }
}

impl OnResponse for Guest {
    fn on_response(&self, call: &Call<Response>) -> Verdict {
        self.judge(call, &OF_RESPONSE)
    }
}

impl OnList for Guest {
    fn on_list(&self, call: &Call<List>) -> Verdict {
        if call.text(OF_LIST.what) != Some("drop_all") {
            return self.judge(call, &OF_LIST);
        }
        let mut verdict = Verdict::Pass;
        for item in call.items() {
            if item.any(ITEM_NAME) == call.text(OF_LIST.key) {
                item.drop();
                verdict = Verdict::Mutate;
            }
        }
        verdict
    }
}

impl Settings for Guest {
    fn validate(settings: Value<'static>) -> Result<(), Refusal> {
        match mode(settings) {
            "refuse" => Err(Refusal::new("bad_mode", "There is no such mode.").at("/mode")),
            "early" => {
                raw::field_kind(0);
                Ok(())
            }
            "trap" => panic!("asked to"),
            _ => Ok(()),
        }
    }

    fn configure(settings: Value<'static>) -> Result<Guest, Refusal> {
        if mode(settings) == "refuse to configure" {
            return Err(Refusal::new("refused", "The guest was asked to refuse."));
        }
        Ok(Guest { settings: settings.json(), calls: Cell::new(0) })
    }
}

fn mode(settings: Value<'static>) -> &'static str {
    settings.get("mode").and_then(Value::text).and_then(|t| t.plain()).unwrap_or("")
}

impl SelfTest for Guest {
    fn self_test(&self) -> Result<(), Refusal> {
        if mode(Value::new(self.settings)) == "broken" {
            return Err(Refusal::new("broken", "The guest was asked to be."));
        }
        Ok(())
    }
}

sallyport::plugin!(Guest, MANIFEST: OnRequest, OnResponse, OnList, Settings, SelfTest);

//! Takes personal data out of requests and results: addresses, telephone numbers, cards, accounts, national numbers. Everything is found
//! here, by hand-written matchers and the checksums that the numbers have; the plugin needs no capability.
#![cfg_attr(target_arch = "wasm32", no_std)]

mod addresses;
mod base64;
mod checks;
mod kinds;
mod numbers;
mod scan;
mod settings;
#[cfg(test)]
mod tests;
mod words;

use core::cell::Cell;
use kinds::{Kind, NAMES};
use sallyport::{Buffer, Call, Hook, Manifest, OnRequest, OnResponse, Refusal, Request, Response, SelfTest, Settings, Str, Value, Verdict};
use scan::{Found, Scanner, Text};
use settings::{Action, Config, Style};

const MANIFEST: Manifest = Manifest::new(include_str!("../manifest.json"));

struct RedactPii {
    config: Config,
}

/// How many pieces of each kind a message has.
type Counts = [u32; NAMES.len()];

impl RedactPii {
    fn judge<H: Hook>(&self, call: &Call<H>) -> Verdict {
        let mut counts: Counts = [0; NAMES.len()];
        for (s, text) in call.texts() {
            self.string(call, &s, text, &mut counts);
        }
        let found: u32 = counts.iter().sum();
        if found == 0 {
            return Verdict::Pass;
        }
        let said = say(call, &counts);
        call.note("found", said);
        match self.config.action {
            Action::Redact => Verdict::Mutate,
            Action::Deny => {
                let mut text = call.buffer(64);
                text.push_str("The message has personal data in it: ");
                text.push_str(said);
                text.push_str(".");
                call.deny("personal_data", text.as_str())
            }
            Action::Label => {
                call.label("personal_data");
                Verdict::Pass
            }
        }
    }

    fn string<'c, H: Hook>(&self, call: &'c Call<H>, s: &Str<'c, H>, text: &'c str, counts: &mut Counts) {
        if text.len() < 6 {
            return;
        }
        // Asked for at most once, and only where it matters.
        let known = Cell::new(None);
        let path = || {
            known.get().unwrap_or_else(|| {
                let path = s.path();
                known.set(Some(path));
                path
            })
        };
        let key = || last_key(path());
        // Most often it is no base64, which its first blank shows.
        let (prefix, encoded, end) = base64::split(text);
        let decoded = base64::decode(call, encoded);
        let plain = decoded.unwrap_or(text);
        let mut here: Counts = [0; NAMES.len()];
        let (mut out, done) = match self.redacted(call, plain, &key, &mut here) {
            Some(redacted) if !structural(path()) => redacted,
            _ => return,
        };
        counts.iter_mut().zip(here).for_each(|(all, n)| *all += n);
        if self.config.action != Action::Redact {
            return;
        }
        out.push_str(plain.get(done..).unwrap_or(""));
        if decoded.is_some() {
            let mut all = call.buffer(text.len() + 16);
            all.push_str(prefix);
            base64::encode(out.as_str(), encoded, &mut all);
            all.push_str(end);
            out = all;
        }
        s.replace(out.as_str());
    }

    /// A text with its pieces replaced, up to the end of the last of them, and where that is; none if it has none.
    fn redacted<'a, 'c, H: Hook>(&self, call: &'c Call<H>, text: &'a str, key: &'a dyn Fn() -> &'a str, counts: &mut Counts) -> Option<(Buffer<'c>, usize)> {
        let mut out = None;
        for found in Scanner::new(Text { bytes: text.as_bytes(), key }, self.config.kinds) {
            let piece = text.get(found.start..found.end).unwrap_or("");
            if found.kind == Kind::Email && self.config.keeps(piece) {
                continue;
            }
            counts[found.kind as usize] += 1;
            let (mut to, done) = out.take().unwrap_or_else(|| (call.buffer(text.len() + 32), 0));
            to.push_str(text.get(done..found.start).unwrap_or(""));
            self.replacement(found, piece, &mut to);
            out = Some((to, found.end));
        }
        out
    }

    fn replacement(&self, found: Found, piece: &str, out: &mut Buffer<'_>) {
        if self.config.style == Style::Label {
            out.push_str("[");
            out.push_str(found.kind.name());
            return out.push_str("]");
        }
        let letters = piece.chars().filter(|c| !is_mark(*c)).count();
        let keep = if self.config.style == Style::Last4 && found.kind != Kind::Email && letters > 8 { 4 } else { 0 };
        let mut seen = 0;
        for c in piece.chars() {
            if is_mark(c) {
                out.push(c);
                continue;
            }
            seen += 1;
            out.push(if letters - seen < keep { c } else { '*' });
        }
    }
}

fn is_mark(c: char) -> bool {
    c.is_ascii() && !c.is_ascii_alphanumeric()
}

/// `2 email, 1 card`
fn say<'c, H: Hook>(call: &'c Call<H>, counts: &Counts) -> &'c str {
    let mut out = call.buffer(64);
    for (n, name) in counts.iter().zip(NAMES) {
        if *n > 0 {
            if !out.as_str().is_empty() {
                out.push_str(", ");
            }
            out.push_int(i64::from(*n));
            out.push_str(" ");
            out.push_str(name);
        }
    }
    out.into_str()
}

/// The last key of a path: `phone` of `args.people[0].phone`.
fn last_key(path: &str) -> &str {
    let b = path.as_bytes();
    let start = b.iter().rposition(|c| *c == b'.').map_or(0, |dot| dot + 1);
    let end = b[start..].iter().position(|c| *c == b'[').map_or(b.len(), |n| start + n);
    path.get(start..end).unwrap_or("")
}

/// What the protocol itself needs: cursors, types, and names by which things are asked for. It stays, except in what a server calls
/// structured content, where the keys are its own.
fn structural(path: &str) -> bool {
    let result = match path.strip_prefix("mcp.result.") {
        Some(rest) => rest,
        None => return false,
    };
    let key = last_key(path);
    let of_protocol = matches!(key, "nextCursor" | "taskId" | "requestState" | "mimeType" | "type" | "resultType" | "uri" | "uriTemplate");
    of_protocol && !result.starts_with("structuredContent") || matches!(result.split('.').next(), Some("requestState" | "nextCursor"))
}

impl OnRequest for RedactPii {
    fn on_request(&self, call: &Call<Request>) -> Verdict {
        self.judge(call)
    }
}

impl OnResponse for RedactPii {
    fn on_response(&self, call: &Call<Response>) -> Verdict {
        self.judge(call)
    }
}

impl Settings for RedactPii {
    fn configure(settings: Value<'static>) -> Result<RedactPii, Refusal> {
        Ok(RedactPii { config: Config::of(settings)? })
    }
}

impl SelfTest for RedactPii {
    fn self_test(&self) -> Result<(), Refusal> {
        let text = Text { bytes: b"card 4111 1111 1111 1111, not 4111 1111 1111 1112, bob@example.com", key: &|| "" };
        let mut found = Scanner::new(text, kinds::Kinds::USUAL).map(|f| f.kind);
        if (found.next(), found.next(), found.next()) != (Some(Kind::Card), Some(Kind::Email), None) {
            return Err(Refusal::new("wrong", "the matchers find something else than they should"));
        }
        Ok(())
    }
}

sallyport::plugin!(RedactPii, MANIFEST: OnRequest, OnResponse, Settings, SelfTest);

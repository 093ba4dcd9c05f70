//! What the operator wants.

use crate::kinds::{Kinds, NAMES};
use sallyport::{Refusal, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Redact,
    Deny,
    Label,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Label,
    Last4,
    Stars,
}

/// The settings, which the gateway has checked with the manifest's schema. What isn't there has a default.
pub struct Config {
    pub kinds: Kinds,
    pub action: Action,
    pub style: Style,
    keep_domains: Value<'static>,
}

impl Config {
    pub fn of(settings: Value<'static>) -> Result<Config, Refusal> {
        Ok(Config {
            kinds: kinds(settings)?,
            action: match word(settings, "action") {
                "" | "redact" => Action::Redact,
                "deny" => Action::Deny,
                "label" => Action::Label,
                _ => return Err(Refusal::new("no_action", "there is no such action").at("/action")),
            },
            style: match word(settings, "style") {
                "" | "label" => Style::Label,
                "last4" => Style::Last4,
                "stars" => Style::Stars,
                _ => return Err(Refusal::new("no_style", "there is no such style").at("/style")),
            },
            keep_domains: settings.get("keep_domains").unwrap_or(Value::new("[]")),
        })
    }

    /// Whether an e-mail address is of a domain that stays.
    pub fn keeps(&self, address: &str) -> bool {
        let domain = address.rsplit('@').next().unwrap_or("").as_bytes();
        self.keep_domains.elements().filter_map(|d| d.text()?.plain()).any(|d| {
            let rest = domain.len().checked_sub(d.len());
            let part = rest.map_or(false, |n| domain[n..].eq_ignore_ascii_case(d.as_bytes()));
            part && rest.map_or(false, |n| n == 0 || domain[n - 1] == b'.')
        })
    }
}

fn word(settings: Value<'static>, key: &str) -> &'static str {
    match settings.get(key) {
        Some(v) => v.text().and_then(|t| t.plain()).unwrap_or("?"),
        None => "",
    }
}

fn kinds(settings: Value<'static>) -> Result<Kinds, Refusal> {
    let list = match settings.get("kinds") {
        Some(list) => list,
        None => return Ok(Kinds::USUAL),
    };
    let mut out = 0;
    for name in list.elements() {
        match NAMES.iter().position(|n| name.is(n)) {
            Some(i) => out |= 1 << i,
            None => return Err(Refusal::new("no_kind", "there is no such kind").at("/kinds")),
        }
    }
    Ok(Kinds(out))
}

//! A plugin that uses every part of the SDK, and a gateway for tests that holds it to its manifest.
#![cfg_attr(not(test), allow(dead_code))]
use sallyport::{
    abi, raw, Call, Detectors, Field, ItemField, Kind, Level, List, Manifest, NoPlace, OnList, OnRequest, OnResponse, Refusal, Request, Response, SelfTest,
    Settings, Table, Value, Verdict,
};

const MANIFEST: Manifest = Manifest::new(
    r#"{
  "abi": "sallyport/1", "name": "sdk-test", "version": "1.0.0",
  "hooks": ["request", "response", "list"],
  "reads": {
    "request": ["args", "args.amount", "args.path", "args.tags", "args.urgent", "args[\"odd key\"]"],
    "response": ["mcp.tool.result.isError"],
    "list": ["items[*].name", "principal.groups"]
  },
  "strings": {"request": ["args.body", "args.list[*].text"], "response": ["mcp.tool.result"]},
  "writes": ["args.body", "args.list[*].text", "args.note", "args.path", "mcp.result", "params.name"],
  "verdicts": ["deny", "mutate"],
  "capabilities": ["lookup:tenants", "match:pii"],
  "settings_schema": {"type": "object"}
}"#,
);
const ARGS: Field<Request> = MANIFEST.field("args");
const AMOUNT: Field<Request> = MANIFEST.field("args.amount");
const PATH: Field<Request> = MANIFEST.field("args.path");
const TAGS: Field<Request> = MANIFEST.field("args.tags");
const URGENT: Field<Request> = MANIFEST.field("args.urgent");
const ODD: Field<Request> = MANIFEST.field("args[\"odd key\"]");
const IS_ERROR: Field<Response> = MANIFEST.field("mcp.tool.result.isError");
const GROUPS: Field<List> = MANIFEST.field("principal.groups");
const NAME: ItemField = MANIFEST.item_field("items[*].name");
const TENANTS: Table = MANIFEST.table("lookup:tenants");
const PII: Detectors = MANIFEST.detectors("match:pii");

struct Probe {
    mask: Value<'static>,
}

impl Settings for Probe {
    fn configure(settings: Value<'static>) -> Result<Probe, Refusal> {
        match settings.get("mask") {
            Some(mask) if mask.kind() == Kind::String => Ok(Probe { mask }),
            Some(_) => Err(Refusal::new("bad_mask", "The mask is no text.").at("/mask")),
            None if settings.get("early").is_some() => {
                raw::field_kind(0);
                Err(Refusal::new("early", "It was let."))
            }
            None => Ok(Probe { mask: Value::new("\"***\"") }),
        }
    }
}

impl SelfTest for Probe {
    fn self_test(&self) -> Result<(), Refusal> {
        if self.mask.is("") {
            return Err(Refusal::new("no_mask", "There is nothing to mask with."));
        }
        Ok(())
    }
}

impl Probe {
    fn redact(&self, call: &Call<Request>) -> Verdict {
        let mut verdict = Verdict::Pass;
        for s in call.strings() {
            let (text, mut out, mut at) = (s.text(), call.buffer(8), 0);
            for found in s.find(PII) {
                call.note("rule", call.rule_name(PII, found.rule).unwrap_or("?"));
                out.push_str(&text[at..found.start]);
                self.mask.text().into_iter().flat_map(|t| t.chars()).for_each(|c| out.push(c));
                at = found.end;
            }
            if at > 0 {
                out.push_str(&text[at..]);
                s.replace(out.as_str());
                call.label("redacted");
                verdict = Verdict::Mutate;
            }
        }
        verdict
    }

    fn tell(&self, call: &Call<Request>) {
        let mut out = call.buffer(4);
        out.push_int(call.number(AMOUNT).unwrap_or(-1.0) as i64);
        for tag in call.value(TAGS).into_iter().flat_map(|v| v.elements()) {
            out.push(' ');
            out.push_str(tag.text().and_then(|t| t.plain()).unwrap_or(tag.json()));
        }
        call.note("seen", out.into_str());
        let all = call.fields();
        assert_eq!(all.text(PATH), call.text(PATH));
        assert_eq!(all.kind(TAGS), call.kind(TAGS));
        assert_eq!(all.value(TAGS), call.value(TAGS));
        call.note("odd", call.any(ODD).unwrap_or("absent"));
        call.note("urgent", match call.flag(URGENT) {
            Some(true) => "yes",
            Some(false) => "no",
            None => "absent",
        });
        call.log(Level::Warn, call.value(ARGS).map_or("", |v| v.json()));
    }
}

impl OnRequest for Probe {
    fn on_request(&self, call: &Call<Request>) -> Verdict {
        match call.text(PATH) {
            None => call.deny("no_path", "A path is needed."),
            Some("tell") => {
                self.tell(call);
                Verdict::Pass
            }
            Some("raw") => raw::verdict(9),
            Some("ask") => call.approve("Really?"),
            Some("undeclared") => {
                raw::field_kind(6);
                Verdict::Pass
            }
            Some("outside") => call.set("args.amount", "1").map_or(Verdict::Deny, |()| Verdict::Mutate),
            Some("protected") => call.set("params.name", "1").map_or(Verdict::Deny, |()| Verdict::Mutate),
            Some("set") => call.set_text("args.note", "a\"b\\\n\u{1}\u{e9}").map_or(Verdict::Deny, |()| Verdict::Mutate),
            Some("no json") => call.set("args.note", "{").map_or(Verdict::Deny, |()| Verdict::Mutate),
            Some("remove") => call.remove("args.list[1].text").map_or(Verdict::Deny, |()| Verdict::Mutate),
            Some("nowhere") => match (call.remove("args.note"), call.set("args.body.x", "1")) {
                (Err(NoPlace::Absent), Err(NoPlace::WrongType)) => Verdict::Pass,
                _ => Verdict::Deny,
            },
            Some("inside") => {
                let _ = (call.set("args.body", "{}"), call.set("args.body.x", "1"));
                Verdict::Mutate
            }
            Some("inside, denied") => {
                let _ = (call.set("args.body", "{}"), call.set("args.body.x", "1"));
                Verdict::Deny
            }
            Some("bytes") => {
                raw::note(b"bytes", b"a\xe2\x82b\xff");
                Verdict::Pass
            }
            Some("forgotten") => {
                let _ = call.set("args.note", "1");
                Verdict::Pass
            }
            Some("nothing") => Verdict::Mutate,
            Some("panic") => panic!("as it was told"),
            Some("fail") => call.fail("can't judge"),
            Some("bad code") => call.deny("Bad", ""),
            Some("bad key") => {
                call.note("a b", "");
                Verdict::Pass
            }
            Some("many") => {
                for i in 0..17 {
                    let mut key = call.buffer(0);
                    key.push_str("x");
                    key.push_int(i);
                    call.note(key.as_str(), "");
                }
                Verdict::Pass
            }
            Some("now") => {
                let mut out = call.buffer(0);
                out.push_int(call.now_ms());
                call.note("now", out.as_str());
                Verdict::Pass
            }
            Some("feature") if sallyport::has_feature(abi::FEATURE_VIEW) => Verdict::Pass,
            Some("feature") => Verdict::Abstain,
            Some("granted") => call.deny(if TENANTS.granted() && PII.granted() { "both" } else { "not_both" }, ""),
            Some(path) if path.starts_with("tenant ") => call.deny("tenant", call.lookup(TENANTS, &path[7..]).unwrap_or("none")),
            Some(path) if path.starts_with("find") => match call.find(PII, PATH) {
                Some(mut found) => call.deny("found", if found.next().is_some() { "something" } else { "nothing" }),
                None => Verdict::Abstain,
            },
            Some(_) => self.redact(call),
        }
    }
}

impl OnResponse for Probe {
    fn on_response(&self, call: &Call<Response>) -> Verdict {
        if call.flag(IS_ERROR) == Some(true) {
            return Verdict::Abstain;
        }
        let mut verdict = Verdict::Pass;
        for (s, text) in call.texts() {
            if text == "all" {
                let taken = call.remove("mcp.tool.result");
                assert_eq!(taken, Err(NoPlace::WrongType));
                return call.set("mcp.tool.result", "{}").map_or(Verdict::Deny, |()| Verdict::Mutate);
            }
            if text == "secret" {
                call.note("at", s.path());
                s.replace("***");
                verdict = Verdict::Mutate;
            }
        }
        verdict
    }
}

impl OnList for Probe {
    fn on_list(&self, call: &Call<List>) -> Verdict {
        if call.value(GROUPS).map_or(false, |g| g.contains("ops")) {
            return Verdict::Pass;
        }
        let mut verdict = Verdict::Pass;
        for item in call.items() {
            if item.any(NAME).map_or(true, |n| n.starts_with("admin_")) {
                item.drop();
                verdict = Verdict::Mutate;
            }
        }
        verdict
    }
}

sallyport::plugin!(Probe, MANIFEST: OnRequest, OnResponse, OnList, Settings, SelfTest);

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport::testing::{Host, Message, Outcome};

    fn host() -> Host<Probe> {
        Host::<Probe>::with_settings("{}").unwrap()
    }

    fn ask(path: &str) -> Outcome {
        let args = format!(r#"{{"path": "{}", "body": "b", "list": [{{"text": "x"}}, {{"text": "y"}}]}}"#, path);
        host().request(&Message::tool_call("t", &args))
    }

    #[test]
    fn verdicts_are_held_to_the_manifest() {
        for (path, want) in [
            ("", "deny plugin_failed: capability: match:pii is not granted"),
            ("nothing", "pass"),
            ("raw", "deny plugin_failed: abi: there is no verdict 9"),
            ("ask", "deny plugin_failed: capability: the verdict approve is not declared"),
            ("panic", "deny plugin_failed: trap: as it was told"),
            ("fail", "deny plugin_failed: trap: can't judge"),
            ("undeclared", "deny plugin_failed: capability: field 6 is not declared"),
            ("outside", "deny plugin_failed: capability: args.amount is not within writes"),
            ("protected", "deny plugin_failed: capability: params.name is not within writes"),
            ("no json", "deny plugin_failed: abi: no JSON: { (at \"\")"),
            ("forgotten", "deny plugin_failed: abi: edits with the verdict pass"),
            ("nowhere", "pass"),
            ("bad code", "deny plugin_failed: abi: \"Bad\" is no code"),
            ("bad key", "deny plugin_failed: abi: \"a b\" is no key"),
            ("many", "deny plugin_failed: abi: more than 16 notes"),
            ("granted", "deny not_both"),
            ("tenant a", "deny plugin_failed: capability: lookup:tenants is not granted"),
            ("find", "deny plugin_failed: capability: match:pii is not granted"),
        ] {
            assert_eq!(ask(path).to_string(), want, "{}", path);
        }
        assert_eq!(host().request(&Message::tool_call("t", r#"{"path": 1}"#)).to_string(), "deny no_path: A path is needed.");
    }

    #[test]
    fn an_edit_inside_of_another_is_refused() {
        let out = host().request(&Message::tool_call("t", r#"{"path": "inside", "body": {"x": 0}}"#));
        assert!(out.to_string().starts_with("deny plugin_failed: abi: an edit of args.body.x"), "{}", out);
        assert!(out.edits.is_empty());
        let out = host().request(&Message::tool_call("t", r#"{"path": "inside, denied", "body": {"x": 0}}"#));
        assert_eq!(out.to_string(), "deny denied_by_plugin", "edits of what is denied are forgotten");
    }

    #[test]
    fn each_byte_that_is_no_text_is_replaced() {
        assert_eq!(ask("bytes").notes["bytes"], "a\u{fffd}\u{fffd}b\u{fffd}");
    }

    #[test]
    fn edits_make_the_message_that_goes_on() {
        let out = ask("set");
        assert_eq!(out.verdict, "mutate");
        assert_eq!(out.edits, [("args.note".to_string(), Some(r#""a\"b\\\n\u0001é""#.to_string()))]);
        let want = r#"{"name":"t","arguments":{"path":"set","body":"b","list":[{"text":"x"},{"text":"y"}],"note":"a\"b\\\n\u0001é"}}"#;
        assert_eq!(out.after, want);
        assert_eq!(ask("remove").after, r#"{"name":"t","arguments":{"path":"remove","body":"b","list":[{"text":"x"},{}]}}"#);
    }

    #[test]
    fn fields_have_their_types() {
        let message = Message::tool_call("t", r#"{"path": "tell", "amount": 12.5, "tags": ["a", 1, "b\"c"], "urgent": false, "odd key": {"a": null}}"#);
        let out = host().request(&message);
        assert_eq!(out.to_string(), "pass");
        assert_eq!(out.notes["seen"], r#"12 a 1 "b\"c""#);
        assert_eq!(out.notes["odd"], r#"{"a":null}"#);
        assert_eq!(out.notes["urgent"], "no");
        assert_eq!(out.logs, [r#"warn {"path":"tell","amount":12.5,"tags":["a",1,"b\"c"],"urgent":false,"odd key":{"a":null}}"#]);
    }

    #[test]
    fn detectors_and_tables_are_those_of_the_test() {
        let host = host().detect("match:pii", "email", "bob@example.com").detect("match:pii", "name", "bob").detect("match:pii", "other", "bob").table("lookup:tenants", "a", r#""acme""#);
        let out = host.request(&Message::tool_call("t", r#"{"path": "p", "body": "to bob@example.com, bob", "list": [{"text": "none"}]}"#));
        assert_eq!(out.edits, [("args.body".to_string(), Some("\"to ***, ***\"".to_string()))]);
        assert_eq!((out.verdict, &out.notes["rule"][..], &out.labels[..]), ("mutate", "name", &["redacted".to_string()][..]));
        let path = |p: &str| Message::tool_call("t", &format!(r#"{{"path": "{}"}}"#, p));
        assert_eq!(host.request(&path("tenant a")).to_string(), "deny tenant: acme");
        assert_eq!(host.request(&path("tenant b")).to_string(), "deny tenant: none");
        assert_eq!(host.request(&path("find bob")).to_string(), "deny found: something");
        assert_eq!(host.request(&path("find none")).to_string(), "deny found: nothing");
        assert_eq!(host.request(&path("granted")).to_string(), "deny both");
        let host = host.withhold("match:pii").at(1234);
        assert_eq!(host.request(&path("granted")).to_string(), "deny not_both");
        assert_eq!(host.request(&path("now")).notes["now"], "1234");
    }

    #[test]
    fn results_are_redacted_by_their_strings() {
        let host = host();
        let out = host.response(&Message::tool_result("t", r#"{"content": [{"text": "a"}, {"text": "secret"}], "isError": false}"#));
        assert_eq!((out.verdict, &out.notes["at"][..]), ("mutate", "mcp.tool.result.content[1].text"));
        assert_eq!(out.after, r#"{"content":[{"text":"a"},{"text":"***"}],"isError":false}"#);
        assert_eq!(host.response(&Message::tool_result("t", r#"{"isError": true}"#)).to_string(), "abstain");
        assert_eq!(host.response(&Message::tool_result("t", r#"{"content": "all"}"#)).after, "{}", "a result is replaced, and not taken out");
    }

    #[test]
    fn items_of_a_list_are_dropped() {
        let tools = Message::tools(r#"[{"name": "admin_a"}, {"name": "b"}, {"name": "admin_c"}]"#);
        assert_eq!(host().list(&tools).after, r#"[{"name":"b"}]"#);
        assert_eq!(host().list(&tools.json("principal.groups", r#"["ops"]"#)).to_string(), "pass");
    }

    #[test]
    fn settings_are_checked_at_boot() {
        let boot = |json: &str| Host::<Probe>::with_settings(json).err().unwrap_or_default();
        assert_eq!(boot(r#"{"mask": "x"}"#), "");
        assert_eq!(boot(r#"{"mask": 1}"#), "/mask: bad_mask: The mask is no text.");
        assert_eq!(boot(r#"{"mask": ""}"#), "no_mask: There is nothing to mask with.");
        assert_eq!(boot(r#"{"early": 1}"#), "abi: field is called before the first hook");
    }

    #[test]
    fn features_may_be_lacking() {
        let ask = Message::tool_call("t", r#"{"path": "feature"}"#);
        assert_eq!(host().request(&ask).to_string(), "pass");
        assert_eq!(host().lack(abi::FEATURE_VIEW).request(&ask).to_string(), "abstain");
    }

    #[test]
    fn values_are_read_without_memory() {
        let v = Value::new(r#"{"a":[1,"x\"y",{"b":[]}],"k\\":-7,"c":{"d":"}"},"e":true,"u":"\u0001é"}"#);
        assert_eq!(v.get("a").map(|a| a.elements().count()), Some(3));
        assert!(v.get("a").unwrap().contains("x\"y"));
        assert_eq!(v.get("k\\").and_then(Value::int), Some(-7));
        assert!(v.get("c").unwrap().get("d").unwrap().is("}"));
        assert_eq!(v.get("e").and_then(Value::flag), Some(true));
        assert!(v.get("u").unwrap().is("\u{1}é"));
        assert_eq!(v.get("u").unwrap().text().unwrap().to_string(), "\u{1}é");
        assert_eq!(v.members().count(), 5);
        assert!(v.get("z").is_none());
        for (json, want) in [("9223372036854775807", Some(i64::MAX)), ("-9223372036854775808", Some(i64::MIN)), ("9223372036854775808", None), ("1.0", None), ("-", None)] {
            assert_eq!(Value::new(json).int(), want, "{}", json);
        }
        for broken in ["", "[", "{", "\"", "[1,", "{\"a\"", "\"\\", "{\"a\":\"\\", "}"] {
            let v = Value::new(broken);
            let _ = (v.elements().count(), v.members().count(), v.text().map(|t| t.chars().count()), v.get("a"), v.int());
        }
    }
}

//! A plugin that looks at three fields, as engine/wasm's benchmark in C does.
#![cfg_attr(target_arch = "wasm32", no_std)]
use sallyport::{Call, Field, Manifest, OnRequest, Request, Verdict};

const MANIFEST: Manifest = Manifest::new(
    r#"{
  "abi": "sallyport/1",
  "name": "authorise",
  "version": "1.0.0",
  "hooks": ["request"],
  "reads": {"request": ["args.path", "mcp.tool.name", "principal.groups"]},
  "verdicts": ["deny"],
  "deterministic": true,
  "limits": {"pages": 2}
}"#,
);
const PATH: Field<Request> = MANIFEST.field("args.path");
const TOOL: Field<Request> = MANIFEST.field("mcp.tool.name");
const GROUPS: Field<Request> = MANIFEST.field("principal.groups");

#[derive(Default)]
struct Authorise;

impl OnRequest for Authorise {
    fn on_request(&self, call: &Call<Request>) -> Verdict {
        let all = call.fields();
        if all.text(TOOL) != Some("read_file") {
            return Verdict::Abstain;
        }
        let path = all.text(PATH).unwrap_or("");
        if path.starts_with("/srv/") && !path.contains("..") {
            return Verdict::Pass;
        }
        match all.value(GROUPS) {
            Some(groups) if groups.contains("ops") => Verdict::Pass,
            _ => call.deny("outside", "The path is outside of /srv."),
        }
    }
}

sallyport::plugin!(Authorise, MANIFEST: OnRequest);

#[cfg(test)]
mod tests {
    use super::Authorise;
    use sallyport::testing::{Host, Message};

    #[test]
    fn judges_by_tool_path_and_groups() {
        let host = Host::<Authorise>::new();
        let call = |path: &str| Message::tool_call("read_file", path);
        for (message, want) in [
            (Message::tool_call("write_file", "{}"), "abstain"),
            (call(r#"{"path": "/srv/a"}"#), "pass"),
            (call(r#"{"path": "/srv/../etc"}"#), "deny outside: The path is outside of /srv."),
            (call(r#"{"path": ["/srv/"]}"#), "deny outside: The path is outside of /srv."),
            (call("{}").json("principal.groups", r#"["dev"]"#), "deny outside: The path is outside of /srv."),
            (call("{}").json("principal.groups", r#"["dev", "ops"]"#), "pass"),
        ] {
            assert_eq!(host.request(&message).to_string(), want);
        }
    }
}

//! Says which values of a tool's arguments each group may give: `dev` deploys to staging, `ops` to production too.
//! Tools of which a caller can't give any allowed value are left out of the lists that the caller sees.
#![cfg_attr(target_arch = "wasm32", no_std)]

use sallyport::{Call, Field, ItemField, List, Manifest, OnList, OnRequest, Refusal, Request, SelfTest, Settings, Value, Verdict};

// The manifest is read while this is compiled: a name that it doesn't declare is an error here.
const MANIFEST: Manifest = Manifest::new(include_str!("../manifest.json"));

const ARGS: Field<Request> = MANIFEST.field("args");
const TOOL: Field<Request> = MANIFEST.field("mcp.tool.name");
const GROUPS: Field<Request> = MANIFEST.field("principal.groups");

const METHOD: Field<List> = MANIFEST.field("mcp.method");
const GROUPS_OF_READER: Field<List> = MANIFEST.field("principal.groups");
const ITEM_NAME: ItemField = MANIFEST.item_field("items[*].name");

/// The group that everybody is in.
const EVERYBODY: &str = "*";

/// The plugin. Settings stay where the gateway has put them, so the plugin points at them.
struct GroupArguments {
    tools: Value<'static>,
}

impl Settings for GroupArguments {
    // The gateway has checked the settings with the manifest's schema, so only what a schema can't say is looked at here: a
    // tool or an argument without anything below it reads like a rule, and would be none.
    fn configure(settings: Value<'static>) -> Result<GroupArguments, Refusal> {
        let tools = settings.get("tools").unwrap_or(Value::new("{}"));
        for (_, arguments) in tools.members() {
            if arguments.members().next().is_none() {
                return Err(Refusal::new("no_arguments", "name an argument for each tool").at("/tools"));
            }
            for (_, groups) in arguments.members() {
                if groups.members().next().is_none() {
                    return Err(Refusal::new("no_groups", "name a group for each argument").at("/tools"));
                }
            }
        }
        Ok(GroupArguments { tools })
    }
}

impl OnRequest for GroupArguments {
    fn on_request(&self, call: &Call<Request>) -> Verdict {
        // All fields at once: one call of the host.
        let fields = call.fields();
        let rules = match fields.text(TOOL).and_then(|tool| self.tools.get(tool)) {
            Some(rules) => rules,
            None => return Verdict::Abstain, // not a tool that is listed
        };
        let groups = fields.value(GROUPS).unwrap_or(Value::new("[]"));
        let args = fields.value(ARGS).unwrap_or(Value::new("{}"));
        for (argument, allowed) in rules.members() {
            // An argument that isn't given counts as null: the server would take a default that nobody has looked at.
            let given = args.members().find(|(name, _)| *name == argument).map_or(Value::new("null"), |(_, value)| value);
            if !may_give(allowed, groups, given) {
                let mut text = call.buffer(96);
                text.push_str("Your groups may not give this value to the argument ");
                argument.chars().for_each(|c| text.push(c));
                text.push_str(".");
                return call.deny("argument_not_allowed", text.as_str());
            }
        }
        Verdict::Pass
    }
}

impl OnList for GroupArguments {
    fn on_list(&self, call: &Call<List>) -> Verdict {
        if call.text(METHOD) != Some("tools/list") {
            return Verdict::Abstain;
        }
        let groups = call.value(GROUPS_OF_READER).unwrap_or(Value::new("[]"));
        let mut verdict = Verdict::Pass;
        for item in call.items() {
            let rules = item.any(ITEM_NAME).and_then(|name| self.tools.get(name));
            if rules.map_or(false, |r| r.members().any(|(_, allowed)| !may_give_any(allowed, groups))) {
                item.drop();
                verdict = Verdict::Mutate;
            }
        }
        verdict
    }
}

/// The values that somebody with these groups may give.
fn values<'a>(allowed: Value<'a>, groups: Value<'a>) -> impl Iterator<Item = Value<'a>> {
    let mine = move |group: &sallyport::Text<'_>| *group == EVERYBODY || groups.elements().any(|g| g.text().as_ref() == Some(group));
    allowed.members().filter(move |(group, _)| mine(group)).flat_map(|(_, values)| values.elements())
}

/// Whether one of the values is the one that is given. Both are JSON as the gateway writes it, where strings have one
/// spelling. Numbers keep the digits that they came with, so 1.0 isn't 1, and is refused.
fn may_give(allowed: Value<'_>, groups: Value<'_>, given: Value<'_>) -> bool {
    values(allowed, groups).any(|value| value == given)
}

fn may_give_any(allowed: Value<'_>, groups: Value<'_>) -> bool {
    values(allowed, groups).next().is_some()
}

impl SelfTest for GroupArguments {
    // A plugin that fails here isn't loaded, and the one that served before it stays.
    fn self_test(&self) -> Result<(), Refusal> {
        let allowed = Value::new(r#"{"dev":["staging"],"ops":["staging","production"]}"#);
        let (dev, production) = (Value::new(r#"["dev"]"#), Value::new(r#""production""#));
        if may_give(allowed, dev, production) || !may_give(allowed, Value::new(r#"["ops"]"#), production) {
            return Err(Refusal::new("wrong", "groups are told apart wrongly"));
        }
        Ok(())
    }
}

sallyport::plugin!(GroupArguments, MANIFEST: OnRequest, OnList, Settings, SelfTest);

#[cfg(test)]
mod tests {
    use super::GroupArguments;
    use sallyport::testing::{Host, Message};

    const SETTINGS: &str = r#"{"tools": {
        "deploy": {"environment": {"dev": ["staging"], "ops": ["staging", "production"]}, "force": {"*": [false, null], "ops": [true]}},
        "query": {"database": {"*": ["public"]}}
    }}"#;

    fn host() -> Host<GroupArguments> {
        Host::with_settings(SETTINGS).unwrap()
    }

    fn ask(groups: &str, tool: &str, args: &str) -> String {
        host().request(&Message::tool_call(tool, args).json("principal.groups", groups)).to_string()
    }

    #[test]
    fn each_group_has_its_values() {
        let no = |argument: &str| format!("deny argument_not_allowed: Your groups may not give this value to the argument {}.", argument);
        for (groups, args, want) in [
            (r#"["dev"]"#, r#"{"environment": "staging"}"#, "pass".to_string()),
            (r#"["dev"]"#, r#"{"environment": "production"}"#, no("environment")),
            (r#"["dev"]"#, r#"{"environment": "staging", "force": true}"#, no("force")),
            (r#"["dev"]"#, r#"{"environment": "staging", "force": false, "more": 1}"#, "pass".to_string()),
            (r#"["dev"]"#, r#"{"environment": ["staging"]}"#, no("environment")),
            (r#"["dev"]"#, "{}", no("environment")),
            (r#"["dev", "ops"]"#, r#"{"environment": "production", "force": true}"#, "pass".to_string()),
            ("[]", r#"{"environment": "staging"}"#, no("environment")),
            (r#"["*"]"#, r#"{"environment": "staging"}"#, no("environment")),
        ] {
            assert_eq!(ask(groups, "deploy", args), want, "{} {}", groups, args);
        }
    }

    #[test]
    fn everybody_has_the_values_of_the_star() {
        assert_eq!(ask("[]", "query", r#"{"database": "public"}"#), "pass");
        assert!(ask(r#"["dba"]"#, "query", r#"{"database": "hr"}"#).starts_with("deny argument_not_allowed"));
    }

    #[test]
    fn other_tools_are_none_of_its_business() {
        assert_eq!(ask("[]", "read_file", r#"{"environment": "production"}"#), "abstain");
    }

    #[test]
    fn lists_show_what_their_reader_could_call() {
        let tools = r#"[{"name": "deploy"}, {"name": "query"}, {"name": "other"}]"#;
        let out = host().list(&Message::tools(tools));
        assert_eq!((out.verdict, &out.after[..]), ("mutate", r#"[{"name":"query"},{"name":"other"}]"#));
        let out = host().list(&Message::tools(tools).json("principal.groups", r#"["dev"]"#));
        assert_eq!(out.to_string(), "pass");
        let prompts = Message::tools(tools).text("mcp.method", "prompts/list");
        assert_eq!(host().list(&prompts).to_string(), "abstain");
    }

    #[test]
    fn rules_without_values_are_refused() {
        let refused = |settings: &str| Host::<GroupArguments>::with_settings(settings).err().unwrap_or_default();
        assert_eq!(refused(r#"{"tools": {"deploy": {}}}"#), "/tools: no_arguments: name an argument for each tool");
        assert_eq!(refused(r#"{"tools": {"deploy": {"environment": {}}}}"#), "/tools: no_groups: name a group for each argument");
    }
}

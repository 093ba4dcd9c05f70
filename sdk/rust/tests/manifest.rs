//! What the compiler finds wrong with a manifest. Here it is a panic at run time, so that there is a text to compare.
use sallyport::{Field, ItemField, List, Manifest, Request};
use std::panic::catch_unwind;

const GOOD: &str = r#"{
  "abi": "sallyport/1", "name": "a", "version": "1.0.0", "hooks": ["request", "list"],
  "reads": {"request": ["args.a", "args[\"b c\"]", "args[\"b\\nc\"]"], "list": ["items[*].name", "principal.id"]},
  "writes": ["args.a"], "verdicts": ["mutate"], "capabilities": ["lookup:t", "match:pii"],
  "limits": {"pages": 2, "fuel": 1e6}, "deterministic": true, "meta": {}
}"#;

fn panic_of<T>(f: impl FnOnce() -> T + std::panic::UnwindSafe) -> String {
    match catch_unwind(f) {
        Ok(_) => String::new(),
        Err(e) => e.downcast_ref::<&str>().map(|s| s.to_string()).or_else(|| e.downcast_ref::<String>().cloned()).unwrap_or_default(),
    }
}

#[test]
fn mistakes_are_named() {
    assert_eq!(panic_of(|| Manifest::new(GOOD)), "");
    for (from, to, want) in [
        ("sallyport/1", "sallyport/2", "the manifest's abi is not sallyport/1"),
        (r#""name": "a", "#, "", "the manifest lacks abi, name, version or hooks"),
        (r#""meta": {}"#, r#""mata": {}"#, "the manifest has a key that there is not"),
        (r#""meta": {}"#, r#""abi": {}"#, "the manifest has a key twice"),
        (r#""meta": {}"#, r#""meta": {} {}"#, "the manifest is no JSON: a comma is missing"),
        (r#""meta": {}"#, r#""meta" {}"#, "the manifest is no JSON: a colon is missing"),
        (r#""meta": {}"#, r#""meta": {"#, "the manifest is no JSON: a comma is missing"),
        (r#""meta": {}"#, r#""meta": tru"#, "the manifest is no JSON: there is no such word"),
        (r#""meta": {}"#, r#""meta": "#, "the manifest is no JSON: a value is missing"),
        (r#""meta": {}"#, r#""meta": ""#, "the manifest is no JSON: a string doesn't end"),
        (r#", "list"]"#, r#", "lists"]"#, "the manifest has a hook or a verdict that there is not"),
        (r#", "list"]"#, r#", "request"]"#, "the manifest has a hook or a verdict twice"),
        (r#"["mutate"]"#, r#"["mutte"]"#, "the manifest has a hook or a verdict that there is not"),
        (r#"["mutate"]"#, r#"["deny"]"#, "writes need the verdict mutate"),
        (r#""list": ["#, r#""liste": ["#, "the manifest has a hook that there is not"),
        (r#""args.a", "args["#, r#""args[\"z\"]", "args["#, "reads, strings, writes and capabilities of a manifest must be sorted, and hold nothing twice"),
        (r#"["lookup:t", "match:pii"]"#, r#"["match:pii", "lookup:t"]"#, "reads, strings, writes and capabilities of a manifest must be sorted, and hold nothing twice"),
        (r#"["lookup:t", "match:pii"]"#, r#"["match:pii", "match:pii"]"#, "reads, strings, writes and capabilities of a manifest must be sorted, and hold nothing twice"),
        (r#""writes": ["args.a"]"#, r#""writes": "args.a""#, "the manifest has a value of the wrong type"),
    ] {
        let bad: &'static str = Box::leak(GOOD.replacen(from, to, 1).into_boxed_str());
        assert_ne!(bad, GOOD);
        assert_eq!(panic_of(|| Manifest::new(bad)), want, "{} for {}", to, from);
    }
    let no_writes = r#"{"abi": "sallyport/1", "name": "a", "version": "1.0.0", "hooks": ["request"], "verdicts": ["mutate"]}"#;
    assert_eq!(panic_of(|| Manifest::new(no_writes)), "the verdict mutate needs writes, or the hook list");
}

#[test]
fn names_are_looked_up() {
    const M: Manifest = Manifest::new(r#"{"abi": "sallyport/1", "name": "a", "version": "1.0.0", "hooks": ["request", "list"],
      "reads": {"request": ["args.a", "args[\"b c\"]"], "list": ["items[*].name", "principal.id"]}, "capabilities": ["lookup:t"]}"#);
    let id = |f: Field<Request>| format!("{:?}", f);
    assert!(id(M.field("args.a")).starts_with("Field { id: 0"));
    assert!(id(M.field("args[\"b c\"]")).starts_with("Field { id: 1"));
    assert_eq!(panic_of(|| -> Field<Request> { M.field("args.b") }), "the manifest doesn't declare this field in the reads of this hook");
    assert_eq!(panic_of(|| -> Field<Request> { M.field("principal.id") }), "the manifest doesn't declare this field in the reads of this hook");
    assert_eq!(panic_of(|| -> Field<List> { M.field("items[*].name") }), "this is a field of each item: use item_field");
    assert_eq!(panic_of(|| -> ItemField { M.item_field("principal.id") }), "a field of items begins with items[*]: use field");
    assert_eq!(panic_of(|| M.table("lookup:u")), "the manifest doesn't declare this capability");
    assert_eq!(panic_of(|| M.table("match:t")), "the capability of a table is written lookup:NAME");
    assert_eq!(panic_of(|| M.detectors("lookup:t")), "the capability of detectors is written match:NAME");
}

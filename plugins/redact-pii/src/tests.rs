//! The matchers by themselves, and the plugin in a gateway for tests. The corpora hold the module to more.

use crate::kinds::{Kind, Kinds};
use crate::scan::{Scanner, Text};
use crate::{checks, RedactPii};
use sallyport::testing::{Host, Message, Outcome};

fn found_with(text: &str, key: &str) -> Vec<(Kind, String)> {
    let key = || key;
    let text = Text { bytes: text.as_bytes(), key: &key };
    Scanner::new(text, Kinds(u32::MAX)).map(|f| (f.kind, String::from_utf8_lossy(&text.bytes[f.start..f.end]).into_owned())).collect()
}

fn found(text: &str) -> Vec<(Kind, String)> {
    found_with(text, "")
}

fn digits(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_digit).map(|c| c - b'0').collect()
}

// Numbers that those who issue them publish as examples.
#[test]
fn checks_take_what_issuers_print() {
    for card in [
        "4111111111111111", "4012888888881881", "5555555555554444", "5105105105105100", "2223003122003222", "378282246310005", "371449635398431",
        "6011111111111117", "3530111333300000", "36227206271667", "6759649826438453", "4222222222222",
    ] {
        assert!(checks::card(&digits(card)), "{}", card);
    }
    for iban in ["GB82WEST12345698765432", "DE89370400440532013000", "CH9300762011623852957", "NO9386011117947", "MT84MALT011000012345MTLCAST001S", "FR1420041010050500013M02606"] {
        assert!(checks::iban(iban.as_bytes()), "{}", iban);
        assert_eq!(checks::iban_length(iban.as_bytes()[0], iban.as_bytes()[1]), iban.len());
    }
    assert!(checks::ahv(&digits("756.9217.0769.85")));
    assert!(checks::cpf(&digits("111.444.777-35")));
    assert!(checks::nir(&digits("2 55 08 14 168 025 38")));
    assert!(checks::personnummer(&digits("811218-9876")));
    assert!(checks::pesel(&digits("44051401359")));
    assert!(checks::nhs(&digits("943 476 5919")));
    assert!(checks::bsn(&digits("111222333")));
    assert!(checks::steuer_id(&digits("86095742719")));
    assert!(checks::aadhaar(&digits("2345 6789 0124")) || !checks::aadhaar(&digits("2345 6789 0123")));
    assert!(checks::dni(0, &digits("12345678"), b'Z'));
    assert!(checks::codice_fiscale(b"RSSMRA85T10A562S"));
    assert!(checks::luhn(&digits("046 454 286")));
}

#[test]
fn checks_refuse_one_wrong_digit() {
    let any_change = |text: &str, check: fn(&[u8]) -> bool| {
        let good = digits(text);
        assert!(check(&good), "{}", text);
        for i in 0..good.len() {
            for d in (0..10).filter(|d| *d != good[i]) {
                let mut bad = good.clone();
                bad[i] = d;
                assert!(!check(&bad), "{:?}", bad);
            }
        }
    };
    any_change("4111111111111111", checks::luhn);
    any_change("756.9217.0769.85", checks::ahv);
    any_change("943 476 5919", checks::nhs);
    any_change("111222333", checks::bsn);
    any_change("234567890124", |d| checks::aadhaar(d) || d == digits("234567890124"));
}

#[test]
fn pieces_are_found_where_they_stand() {
    use Kind::*;
    for (text, want) in [
        ("a bob@example.com, b", vec![(Email, "bob@example.com")]),
        ("<b.o+b@mail.example.co.uk>.", vec![(Email, "b.o+b@mail.example.co.uk")]),
        ("x?to=bob%40example.com&y", vec![(Email, "bob%40example.com")]),
        ("1234@example.com 4111111111111111", vec![(Email, "1234@example.com"), (Card, "4111111111111111")]),
        ("4111-1111-1111-1111/12", vec![(Card, "4111-1111-1111-1111")]),
        ("12 4111 1111 1111 1111 12", vec![(Card, "4111 1111 1111 1111")]),
        ("AB12 4111 1111 1111 1111", vec![(Card, "4111 1111 1111 1111")]),
        ("CH93 0076 2011 6238 5295 7 and gb82west12345698765432", vec![(Iban, "CH93 0076 2011 6238 5295 7"), (Iban, "gb82west12345698765432")]),
        ("(415) 555-2671 or +1 (415) 555-2671", vec![(Phone, "(415) 555-2671"), (Phone, "+1 (415) 555-2671")]),
        ("tel. 044 668 18 00", vec![(Phone, "044 668 18 00")]),
        ("123-45-6789", vec![(Ssn, "123-45-6789")]),
        ("ssn 123456789, sin 046454286", vec![(Ssn, "123456789"), (CaSin, "046454286")]),
        ("from 203.0.113.7:443 or 2001:db8::1", vec![(Ip, "203.0.113.7"), (Ip, "2001:db8::1")]),
        ("“CH93 0076 2011 6238 5295 7”—“4111111111111111”…", vec![(Iban, "CH93 0076 2011 6238 5295 7"), (Card, "4111111111111111")]),
        ("4111\u{a0}1111\u{a0}1111\u{a0}1111, +33\u{202f}6\u{202f}12\u{202f}34\u{202f}56\u{202f}78", vec![
            (Card, "4111\u{a0}1111\u{a0}1111\u{a0}1111"),
            (Phone, "+33\u{202f}6\u{202f}12\u{202f}34\u{202f}56\u{202f}78"),
        ]),
        ("4111\u{2009}1111\u{2009}1111\u{2009}1111, CH93\u{2007}0076\u{2007}2011\u{2007}6238\u{2007}5295\u{2007}7", vec![
            (Card, "4111\u{2009}1111\u{2009}1111\u{2009}1111"),
            (Iban, "CH93\u{2007}0076\u{2007}2011\u{2007}6238\u{2007}5295\u{2007}7"),
        ]),
        ("番号4111111111111111です", vec![(Card, "4111111111111111")]),
        ("请联系bob@example.com谢谢", vec![(Email, "bob@example.com")]),
        ("“jürgen.müller@müller.example”—gut", vec![(Email, "jürgen.müller@müller.example")]),
        ("«用户@例子.公司»", vec![(Email, "用户@例子.公司")]),
        ("NI AB 12 34 56 C", vec![(UkNino, "AB 12 34 56 C")]),
    ] {
        let want: Vec<_> = want.into_iter().map(|(k, t)| (k, t.to_string())).collect();
        assert_eq!(found(text), want, "{}", text);
    }
}

#[test]
fn other_numbers_are_left_alone() {
    for text in [
        "550e8400-e29b-41d4-a716-446655440000", "2026-11-22T13:18:16.000123Z", "4111 1111 1111 1112", "0.4111111111111111", "v4111111111111111", "4111111111111111a",
        "GB82 WEST 1234 5698 7654 33", "1.2.3.4.5", "version 203.0.113.7", "12:34:56", "a::b", "user@host", "git@example.com:a/b", "https://u:p@example.com", "x@2x.png",
        "666-12-3456", "123-45-67890", "ssn of 123456789012", "phones: 12", "photo 0446681800", "business 046454286", "/p/4111111111111111", "ref-4111111111111111",
    ] {
        assert_eq!(found(text), vec![], "{}", text);
    }
}

#[test]
fn the_key_says_what_a_number_is() {
    assert_eq!(found_with("0446681800", "home_phone").len(), 1);
    assert_eq!(found_with("0446681800", "order").len(), 0);
    assert_eq!(found_with("046454286", "sin").len(), 1);
    assert_eq!(found_with("046454286", "business").len(), 0);
    assert_eq!(found_with("046454286", "single").len(), 0);
    assert_eq!(found_with("0446681800", "cancelled").len(), 0);
    assert_eq!(found_with("0446681800", "workCell").len(), 1);
    assert_eq!(found_with("044 668 18 00", "text").len(), 0);
}

#[test]
fn nothing_is_passed_over() {
    for c in 0..=255u8 {
        for i in 0..8 {
            let mut text = *b"aZ /;?A{";
            text[i] = c;
            let wanted = c.is_ascii_digit() || matches!(c, b'@' | b':');
            assert_eq!(crate::scan::boring(&text), if wanted { 0 } else { 8 }, "{} at {}", c, i);
        }
    }
}

#[test]
fn any_bytes_can_be_scanned() {
    let pieces = ["@", "4111 1111 1111 1111", "+1", "é", "日", ".", "-", "a@b.cc", "CH93 0076 2011 6238 5295 7", " ", "(415) 555-2671", "::1", "%40", "0", "756.", "X1234567", ":"];
    let mut seed = 7u32;
    for _ in 0..20000 {
        let mut text = String::new();
        for _ in 0..seed % 7 + 1 {
            seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
            text.push_str(pieces[(seed >> 16) as usize % pieces.len()]);
        }
        let key = || "";
        let mut done = 0;
        for f in Scanner::new(Text { bytes: text.as_bytes(), key: &key }, Kinds(u32::MAX)) {
            assert!(done <= f.start && f.start < f.end && text.is_char_boundary(f.start) && text.is_char_boundary(f.end), "{} {:?}", text, f);
            done = f.end;
        }
    }
}

fn send(host: &Host<RedactPii>, body: &str) -> Outcome {
    host.request(&Message::tool_call("send", "{}").text("args.body", body))
}

#[test]
fn what_is_found_is_replaced_and_counted() {
    let out = send(&Host::with_settings("{}").unwrap(), "to bob@example.com, card 4111111111111111, ann@example.com");
    assert_eq!(out.after, r#"{"name":"send","arguments":{"body":"to [email], card [card], [email]"}}"#);
    assert_eq!(out.notes["found"], "1 card, 2 email");
    assert_eq!(send(&Host::with_settings("{}").unwrap(), "nothing here, 42").to_string(), "pass");
}

#[test]
fn settings_say_what_is_done() {
    let host = |settings: &str| Host::<RedactPii>::with_settings(settings).unwrap();
    let out = send(&host(r#"{"action":"deny"}"#), "bob@example.com");
    assert_eq!(out.to_string(), "deny personal_data: The message has personal data in it: 1 email.");
    let out = send(&host(r#"{"action":"label"}"#), "bob@example.com");
    assert_eq!((out.verdict, &out.labels[..]), ("pass", &["personal_data".to_string()][..]));
    let out = send(&host(r#"{"style":"last4","kinds":["card"]}"#), "bob@example.com 4111 1111 1111 1111");
    assert!(out.after.contains("bob@example.com **** **** **** 1111"), "{}", out.after);
    let out = send(&host(r#"{"style":"stars"}"#), "bob@example.com");
    assert!(out.after.contains("***@*******.***"), "{}", out.after);
    let out = send(&host(r#"{"keep_domains":["example.com"]}"#), "bob@mail.Example.com, bob@anexample.com");
    assert!(out.after.contains("bob@mail.Example.com, [email]"), "{}", out.after);
    let refused = |settings: &str| Host::<RedactPii>::with_settings(settings).err().unwrap_or_default();
    assert_eq!(refused(r#"{"kinds":["cards"]}"#), "/kinds: no_kind: there is no such kind");
    assert_eq!(refused(r#"{"style":"none"}"#), "/style: no_style: there is no such style");
    assert_eq!(refused(r#"{"action":"pass"}"#), "/action: no_action: there is no such action");
}

#[test]
fn names_that_the_protocol_needs_stay() {
    let host = Host::<RedactPii>::with_settings("{}").unwrap();
    let result = |json: &str| host.response(&Message::tool_result("t", json)).to_string();
    assert_eq!(result(r#"{"nextCursor": "bob@example.com"}"#), "pass");
    assert_eq!(result(r#"{"content": [{"type": "resource_link", "uri": "mailto:bob@example.com"}]}"#), "pass");
    assert_eq!(result(r#"{"structuredContent": {"uri": "mailto:bob@example.com"}}"#), "mutate");
}

#[test]
fn base64_is_read_and_written() {
    let host = Host::<RedactPii>::with_settings("{}").unwrap();
    for (blob, want) in [
        ("dG8gYm9iQGV4YW1wbGUuY29tIQ==", "dG8gW2VtYWlsXSE="),             // to bob@example.com!
        ("dG8gYm9iQGV4YW1wbGUuY29tIQ", "dG8gW2VtYWlsXSE"),                 // without padding
        ("dG8gYm9iQGV4YW1wbGUuY29tIQ==\\r\\n", "dG8gW2VtYWlsXSE=\\r\\n"), // as programs print it
        ("data:text/plain;base64,dG8gYm9iQGV4YW1wbGUuY29tIQ==", "data:text/plain;base64,dG8gW2VtYWlsXSE="),
    ] {
        let out = host.response(&Message::tool_result("t", "{}").json("mcp.result", &format!(r#"{{"contents": [{{"blob": "{}"}}]}}"#, blob)));
        assert_eq!(out.after, format!(r#"{{"contents":[{{"blob":"{}"}}]}}"#, want));
    }
    // Bytes that are no text, with an address among them.
    let out = host.response(&Message::tool_result("t", r#"{"content": [{"data": "AAECYm9iQGV4YW1wbGUuY29tAAEC"}]}"#));
    assert_eq!(out.to_string(), "pass");
}

//! Random JSON, as text: a value would lose the very forms that are to be kept.

use proptest::prelude::*;

/// Numbers that have been lost or changed somewhere.
const NASTY: [&str; 12] = [
    "0",
    "-0",
    "-0.0",
    "1.0",
    "1e2",
    "1E+2",
    "0.1",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551617",
    "-9223372036854775809",
    "1.7976931348623157e308",
];

/// A request id: a string or an integer (2025-11-25, Basic, Requests), of any size.
pub(crate) fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        string(),
        any::<i64>().prop_map(|id| id.to_string()),
        any::<u64>().prop_map(|id| id.to_string()),
        "-?[1-9][0-9]{0,60}",
        Just("0".to_owned()),
    ]
}

/// A number in any form, as far as `f64` reaches.
pub(crate) fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?",
        prop::sample::select(&NASTY[..]).prop_map(str::to_owned),
    ]
}

/// A string, written plainly or with every character escaped.
pub(crate) fn string() -> impl Strategy<Value = String> {
    let text = prop_oneof![any::<String>(), "[ -~]{0,12}"];
    (text, any::<bool>()).prop_map(|(text, escape)| {
        if escape {
            escaped(&text)
        } else {
            quoted(&text)
        }
    })
}

/// Any value.
pub(crate) fn value() -> impl Strategy<Value = String> {
    let word = prop::sample::select(&["null", "true", "false"][..]).prop_map(str::to_owned);
    let leaf = prop_oneof![word, number(), string()];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let item = inner.clone();
        let members = prop::collection::btree_map(any::<String>(), inner, 0..4);
        prop_oneof![
            prop::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            members.prop_map(|members| format!("{{{}}}", joined(members, ""))),
        ]
    })
}

/// Members of an object under names that mean nothing to anybody.
pub(crate) fn members() -> impl Strategy<Value = String> {
    prop::collection::btree_map(any::<String>(), value(), 0..4)
        .prop_map(|members| joined(members, "x-"))
}

/// An object of such members.
pub(crate) fn object() -> impl Strategy<Value = String> {
    members().prop_map(|members| format!("{{{members}}}"))
}

/// A method of an extension.
pub(crate) fn method() -> impl Strategy<Value = String> {
    "vendor/[a-zA-Z0-9_./-]{1,16}"
}

fn joined(members: impl IntoIterator<Item = (String, String)>, prefix: &str) -> String {
    let member = |(name, value)| format!("{}:{value}", quoted(&format!("{prefix}{name}")));
    let members: Vec<String> = members.into_iter().map(member).collect();
    members.join(",")
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

fn escaped(text: &str) -> String {
    let units: String = text
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    format!("\"{units}\"")
}

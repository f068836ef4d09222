//! JSON that keeps the text of its numbers, and what becomes of them in rmcp's types.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// A JSON value. The order of an object's members means nothing (RFC 8259, section 4), so it is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exact {
    /// `null`, `true`, `false`.
    Word(String),
    /// A number as written.
    Number(String),
    /// A string, decoded.
    Text(String),
    List(Vec<Exact>),
    Object(BTreeMap<String, Exact>),
}

/// The text of a member of an object.
pub(crate) fn member(object: &str, name: &str) -> Option<String> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(object).expect("an object");
    members.get(name).map(|value| value.get().to_owned())
}

impl Exact {
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        match text.as_bytes()[0] {
            b'{' => {
                let members: BTreeMap<String, &RawValue> = read(text);
                let exact = |(name, value): (String, &RawValue)| (name, Self::parse(value.get()));
                Self::Object(members.into_iter().map(exact).collect())
            }
            b'[' => {
                let items: Vec<&RawValue> = read(text);
                Self::List(items.iter().map(|item| Self::parse(item.get())).collect())
            }
            b'"' => Self::Text(read(text)),
            b't' | b'f' | b'n' => Self::Word(text.to_owned()),
            _ => Self::Number(text.to_owned()),
        }
    }

    /// A member of an object.
    pub(crate) fn at(&self, name: &str) -> &Self {
        match self {
            Self::Object(members) => members.get(name),
            _ => None,
        }
        .unwrap_or_else(|| panic!("no {name:?} in {self:?}"))
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("not a string: {other:?}"),
        }
    }

    /// Without some members of an object.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        if let Self::Object(members) = &mut self {
            members.retain(|name, _| !names.contains(&name.as_str()));
        }
        self
    }

    /// As rmcp holds it: an integer of 64 bits is kept as it is, any other number as the nearest `f64`
    /// (`docs/decisions/0008-numbers-as-rmcp-holds-them.md`).
    pub(crate) fn held(self) -> Self {
        match self {
            Self::Number(text) => Self::Number(held(&text)),
            Self::List(items) => Self::List(items.into_iter().map(Self::held).collect()),
            Self::Object(members) => {
                let held = members
                    .into_iter()
                    .map(|(name, value)| (name, value.held()));
                Self::Object(held.collect())
            }
            other => other,
        }
    }
}

fn held(number: &str) -> String {
    let range = i128::from(i64::MIN)..=i128::from(u64::MAX);
    match number.parse::<i128>() {
        Ok(integer) if range.contains(&integer) && number != "-0" => integer.to_string(),
        _ => format!("{:?}", number.parse::<f64>().expect("a number")),
    }
}

fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

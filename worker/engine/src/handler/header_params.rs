//! Which arguments of a tool clients repeat in HTTP headers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Schemas nested deeper than this are not looked into.
const DEPTH: usize = 32;

/// The arguments that clients mirror in `Mcp-Param-*` headers, by header name without the prefix:
/// the properties marked `x-mcp-header` that are reached through `properties` alone (2026-07-28,
/// Streamable HTTP, Schema Extension).
///
/// `None` when an annotation breaks the rules: clients must then reject the tool.
pub(crate) fn header_params(schema: &Map<String, Value>) -> Option<BTreeMap<String, Vec<String>>> {
    let mut found = BTreeMap::new();
    collect(schema, &mut Vec::new(), &mut found).then_some(found)
}

fn collect(
    schema: &Map<String, Value>,
    path: &mut Vec<String>,
    found: &mut BTreeMap<String, Vec<String>>,
) -> bool {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return true;
    };
    if path.len() == DEPTH {
        return true;
    }
    properties.iter().all(|(name, property)| {
        let Value::Object(property) = property else {
            return true;
        };
        path.push(name.clone());
        let valid = annotation(property, path, found) && collect(property, path, found);
        path.pop();
        valid
    })
}

fn annotation(
    property: &Map<String, Value>,
    path: &[String],
    found: &mut BTreeMap<String, Vec<String>>,
) -> bool {
    let Some(header) = property.get("x-mcp-header") else {
        return true;
    };
    let primitive = matches!(
        property.get("type").and_then(Value::as_str),
        Some("integer" | "string" | "boolean")
    );
    match header.as_str() {
        Some(header) if primitive && is_token(header) => {
            let taken = found.keys().any(|other| other.eq_ignore_ascii_case(header));
            found.insert(header.to_owned(), path.to_vec());
            !taken
        }
        _ => false,
    }
}

/// `1*tchar` of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(tchar)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(schema: Value) -> Option<BTreeMap<String, Vec<String>>> {
        let Value::Object(schema) = schema else {
            panic!("an object");
        };
        header_params(&schema)
    }

    #[test]
    fn annotated_properties_are_found_at_any_depth() {
        let found = of(json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "query": {"type": "string"},
            "where": {"type": "object", "properties": {
                "tenant": {"type": "integer", "x-mcp-header": "Tenant-Id"},
            }},
        }}));
        let expected = BTreeMap::from([
            ("Region".to_owned(), vec!["region".to_owned()]),
            (
                "Tenant-Id".to_owned(),
                vec!["where".to_owned(), "tenant".to_owned()],
            ),
        ]);
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_property_may_be_called_properties() {
        let found = of(json!({"properties": {
            "properties": {"type": "string", "x-mcp-header": "P"},
        }}));
        let expected = BTreeMap::from([("P".to_owned(), vec!["properties".to_owned()])]);
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn what_is_not_reached_through_properties_does_not_count() {
        let found = of(json!({"properties": {
            "list": {"type": "array", "items": {"type": "string", "x-mcp-header": "Item"}},
        }, "anyOf": [{"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}]}));
        assert_eq!(found, Some(BTreeMap::new()));
    }

    #[test]
    fn annotations_that_break_the_rules_are_refused() {
        for property in [
            json!({"type": "string", "x-mcp-header": ""}),
            json!({"type": "string", "x-mcp-header": "a b"}),
            json!({"type": "string", "x-mcp-header": "a\r\nb"}),
            json!({"type": "string", "x-mcp-header": 7}),
            json!({"type": "number", "x-mcp-header": "N"}),
            json!({"x-mcp-header": "N"}),
        ] {
            assert_eq!(
                of(json!({"properties": {"p": property}})),
                None,
                "{property}"
            );
        }
        let twice = json!({"properties": {
            "a": {"type": "string", "x-mcp-header": "Same"},
            "b": {"type": "string", "x-mcp-header": "same"},
        }});
        assert_eq!(of(twice), None);
    }
}

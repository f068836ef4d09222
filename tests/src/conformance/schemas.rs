//! What tools and questions declare, as JSON. The suite looks for single keywords and values in it: nothing may be
//! lost or changed on the way to the client.

use rmcp::model::JsonObject;

/// Of a tool that takes no arguments.
pub(super) const NO_ARGUMENTS: &str = r#"{"type": "object", "properties": {}}"#;

pub(super) const SAMPLING_ARGUMENTS: &str = r#"{
    "type": "object",
    "properties": {"prompt": {"type": "string", "description": "What to ask the model"}},
    "required": ["prompt"]
}"#;

pub(super) const ELICITATION_ARGUMENTS: &str = r#"{
    "type": "object",
    "properties": {"message": {"type": "string", "description": "What to tell the user"}},
    "required": ["message"]
}"#;

/// The argument stands in the header `Mcp-Param-Value` as well (SEP-2243).
pub(super) const CUSTOM_HEADER_ARGUMENTS: &str = r#"{
    "type": "object",
    "properties": {"value": {"type": "string", "x-mcp-header": "Value"}},
    "required": ["value"]
}"#;

/// Keywords of JSON Schema 2020-12 (SEP-1613, SEP-2106).
pub(super) const JSON_SCHEMA_2020_12: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"}
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": false
}"##;

pub(super) const NAME_AND_EMAIL: &str = r#"{
    "type": "object",
    "properties": {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"}
    },
    "required": ["username", "email"]
}"#;

/// Defaults of every type (SEP-1034).
pub(super) const DEFAULTS: &str = r#"{
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "User name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User age", "default": 30},
        "score": {"type": "number", "description": "User score", "default": 95.5},
        "status": {
            "type": "string",
            "description": "User status",
            "enum": ["active", "inactive", "pending"],
            "default": "active"
        },
        "verified": {"type": "boolean", "description": "Verification status", "default": true}
    }
}"#;

/// Every form of a choice (SEP-1330).
pub(super) const ENUMS: &str = r#"{
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {
            "type": "string",
            "oneOf": [
                {"const": "value1", "title": "First Option"},
                {"const": "value2", "title": "Second Option"},
                {"const": "value3", "title": "Third Option"}
            ]
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"]
        },
        "untitledMulti": {
            "type": "array",
            "items": {"type": "string", "enum": ["option1", "option2", "option3"]}
        },
        "titledMulti": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"const": "value1", "title": "First Choice"},
                    {"const": "value2", "title": "Second Choice"},
                    {"const": "value3", "title": "Third Choice"}
                ]
            }
        }
    }
}"#;

/// A schema as rmcp carries it.
pub(super) fn object(schema: &str) -> JsonObject {
    serde_json::from_str(schema).expect("is a JSON object")
}

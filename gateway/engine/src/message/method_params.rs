//! The `params` of the methods that the gateway answers itself.

use prynai_bus::wire::absent::{is_empty_list, tidy_capabilities};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::session::LogLevel;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::refusal::RequestError;

/// `params` of `initialize`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitializeParams {
    pub(crate) protocol_version: String,
    #[serde(default)]
    capabilities: Option<Object>,
    pub(crate) client_info: Object,
}

/// `params` of `logging/setLevel`.
#[derive(Debug, Deserialize)]
pub(crate) struct SetLevelParams {
    pub(crate) level: LogLevel,
}

/// A JSON object, kept as it is.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawJson")]
pub(crate) struct Object(pub(crate) RawJson);

impl TryFrom<RawJson> for Object {
    type Error = String;

    fn try_from(raw: RawJson) -> Result<Self, Self::Error> {
        if is_empty_list(raw.as_str()) {
            let empty = RawJson::parse("{}").map(Self);
            return empty.map_err(|error| error.to_string());
        }
        // To the last level, since it is kept: neither a worker nor the bus could read what cannot be read here.
        match raw.read::<Map<String, Value>>() {
            Ok(_) => Ok(Self(raw)),
            Err(error) => Err(format!("an object is expected: {error}")),
        }
    }
}

impl InitializeParams {
    /// What the client can do: nothing, if it says nothing.
    pub(crate) fn capabilities(&self) -> Result<RawJson, RequestError> {
        let none = || RawJson::parse("{}");
        let given = self.capabilities.as_ref().map(|object| object.0.clone());
        let given = given.map_or_else(none, Ok);
        let given = given.map_err(|error| RequestError::InvalidParams(error.to_string()))?;
        Ok(tidy_capabilities(&given).unwrap_or(given))
    }
}

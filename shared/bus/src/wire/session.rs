//! A legacy session (2025-03-26 … 2025-11-25), as stored and as handed to a worker.

use serde::{Deserialize, Serialize};

use super::message::RawJson;
use super::principal::Principal;
use super::{FORMAT, WireError, check_format};
use crate::ids::SessionId;

/// What `initialize` agreed on. Travels with every request of the session, so a worker
/// needs no look-up. Which resources it subscribed to is known to the gateways
/// alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Who opened it; nobody else may use it. In a request, as the token of that request describes it.
    pub principal: Principal,
    /// The negotiated revision, such as `2025-11-25`.
    pub protocol_version: String,
    /// `clientInfo` as sent.
    pub client_info: RawJson,
    /// `capabilities` of the client as sent.
    pub capabilities: RawJson,
    /// Set by `logging/setLevel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LogLevel>,
}

/// One change of a stored session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionChange {
    /// `logging/setLevel`.
    LogLevel(LogLevel),
    /// `resources/subscribe`.
    Subscribe(String),
    /// `resources/unsubscribe`.
    Unsubscribe(String),
}

/// Severity of a log notification, least severe first (RFC 5424 as in MCP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the specification's own names")]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Session {
    /// The fields in which it is stored, by name; [`Session::from_values`] takes their values in this order.
    pub const FIELDS: [&'static str; 6] = [
        "v",
        "principal",
        "protocol_version",
        "client_info",
        "capabilities",
        "log_level",
    ];

    /// Its fields, with their values; the one of the log level is left out when none was set.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn to_fields(&self) -> Result<Vec<(&'static str, String)>, WireError> {
        let mut fields = vec![
            ("v", FORMAT.to_string()),
            ("principal", serde_json::to_string(&self.principal)?),
            ("protocol_version", self.protocol_version.clone()),
            ("client_info", self.client_info.as_str().to_owned()),
            ("capabilities", self.capabilities.as_str().to_owned()),
        ];
        if let Some(level) = self.log_level {
            fields.push(("log_level", level.to_text()?));
        }
        Ok(fields)
    }

    /// Reads the values of [`Session::FIELDS`] that [`Session::to_fields`] wrote, here or in a neighbouring release.
    ///
    /// # Errors
    ///
    /// When the session is of a newer format, or a value is missing or malformed.
    pub fn from_values(id: &SessionId, values: Vec<Option<String>>) -> Result<Self, WireError> {
        let mut values = Self::FIELDS.into_iter().zip(values);
        let mut take = |field: &'static str| {
            let value = values.next().filter(|(name, _)| *name == field);
            let value = value.and_then(|(_, value)| value);
            value.ok_or(WireError::Missing(field))
        };
        let format = take("v")?.parse().map_err(|_| WireError::Invalid {
            field: "v",
            reason: "not a number".to_owned(),
        })?;
        check_format(format)?;
        Ok(Self {
            id: id.clone(),
            principal: serde_json::from_str(&take("principal")?)?,
            protocol_version: take("protocol_version")?,
            client_info: RawJson::parse(take("client_info")?)?,
            capabilities: RawJson::parse(take("capabilities")?)?,
            log_level: take("log_level")
                .ok()
                .map(LogLevel::from_text)
                .transpose()?,
        })
    }
}

impl LogLevel {
    /// The name of the field of a session that holds it.
    pub const FIELD: &'static str = "log_level";

    /// The specification's name of it, without the quotes of JSON.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn to_text(self) -> Result<String, WireError> {
        Ok(serde_json::to_string(&self)?.trim_matches('"').to_owned())
    }

    /// Reads what [`LogLevel::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// When there is no such level.
    pub fn from_text(text: String) -> Result<Self, WireError> {
        Ok(serde_json::from_value(serde_json::Value::String(text))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_survives_its_fields() {
        let session = Session {
            id: SessionId::generate(),
            principal: Principal::anonymous(),
            protocol_version: "2025-11-25".to_owned(),
            client_info: RawJson::parse(r#"{"name":"a"}"#).unwrap(),
            capabilities: RawJson::parse("{}").unwrap(),
            log_level: Some(LogLevel::Warning),
        };
        let written = session.to_fields().unwrap();
        let value = |name: &str| {
            let field = written.iter().find(|(field, _)| *field == name);
            field.map(|(_, value)| value.clone())
        };
        assert_eq!(value(LogLevel::FIELD).as_deref(), Some("warning"));
        let values = Session::FIELDS.map(value).to_vec();
        assert_eq!(Session::from_values(&session.id, values).unwrap(), session);
    }
}

//! What a handler finds in the extensions of its request or notification, besides [`crate::Ask`].

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request};
use prynai_bus::StateStore;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::session::Session;
use rmcp::model::{
    ClientCapabilities, Extensions, Implementation, InitializeRequestParams, ProtocolVersion,
};
use serde_json::Value;

use crate::handler::raw_message::RawMessage;
use crate::handler::state::State;

/// Gives a message its raw text, principal, session, state and HTTP parts.
pub(crate) fn attach(
    extensions: &mut Extensions,
    envelope: &RequestEnvelope,
    store: Arc<dyn StateStore>,
) {
    extensions.insert(RawMessage::new(envelope.message.clone()));
    extensions.insert(envelope.principal.clone());
    let session = envelope.session.as_ref().map(|session| &session.id);
    let state = State::new(store, &envelope.principal, session);
    extensions.insert(state);
    if let Some(session) = &envelope.session {
        extensions.insert(session.clone());
    }
    if let Some(parts) = http_parts(envelope) {
        extensions.insert(parts);
    }
}

/// The request as rmcp's own HTTP server would show it.
fn http_parts(envelope: &RequestEnvelope) -> Option<Parts> {
    let mut request = Request::builder().method(Method::POST).uri("/mcp");
    if let Some(headers) = request.headers_mut() {
        for (name, value) in &envelope.headers {
            let name = HeaderName::try_from(name.as_str());
            let value = HeaderValue::try_from(value.as_str());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
    }
    let (parts, ()) = request.body(()).ok()?.into_parts();
    Some(parts)
}

/// What `initialize` told of the client, as rmcp keeps it. What cannot be read counts as not told: the gateway has
/// accepted the session.
pub(crate) fn initialize_params(session: &Session) -> InitializeRequestParams {
    let capabilities: ClientCapabilities = session.capabilities.read().unwrap_or_default();
    let client = session
        .client_info
        .read()
        .unwrap_or_else(|_| Implementation::new("unknown", "unknown"));
    InitializeRequestParams::new(capabilities, client)
        .with_protocol_version(protocol_version(&session.protocol_version))
}

/// A revision as rmcp knows it.
pub(crate) fn protocol_version(text: &str) -> ProtocolVersion {
    serde_json::from_value(Value::String(text.to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use prynai_bus::ids::SessionId;
    use prynai_bus::testing::{json, session};

    use super::*;

    fn of(client_info: &str, capabilities: &str) -> Session {
        Session {
            protocol_version: "2025-06-18".to_owned(),
            client_info: json(client_info),
            capabilities: json(capabilities),
            ..session(&SessionId::generate())
        }
    }

    #[test]
    fn the_client_of_a_session_is_known_again() {
        let info = initialize_params(&of(
            r#"{"name":"inspector","version":"2"}"#,
            r#"{"elicitation":{},"future":1}"#,
        ));
        assert_eq!(info.client_info.name, "inspector");
        assert!(info.capabilities.elicitation.is_some());
        assert!(info.capabilities.sampling.is_none());
        assert_eq!(info.protocol_version, ProtocolVersion::V_2025_06_18);
    }

    #[test]
    fn an_unreadable_client_has_no_capabilities() {
        let info = initialize_params(&of("7", r#"{"sampling":7}"#));
        assert_eq!(info.client_info.name, "unknown");
        assert_eq!(info.capabilities, ClientCapabilities::default());
    }
}

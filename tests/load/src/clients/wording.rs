//! What the clients say.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use crate::settings::{Endpoint, RequestSettings};
use crate::wire::template::Template;

/// The revision of modern clients.
const MODERN: &str = "2026-07-28";

/// The newest revision with sessions; a server may choose an older one.
const LEGACY: &str = "2025-11-25";

pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(crate) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Writes the requests of all clients.
pub(crate) struct Wording {
    endpoint: Endpoint,
    method: String,
    params: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Wording {
    pub(crate) fn new(endpoint: Endpoint, request: &RequestSettings) -> Self {
        let (method, mut params) = match &request.method {
            Some(method) => (method.clone(), request.params.clone()),
            None => {
                let params = json!({ "name": request.tool, "arguments": request.arguments });
                ("tools/call".to_owned(), params)
            }
        };
        if request.progress {
            // A client has one call at a time, so one token is enough.
            params["_meta"]["progressToken"] = json!("load");
        }
        Self {
            endpoint,
            method,
            params,
            headers: request.headers.clone(),
        }
    }

    /// The call of a modern client, with the headers that mirror it (2026-07-28, Transports, Standard Headers).
    pub(crate) fn modern_call(&self) -> Template {
        let mut params = self.params.clone();
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
        meta["io.modelcontextprotocol/clientInfo"] = client_info();
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let message = message(&self.method, &params);
        let mut template = Template::post(&self.endpoint, &message);
        template.set(VERSION, HeaderValue::from_static(MODERN));
        template.set(METHOD, mirrored(&self.method));
        let name = params["name"].as_str().or(params["uri"].as_str());
        if let Some(name) = name {
            template.set(NAME, mirrored(name));
        }
        self.dressed(template)
    }

    /// The call of a client in a session.
    pub(crate) fn call(&self) -> Template {
        let message = message(&self.method, &self.params);
        self.dressed(Template::post(&self.endpoint, &message))
    }

    pub(crate) fn initialize(&self) -> Template {
        let params = json!({
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": client_info(),
        });
        let message = message("initialize", &params);
        self.dressed(Template::post(&self.endpoint, &message))
    }

    pub(crate) fn initialized(&self) -> Template {
        let message = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.dressed(Template::notification(&self.endpoint, message))
    }

    /// A GET, for a stream, or a DELETE, for the end of a session.
    pub(crate) fn bare(&self, method: Method) -> Template {
        self.dressed(Template::bare(&self.endpoint, method))
    }

    fn dressed(&self, mut template: Template) -> Template {
        for (name, value) in &self.headers {
            template.set(name.clone(), value.clone());
        }
        template
    }
}

fn client_info() -> Value {
    json!({ "name": "prynai-load", "version": env!("CARGO_PKG_VERSION") })
}

fn message(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
}

/// A value as a header; what no header can hold is encoded (2026-07-28, Transports, Value Encoding).
fn mirrored(text: &str) -> HeaderValue {
    let plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let is_plain = text.bytes().all(plain) && text.trim() == text && !text.starts_with("=?base64?");
    let encoded = || format!("=?base64?{}?=", BASE64_STANDARD.encode(text));
    let value = if is_plain { text.to_owned() } else { encoded() };
    // Visible ASCII always is a header value.
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_header_can_hold_is_encoded() {
        assert_eq!(mirrored("get weather"), "get weather");
        assert_eq!(mirrored("wetter\u{e4}"), "=?base64?d2V0dGVyw6Q=?=");
        assert_eq!(mirrored(" a"), "=?base64?IGE=?=");
        assert_eq!(mirrored("=?base64?x"), "=?base64?PT9iYXNlNjQ/eA==?=");
    }
}

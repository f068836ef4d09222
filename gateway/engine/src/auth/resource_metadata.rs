//! Where clients learn how to get a token: protected resource metadata (RFC 9728; 2025-11-25 and
//! 2026-07-28, Authorization, Authorization Server Location).

use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use prynai_oauth_facade::Facade;
use serde_json::json;

use super::Authenticator;
use crate::auth::settings::AuthSettings;
use crate::auth::trust::split;
use crate::message::host::host;
use crate::refusal::RequestError;

/// Where the gateway serves MCP.
const ENDPOINT: &str = "/mcp";

/// Before the path of the resource (RFC 9728, section 3).
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What clients need to know to get a token.
pub(crate) struct ResourceMetadata {
    /// What this gateway speaks.
    scheme: &'static str,
    public_url: Option<String>,
    authorization_servers: Vec<String>,
    scope_prefix: String,
    /// The scopes that every request needs one of, by the names that clients ask for.
    scopes: Vec<String>,
}

/// Serves the metadata.
pub(crate) async fn get(State(authenticator): State<Authenticator>, request: Request) -> Response {
    let path = request.uri().path();
    let gate = authenticator.gate();
    let Some(gate) = gate.filter(|gate| gate.metadata.is_at(path)) else {
        return RequestError::NoSuchPath.into_response();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let method = request.method().to_string();
        return RequestError::HttpMethod(method, "GET, HEAD").into_response();
    }
    let metadata = &gate.metadata;
    let resource = metadata.resource(&request);
    let mut body = json!({
        "resource": resource,
        "resource_name": "PrynAI MCP",
        "authorization_servers": metadata.authorization_servers,
        "bearer_methods_supported": ["header"],
    });
    if !metadata.scopes.is_empty() {
        body["scopes_supported"] = json!(metadata.scopes);
    }
    (
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

impl ResourceMetadata {
    pub(crate) fn new(settings: &AuthSettings, scheme: &'static str) -> Self {
        let entra = settings.auth_tenant.iter();
        let entra =
            entra.map(|tenant| format!("{}/{}/v2.0", settings.authority(), tenant.as_str()));
        let oidc = settings.auth_issuer.iter();
        let oidc = oidc.map(|issuer| issuer.as_str().to_owned());
        let mut metadata = Self {
            scheme,
            public_url: settings.public_url.clone(),
            authorization_servers: entra.chain(oidc).collect(),
            scope_prefix: settings.scope_prefix(),
            scopes: Vec::new(),
        };
        metadata.scopes = metadata.qualified(&settings.scopes_to_ask_for());
        metadata
    }

    /// With a façade as the authorization server, which takes scopes by their short names.
    pub(crate) fn behind(self, facade: &Facade, settings: &AuthSettings) -> Self {
        Self {
            authorization_servers: vec![facade.issuer().to_owned()],
            scope_prefix: String::new(),
            scopes: settings.scopes_to_ask_for(),
            ..self
        }
    }

    /// Whether clients look for the metadata of this server at `path`: before the path of its public URL (RFC 9728,
    /// section 3.1), as far as a proxy has not taken the beginning off, or at the root; with a slash at the end or
    /// without.
    fn is_at(&self, path: &str) -> bool {
        let Some(tail) = path.strip_prefix(WELL_KNOWN) else {
            return false;
        };
        let tail = tail.strip_suffix('/').unwrap_or(tail);
        let (_, public) = split(self.public_url.as_deref().unwrap_or_default());
        let is_whole = tail.is_empty() || tail.starts_with('/');
        is_whole && (tail == ENDPOINT || public.ends_with(tail))
    }

    /// The URL of the endpoint for this request's client, whose `Host` was checked.
    pub(crate) fn resource(&self, request: &Request) -> String {
        match &self.public_url {
            Some(url) => url.clone(),
            None => format!("{}://{}/mcp", self.scheme, host(request)),
        }
    }

    /// The scopes to ask for: those named, or those that every request needs one of.
    pub(crate) fn to_ask_for(&self, named: Option<&[String]>) -> Vec<String> {
        named.map_or_else(|| self.scopes.clone(), |named| self.qualified(named))
    }

    /// Short names as clients ask for them: Entra ID finds the API by what stands before.
    fn qualified(&self, scopes: &[String]) -> Vec<String> {
        let qualify = |scope: &String| match scope.contains("://") {
            true => scope.clone(),
            false => format!("{}{scope}", self.scope_prefix),
        };
        scopes.iter().map(qualify).collect()
    }
}

/// Where the metadata of a resource are (RFC 9728, section 3.1).
pub(crate) fn url_of(resource: &str) -> String {
    let (origin, path) = split(resource);
    format!("{origin}{WELL_KNOWN}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::settings::AuthKind;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn metadata_are_between_the_host_and_the_path_of_the_resource() {
        assert_eq!(
            url_of("https://mcp.example.com/team/mcp"),
            "https://mcp.example.com/.well-known/oauth-protected-resource/team/mcp"
        );
        assert_eq!(
            url_of("http://a:1"),
            "http://a:1/.well-known/oauth-protected-resource"
        );
    }

    #[test]
    fn scopes_are_asked_for_by_their_full_names() {
        let settings = |scopes: &[&str]| AuthSettings {
            auth: AuthKind::Entra,
            auth_audience: strings(&["1-2", "https://mcp.example.com/mcp"]),
            auth_scope: strings(scopes),
            ..AuthSettings::default()
        };
        let metadata = ResourceMetadata::new(&settings(&["a", "b"]), "http");
        let all = [
            "https://mcp.example.com/mcp/a",
            "https://mcp.example.com/mcp/b",
        ];
        assert_eq!(metadata.to_ask_for(None), all);
        let named = strings(&["c", "api://x/d"]);
        let named = metadata.to_ask_for(Some(&named));
        assert_eq!(named, ["https://mcp.example.com/mcp/c", "api://x/d"]);
        let unnamed = ResourceMetadata::new(&settings(&[]), "http").to_ask_for(None);
        assert_eq!(unnamed, ["https://mcp.example.com/mcp/.default"]);
    }
}

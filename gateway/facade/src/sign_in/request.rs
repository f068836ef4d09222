//! What a client asks for, once it is checked, and how the client is answered.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::clients::client::NamedBy;
use crate::clients::redirects::RedirectUri;
use crate::refusal::Refusal;
use crate::sealed::digest;
use crate::state::Facade;

/// A request for a code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// The digest of the client's id.
    pub(crate) client: String,
    pub(crate) name: String,
    pub(crate) named_by: NamedBy,
    pub(crate) redirect: RedirectUri,
    pub(crate) state: Option<String>,
    /// Base64url of the verifier's SHA-256 (RFC 7636, section 4.2).
    pub(crate) challenge: String,
    /// As the client writes them.
    pub(crate) scopes: Vec<String>,
    /// The client wants to refresh tokens.
    pub(crate) offline: bool,
}

impl Ask {
    /// Stands for what a person agrees to: this client, this place, these scopes.
    pub(crate) fn agreement(&self) -> String {
        let mut scopes = self.scopes.clone();
        scopes.sort_unstable();
        let parts = [
            self.client.as_str(),
            &self.redirect.portless(),
            &scopes.join(" "),
            if self.offline { "offline" } else { "" },
        ];
        digest(&parts.join("\n"))[..12].to_owned()
    }

    /// Whether any program on the person's machine can ask like this: the client's id is known to everybody, and what
    /// is sent back comes to whoever is there. So the person must say each time that it is the right one (RFC 8252,
    /// section 8.6). Who registered has an id that others do not know.
    pub(crate) fn is_anybodys(&self) -> bool {
        self.named_by != NamedBy::Itself && self.redirect.is_of_machine()
    }

    /// Sends the browser back to the client (RFC 6749, section 4.1.2), with the issuer's name (RFC 9207).
    pub(crate) fn send_back(&self, facade: &Facade, parameters: &[(&str, &str)]) -> Response {
        let mut all = parameters.to_vec();
        if let Some(state) = &self.state {
            all.push(("state", state));
        }
        all.push(("iss", &facade.issuer));
        redirect(StatusCode::FOUND, &self.redirect.with(&all))
    }

    /// Tells the client why there is no code (RFC 6749, section 4.1.2.1).
    pub(crate) fn send_refusal(&self, facade: &Facade, refusal: &Refusal) -> Response {
        tracing::info!(error = refusal.error, "a sign-in ended without a code");
        let description = refusal.description.as_str();
        self.send_back(
            facade,
            &[("error", refusal.error), ("error_description", description)],
        )
    }
}

/// Sends a browser on; what it is sent with is in no cache, and nobody hears where it came from.
pub(crate) fn redirect(status: StatusCode, to: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(to) else {
        return Refusal::invalid("nobody can be sent there").into_response();
    };
    let headers = AppendHeaders([
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ]);
    (status, headers).into_response()
}

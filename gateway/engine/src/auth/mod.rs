//! Who calls: the layer in front of the endpoint that finds it out.
//!
//! The settings ([`settings`], of [`trust`]ed issuers) say what callers prove themselves with. A request's
//! token ([`bearer`]) is checked ([`tokens`]) with the keys of its issuer ([`keys`], fetched by
//! [`issuer_client`] and read by [`jwks`]; [`signature`]), unless it was [`accepted`] before; its [`claims`] become a principal, and the
//! [`rules`] say whether that may call. Who may not is told what to do about it ([`challenge`]), which the
//! [`metadata`] explain.

mod accepted;
mod bearer;
mod challenge;
mod claims;
mod issuer_client;
mod jwks;
mod keys;
pub(crate) mod metadata;
mod rules;
mod settings;
mod signature;
mod tokens;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prynai_shared::clock::unix_millis;
use prynai_shared::wire::principal::Principal;
use tokio::time::Instant;

use crate::admission;
use crate::connection::Peer;
use crate::error::RequestError;
use crate::head::Sender;
use crate::state::AppState;

use accepted::Verified;
pub(crate) use challenge::{Challenge, Missing, TokenFault};
use metadata::Metadata;
pub use settings::{AuthKind, AuthSettings, CallersAllowed, TokenVersion};
use tokens::{Role, Tokens};
pub use trust::{IssuerUrl, Roots, TenantId};

/// How far the clocks of issuer and gateway may be apart, in seconds.
const CLOCK_SKEW_S: u64 = 60;

/// The longest time a token may last for the streams that end with it; any longer is as good as for ever.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Knows the callers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Callers(Option<Arc<Gate>>);

/// Lets in who has a token.
pub(crate) struct Gate {
    tokens: Tokens,
    metadata: Metadata,
}

impl Callers {
    /// The roles keep what callers are known by up to date. `scheme` is what the gateway speaks: http or https.
    pub(crate) fn new(settings: &AuthSettings, scheme: &'static str) -> (Self, Vec<Role>) {
        if settings.auth == AuthKind::None {
            return (Self(None), Vec::new());
        }
        let (tokens, roles) = Tokens::new(settings);
        let metadata = Metadata::new(settings, scheme);
        (Self(Some(Arc::new(Gate { tokens, metadata }))), roles)
    }

    /// `None` when everybody may call.
    pub(crate) fn gate(&self) -> Option<&Gate> {
        self.0.as_deref()
    }
}

/// Lets a request pass whose sender may be here, and says who that is. What the endpoint refuses for want
/// of a permission gets its `WWW-Authenticate` here.
pub(crate) async fn require(
    State(state): State<AppState>,
    Extension(Peer(address)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let token = bearer::take(&mut request);
    let Some(gate) = state.callers.gate() else {
        let principal = Principal::anonymous_at(admission::network(address));
        let sender = Sender {
            principal,
            address,
            expires: None,
        };
        request.extensions_mut().insert(sender);
        return next.run(request).await;
    };
    let resource = gate.metadata.resource(&request);
    let verified = match token {
        Ok(token) => gate.tokens.check(&token).await,
        Err(fault) => Err(RequestError::Unauthorized(fault)),
    };
    let mut response = match verified {
        Ok(verified) => {
            let sender = Sender {
                expires: Some(expiry(&verified)),
                principal: verified.principal.clone(),
                address,
            };
            request.extensions_mut().insert(sender);
            next.run(request).await
        }
        Err(error) => {
            // Every client's first request has no token; all else is worth a line.
            match error {
                RequestError::Unauthorized(TokenFault::Absent) => {}
                _ => tracing::info!(%error, source = %address, "a caller was refused"),
            }
            error.into_response()
        }
    };
    if let Some(challenge) = response.extensions_mut().remove::<Challenge>() {
        let scopes = gate.metadata.to_ask_for(challenge.scopes.as_deref());
        let header = challenge.header(&metadata::url_of(&resource), &scopes);
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, header);
    }
    response
}

/// When a token stops being accepted.
fn expiry(verified: &Verified) -> Instant {
    let now_s = unix_millis() as f64 / 1000.0;
    let left_s = verified.expires_s + CLOCK_SKEW_S as f64 - now_s;
    let left = Duration::try_from_secs_f64(left_s.max(0.0)).unwrap_or(LONGEST);
    Instant::now() + left.min(LONGEST)
}

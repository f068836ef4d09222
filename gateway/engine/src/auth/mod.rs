//! Who calls: the check in front of the endpoint that finds it out, from token to identity to principal.
//!
//! The [`settings`] say what callers prove themselves with, and whom they are issued that by ([`trust`]). A request's
//! [`token`] is checked with the keys of its [`issuer`]. What it says is an identity: the [`requirements`] admit it or
//! not, and it becomes a principal. Whoever is not admitted is told what to do, as the [`resource_metadata`] explain.

pub(crate) mod assertions;
mod issuer;
mod requirements;
pub(crate) mod resource_metadata;
mod settings;
mod token;
mod trust;

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prynai_bus::wire::principal::Principal;
use prynai_oauth_facade::Facade;
use prynai_process::secret::Secret;

use crate::admission;
use crate::audit::Audit;
use crate::message::request_head::{Caller, ClientAddress};
use crate::metrics::metrics;
use crate::refusal::{Challenge, RequestError, TokenFault};

use resource_metadata::ResourceMetadata;
pub use settings::{AuthKind, AuthSettings, CallersAllowed, TokenVersion};
use token::bearer::{self, Bearer};
pub(crate) use token::verify::BackgroundTask;
use token::verify::Tokens;
pub use trust::{IssuerUrl, Roots, TenantId};

/// Finds out who calls. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Authenticator(Option<Arc<Gate>>);

/// Lets in who has a token.
pub(crate) struct Gate {
    tokens: Tokens,
    metadata: ResourceMetadata,
    /// Whether what is behind needs the token of a caller, to get others for it.
    keeps_tokens: bool,
}

impl Gate {
    /// The token, if what is behind needs it.
    fn kept(&self, token: &Bearer) -> Option<Box<Secret>> {
        let token = token.text().filter(|_| self.keeps_tokens)?;
        Some(Box::new(token.to_owned().into()))
    }
}

impl Authenticator {
    /// The tasks keep what callers are known by up to date. `scheme` is what the gateway speaks: http or https.
    /// Clients are sent to the façade, if there is one, in place of the issuer, and its own tokens count as well.
    pub(crate) fn new(
        settings: &AuthSettings,
        scheme: &'static str,
        facade: Option<&Facade>,
        keeps_tokens: bool,
    ) -> (Self, Vec<BackgroundTask>) {
        if settings.auth == AuthKind::None {
            return (Self(None), Vec::new());
        }
        let (tokens, tasks) = Tokens::new(settings, facade);
        let metadata = ResourceMetadata::new(settings, scheme);
        let metadata = match facade {
            Some(facade) => metadata.behind(facade, settings),
            None => metadata,
        };
        (
            Self(Some(Arc::new(Gate {
                tokens,
                metadata,
                keeps_tokens,
            }))),
            tasks,
        )
    }

    /// Whether nobody can be let in, because no issuer has given its keys yet.
    pub(crate) fn lacks_keys(&self) -> bool {
        self.gate().is_some_and(|gate| gate.tokens.lack_keys())
    }

    /// `None` when everybody may call.
    pub(crate) fn gate(&self) -> Option<&Gate> {
        self.0.as_deref()
    }
}

/// Lets a request pass whose caller may call, and tells `next` who that is. What the endpoint refuses for want of a
/// permission gets its `WWW-Authenticate` here.
pub(crate) async fn require<R: Future<Output = Response>>(
    authenticator: &Authenticator,
    audit: &Audit,
    ClientAddress(address): ClientAddress,
    mut request: Request,
    next: impl FnOnce(Request, Caller) -> R,
) -> Response {
    let token = bearer::take(&mut request);
    let Some(gate) = authenticator.gate() else {
        let principal = Principal::anonymous_at(admission::network(address));
        let caller = Caller {
            principal,
            address,
            expires: None,
            token: None,
        };
        return next(request, caller).await;
    };
    let resource = gate.metadata.resource(&request);
    let verified = match token {
        Ok(token) => {
            let checked = gate.tokens.check(&token).await;
            checked.map(|verified| (verified, gate.kept(&token)))
        }
        Err(fault) => Err(RequestError::Unauthorized(fault)),
    };
    let mut response = match verified {
        Ok((verified, token)) => {
            let caller = Caller {
                expires: Some(verified.ends()),
                principal: verified.principal.clone(),
                address,
                token,
            };
            next(request, caller).await
        }
        Err(error) => {
            metrics().token_refused(error.token_label());
            // Every client's first request has no token; all else is worth a line.
            match error {
                RequestError::Unauthorized(TokenFault::Absent) => {}
                _ => {
                    audit.not_let_in(address, error.token_label());
                    tracing::info!(%error, source = %address, "a caller was refused");
                }
            }
            error.into_response()
        }
    };
    if let Some(challenge) = response.extensions_mut().remove::<Challenge>() {
        let scopes = gate.metadata.to_ask_for(challenge.scopes.as_deref());
        let header = challenge.header(&resource_metadata::url_of(&resource), &scopes);
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, header);
    }
    response
}

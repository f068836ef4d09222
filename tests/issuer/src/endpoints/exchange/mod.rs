//! The token endpoint: something that a client was given, or can show, for tokens.
//!
//! `person`: a code or a refresh token; `on_behalf_of`: a token that a caller has shown to the client; `id_jag`: an ID
//! token, for what another authorization server takes. A client that asks for itself is dealt with here.
//!
//! Sources: RFC 6749, section 4.4; learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow.

mod id_jag;
mod on_behalf_of;
mod person;

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::clock::now_s;
use crate::directory::{Client, Directory, Platform};
use crate::endpoints::client_login::{self, Known, Shown};
use crate::endpoints::error::Refusal;
use crate::endpoints::scope::{self, Asked};
use crate::tokens::claims::{Grant, Proof};

/// The body of a token request.
#[derive(Deserialize)]
pub(crate) struct TokenRequest {
    grant_type: Option<String>,
    #[serde(flatten)]
    shown: Shown,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    /// On behalf of its bearer.
    assertion: Option<String>,
    requested_token_use: Option<String>,
    /// Of a token exchange (RFC 8693, section 2.1).
    requested_token_type: Option<String>,
    audience: Option<String>,
    subject_token: Option<String>,
    subject_token_type: Option<String>,
    #[serde(default)]
    scope: String,
    resource: Option<String>,
}

/// One request, and who makes it.
struct Exchange<'a> {
    authority: &'a Authority,
    directory: &'a Directory,
    client: &'a Client,
    proof: Proof,
    /// Of the web page that makes the request, if one does.
    origin: Option<String>,
    request: TokenRequest,
    now_s: i64,
}

/// `POST /{tenant}/oauth2/v2.0/token`.
pub(crate) async fn token(
    State(authority): State<Arc<Authority>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    form: Result<Form<TokenRequest>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(request) = form.map_err(|error| {
        Refusal::new(
            "invalid_request",
            9_002_313,
            format!("Invalid request. {error}"),
        )
    })?;
    let directory = authority.directory();
    let tenant = authority.home(&tenant)?;
    let Known { client, proof } =
        client_login::client(&authority, &directory, &tenant, &headers, &request.shown).await?;
    let origin = headers.get(header::ORIGIN);
    let exchange = Exchange {
        authority: &authority,
        directory: &directory,
        client,
        proof,
        origin: origin.map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned()),
        request,
        now_s: now_s(),
    };
    let answer = match exchange.request.grant_type.as_deref() {
        Some("authorization_code") => exchange.code(&tenant)?,
        Some("refresh_token") => exchange.refresh_token(&tenant)?,
        Some("client_credentials") => exchange.client_credentials(&tenant)?,
        Some(on_behalf_of::GRANT) => exchange.on_behalf_of(&tenant)?,
        // Entra does not know it.
        Some(id_jag::GRANT) if !directory.authorization_servers.is_empty() => {
            exchange.id_jag(&tenant)?
        }
        Some(other) => return Err(unsupported(other)),
        None => return Err(Refusal::missing("grant_type")),
    };
    // Tokens stay in no cache (RFC 6749, section 5.1).
    let uncached = [
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ];
    Ok((uncached, Json(answer)).into_response())
}

impl Exchange<'_> {
    fn client_credentials(&self, tenant: &str) -> Result<Value, Refusal> {
        self.check_platform(Platform::Web)?;
        let asked = scope::for_itself(
            self.directory,
            &self.request.scope,
            self.request.resource.as_deref(),
            self.authority.strict_resource,
        )?;
        let (token, expires_in) = self.access_token(tenant, &asked, None)?;
        Ok(answer(&token, expires_in))
    }

    /// Whether the client redeems as those of this platform do.
    ///
    /// Source: learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow, "Redirect URIs for single-page
    /// apps"; the page does not give the code for a secret that comes from a web page.
    fn check_platform(&self, platform: Platform) -> Result<(), Refusal> {
        match (platform, &self.origin, self.proof) {
            (Platform::Spa, None, _) => Err(not_across_origins()),
            (Platform::Web | Platform::Desktop, Some(origin), _) => Err(across_origins(origin)),
            (Platform::Web, None, Proof::None) => Err(client_login::no_secret()),
            (Platform::Spa | Platform::Desktop, _, Proof::Secret | Proof::Assertion) => {
                Err(client_login::is_public())
            }
            _ => Ok(()),
        }
    }

    /// The token, and for how many seconds it is good.
    fn access_token(
        &self,
        tenant: &str,
        asked: &Asked,
        user: Option<&str>,
    ) -> Result<(String, i64), Refusal> {
        let api = asked.find_api(self.directory);
        let user = user
            .map(|name| self.directory.user(name).ok_or_else(invalid_grant))
            .transpose()?;
        let assigned = user.map_or(&self.client.app_roles, |user| &user.app_roles);
        let version = api.requested_access_token_version;
        let grant = Grant {
            issuer: self.authority.issuer(tenant, version),
            tenant,
            version,
            api,
            uri: &asked.uri,
            client: self.client,
            proof: self.proof,
            identity: None,
            user,
            scopes: asked.scopes.clone(),
            roles: api.own(assigned).map(str::to_owned).collect(),
        };
        let lifetime_s = self.authority.lifetime_s();
        let claims = grant.claims(self.now_s, lifetime_s);
        let twist = self.authority.twist();
        let token = twist
            .sign(self.authority, claims, version, self.now_s)
            .map_err(unsigned)?;
        Ok((token, lifetime_s))
    }
}

fn answer(access_token: &str, expires_in: i64) -> Value {
    json!({
        "token_type": "Bearer",
        "expires_in": expires_in,
        "ext_expires_in": expires_in,
        "access_token": access_token,
    })
}

fn needed<'a>(field: &'a Option<String>, name: &str) -> Result<&'a str, Refusal> {
    field.as_deref().ok_or_else(|| Refusal::missing(name))
}

fn across_origins(origin: &str) -> Refusal {
    let message = format!(
        "Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type. Request origin: \
         '{origin}'."
    );
    Refusal::new("invalid_request", 9_002_326, message)
}

fn not_across_origins() -> Refusal {
    Refusal::new(
        "invalid_request",
        9_002_327,
        "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests.",
    )
}

fn invalid_grant() -> Refusal {
    Refusal::new(
        "invalid_grant",
        70_000,
        "Provided grant is invalid or malformed.",
    )
}

fn unsupported(grant_type: &str) -> Refusal {
    let message = format!("The app requested an unsupported grant type '{grant_type}'.");
    Refusal::new("unsupported_grant_type", 70_003, message)
}

/// Only when a test ordered a signature that there is not.
fn unsigned(reason: String) -> Refusal {
    Refusal {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        ..Refusal::new("server_error", 90_033, reason)
    }
}

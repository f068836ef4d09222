//! The token endpoint: a code, a refresh token or a client's own secret for tokens.
//!
//! Sources: RFC 6749, sections 4.1.3, 4.4 and 6; RFC 7636, section 4.6;
//! learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow and v2-oauth2-client-creds-grant-flow.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::authority::Authority;
use crate::clock::now_s;
use crate::directory::{Client, Directory, Platform, Version};
use crate::endpoints::client_login::{self, Known, Shown};
use crate::endpoints::error::Refusal;
use crate::endpoints::grants::{Code, Redeemed, SignIn};
use crate::endpoints::scope::{self, Asked};
use crate::tokens::claims::{Grant, IdToken, Proof};
use crate::tokens::twist::Twist;

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
        client_login::client(&authority, &directory, &tenant, &headers, &request.shown)?;
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
    fn code(&self, tenant: &str) -> Result<Value, Refusal> {
        let code = needed(&self.request.code, "code")?;
        let redirect_uri = needed(&self.request.redirect_uri, "redirect_uri")?;
        let verifier = needed(&self.request.code_verifier, "code_verifier")?;
        let code = match self.authority.grants().redeem_code(code, self.now_s) {
            Redeemed::First(code) => code,
            Redeemed::Again => return Err(redeemed()),
            Redeemed::Unknown => return Err(invalid_grant()),
        };
        let Code {
            sign_in,
            redirect_uri: right_uri,
            challenge,
        } = code;
        if sign_in.client != self.client.client_id || sign_in.tenant != tenant {
            return Err(invalid_grant());
        }
        if right_uri != redirect_uri {
            let message = format!(
                "The reply address '{redirect_uri}' does not match the reply address '{right_uri}' provided when \
                 requesting Authorization code."
            );
            return Err(Refusal::new("invalid_client", 500_112, message));
        }
        if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != challenge {
            return Err(Refusal::new(
                "invalid_grant",
                501_481,
                "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
            ));
        }
        self.check_platform(sign_in.platform)?;
        self.check_resource(&sign_in.asked)?;
        self.for_user(sign_in)
    }

    fn refresh_token(&self, tenant: &str) -> Result<Value, Refusal> {
        let name = needed(&self.request.refresh_token, "refresh_token")?;
        // It is used up only if nothing else is wrong with the request.
        let mut sign_in = self
            .authority
            .grants()
            .find_refresh_token(name, self.now_s)
            .filter(|found| found.client == self.client.client_id && found.tenant == tenant)
            .ok_or_else(invalid_grant)?;
        self.check_platform(sign_in.platform)?;
        if !self.request.scope.is_empty() {
            let openid = sign_in.asked.openid;
            sign_in.asked = self.asked_for_user()?;
            // The new token refreshes as the old one did, whatever is asked for now.
            sign_in.asked.openid = openid;
        }
        self.check_resource(&sign_in.asked)?;
        self.check_itself(&sign_in.asked)?;
        let redeemed = self
            .authority
            .grants()
            .redeem_refresh_token(name, self.now_s);
        match redeemed {
            Redeemed::First(_) => self.for_user(sign_in),
            Redeemed::Again | Redeemed::Unknown => Err(invalid_grant()),
        }
    }

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

    fn for_user(&self, sign_in: SignIn) -> Result<Value, Refusal> {
        let asked = sign_in.asked.clone();
        let (token, expires_in) =
            self.access_token(&sign_in.tenant, &asked, Some(&sign_in.user))?;
        let mut answer = answer(&token, expires_in);
        answer["scope"] = asked.full_names().into();
        if asked.has("openid") {
            answer["id_token"] = self.id_token(&sign_in)?.into();
        }
        if asked.has("offline_access") {
            let mut grants = self.authority.grants();
            answer["refresh_token"] = grants.give_refresh_token(sign_in, self.now_s).into();
        }
        Ok(answer)
    }

    fn asked_for_user(&self) -> Result<Asked, Refusal> {
        scope::for_user(
            self.directory,
            self.client,
            &self.request.scope,
            self.request.resource.as_deref(),
            self.authority.strict_resource,
        )
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

    /// A client that is the API itself signs in by any of its names, and refreshes by its client id only
    /// (github.com/Softeria/ms-365-mcp-server/pull/508).
    fn check_itself(&self, asked: &Asked) -> Result<(), Refusal> {
        if asked.api != self.client.client_id || asked.uri == asked.api {
            return Ok(());
        }
        let message = format!(
            "Application '{}'({}) is requesting a token for itself. This scenario is supported only if resource is \
             specified using the GUID based App Identifier.",
            self.client.client_id, self.client.name
        );
        Err(Refusal::new("invalid_request", 90_009, message))
    }

    /// What `resource` names now must be what was agreed to.
    fn check_resource(&self, asked: &Asked) -> Result<(), Refusal> {
        let uris = &asked.find_api(self.directory).identifier_uris;
        match &self.request.resource {
            Some(uri) if self.authority.strict_resource && !uris.contains(uri) => {
                Err(scope::mismatch())
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

    /// For the client itself (OpenID Connect Core 1.0, section 2).
    fn id_token(&self, sign_in: &SignIn) -> Result<String, Refusal> {
        let user = self
            .directory
            .user(&sign_in.user)
            .ok_or_else(invalid_grant)?;
        let claims = IdToken {
            issuer: self.authority.issuer(&sign_in.tenant, Version::V2),
            tenant: &sign_in.tenant,
            client: self.client,
            user,
            nonce: sign_in.nonce.as_deref(),
        }
        .claims(self.now_s, self.authority.lifetime_s());
        Twist::default()
            .sign(self.authority, claims, Version::V2, self.now_s)
            .map_err(unsigned)
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

fn redeemed() -> Refusal {
    Refusal::new(
        "invalid_grant",
        54_005,
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh \
         token.",
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

//! Where people sign in, and codes come from.
//!
//! Sources: RFC 6749, section 4.1; RFC 7636; RFC 8252, section 7.3;
//! learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::Url;

use crate::authority::Authority;
use crate::clock::now_s;
use crate::directory::{Client, Directory, Platform, User, Version};
use crate::endpoints::error::Refusal;
use crate::endpoints::grants::{Code, SignIn};
use crate::endpoints::page;
use crate::endpoints::scope::{self, Asked};

/// Length of a challenge: the Base64url form of a SHA-256.
const CHALLENGE_CHARS: usize = 43;

/// The parameters of a request, as they came.
type Parameters = Vec<(String, String)>;

/// A request that may be answered by sending the browser back to its client.
struct Attempt<'a> {
    authority: &'a Authority,
    directory: &'a Directory,
    client: &'a Client,
    tenant: String,
    redirect_uri: Url,
    platform: Platform,
    parameters: &'a [(String, String)],
}

/// Who decides.
enum Decision<'a> {
    /// Nobody yet.
    Open,
    SignInAs(&'a str),
    Cancel,
}

/// `GET /{tenant}/oauth2/v2.0/authorize`.
pub(crate) async fn ask(
    State(authority): State<Arc<Authority>>,
    Path(tenant): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Response {
    answer(&authority, &tenant, &parameters, &Decision::Open)
}

/// `POST /{tenant}/oauth2/v2.0/authorize`: the page's answer.
pub(crate) async fn decide(
    State(authority): State<Arc<Authority>>,
    Path(tenant): Path<String>,
    Form(parameters): Form<Parameters>,
) -> Response {
    let decision = match (get(&parameters, "cancel"), get(&parameters, "sign_in_as")) {
        (Some(_), _) => Decision::Cancel,
        (None, Some(name)) => Decision::SignInAs(name),
        (None, None) => Decision::Open,
    };
    answer(&authority, &tenant, &parameters, &decision)
}

fn answer(
    authority: &Authority,
    tenant: &str,
    parameters: &[(String, String)],
    decision: &Decision<'_>,
) -> Response {
    let directory = authority.directory();
    match Attempt::new(authority, &directory, tenant, parameters) {
        Ok(attempt) => attempt
            .answer(decision)
            .unwrap_or_else(|refusal| attempt.send_back(&refusal.parameters())),
        Err(refusal) => page::refused(&refusal),
    }
}

impl<'a> Attempt<'a> {
    /// # Errors
    ///
    /// When the browser cannot be sent anywhere (RFC 6749, section 4.1.2.1).
    fn new(
        authority: &'a Authority,
        directory: &'a Directory,
        tenant: &str,
        parameters: &'a [(String, String)],
    ) -> Result<Self, Refusal> {
        let tenant = authority.home(tenant)?;
        let needed = |name| get(parameters, name).ok_or_else(|| Refusal::missing(name));
        let client_id = needed("client_id")?;
        let client = directory
            .client(client_id)
            .ok_or_else(|| Refusal::unknown_client(client_id))?;
        let (redirect_uri, platform) = registered(client, needed("redirect_uri")?)?;
        Ok(Self {
            authority,
            directory,
            client,
            tenant,
            redirect_uri,
            platform,
            parameters,
        })
    }

    fn answer(&self, decision: &Decision<'_>) -> Result<Response, Refusal> {
        let challenge = self.challenge()?;
        let asked = scope::for_user(
            self.directory,
            self.client,
            self.get("scope").unwrap_or_default(),
            self.get("resource"),
            self.authority.strict_resource,
        )?;
        let hint = self.get("login_hint");
        let user = match decision {
            Decision::Cancel => return Err(declined()),
            Decision::SignInAs(name) => self.user(name)?,
            Decision::Open if self.authority.auto_approve => match hint {
                Some(hint) => self.user(hint)?,
                None => self.directory.users.first().ok_or_else(nobody)?,
            },
            // No session is kept, so nobody is signed in without being asked.
            Decision::Open if self.get("prompt") == Some("none") => return Err(nobody()),
            Decision::Open => {
                let users = &self.directory.users;
                let scopes = asked.full_names();
                return Ok(page::sign_in(
                    self.client,
                    &scopes,
                    users,
                    hint,
                    self.parameters,
                ));
            }
        };
        Ok(self.give_code(user, asked, challenge))
    }

    /// The challenge of a request that is otherwise one for a code.
    fn challenge(&self) -> Result<&str, Refusal> {
        match self.get("response_type") {
            Some("code") => {}
            Some(other) => {
                let message =
                    format!("response_type '{other}' is not enabled for the application.");
                return Err(Refusal::new("unsupported_response_type", 700_054, message));
            }
            None => return Err(Refusal::missing("response_type")),
        }
        if self
            .get("response_mode")
            .is_some_and(|mode| mode != "query")
        {
            let message = "The response_mode is not supported here; only query is.";
            return Err(Refusal::new("invalid_request", 90_014, message));
        }
        let challenge = self
            .get("code_challenge")
            .ok_or_else(|| Refusal::missing("code_challenge"))?;
        // Without a method it would be plain (RFC 7636, section 4.3).
        if self.get("code_challenge_method") != Some("S256") {
            let message = "Invalid Code_Challenge_method parameter.";
            return Err(Refusal::new("invalid_request", 50_149, message));
        }
        if challenge.len() != CHALLENGE_CHARS {
            let message = "Invalid size of Code_Challenge parameter.";
            return Err(Refusal::new("invalid_request", 501_491, message));
        }
        Ok(challenge)
    }

    fn give_code(&self, user: &User, asked: Asked, challenge: &str) -> Response {
        let code = Code {
            sign_in: SignIn {
                tenant: self.tenant.clone(),
                client: self.client.client_id.clone(),
                user: user.name.clone(),
                asked,
                nonce: self.get("nonce").map(str::to_owned),
                platform: self.platform,
            },
            redirect_uri: self.get("redirect_uri").unwrap_or_default().to_owned(),
            challenge: challenge.to_owned(),
        };
        let code = self.authority.grants().give_code(code, now_s());
        self.send_back(&[("code", code)])
    }

    fn send_back(&self, parameters: &[(&str, String)]) -> Response {
        let mut to = self.redirect_uri.clone();
        {
            let mut query = to.query_pairs_mut();
            query.extend_pairs(parameters);
            if let Some(state) = self.get("state") {
                query.append_pair("state", state);
            }
            if self.authority.names_itself {
                let issuer = self.authority.issuer(&self.tenant, Version::V2);
                query.append_pair("iss", &issuer);
            }
        }
        let headers = [
            (header::LOCATION, to.to_string()),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ];
        (StatusCode::FOUND, headers).into_response()
    }

    fn user(&self, name: &str) -> Result<&'a User, Refusal> {
        self.directory.user(name).ok_or_else(|| {
            let message =
                format!("The user account {name} does not exist in the tenant. To sign into this application, the account must be added to the directory.");
            Refusal::new("access_denied", 50_034, message)
        })
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        get(self.parameters, name)
    }
}

/// The first parameter of this name, unless it is empty (RFC 6749, section 3.1).
fn get<'p>(parameters: &'p [(String, String)], name: &str) -> Option<&'p str> {
    let found = parameters.iter().find(|(known, _)| known == name);
    found
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

/// The URI and its platform, if it is one of the client's.
fn registered(client: &Client, uri: &str) -> Result<(Url, Platform), Refusal> {
    let url = Url::parse(uri).ok();
    url.zip(client.platform(uri)).ok_or_else(|| {
        let message = format!(
            "The redirect URI '{uri}' specified in the request does not match the redirect URIs configured for the \
             application '{}'. Make sure the redirect URI sent in the request matches one added to your application.",
            client.client_id
        );
        Refusal::new("invalid_request", 50_011, message)
    })
}

fn declined() -> Refusal {
    let message = "User declined to consent to access the app.";
    Refusal::new("access_denied", 65_004, message)
}

fn nobody() -> Refusal {
    let message = "Session information is not sufficient for single-sign-on.";
    Refusal::new("login_required", 50_058, message)
}

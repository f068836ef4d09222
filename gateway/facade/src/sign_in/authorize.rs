//! A request for a code (RFC 6749, section 4.1.1; RFC 7636, section 4.3).

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::clients::client::Client;
use crate::clients::redirects::RedirectUri;
use crate::parameters::Parameters;
use crate::rates::Peer;
use crate::refusal::Refusal;
use crate::scopes::OFFLINE;
use crate::sign_in::browser::Browser;
use crate::sign_in::request::Ask;
use crate::sign_in::{consent, page, upstream};
use crate::state::Facade;

/// Longest state of a client, in bytes: it travels in a cookie.
const MOST_OF_STATE: usize = 1024;

/// Length of a challenge: the Base64url form of a SHA-256.
const CHALLENGE: usize = 43;

/// `GET /oauth/authorize`.
pub(crate) async fn ask(
    State(facade): State<Facade>,
    peer: Peer,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    match begin(
        &facade,
        peer,
        &headers,
        query.as_deref().unwrap_or_default(),
    )
    .await
    {
        Ok(response) => response,
        // Nobody knows yet whose redirect URI it is (RFC 6749, section 4.1.2.1).
        Err(refusal) => page::refused(&refusal),
    }
}

async fn begin(
    facade: &Facade,
    peer: Peer,
    headers: &HeaderMap,
    query: &str,
) -> Result<Response, Refusal> {
    facade.rates.take("authorize", peer).await?;
    let parameters = Parameters::read(query.as_bytes())?;
    let client = parameters.need("client_id")?;
    let client = facade.clients.find(&facade.sealer, client).await?;
    let client = client.ok_or_else(unknown)?;
    let redirect = client
        .redirect(parameters.need("redirect_uri")?)
        .ok_or_else(|| Refusal::invalid("the redirect URI is not one of this client"))?;
    let state = parameters.get("state");
    let mut ask = Ask {
        state: state.map(str::to_owned),
        ..bare(&client, redirect)
    };
    if state.is_some_and(|state| state.len() > MOST_OF_STATE) {
        ask.state = None;
        let refusal = Refusal::invalid("the state is longer than 1024 bytes");
        return Ok(ask.send_refusal(facade, &refusal));
    }
    match complete(facade, &client, &parameters, &mut ask) {
        Ok(()) => Ok(go_on(facade, headers, &parameters, ask).await),
        Err(refusal) => Ok(ask.send_refusal(facade, &refusal)),
    }
}

fn unknown() -> Refusal {
    Refusal::client(
        "this app is not known here, or no longer; remove its connection to this server in the app, and add it again",
    )
}

/// What is known once the client has proven its redirect URI.
fn bare(client: &Client, redirect: RedirectUri) -> Ask {
    Ask {
        client: client.digest.clone(),
        name: client.name.clone(),
        named_by: client.named_by.clone(),
        redirect,
        state: None,
        challenge: String::new(),
        scopes: Vec::new(),
        offline: false,
    }
}

/// Checks all else.
fn complete(
    facade: &Facade,
    client: &Client,
    parameters: &Parameters,
    ask: &mut Ask,
) -> Result<(), Refusal> {
    if parameters.get("request").is_some() || parameters.get("request_uri").is_some() {
        let what = "send the parameters themselves";
        return Err(Refusal::new("request_not_supported", what));
    }
    match parameters.need("response_type")? {
        "code" => {}
        _ => {
            let what = "only codes are given out";
            return Err(Refusal::new("unsupported_response_type", what));
        }
    }
    if parameters
        .get("response_mode")
        .is_some_and(|mode| mode != "query")
    {
        return Err(Refusal::invalid("a code goes into the query"));
    }
    // Without a method it would be plain (RFC 7636, section 4.3).
    if parameters.need("code_challenge_method")? != "S256" {
        return Err(Refusal::invalid(
            "only S256 is accepted as code_challenge_method",
        ));
    }
    let challenge = parameters.need("code_challenge")?;
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if challenge.len() != CHALLENGE || !challenge.bytes().all(is_base64) {
        return Err(Refusal::invalid(
            "the code_challenge is not that of a SHA-256",
        ));
    }
    parameters.check_resource(&facade.resource)?;
    ask.challenge = challenge.to_owned();
    ask.scopes = facade.scopes.asked(parameters.get("scope"))?;
    ask.offline = client.refreshes || ask.scopes.iter().any(|name| name == OFFLINE);
    Ok(())
}

/// Asks the person, unless they agreed before.
async fn go_on(
    facade: &Facade,
    headers: &HeaderMap,
    parameters: &Parameters,
    ask: Ask,
) -> Response {
    let browser = Browser::of(facade, headers);
    let account = browser.account();
    let prompt = parameters.get("prompt").unwrap_or_default();
    let is_agreed = account
        .as_ref()
        .is_some_and(|account| !ask.is_anybodys() && browser.has_agreed(account, &ask));
    if is_agreed
        && !prompt
            .split(' ')
            .any(|wish| wish == "consent" || wish == "select_account")
    {
        return upstream::go(facade, StatusCode::FOUND, ask, account, false).await;
    }
    if prompt == "none" {
        let refusal = Refusal::new("consent_required", "nobody has agreed to this yet");
        return ask.send_refusal(facade, &refusal);
    }
    consent::ask(facade, headers, &ask, account.as_ref())
}

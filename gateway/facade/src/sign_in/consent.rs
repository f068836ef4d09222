//! Whether the person wants the client to have tokens. There is one registration at the issuer for all clients, so the
//! issuer cannot ask that: without this question any client would get what the person agreed to for another one.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::parameters::Parameters;
use crate::rates::Peer;
use crate::refusal::Refusal;
use crate::sealed::{Kind, unguessable};
use crate::sign_in::request::Ask;
use crate::sign_in::{page, upstream};
use crate::state::Facade;
use crate::upstream::answer::Account;

/// What only this browser has; the form of the page is bound to it.
const COOKIE: &str = "page";

/// How long the person may take.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Length of what is in the cookie.
const COOKIE_BYTES: usize = 43;

/// What the page asked.
#[derive(Serialize, Deserialize)]
struct Question {
    ask: Ask,
    /// Whom the page named.
    account: Option<(String, String)>,
}

/// Shows the page.
pub(crate) fn ask(
    facade: &Facade,
    headers: &HeaderMap,
    ask: &Ask,
    account: Option<&Account>,
) -> Response {
    let cookie = facade.cookies.get(headers, COOKIE);
    // The same for all pages that are open in the browser.
    let bond = match cookie.filter(|cookie| cookie.len() == COOKIE_BYTES) {
        Some(cookie) => cookie.to_owned(),
        None => unguessable(),
    };
    let question = Question {
        ask: ask.clone(),
        account: account.map(|account| (account.key.clone(), account.name.clone())),
    };
    let form = facade.sealer.seal(Kind::Ask, &bond, &question, PATIENCE);
    let mut response = page::consent(facade, ask, account, &form);
    facade
        .cookies
        .put(&mut response, COOKIE, &bond, PATIENCE * 4);
    response
}

/// `POST /oauth/consent`: the answer of the page.
pub(crate) async fn decide(
    State(facade): State<Facade>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match answer(&facade, peer, &headers, &body).await {
        Ok(response) => response,
        Err(refusal) => page::refused(&refusal),
    }
}

async fn answer(
    facade: &Facade,
    peer: Peer,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    facade.rates.take("consent", peer).await?;
    let origin = headers.get(header::ORIGIN);
    if origin.is_some_and(|origin| origin != facade.origin()) {
        return Err(Refusal::invalid("the answer comes from another page"));
    }
    let parameters = Parameters::read(body)?;
    let bond = facade.cookies.get(headers, COOKIE).unwrap_or_default();
    let question = parameters.need("question")?;
    let question: Option<Question> = match bond.len() {
        COOKIE_BYTES => facade.sealer.open(Kind::Ask, bond, question),
        _ => None,
    };
    let Question { ask, account } = question.ok_or_else(|| {
        Refusal::invalid(
            "this page is too old, or was opened in another browser; begin again in your app",
        )
    })?;
    let account = account.map(|(key, name)| Account { key, name });
    match parameters.get("answer") {
        Some("allow") => Ok(upstream::go(facade, StatusCode::SEE_OTHER, ask, account, false).await),
        Some("another") => Ok(upstream::go(facade, StatusCode::SEE_OTHER, ask, None, true).await),
        _ => {
            let refusal = Refusal::new("access_denied", "the person does not want this");
            Ok(ask.send_refusal(facade, &refusal))
        }
    }
}

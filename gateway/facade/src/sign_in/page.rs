//! What people see: what they are asked, or what is wrong. No page runs a script or loads anything, and none can be
//! shown in another one.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use prynai_bus::shown::visible;
use sha2::{Digest, Sha256};

use crate::clients::client::NamedBy;
use crate::refusal::Refusal;
use crate::scopes::is_everything;
use crate::sign_in::request::Ask;
use crate::state::Facade;
use crate::upstream::answer::Account;

const STYLE: &str = include_str!("page.css");

/// Bytes of a text that are shown.
const MOST: usize = 400;

/// The one style is all that a browser may use. `form-action` is not set: browsers apply it to where the answer of a
/// form leads on, which is the issuer and then any client.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
    );
    // Base64 is visible ASCII.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// Asks whether the client may have tokens. `form` is what the answer brings back.
pub(super) fn consent(
    facade: &Facade,
    ask: &Ask,
    account: Option<&Account>,
    form: &str,
) -> Response {
    let name = visible(&ask.name, MOST);
    let title = format!("{name} wants to use {}", facade.origin_name());
    let body = html! {
        h1 { (name) " wants to use this server for you" }
        dl {
            div { dt { "Server" } dd { (visible(&facade.resource, MOST)) } }
            div { dt { "App" } dd {
                (name)
                @match &ask.named_by {
                    NamedBy::Settings => {},
                    NamedBy::Itself => " – it calls itself so; nobody has checked that",
                    NamedBy::Host(host) => { ", as " strong { (visible(host, MOST)) } " says" },
                }
            } }
            div { dt { "Answer goes to" } dd { strong { (visible(&ask.redirect.place(), MOST)) } } }
            div { dt { "Your account" } dd {
                @match account {
                    Some(account) => strong { (visible(&account.name, MOST)) },
                    None => "the one that you sign in with next",
                }
            } }
            div { dt { "It may" } dd { ul {
                @for scope in &ask.scopes {
                    @match scope.as_str() {
                        "openid" | "profile" => li { "see who you are" },
                        "email" => li { "see your e-mail address" },
                        "offline_access" => {},
                        scope if is_everything(scope) => li { "do everything as you that this server offers" },
                        scope => li { "use " code { (visible(scope, MOST)) } " as you" },
                    }
                }
                @if ask.offline { li { "stay connected, also when you are not there" } }
            } } }
        }
        p .note {
            "Go on only if you have just asked " (name) " to connect. If a link brought you here, do not allow it: \
             whoever sent you the link could act as you."
        }
        form method="post" action={ (facade.path()) "/consent" } {
            input type="hidden" name="question" value=(form);
            button .go name="answer" value="allow" { "Allow" }
            button name="answer" value="deny" { "Do not allow" }
            @if account.is_some() {
                button .quiet name="answer" value="another" { "Allow, with another account" }
            }
        }
    };
    page(StatusCode::OK, &title, &body)
}

/// Says why nobody can sign in, to the person at the browser.
pub(super) fn refused(refusal: &Refusal) -> Response {
    let body = html! {
        h1 { "You cannot sign in like this" }
        p { (capital(&refusal.description)) "." }
        p { "Nothing was given to the app. You can close this page." }
    };
    page(refusal.status, "You cannot sign in like this", &body)
}

fn page(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { p .brand { "PrynAI MCP" } (body) } }
        }
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        // To nobody else; a browser says where a form comes from only with a policy that lets it.
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, page.into_string()).into_response()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

impl Facade {
    /// The server's name in the title of a page.
    fn origin_name(&self) -> &str {
        let origin = self.origin();
        origin.split_once("://").map_or(origin, |(_, host)| host)
    }
}

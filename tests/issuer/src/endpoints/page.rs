//! What people see: who signs in, or what is wrong.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::directory::{Client, User};
use crate::endpoints::error::Refusal;

const STYLE: &str = "body{font:16px system-ui,sans-serif;max-width:30rem;margin:4rem auto;padding:0 1rem}\
    button{display:block;width:100%;padding:.7rem;margin:.4rem 0;font:inherit;text-align:left}\
    code{overflow-wrap:anywhere}";

/// Asks who signs in. `fields` go with the answer as they are.
pub(crate) fn sign_in(
    client: &Client,
    scopes: &str,
    users: &[User],
    hint: Option<&str>,
    fields: &[(String, String)],
) -> Response {
    let hidden = fields.iter().map(|(name, value)| {
        let (name, value) = (escaped(name), escaped(value));
        format!("<input type=hidden name=\"{name}\" value=\"{value}\">")
    });
    let buttons = users.iter().map(|user| {
        let focus = if hint.is_some_and(|hint| user.is_named(hint)) {
            " autofocus"
        } else {
            ""
        };
        format!(
            "<button name=sign_in_as value=\"{}\"{focus}>Sign in as {}</button>",
            escaped(&user.name),
            escaped(&user.principal_name()),
        )
    });
    let body = format!(
        "<h1>Sign in</h1><p><b>{}</b> asks for <code>{}</code></p><form method=post>{}{}\
         <button name=cancel value=yes>Cancel</button></form>\
         <p>This is a local issuer for development. It asks for no password.</p>",
        escaped(&client.name),
        escaped(scopes),
        hidden.collect::<String>(),
        buttons.collect::<String>(),
    );
    page(StatusCode::OK, "Sign in", &body)
}

/// Says why nobody can sign in, to the person at the browser: the client is not to be trusted with it.
pub(crate) fn refused(refusal: &Refusal) -> Response {
    let body = format!(
        "<h1>Sorry, but we’re having trouble signing you in.</h1><p>{}</p>",
        escaped(&refusal.description()),
    );
    page(refusal.status, "Sign in", &body)
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style>{body}</html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // Nothing on the page is a script, and nobody may frame it (RFC 6749, section 10.13).
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    (status, headers, html).into_response()
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    safe
}

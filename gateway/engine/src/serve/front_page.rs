//! What a person sees who opens the address of the server in a browser: what this is, and how to connect to it. The
//! page says nothing of how the server is built, runs no script, and loads nothing.

use std::sync::LazyLock;

use axum::extract::{FromRef, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::message::accept;
use crate::message::host::host;
use crate::refusal::RequestError;
use crate::state::AppState;

const PAGE: &str = include_str!("front_page.html");

const STYLE: &str = include_str!("front_page.css");

/// What a proxy that ends TLS says that its client speaks.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The one style of the page is all that a browser may use (Content Security Policy Level 3, section 6.7.2.3).
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // Base64 is visible ASCII; without a policy a browser would do more than it need.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// What the page says of this server: how clients reach the endpoint.
#[derive(Clone)]
pub(super) struct FrontPage {
    /// What the operator says that clients write.
    public_url: Option<String>,
    has_tls: bool,
}

/// Serves the page to browsers. Nobody else asks for HTML.
pub(super) async fn get(State(page): State<FrontPage>, request: Request) -> Response {
    let is_asked_for = matches!(*request.method(), Method::GET | Method::HEAD)
        && accept::names(request.headers(), "text/html");
    if !is_asked_for {
        return RequestError::NoSuchPath.into_response();
    }
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        // It depends on the headers of the request.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    (headers, render(&page.url(&request))).into_response()
}

fn render(url: &str) -> String {
    PAGE.replace("{{STYLE}}", STYLE)
        .replace("{{URL}}", &escaped(url))
}

/// Text that is text in HTML, between tags as well as in an attribute.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

// === impl FrontPage ===

impl FromRef<AppState> for FrontPage {
    fn from_ref(state: &AppState) -> Self {
        Self {
            public_url: state.settings.auth.public_url.clone(),
            has_tls: state.settings.tls.is_on(),
        }
    }
}

impl FrontPage {
    /// The endpoint as the caller reaches it, whose `Host` was checked. What a proxy says counts for no more than these
    /// words on the page: who lies about it only misleads itself.
    fn url(&self, request: &Request) -> String {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        let forwarded = request.headers().get(FORWARDED_PROTO);
        let is_secure = self.has_tls || forwarded.is_some_and(|proto| proto == "https");
        let scheme = if is_secure { "https" } else { "http" };
        format!("{scheme}://{}/mcp", host(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_only_text() {
        let page = render("http://a\"><script>alert('x')</script>&amp;/mcp");
        assert!(!page.contains("<script"), "{page}");
        let shown =
            "http://a&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;/mcp";
        assert_eq!(page.matches(shown).count(), 4, "{page}");
        assert!(!page.contains("{{"), "{page}");
    }

    #[test]
    fn the_policy_allows_no_more_than_the_style() {
        let policy = POLICY.to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

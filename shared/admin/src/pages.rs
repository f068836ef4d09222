//! What is served where.

use std::error::Error;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use prynai_console::{Answer, Console};
use serde_json::json;

use crate::access::{Access, Refusal, is_own_form};
use crate::scrape::Scrape;

/// The text format of Prometheus.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

const JSON: &str = "application/json";

const TEXT: &str = "text/plain; charset=utf-8";

const HTML: &str = "text/html; charset=utf-8";

/// Where the forms of the console go.
const FORMS: &str = "/console/do";

/// The methods there, and in words; and elsewhere.
const FORM_METHODS: (&str, &str) = ("GET, HEAD, POST", "only POST of a form, or GET\n");
const METHODS: (&str, &str) = ("GET, HEAD", "only GET\n");

/// Largest form, in bytes.
const LARGEST_FORM: usize = 4 * 1024;

/// What the process shows of itself.
pub(crate) struct Pages {
    pub(crate) access: Access,
    pub(crate) scrape: Scrape,
    pub(crate) health: Arc<OnceLock<Health>>,
    pub(crate) console: Arc<OnceLock<Console>>,
    /// What a browser lets the pages of the console do.
    pub(crate) content_policy: String,
}

/// The body of a request, which may be a form.
pub(crate) trait Form: Body<Error: Into<Box<dyn Error + Send + Sync>>> {}

impl<B: Body<Error: Into<Box<dyn Error + Send + Sync>>>> Form for B {}

/// Says whether the process does its work, and if not, why.
pub type Health = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

impl Pages {
    /// Answers a request. Its body is read only if it is a form of the console.
    pub(crate) async fn answer<B: Form>(&self, request: Request<B>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let access = self.access.check(&head.headers);
        let path = head.uri.path();
        let is_page = matches!(access, Err(Refusal::Page));
        if !is_page && let Some(probed) = self.probe(path, access.is_ok()).await {
            return probed;
        }
        match access {
            Ok(()) => {}
            // A browser asks its user for a password only if it may send one.
            Err(Refusal::Token) => return refused(path == "/" || Console::has(path)),
            Err(Refusal::Page) => {
                let reason =
                    "this is for tools on this machine: name it by an address or as localhost\n";
                return text(StatusCode::FORBIDDEN, reason);
            }
        }
        if let Some(console) = self.console.get()
            && Console::has(path)
        {
            return self.of_console(console, &head, body).await;
        }
        if head.method != Method::GET && head.method != Method::HEAD {
            return only(METHODS);
        }
        match path {
            "/metrics" => page(StatusCode::OK, METRICS, self.scrape.text().await),
            "/" if self.console.get().is_some() && is_browser(&head) => see_other("/console"),
            "/" => text(
                StatusCode::OK,
                "/console  for people: the fleet, its calls, what needs attention\n/metrics  for Prometheus\n/livez    whether the process runs\n/readyz   of a worker: whether it takes requests, and why not\n",
            ),
            _ => text(
                StatusCode::NOT_FOUND,
                "there is nothing at this path; try /console or /metrics\n",
            ),
        }
    }

    async fn of_console<B: Form>(
        &self,
        console: &Console,
        head: &Parts,
        body: B,
    ) -> Response<Full<Bytes>> {
        let path = head.uri.path();
        let answer = match (&head.method, path == FORMS) {
            (&Method::POST, true) => {
                if console.may_write() && !is_own_form(&head.headers) {
                    let reason = "this form does not come from a page that was served here\n";
                    return text(StatusCode::FORBIDDEN, reason);
                }
                let Ok(form) = Limited::new(body, LARGEST_FORM).collect().await else {
                    return text(StatusCode::PAYLOAD_TOO_LARGE, "this form is too large\n");
                };
                let operator = self.access.name(&head.headers);
                console.act(&form.to_bytes(), operator.as_deref()).await
            }
            // Somebody who loads anew what a form led to, or comes back to it.
            (&Method::GET | &Method::HEAD, true) => return see_other("/console"),
            (&Method::GET | &Method::HEAD, false) => {
                console
                    .show(path, head.uri.query().unwrap_or_default())
                    .await
            }
            (_, true) => return only(FORM_METHODS),
            (_, false) => return only(METHODS),
        };
        let (status, body) = match answer {
            Answer::SeeOther(path) => return see_other(&path),
            Answer::Page { status, body } => (status, body),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut shown = page(status, HTML, body);
        let headers = shown.headers_mut();
        if let Ok(policy) = HeaderValue::from_str(&self.content_policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        // Not no-referrer: a browser would hide where a form comes from as well.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
            headers.insert(name, HeaderValue::from_static("same-origin"));
        }
        shown
    }
}

impl Pages {
    /// Answers probes, which as a rule have no token: those are told whether, and not why.
    async fn probe(&self, path: &str, is_trusted: bool) -> Option<Response<Full<Bytes>>> {
        let health = match path {
            "/livez" => Ok(()),
            // A gateway has its own on the port of clients.
            "/readyz" => self.health.get()?().await,
            _ => return None,
        };
        let (status, body) = match health {
            Ok(()) => (StatusCode::OK, json!({ "status": "ok" })),
            Err(reason) if is_trusted => (
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "status": "unready", "reason": reason }),
            ),
            Err(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "status": "unready" }),
            ),
        };
        Some(page(status, JSON, Bytes::from(body.to_string())))
    }
}

/// Whether somebody looks with a browser.
fn is_browser(head: &Parts) -> bool {
    let accepted = head
        .headers
        .get(ACCEPT)
        .and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

fn see_other(path: &str) -> Response<Full<Bytes>> {
    let mut elsewhere = text(StatusCode::SEE_OTHER, "");
    if let Ok(path) = HeaderValue::from_str(path) {
        elsewhere.headers_mut().insert(LOCATION, path);
    }
    elsewhere
}

fn only((methods, told): (&'static str, &'static str)) -> Response<Full<Bytes>> {
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, told);
    let allowed = HeaderValue::from_static(methods);
    refused.headers_mut().insert(ALLOW, allowed);
    refused
}

fn refused(is_for_people: bool) -> Response<Full<Bytes>> {
    let told = match is_for_people {
        true => "send the token of --admin-token; in a browser as the password, under any name\n",
        false => "send the token of --admin-token\n",
    };
    let mut refused = text(StatusCode::UNAUTHORIZED, told);
    let headers = refused.headers_mut();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    if is_for_people {
        let basic = HeaderValue::from_static("Basic realm=\"PrynAI MCP\", charset=\"UTF-8\"");
        headers.append(WWW_AUTHENTICATE, basic);
    }
    refused
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    page(status, TEXT, Bytes::from_static(body.as_bytes()))
}

fn page(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

//! What is served where.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use crate::access::{Access, Refusal};
use crate::scrape::Scrape;

/// The text format of Prometheus.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

const JSON: &str = "application/json";

const TEXT: &str = "text/plain; charset=utf-8";

/// What the process shows of itself.
pub(crate) struct Pages {
    pub(crate) access: Access,
    pub(crate) scrape: Scrape,
    pub(crate) health: Arc<OnceLock<Health>>,
}

/// Says whether the process does its work, and if not, why.
pub type Health = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

impl Pages {
    /// Answers a request, whose body is not read.
    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let access = self.access.check(request.headers());
        let is_page = matches!(access, Err(Refusal::Page));
        if !is_page && let Some(probed) = self.probe(request.uri().path(), access.is_ok()).await {
            return probed;
        }
        match access {
            Ok(()) => {}
            Err(Refusal::Token) => {
                let mut refused = text(
                    StatusCode::UNAUTHORIZED,
                    "send the token of --admin-token\n",
                );
                let bearer = HeaderValue::from_static("Bearer");
                refused.headers_mut().insert(WWW_AUTHENTICATE, bearer);
                return refused;
            }
            Err(Refusal::Page) => {
                let reason =
                    "this is for tools on this machine: name it by an address or as localhost\n";
                return text(StatusCode::FORBIDDEN, reason);
            }
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            let allowed = HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(ALLOW, allowed);
            return refused;
        }
        match request.uri().path() {
            "/metrics" => page(StatusCode::OK, METRICS, self.scrape.text().await),
            "/" => text(
                StatusCode::OK,
                "/metrics  for Prometheus\n/livez    whether the process runs\n/readyz   of a worker: whether it takes requests, and why not\n",
            ),
            _ => text(
                StatusCode::NOT_FOUND,
                "there is nothing at this path; try /metrics\n",
            ),
        }
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

//! What a browser must be told before a web page may call this server and read its answers (Fetch Standard, HTTP
//! extensions, CORS protocol). Whether the page may is decided in [`crate::origin`].

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;

/// What pages may do, in one era or the other.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");

/// Headers that pages may send, in one era or the other. Each by its name: "*" would not mean `Authorization`.
const HEADERS: &str = "accept, authorization, baggage, content-type, last-event-id, mcp-method, mcp-name, \
    mcp-protocol-version, mcp-session-id, traceparent, tracestate";

/// How the headers begin that a tool's schema asks for (2026-07-28, Streamable HTTP, Request Metadata).
const PARAM: &str = "mcp-param-";

/// Headers of answers that pages may read besides those that all may.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("mcp-protocol-version, mcp-session-id, retry-after, www-authenticate");

/// Seconds for which a browser need not ask again; Chromium's limit.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// The answer to a browser that asks whether a page may send a request: for pages of allowed origins, always yes.
/// What is wrong with the request itself, the page is told in answer to it.
pub(crate) fn preflight(request: &Request) -> Option<Response> {
    let headers = request.headers();
    let asks = request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !asks {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(headers));
    answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Some(response)
}

/// Lets pages of an allowed origin read an answer; `origin` is that of the request, if it has one.
pub(crate) fn share(origin: Option<HeaderValue>, response: &mut Response) {
    let headers = response.headers_mut();
    // In any case: a cache must not give one page what was meant for another, or for none.
    headers.append(VARY, HeaderValue::from_static("origin"));
    let Some(origin) = origin else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// The usual headers, and those of a tool's parameters that are asked for: prefixes cannot be allowed.
fn allowed_headers(asking: &HeaderMap) -> HeaderValue {
    let mut allowed = HEADERS.to_owned();
    let asked = asking.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    for name in asked
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
    {
        let name = HeaderName::try_from(name.trim()).ok();
        if let Some(name) = name.filter(is_parameter) {
            allowed.push_str(", ");
            allowed.push_str(name.as_str());
        }
    }
    HeaderValue::try_from(allowed).unwrap_or(HeaderValue::from_static(HEADERS))
}

fn is_parameter(name: &HeaderName) -> bool {
    name.as_str()
        .strip_prefix(PARAM)
        .is_some_and(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(asked: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for names in asked {
            headers.append(ACCESS_CONTROL_REQUEST_HEADERS, names.parse().unwrap());
        }
        allowed_headers(&headers).to_str().unwrap().to_owned()
    }

    #[test]
    fn parameters_of_tools_are_allowed_by_name_and_nothing_else_is_added() {
        assert_eq!(allowed(&[]), HEADERS);
        assert_eq!(
            allowed(&["content-type, x-other, *, mcp-param-", "mcp-parameter-x,,"]),
            HEADERS
        );
        assert_eq!(
            allowed(&[
                "mcp-param-region,Mcp-Param-Dry-Run , mcp-param-a b",
                "mcp-param-x"
            ]),
            format!("{HEADERS}, mcp-param-region, mcp-param-dry-run, mcp-param-x")
        );
    }

    #[test]
    fn only_a_browser_that_asks_is_answered() {
        let asking = |method: &str, names: &[HeaderName]| {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method.parse().unwrap();
            for name in names {
                request
                    .headers_mut()
                    .insert(name, HeaderValue::from_static("x"));
            }
            preflight(&request).is_some()
        };
        assert!(asking("OPTIONS", &[ORIGIN, ACCESS_CONTROL_REQUEST_METHOD]));
        assert!(!asking("OPTIONS", &[ORIGIN]));
        assert!(!asking("OPTIONS", &[ACCESS_CONTROL_REQUEST_METHOD]));
        assert!(!asking("POST", &[ORIGIN, ACCESS_CONTROL_REQUEST_METHOD]));
    }
}

//! Why a request is refused, with the status, the code and the `data` of each reason.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use prynai_bus::wire::json_rpc;
use prynai_bus::wire::message::RawJson;
use prynai_bus::{BusError, ShareFull};
use serde_json::{Value, json};

use super::challenge::{Challenge, Missing, TokenFault};
use crate::versions;

/// The codes of JSON-RPC, and those of MCP (2026-07-28, Error Codes).
pub(crate) mod code {
    pub(crate) use prynai_bus::wire::json_rpc::code::*;

    pub(crate) const HEADER_MISMATCH: i32 = -32020;
    pub(crate) const MISSING_CLIENT_CAPABILITY: i32 = -32021;
    pub(crate) const UNSUPPORTED_PROTOCOL_VERSION: i32 = -32022;
}

/// Seconds after which a client may try again when the fleet cannot serve now.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The same for a fleet without workers: an autoscaler looks every few seconds, and has looked for a while by then.
const NO_WORKERS_RETRY_AFTER_SECONDS: u32 = 5;

/// Seconds after which something of what is kept may have expired.
const SHARE_RETRY_AFTER_SECONDS: u32 = 60;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the body is not valid JSON: {0}")]
    NotJson(String),
    #[error("not a JSON-RPC 2.0 message: {0}")]
    NotJsonRpc(String),
    #[error("invalid params: {0}")]
    InvalidParams(String),
    #[error("method not found: {0}")]
    MethodNotFound(String),
    #[error("Content-Type must be application/json")]
    ContentType,
    #[error("the body must not be encoded: send it without Content-Encoding")]
    ContentEncoding,
    #[error("the body must be UTF-8, and Content-Type may name no other charset")]
    Charset,
    #[error("Accept must allow {0}")]
    NotAcceptable(&'static str),
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("there is nothing at this path; the MCP endpoint is /mcp")]
    NoSuchPath,
    #[error("the body took longer than {} s to arrive", .0.as_secs())]
    BodyTooSlow(Duration),
    #[error("{0} is not allowed here; use {1}")]
    HttpMethod(String, &'static str),
    #[error(
        "the header Mcp-Session-Id is missing: send initialize first and repeat the id it returns"
    )]
    SessionMissing,
    #[error("no such session, or it has ended: send initialize to open a new one")]
    SessionUnknown,
    #[error("protocol version {requested:?} is not supported; use one of: {}", supported.join(", "))]
    UnsupportedVersion {
        requested: String,
        supported: Vec<String>,
    },
    #[error("header mismatch: {0}")]
    HeaderMismatch(String),
    #[error("declare the extension {0} in the capabilities of the request")]
    MissingExtension(&'static str),
    #[error("{0}")]
    Forbidden(String),
    /// The caller is not known. Only the layer that knows callers says so.
    #[error("{0}")]
    Unauthorized(TokenFault),
    /// The caller is known and may not do this.
    #[error("{missing}")]
    InsufficientScope { missing: Missing },
    #[error(
        "access tokens cannot be checked right now: their issuer does not answer; try again in a moment"
    )]
    NoTokenKeys,
    #[error("the policy of this server does not let you {0}")]
    NotAllowed(&'static str),
    #[error("Last-Event-ID cannot be resumed: {0}; send the request again")]
    NotResumable(&'static str),
    /// The stream of a call, to a client that has heard all of it that it ever will.
    #[error("nothing follows Last-Event-ID: {0}")]
    NothingFollows(&'static str),
    #[error("{0}")]
    NotAccepted(String),
    #[error("this session has as many calls running as it may; wait for one to end")]
    SessionBusy,
    #[error("you have as many calls running as you may now; wait for one to end")]
    CallerBusy,
    #[error("you have as many streams open as you may; close one")]
    CallerStreams,
    #[error(
        "the messages of your running calls may have {limit} bytes together; wait for one to end"
    )]
    CallerBytes { limit: usize },
    #[error(
        "the limit {rule:?} of this server lets through {rate}; try again in {}",
        in_words(.wait)
    )]
    RateLimited {
        /// Its name in the policy.
        rule: Arc<str>,
        /// As the policy has it, such as `10/s`.
        rate: Arc<str>,
        /// Until one more is let through.
        wait: Duration,
    },
    /// A tool wants a token for another API that its caller cannot have.
    #[error("{0}")]
    Downstream(String),
    #[error(
        "tokens for other APIs cannot be had right now: their issuer does not answer; try again in a moment"
    )]
    DownstreamAway,
    #[error("this server is starting; try again in a moment")]
    Starting,
    #[error("too many requests wait for this server; try again in a moment")]
    Crowded,
    #[error("no worker has announced its tools yet; try again in a moment")]
    NoCatalog,
    #[error("{}", client_text(.0))]
    Bus(#[from] BusError),
    #[error("the answer was lost and the outcome of the request is unknown")]
    AnswerLost,
    #[error(
        "this server cannot promise that the task outlives its failures, so it does not tell you of it; a task that it \
         made for this call is cancelled, but may have done something: look at that before you call again"
    )]
    TaskNotSettled,
}

// === impl RequestError ===

impl RequestError {
    pub(super) fn status_and_code(&self) -> (StatusCode, i32) {
        match self {
            Self::NotJson(_) => (StatusCode::BAD_REQUEST, code::PARSE_ERROR),
            Self::NotJsonRpc(_) | Self::SessionMissing | Self::NotAccepted(_) => {
                (StatusCode::BAD_REQUEST, code::INVALID_REQUEST)
            }
            Self::InvalidParams(_) => (StatusCode::BAD_REQUEST, code::INVALID_PARAMS),
            Self::MethodNotFound(_) => (StatusCode::NOT_FOUND, code::METHOD_NOT_FOUND),
            Self::ContentType | Self::ContentEncoding | Self::Charset => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, code::INVALID_REQUEST)
            }
            Self::NotAcceptable(_) => (StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, code::INVALID_REQUEST),
            Self::NoSuchPath => (StatusCode::NOT_FOUND, code::INVALID_REQUEST),
            Self::BodyTooSlow(_) => (StatusCode::REQUEST_TIMEOUT, code::INVALID_REQUEST),
            Self::HttpMethod(..) => (StatusCode::METHOD_NOT_ALLOWED, code::INVALID_REQUEST),
            Self::SessionUnknown => (StatusCode::NOT_FOUND, code::INVALID_REQUEST),
            // Not 404, which would tell the client that its session has ended.
            Self::NotResumable(_) => (StatusCode::BAD_REQUEST, code::INVALID_REQUEST),
            // The one status that makes every client give up this stream and no other: to the Rust SDK any
            // other is a reason to try again without end, to those of TypeScript and Python one to try twice.
            Self::NothingFollows(_) => (StatusCode::METHOD_NOT_ALLOWED, code::INVALID_REQUEST),
            Self::UnsupportedVersion { .. } => {
                (StatusCode::BAD_REQUEST, code::UNSUPPORTED_PROTOCOL_VERSION)
            }
            Self::HeaderMismatch(_) => (StatusCode::BAD_REQUEST, code::HEADER_MISMATCH),
            Self::MissingExtension(_) => (StatusCode::BAD_REQUEST, code::MISSING_CLIENT_CAPABILITY),
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, code::INVALID_REQUEST),
            Self::Forbidden(_)
            | Self::InsufficientScope { .. }
            | Self::NotAllowed(_)
            | Self::Downstream(_) => (StatusCode::FORBIDDEN, code::INVALID_REQUEST),
            Self::Bus(BusError::SessionEnded) => (StatusCode::NOT_FOUND, code::INVALID_REQUEST),
            Self::Bus(BusError::Full { .. }) => (StatusCode::BAD_REQUEST, code::INVALID_REQUEST),
            Self::CallerBusy
            | Self::CallerStreams
            | Self::CallerBytes { .. }
            | Self::RateLimited { .. }
            | Self::Bus(BusError::ShareFull(_)) => {
                (StatusCode::TOO_MANY_REQUESTS, code::INTERNAL_ERROR)
            }
            _ if self.is_passing() => (StatusCode::SERVICE_UNAVAILABLE, code::INTERNAL_ERROR),
            Self::Starting
            | Self::Crowded
            | Self::NoCatalog
            | Self::SessionBusy
            | Self::NoTokenKeys
            | Self::DownstreamAway
            | Self::Bus(_)
            | Self::AnswerLost
            | Self::TaskNotSettled => (StatusCode::INTERNAL_SERVER_ERROR, code::INTERNAL_ERROR),
        }
    }

    /// The JSON-RPC code.
    pub(crate) fn code(&self) -> i32 {
        self.status_and_code().1
    }

    /// As [`RequestError::label`]; of a token that is refused, what is wrong with it.
    pub(crate) fn token_label(&self) -> &'static str {
        match self {
            Self::Unauthorized(fault) => fault.label(),
            other => other.label(),
        }
    }

    /// The rule of the policy that refuses it, if one does.
    pub(crate) fn rule(&self) -> Option<&str> {
        match self {
            Self::RateLimited { rule, .. } => Some(rule),
            _ => None,
        }
    }

    /// A short name for those who count refusals.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "not_json",
            Self::NotJsonRpc(_) => "not_json_rpc",
            Self::InvalidParams(_) => "invalid_params",
            Self::MethodNotFound(_) => "method_not_found",
            Self::ContentType | Self::ContentEncoding | Self::Charset => "content_type",
            Self::NotAcceptable(_) => "not_acceptable",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::NoSuchPath => "no_such_path",
            Self::BodyTooSlow(_) => "body_too_slow",
            Self::HttpMethod(..) => "http_method",
            Self::SessionMissing => "session_missing",
            Self::SessionUnknown => "session_unknown",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::HeaderMismatch(_) => "header_mismatch",
            Self::MissingExtension(_) => "missing_extension",
            Self::Forbidden(_) => "forbidden",
            Self::Unauthorized(_) => "unauthorized",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::NoTokenKeys => "no_token_keys",
            Self::NotAllowed(_) => "policy",
            Self::Downstream(_) | Self::DownstreamAway => "downstream",
            Self::NotResumable(_) => "not_resumable",
            Self::NothingFollows(_) => "nothing_follows",
            Self::NotAccepted(_) => "not_accepted",
            Self::SessionBusy => "session_limit",
            Self::CallerBusy => "caller_limit",
            Self::CallerStreams => "caller_streams",
            Self::CallerBytes { .. } => "caller_bytes",
            Self::RateLimited { .. } => "rate_limit",
            Self::Starting => "starting",
            Self::Crowded => "crowd",
            Self::NoCatalog => "no_workers",
            Self::Bus(error) => bus_label(error),
            Self::AnswerLost => "log_lost",
            Self::TaskNotSettled => "task_not_synced",
        }
    }

    fn data(&self) -> Option<Value> {
        let mut data = self.reason();
        if self.is_passing() {
            // In JSON as well: a client of an SDK sees no headers.
            data["retryAfterSeconds"] = json!(self.retry_after_seconds());
        }
        (!data.is_null()).then_some(data)
    }

    /// What a program may go by; null for what only says that the request is wrong.
    fn reason(&self) -> Value {
        match self {
            Self::UnsupportedVersion {
                requested,
                supported,
            } => json!({ "requested": requested, "supported": supported }),
            Self::InsufficientScope { missing } => json!({
                "reason": "insufficient_scope",
                "scopes": missing.scopes,
                "roles": missing.roles,
            }),
            Self::MissingExtension(extension) => json!({
                "requiredCapabilities": { "extensions": { *extension: {} } },
            }),
            Self::NotAllowed(_) => json!({ "reason": "policy" }),
            Self::Downstream(_) | Self::DownstreamAway => json!({ "reason": "downstream" }),
            Self::BodyTooLarge { .. } => json!({ "reason": "body_too_large" }),
            Self::SessionBusy => json!({ "reason": "session_limit" }),
            Self::CallerBusy => json!({ "reason": "caller_limit" }),
            Self::CallerStreams => json!({ "reason": "caller_streams" }),
            Self::CallerBytes { .. } => json!({ "reason": "caller_bytes" }),
            Self::RateLimited { rule, rate, .. } => json!({
                "reason": "rate_limit",
                "rule": **rule,
                "rate": **rate,
            }),
            Self::Bus(BusError::ShareFull(ShareFull::Sessions { .. })) => {
                json!({ "reason": "caller_sessions" })
            }
            Self::Bus(BusError::ShareFull(ShareFull::Kept { .. })) => {
                json!({ "reason": "caller_kept" })
            }
            Self::Bus(BusError::ShareFull(ShareFull::Tasks { .. })) => {
                json!({ "reason": "caller_tasks" })
            }
            Self::Bus(BusError::TasksFull { .. }) => json!({ "reason": "tasks_full" }),
            Self::Crowded => json!({ "reason": "crowd" }),
            Self::Starting | Self::NoTokenKeys => json!({ "reason": "unavailable" }),
            Self::NoCatalog => json!({ "reason": "no_workers" }),
            Self::Bus(BusError::QueueFull { .. }) => json!({ "reason": "queue_full" }),
            Self::Bus(BusError::Unavailable(_) | BusError::Refused(_) | BusError::Deaf(_)) => {
                json!({ "reason": "unavailable" })
            }
            Self::Bus(BusError::Unanswered(_)) => {
                json!({ "reason": "queue_unknown", "outcome": "unknown" })
            }
            Self::AnswerLost => json!({ "reason": "log_lost", "outcome": "unknown" }),
            Self::TaskNotSettled => {
                json!({ "reason": "task_not_synced", "outcome": "unknown" })
            }
            _ => Value::Null,
        }
    }

    /// Whether trying again later may help.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Starting
                | Self::Crowded
                | Self::NoCatalog
                | Self::SessionBusy
                | Self::CallerBusy
                | Self::CallerStreams
                | Self::CallerBytes { .. }
                | Self::RateLimited { .. }
                | Self::NoTokenKeys
                | Self::DownstreamAway
                | Self::Bus(
                    BusError::Unavailable(_)
                        | BusError::Refused(_)
                        | BusError::Deaf(_)
                        | BusError::QueueFull { .. }
                        | BusError::TasksFull { .. }
                        | BusError::ShareFull(_)
                )
        )
    }

    pub(super) fn retry_after_seconds(&self) -> u32 {
        match self {
            Self::Bus(BusError::ShareFull(_) | BusError::TasksFull { .. }) => {
                SHARE_RETRY_AFTER_SECONDS
            }
            Self::RateLimited { wait, .. } => whole_seconds(*wait),
            Self::NoCatalog => NO_WORKERS_RETRY_AFTER_SECONDS,
            _ => RETRY_AFTER_SECONDS,
        }
    }

    /// What the answer must say in `WWW-Authenticate`.
    pub(super) fn challenge(&self) -> Option<Challenge> {
        match self {
            Self::Unauthorized(fault) => Some((*fault).into()),
            Self::InsufficientScope { missing } => Some(missing.into()),
            _ => None,
        }
    }

    /// The JSON-RPC error response for the request `id`.
    pub(crate) fn to_json_rpc(&self, id: Option<&RawJson>) -> String {
        let (_, code) = self.status_and_code();
        let mut error = json!({ "code": code, "message": self.to_string() });
        if let Some(data) = self.data() {
            error["data"] = data;
        }
        json_rpc::error(id, error)
    }

    /// For versions the gateway does not serve.
    pub(crate) fn unsupported_version(requested: &str) -> Self {
        Self::UnsupportedVersion {
            requested: requested.to_owned(),
            supported: versions::supported(),
        }
    }
}

/// The seconds that a wait takes, rounded up, and one at least.
fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_nanos().div_ceil(1_000_000_000).max(1);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn in_words(wait: &Duration) -> String {
    let seconds = Duration::from_secs(whole_seconds(*wait).into());
    humantime::format_duration(seconds).to_string()
}

fn bus_label(error: &BusError) -> &'static str {
    match error {
        BusError::SessionEnded => "session_unknown",
        BusError::ShareFull(ShareFull::Sessions { .. }) => "caller_sessions",
        BusError::ShareFull(ShareFull::Kept { .. }) => "caller_kept",
        BusError::ShareFull(ShareFull::Tasks { .. }) => "caller_tasks",
        BusError::TasksFull { .. } => "tasks_full",
        BusError::QueueFull { .. } => "queue_full",
        BusError::Full { .. } => "full",
        BusError::Unanswered(_) => "queue_unknown",
        BusError::Unavailable(_) | BusError::Refused(_) | BusError::Deaf(_) => "unavailable",
        BusError::Wire(_) | BusError::Unexpected(_) | BusError::Unusable(_) => "internal",
    }
}

/// What a client may know of an error of the bus.
fn client_text(error: &BusError) -> String {
    match error {
        BusError::Full { .. }
        | BusError::ShareFull(_)
        | BusError::TasksFull { .. }
        | BusError::SessionEnded => error.to_string(),
        BusError::Unavailable(_)
        | BusError::Refused(_)
        | BusError::Deaf(_)
        | BusError::QueueFull { .. } => {
            "this server cannot serve the request right now; try again in a moment".to_owned()
        }
        BusError::Unanswered(_) => {
            "nobody knows whether the request was begun; its outcome is unknown".to_owned()
        }
        BusError::Wire(_) | BusError::Unexpected(_) | BusError::Unusable(_) => {
            "this server failed to serve the request; its log says why".to_owned()
        }
    }
}

/// The HTTP status of a JSON-RPC error that a worker decided (2026-07-28, Streamable HTTP,
/// Protocol Version Header, and Basic, General fields). Other errors travel with 200.
pub(crate) fn status_of_modern_error(code: i64) -> StatusCode {
    match i32::try_from(code) {
        Ok(code::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Ok(
            code::HEADER_MISMATCH
            | code::MISSING_CLIENT_CAPABILITY
            | code::UNSUPPORTED_PROTOCOL_VERSION,
        ) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

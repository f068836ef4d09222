//! Refusals, as Entra words them.
//!
//! Sources: RFC 6749, section 5.2; learn.microsoft.com/entra/identity-platform/reference-error-codes.

use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use uuid::Uuid;

use super::token::now_s;

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The code of OAuth.
    pub(crate) error: &'static str,
    /// The number after `AADSTS`.
    pub(crate) code: u32,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(error: &'static str, code: u32, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            code,
            message: message.into(),
        }
    }

    pub(crate) fn unknown_tenant(tenant: &str) -> Self {
        let message = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
        );
        Self::new("invalid_tenant", 90002, message)
    }

    /// The text that goes into `error_description`.
    pub(crate) fn description(&self, trace: &str, correlation: &str) -> String {
        format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {}",
            self.code,
            self.message,
            timestamp(),
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (trace, correlation) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let body = json!({
            "error": self.error,
            "error_description": self.description(&trace, &correlation),
            "error_codes": [self.code],
            "timestamp": timestamp(),
            "trace_id": trace,
            "correlation_id": correlation,
        });
        (self.status, Json(body)).into_response()
    }
}

/// As in `2026-11-22 14:42:13Z`.
fn timestamp() -> String {
    let now = UNIX_EPOCH + Duration::from_secs(now_s().unsigned_abs());
    humantime::format_rfc3339_seconds(now)
        .to_string()
        .replace('T', " ")
}

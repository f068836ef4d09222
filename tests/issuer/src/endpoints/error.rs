//! Refusals, as Entra words them.
//!
//! Sources: RFC 6749, section 5.2; learn.microsoft.com/entra/identity-platform/reference-error-codes.

use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use uuid::Uuid;

use crate::clock::now_s;

/// A policy of conditional access.
const POLICY: &str = "9ab03e19-ed42-4168-b6b7-7001fb3e9008";

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The code of OAuth.
    pub(crate) error: &'static str,
    /// The number after `AADSTS`.
    pub(crate) code: u32,
    pub(crate) message: String,
    /// What is more to be said where the error is a general one.
    pub(crate) suberror: Option<&'static str>,
    /// What the next token must have (OpenID Connect Core 1.0, section 5.5): a claims challenge.
    pub(crate) claims: Option<String>,
}

impl Refusal {
    pub(crate) fn new(error: &'static str, code: u32, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            code,
            message: message.into(),
            suberror: None,
            claims: None,
        }
    }

    /// As it is told to a client that has no person at hand who could consent.
    pub(crate) fn without_a_person(self) -> Self {
        match self.error {
            "consent_required" => Self {
                error: "invalid_grant",
                suberror: Some("consent_required"),
                ..self
            },
            _ => self,
        }
    }

    /// Of an API that wants to see the person again
    /// (learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow, "Error response example").
    pub(crate) fn interaction_required(api: &str) -> Self {
        let message = format!(
            "Due to a configuration change made by your administrator, or because you moved to a new location, you must \
             use multi-factor authentication to access '{api}'."
        );
        let claims =
            json!({ "access_token": { "polids": { "essential": true, "values": [POLICY] } } });
        Self {
            suberror: Some("basic_action"),
            claims: Some(claims.to_string()),
            ..Self::new("interaction_required", 50_076, message)
        }
    }

    pub(crate) fn unknown_tenant(tenant: &str) -> Self {
        let message = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud."
        );
        Self::new("invalid_tenant", 90_002, message)
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let message =
            format!("The request body must contain the following parameter: '{parameter}'.");
        Self::new("invalid_request", 900_144, message)
    }

    pub(crate) fn malformed() -> Self {
        Self::new(
            "invalid_request",
            9_002_313,
            "Invalid request. Request is malformed or invalid.",
        )
    }

    /// Of a client that is not who it says (RFC 6749, section 5.2).
    pub(crate) fn client(code: u32, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            ..Self::new("invalid_client", code, message)
        }
    }

    pub(crate) fn unknown_client(id: &str) -> Self {
        let message = format!(
            "Application with identifier '{id}' was not found in the directory. This can happen if the application \
             has not been installed by the administrator of the tenant or consented to by any user in the tenant."
        );
        Self::new("unauthorized_client", 700_016, message)
    }

    /// The text for a person or a log.
    pub(crate) fn description(&self) -> String {
        self.describe(Uuid::new_v4(), Uuid::new_v4())
    }

    fn describe(&self, trace: Uuid, correlation: Uuid) -> String {
        format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {}",
            self.code,
            self.message,
            timestamp(),
        )
    }

    /// For the query of a redirect (RFC 6749, section 4.1.2.1).
    pub(crate) fn parameters(&self) -> [(&'static str, String); 3] {
        [
            ("error", self.error.to_owned()),
            ("error_description", self.description()),
            ("error_uri", self.page()),
        ]
    }

    fn page(&self) -> String {
        format!("https://login.microsoftonline.com/error?code={}", self.code)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
        let mut body = json!({
            "error": self.error,
            "error_description": self.describe(trace, correlation),
            "error_codes": [self.code],
            "timestamp": timestamp(),
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": self.page(),
        });
        if let Some(suberror) = self.suberror {
            body["suberror"] = suberror.into();
        }
        if let Some(claims) = self.claims {
            body["claims"] = claims.into();
        }
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

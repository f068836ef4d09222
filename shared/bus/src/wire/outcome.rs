//! How a call under an idempotency key ended, kept for those who send the key again.

use serde::{Deserialize, Serialize};

use super::message::RawJson;
use super::{FORMAT, WireError, check_format};

/// The end of a call, without its request id: each request that gets it has its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Format version.
    pub v: u32,
    /// `result` of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<RawJson>,
    /// `error` of the response; also when nobody knows how the call ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RawJson>,
    /// Size in bytes of a response that was too large to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<usize>,
}

impl Outcome {
    /// The call had a result.
    pub fn result(result: RawJson) -> Self {
        Self {
            result: Some(result),
            ..Self::none()
        }
    }

    /// The call ended with an error, or nobody knows how.
    pub fn error(error: RawJson) -> Self {
        Self {
            error: Some(error),
            ..Self::none()
        }
    }

    /// The call ended with a response of so many bytes, too many to be kept.
    pub fn left_out(bytes: usize) -> Self {
        Self {
            left_out: Some(bytes),
            ..Self::none()
        }
    }

    fn none() -> Self {
        Self {
            v: FORMAT,
            result: None,
            error: None,
            left_out: None,
        }
    }

    /// The JSON that is stored.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, WireError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads what [`Outcome::to_json`] wrote, here or in a neighbouring release.
    ///
    /// # Errors
    ///
    /// When it is not an outcome, or of a newer format.
    pub fn from_json(text: &str) -> Result<Self, WireError> {
        let outcome: Self = serde_json::from_str(text)?;
        check_format(outcome.v)?;
        Ok(outcome)
    }
}

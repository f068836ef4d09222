//! What a handler returns when a question has no answer.

use rmcp::ErrorData;
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ErrorCode, GetPromptResponse,
    InputRequiredResult, ReadResourceResponse,
};

/// Responses that can say what is wrong within a result, for clients to show their model.
///
/// Only a tool's can: prompts and resources answer with a JSON-RPC error.
pub trait Answerable: From<InputRequiredResult> {
    /// A response that says what is wrong, if there is such a thing.
    fn unsuccessful(reason: &str) -> Option<Self>;
}

/// Why there is no answer. Return it with [`Unanswered::into_response`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Unanswered {
    /// The client must answer first and send the request again.
    NotYet(InputRequiredResult),
    /// The client lacks the capability to answer such questions.
    Unsupported(ErrorData),
    /// There was no answer, or one that cannot be understood.
    Failed(ErrorData),
}

// === impl Unanswered ===

impl Unanswered {
    /// The response of a handler that cannot go on, for `tools/call`, `prompts/get` and
    /// `resources/read` alike.
    ///
    /// # Errors
    ///
    /// The error response when the question failed. A modern client that lacks the capability gets
    /// the code the specification has for it (-32021); a legacy one gets a tool's own error.
    pub fn into_response<R: Answerable>(self) -> Result<R, ErrorData> {
        match self {
            Self::NotYet(result) => Ok(result.into()),
            Self::Unsupported(error) if error.code == ErrorCode::INVALID_REQUEST => {
                R::unsuccessful(&error.message).ok_or(error)
            }
            Self::Unsupported(error) | Self::Failed(error) => Err(error),
        }
    }
}

// === impl Answerable ===

impl Answerable for CallToolResponse {
    fn unsuccessful(reason: &str) -> Option<Self> {
        Some(CallToolResult::error(vec![ContentBlock::text(reason)]).into())
    }
}

impl Answerable for GetPromptResponse {
    fn unsuccessful(_: &str) -> Option<Self> {
        None
    }
}

impl Answerable for ReadResourceResponse {
    fn unsuccessful(_: &str) -> Option<Self> {
        None
    }
}

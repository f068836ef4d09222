//! One way to put a question to the client, in both eras.

use std::sync::Arc;

use prynai_shared::wire::request::Era;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::model::{
    ClientCapabilities, ClientRequest, ElicitRequest, ElicitRequestParams, ElicitResult,
    ElicitationCapability, InputRequest, InputRequests, InputRequiredResult, InputResponses,
};
use rmcp::service::{Peer, RequestContext, ServiceError};
use rmcp::{ErrorData, RoleServer};
use serde::de::DeserializeOwned;

/// Puts questions to the client of the call: to its user ([`Ask::elicitation`]) or its model
/// ([`Ask::sampling`]). Tools, prompts and resources find it in the extensions of their request, and
/// tools may name it as a parameter.
///
/// In a legacy session a question travels to the client, and the answer comes back while the handler
/// waits. In a modern request (2026-07-28, Multi Round-Trip Requests) the handler ends with
/// [`Unanswered`], the client answers and sends the request again, and the handler runs from its
/// beginning: so ask before you change anything, and give every question a `key` of its own.
///
/// ```
/// # use prynai_worker::Ask;
/// # use rmcp::{ErrorData, model::{CallToolResponse, CallToolResult, ContentBlock, ElicitRequestParams}};
/// async fn delete(ask: Ask, question: ElicitRequestParams) -> Result<CallToolResponse, ErrorData> {
///     let answer = match ask.elicitation("sure", question).await {
///         Ok(answer) => answer,
///         Err(unanswered) => return unanswered.into_response(),
///     };
///     let text = format!("{:?}", answer.action);
///     Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Ask(Arc<Asking>);

#[derive(Debug)]
struct Asking {
    capabilities: ClientCapabilities,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Session(Peer<RoleServer>),
    Rounds { answers: InputResponses },
}

/// Why there is no answer. Return it with [`Unanswered::into_response`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Unanswered {
    /// The client must answer first and send the request again.
    NotYet(InputRequiredResult),
    /// The client cannot answer such questions, or the answer cannot be understood.
    Failed(ErrorData),
}

// === impl Unanswered ===

impl Unanswered {
    /// The response of a handler that cannot go on, for `tools/call`, `prompts/get` and
    /// `resources/read` alike.
    ///
    /// # Errors
    ///
    /// The error response when the question failed.
    pub fn into_response<R: From<InputRequiredResult>>(self) -> Result<R, ErrorData> {
        match self {
            Self::NotYet(result) => Ok(result.into()),
            Self::Failed(error) => Err(error),
        }
    }
}

// === impl Ask ===

impl Ask {
    /// The way to ask during `request`; `None` when its method allows no questions.
    pub(crate) fn within(
        request: &ClientRequest,
        context: &RequestContext<RoleServer>,
        era: Era,
    ) -> Option<Self> {
        let answers = match request {
            ClientRequest::CallToolRequest(call) => &call.params.input_responses,
            ClientRequest::GetPromptRequest(get) => &get.params.input_responses,
            ClientRequest::ReadResourceRequest(read) => &read.params.input_responses,
            _ => return None,
        };
        let way = match era {
            Era::Legacy => Way::Session(context.peer.clone()),
            Era::Modern => Way::Rounds {
                answers: answers.clone().unwrap_or_default(),
            },
        };
        let capabilities = context.client_capabilities().unwrap_or_default();
        Some(Self(Arc::new(Asking { capabilities, way })))
    }

    /// Whether the client can ask its model.
    pub fn supports_sampling(&self) -> bool {
        self.0.capabilities.sampling.is_some()
    }

    /// Whether the client can show its user a form.
    pub fn supports_elicitation(&self) -> bool {
        // 2025-06-18 knew forms only and declared them with an empty object.
        let forms = |elicitation: &ElicitationCapability| {
            elicitation.form.is_some() || elicitation.url.is_none()
        };
        self.0.capabilities.elicitation.as_ref().is_some_and(forms)
    }

    /// Asks the client's user. `key` names the question within the request.
    ///
    /// # Errors
    ///
    /// [`Unanswered`], to be returned from the handler.
    pub async fn elicitation(
        &self,
        key: &str,
        params: ElicitRequestParams,
    ) -> Result<ElicitResult, Unanswered> {
        if self.0.capabilities.elicitation.is_none() {
            let needed = ClientCapabilities::builder().enable_elicitation().build();
            return Err(self.unsupported("elicitation", needed));
        }
        match &self.0.way {
            Way::Session(peer) => peer.create_elicitation(params).await.map_err(failed),
            Way::Rounds { answers } => answered(answers, key)?
                .ok_or_else(|| not_yet(key, InputRequest::Elicitation(ElicitRequest::new(params)))),
        }
    }

    fn unsupported(&self, what: &str, needed: ClientCapabilities) -> Unanswered {
        Unanswered::Failed(match &self.0.way {
            // 2026-07-28 has a code for it; older clients do not know that code.
            Way::Rounds { .. } => ErrorData::missing_required_client_capability(needed),
            Way::Session(_) => {
                let reason = format!("this needs a client with the capability {what}");
                ErrorData::invalid_request(reason, None)
            }
        })
    }
}

/// Sampling is deprecated in 2026-07-28 and in force in every revision.
mod sampling {
    #![expect(deprecated, reason = "in force in every revision we serve")]

    use rmcp::model::{CreateMessageRequest, CreateMessageRequestParams, CreateMessageResult};

    use super::*;

    impl Ask {
        /// Asks the client's model. `key` names the question within the request.
        ///
        /// # Errors
        ///
        /// [`Unanswered`], to be returned from the handler.
        pub async fn sampling(
            &self,
            key: &str,
            params: CreateMessageRequestParams,
        ) -> Result<CreateMessageResult, Unanswered> {
            if !self.supports_sampling() {
                let needed = ClientCapabilities::builder().enable_sampling().build();
                return Err(self.unsupported("sampling", needed));
            }
            match &self.0.way {
                Way::Session(peer) => peer.create_message(params).await.map_err(failed),
                Way::Rounds { answers } => answered(answers, key)?.ok_or_else(|| {
                    let request = CreateMessageRequest::new(params);
                    not_yet(key, InputRequest::CreateMessage(request))
                }),
            }
        }
    }
}

/// The answer to the question `key`, if the client sent one.
fn answered<T: DeserializeOwned>(
    answers: &InputResponses,
    key: &str,
) -> Result<Option<T>, Unanswered> {
    let Some(answer) = answers.get(key) else {
        return Ok(None);
    };
    T::deserialize(answer).map(Some).map_err(|error| {
        let reason = format!("inputResponses.{key} cannot be understood: {error}");
        Unanswered::Failed(ErrorData::invalid_params(reason, None))
    })
}

fn not_yet(key: &str, question: InputRequest) -> Unanswered {
    let questions = InputRequests::from([(key.to_owned(), question)]);
    Unanswered::NotYet(InputRequiredResult::from_input_requests(questions))
}

fn failed(error: ServiceError) -> Unanswered {
    Unanswered::Failed(match error {
        ServiceError::McpError(error) => error,
        other => ErrorData::internal_error(format!("the client did not answer: {other}"), None),
    })
}

impl<C: AsRequestContext> FromContextPart<C> for Ask {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        let extensions = &context.as_request_context().extensions;
        extensions.get::<Self>().cloned().ok_or_else(|| {
            ErrorData::internal_error("questions to the client need a prynai worker", None)
        })
    }
}

//! One way to put a question to the client, in both eras.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::wire::request::Era;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::model::{
    ClientCapabilities, ClientRequest, ElicitRequest, ElicitRequestParams, ElicitResult,
    ElicitationCapability, InputRequest,
};
use rmcp::service::{Peer, RequestContext, ServiceError};
use rmcp::{ErrorData, RoleServer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::request_state::RequestStateKeys;
use self::round::{Round, Rounds};
use self::unanswered::Unanswered;
use crate::handler::extract::extension;

pub(crate) mod request_state;
mod round;
pub(crate) mod unanswered;

/// How long a legacy client may take for an answer: a person may have to be found first.
const ANSWER_TIME: Duration = Duration::from_secs(600);

/// Puts questions to the client of the call: to its user ([`Ask::elicitation`]), its model ([`Ask::sampling`]) or the
/// client itself ([`Ask::roots`]). A tool takes it as a parameter; tools, prompts and resources find it in the
/// extensions of their request.
///
/// You write the same code for all clients, but it runs in two ways:
///
/// * For clients of the revisions up to 2025-11-25 (*legacy*), the handler waits while its question travels to the
///   client and the answer comes back.
/// * For clients of 2026-07-28 (*modern*; Multi Round-Trip Requests), a question without an answer ends the handler
///   with [`Unanswered`]. The client answers and sends the request again, and the handler runs from its beginning, on
///   any worker, with the answers given so far.
///
/// So ask before you change anything, or do it within [`Ask::once`], and give each question a `key` that no other
/// question of the handler has. One question may depend on the answer to another; then `--state-key` must be set, since
/// the client carries the earlier answers, signed ([`crate::RequestStateKeys`]).
///
/// ```
/// # use prynai_worker_engine::{Ask, Unanswered};
/// # use rmcp::ErrorData;
/// # use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, ElicitRequestParams, ElicitationSchema};
/// # fn question(about: &str) -> ElicitRequestParams {
/// #     ElicitRequestParams::FormElicitationParams {
/// #         meta: None,
/// #         message: about.to_owned(),
/// #         requested_schema: ElicitationSchema::new(std::collections::BTreeMap::new()),
/// #     }
/// # }
/// async fn order(ask: &Ask) -> Result<String, Unanswered> {
///     let dish = ask.elicitation("dish", question("What would you like?")).await?;
///     let sides = format!("What goes with {:?}?", dish.content);
///     let side = ask.elicitation("side", question(&sides)).await?;
///     Ok(format!("{:?} with {:?}", dish.content, side.content))
/// }
///
/// async fn tool(ask: Ask) -> Result<CallToolResponse, ErrorData> {
///     match order(&ask).await {
///         Ok(text) => Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into()),
///         Err(unanswered) => unanswered.into_response(),
///     }
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
    Rounds(Rounds),
}

impl Ask {
    /// The way to ask during `request`; `None` when its method allows no questions.
    pub(crate) fn within(
        request: &ClientRequest,
        context: &RequestContext<RoleServer>,
        era: Era,
        keys: &RequestStateKeys,
    ) -> Option<Self> {
        let round = Round::of(request)?;
        let way = match era {
            Era::Legacy => Way::Session(context.peer.clone()),
            Era::Modern => Way::Rounds(round.rounds(&context.extensions, keys.clone())),
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

    /// Asks the client's user, by a form or a URL. `key` names the question within the handler.
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
            Way::Session(peer) => in_time(peer.create_elicitation(params)).await,
            Way::Rounds(rounds) => rounds.answer(key, || {
                InputRequest::Elicitation(ElicitRequest::new(params))
            }),
        }
    }

    /// Does work that comes before a question, once for all rounds of a call: a reservation, a draft, a slow search.
    /// `key` names it among the work of the handler. Say first whether the client can be asked at all.
    ///
    /// A modern client carries the result to the next round in `requestState`, together with the answers: signed, so
    /// that it cannot be changed, and readable. There it is found, and the work is left out. The state holds 256 KiB
    /// and is good for a day. In a legacy session the handler waits for its answers, so there is only one round.
    ///
    /// A client that begins again without the state has the work done again. Whoever must not do it twice even then has
    /// the client name the task in an argument, and keeps the result in a [`State`](crate::State) under that name.
    ///
    /// # Errors
    ///
    /// [`Unanswered`], to be returned from the handler: with the error of the work, or, before the work begins, because
    /// `--state-key` is missing or the state cannot be used.
    pub async fn once<T, E>(
        &self,
        key: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Unanswered>
    where
        T: Serialize + DeserializeOwned,
        E: Into<ErrorData>,
    {
        let rounds = match &self.0.way {
            Way::Session(_) => None,
            Way::Rounds(rounds) => Some(rounds),
        };
        if let Some(result) = rounds
            .map(|rounds| rounds.result(key))
            .transpose()?
            .flatten()
        {
            return Ok(result);
        }
        let result = work
            .await
            .map_err(|error| Unanswered::Failed(error.into()))?;
        if let Some(rounds) = rounds {
            rounds.leave(key, &result)?;
        }
        Ok(result)
    }

    fn unsupported(&self, what: &str, needed: ClientCapabilities) -> Unanswered {
        Unanswered::Unsupported(match &self.0.way {
            // 2026-07-28 has a code for it; older clients do not know that code.
            Way::Rounds(_) => ErrorData::missing_required_client_capability(needed),
            Way::Session(_) => {
                let reason = format!("this needs a client with the capability {what}");
                ErrorData::invalid_request(reason, None)
            }
        })
    }
}

/// Sampling and roots are deprecated in 2026-07-28 and in force in every revision.
mod deprecated {
    #![expect(deprecated, reason = "in force in every revision we serve")]

    use rmcp::model::{
        CreateMessageRequest, CreateMessageRequestParams, CreateMessageResult, ListRootsRequest,
        ListRootsResult,
    };

    use super::*;

    impl Ask {
        /// Asks the client's model. `key` names the question within the handler.
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
                Way::Session(peer) => in_time(peer.create_message(params)).await,
                Way::Rounds(rounds) => rounds.answer(key, || {
                    InputRequest::CreateMessage(CreateMessageRequest::new(params))
                }),
            }
        }

        /// Whether the client tells its roots.
        pub fn supports_roots(&self) -> bool {
            self.0.capabilities.roots.is_some()
        }

        /// Asks the client for its roots. `key` names the question within the handler.
        ///
        /// # Errors
        ///
        /// [`Unanswered`], to be returned from the handler.
        pub async fn roots(&self, key: &str) -> Result<ListRootsResult, Unanswered> {
            if !self.supports_roots() {
                let needed = ClientCapabilities::builder().enable_roots().build();
                return Err(self.unsupported("roots", needed));
            }
            match &self.0.way {
                Way::Session(peer) => in_time(peer.list_roots()).await,
                Way::Rounds(rounds) => {
                    rounds.answer(key, || InputRequest::ListRoots(ListRootsRequest::default()))
                }
            }
        }
    }
}

/// Waits for an answer, but not for ever: the question holds a place on the worker.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, ServiceError>>,
) -> Result<T, Unanswered> {
    match tokio::time::timeout(ANSWER_TIME, answer).await {
        Ok(answer) => answer.map_err(failed),
        Err(_) => {
            let reason = format!(
                "the client did not answer within {} s",
                ANSWER_TIME.as_secs()
            );
            Err(Unanswered::Failed(ErrorData::internal_error(reason, None)))
        }
    }
}

fn failed(error: ServiceError) -> Unanswered {
    Unanswered::Failed(match error {
        ServiceError::McpError(error) => error,
        other => ErrorData::internal_error(format!("the client did not answer: {other}"), None),
    })
}

impl<C: AsRequestContext> FromContextPart<C> for Ask {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        extension(context, "Ask")
    }
}

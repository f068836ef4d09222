//! Questions of a modern request and what the client carries from one to the next (2026-07-28, Multi
//! Round-Trip Requests).

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use prynai_bus::wire::principal::Principal;
use rmcp::ErrorData;
use rmcp::model::{
    ClientRequest, InputRequest, InputRequests, InputRequiredResult, InputResponses, JsonObject,
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::request_state::RequestStateKeys;
use super::unanswered::Unanswered;

/// The answers of a modern request: those it carries, and those given in earlier rounds, which its
/// `requestState` carries.
#[derive(Debug)]
pub(crate) struct Rounds {
    given: InputResponses,
    state: Option<String>,
    /// The answers of earlier rounds, or why the state cannot be used; opened with the first question.
    earlier: OnceLock<Result<InputResponses, ErrorData>>,
    keys: RequestStateKeys,
    binding: String,
    /// Answers that the handler has read in this run; they go on with the next round.
    read: Mutex<InputResponses>,
}

/// A request as one round: what it says about earlier ones, and what it asks for.
pub(crate) struct Round<'a> {
    given: &'a Option<InputResponses>,
    state: &'a Option<String>,
    method: &'static str,
    target: &'a str,
    arguments: Option<&'a JsonObject>,
}

impl<'a> Round<'a> {
    /// The round that a request is, if its method allows questions (2026-07-28, Multi Round-Trip Requests, Supported
    /// Requests).
    pub(crate) fn of(request: &'a ClientRequest) -> Option<Self> {
        Some(match request {
            ClientRequest::CallToolRequest(call) => Self {
                given: &call.params.input_responses,
                state: &call.params.request_state,
                method: "tools/call",
                target: &call.params.name,
                arguments: call.params.arguments.as_ref(),
            },
            ClientRequest::GetPromptRequest(get) => Self {
                given: &get.params.input_responses,
                state: &get.params.request_state,
                method: "prompts/get",
                target: &get.params.name,
                arguments: get.params.arguments.as_ref(),
            },
            ClientRequest::ReadResourceRequest(read) => Self {
                given: &read.params.input_responses,
                state: &read.params.request_state,
                method: "resources/read",
                target: &read.params.uri,
                arguments: None,
            },
            _ => return None,
        })
    }

    /// The rounds so far, for `principal`.
    pub(crate) fn rounds(&self, principal: Option<&Principal>, keys: RequestStateKeys) -> Rounds {
        Rounds {
            given: self.given.clone().unwrap_or_default(),
            state: self.state.clone(),
            earlier: OnceLock::new(),
            keys,
            binding: self.binding(principal),
            read: Mutex::default(),
        }
    }

    /// What a state must agree with: who asks for what (2026-07-28, Multi Round-Trip Requests,
    /// Server Requirements). As JSON, so that no two different requests read the same.
    fn binding(&self, principal: Option<&Principal>) -> String {
        let subject = principal.map(|principal| principal.subject.as_str());
        json!([subject, self.method, self.target, self.arguments]).to_string()
    }
}

impl Rounds {
    /// The answer to the question `key`, or the result that puts it.
    pub(crate) fn answer<T: DeserializeOwned>(
        &self,
        key: &str,
        question: impl FnOnce() -> InputRequest,
    ) -> Result<T, Unanswered> {
        let earlier = match self.earlier.get_or_init(|| self.open()) {
            Ok(earlier) => earlier,
            Err(error) => return Err(Unanswered::Failed(error.clone())),
        };
        let Some(answer) = earlier.get(key).or_else(|| self.given.get(key)) else {
            return Err(self.not_yet(key, question()));
        };
        let understood = T::deserialize(answer).map_err(|error| {
            let reason = format!("inputResponses.{key} cannot be understood: {error}");
            Unanswered::Failed(ErrorData::invalid_params(reason, None))
        })?;
        self.read().insert(key.to_owned(), answer.clone());
        Ok(understood)
    }

    fn open(&self) -> Result<InputResponses, ErrorData> {
        match &self.state {
            Some(state) => self.keys.open(state, &self.binding),
            None => Ok(InputResponses::new()),
        }
    }

    fn not_yet(&self, key: &str, question: InputRequest) -> Unanswered {
        let questions = InputRequests::from([(key.to_owned(), question)]);
        let read = self.read();
        if read.is_empty() {
            return Unanswered::NotYet(InputRequiredResult::from_input_requests(questions));
        }
        match self.keys.seal(&read, &self.binding) {
            Ok(state) => Unanswered::NotYet(InputRequiredResult::new(Some(questions), Some(state))),
            Err(error) => Unanswered::Failed(error),
        }
    }

    fn read(&self) -> MutexGuard<'_, InputResponses> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

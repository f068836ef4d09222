//! Questions of a modern request and what the client carries from one to the next (2026-07-28, Multi
//! Round-Trip Requests).

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use prynai_bus::wire::principal::Principal;
use rmcp::ErrorData;
use rmcp::model::{
    ClientRequest, Extensions, InputRequest, InputRequests, InputRequiredResult, InputResponses,
    JsonObject,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::request_state::RequestStateKeys;
use super::unanswered::Unanswered;
use crate::handler::raw_message::RawMessage;

/// What the names of results begin with among the answers of earlier rounds. Workers that know no results see answers
/// to questions that nobody asks.
const RESULT: &str = "ai.prynai/result:";

/// The answers of a modern request: those it carries, and those given in earlier rounds, which its
/// `requestState` carries.
#[derive(Debug)]
pub(crate) struct Rounds {
    given: InputResponses,
    state: Option<String>,
    /// The answers of earlier rounds, or why the state cannot be used; opened with the first question.
    earlier: OnceLock<Result<InputResponses, ErrorData>>,
    keys: RequestStateKeys,
    asked: Asked,
    /// Answers and results that the handler has read in this run; they go on with the next round.
    read: Mutex<InputResponses>,
}

/// Who asks for what. Most handlers ask nothing, so what a state must agree with is made of it only when there is a
/// state.
#[derive(Debug)]
struct Asked {
    subject: Option<String>,
    method: &'static str,
    target: String,
    /// With the arguments, if the method has some.
    message: Option<RawMessage>,
}

/// A request as one round: what it says about earlier ones, and what it asks for.
pub(crate) struct Round<'a> {
    given: &'a Option<InputResponses>,
    state: &'a Option<String>,
    method: &'static str,
    target: &'a str,
    has_arguments: bool,
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
                has_arguments: true,
            },
            ClientRequest::GetPromptRequest(get) => Self {
                given: &get.params.input_responses,
                state: &get.params.request_state,
                method: "prompts/get",
                target: &get.params.name,
                has_arguments: true,
            },
            ClientRequest::ReadResourceRequest(read) => Self {
                given: &read.params.input_responses,
                state: &read.params.request_state,
                method: "resources/read",
                target: &read.params.uri,
                has_arguments: false,
            },
            _ => return None,
        })
    }

    /// The rounds so far, for the principal and of the message among the `extensions`.
    pub(crate) fn rounds(&self, extensions: &Extensions, keys: RequestStateKeys) -> Rounds {
        let principal = extensions.get::<Principal>();
        let message = extensions.get::<RawMessage>();
        Rounds {
            given: self.given.clone().unwrap_or_default(),
            state: self.state.clone(),
            earlier: OnceLock::new(),
            keys,
            asked: Asked {
                subject: principal.map(|principal| principal.subject.to_string()),
                method: self.method,
                target: self.target.to_owned(),
                message: message.filter(|_| self.has_arguments).cloned(),
            },
            read: Mutex::default(),
        }
    }
}

impl Asked {
    /// What a state must agree with (2026-07-28, Multi Round-Trip Requests, Server Requirements). As JSON, so that no
    /// two different requests read the same.
    fn binding(&self) -> String {
        #[derive(Deserialize)]
        struct Message {
            #[serde(default)]
            params: Params,
        }
        #[derive(Default, Deserialize)]
        struct Params {
            arguments: Option<JsonObject>,
        }
        let arguments = self.message.as_ref().map(|message| {
            match message.read::<Message>() {
                Ok(read) => json!(read.params.arguments),
                // Agrees with no other message: what is read in two ways must not pass for something else.
                Err(_) => json!(message.as_str()),
            }
        });
        json!([self.subject, self.method, self.target, arguments]).to_string()
    }
}

impl Rounds {
    /// The answer to the question `key`, or the result that puts it.
    pub(crate) fn answer<T: DeserializeOwned>(
        &self,
        key: &str,
        question: impl FnOnce() -> InputRequest,
    ) -> Result<T, Unanswered> {
        let earlier = self.earlier()?;
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

    /// The result `key` that an earlier round left. What the client gives is none: only what was signed counts.
    ///
    /// # Errors
    ///
    /// When the state cannot be used, or none could be signed: then no work should begin.
    pub(crate) fn result<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Unanswered> {
        self.keys.check().map_err(Unanswered::Failed)?;
        let key = format!("{RESULT}{key}");
        let Some(result) = self.earlier()?.get(&key) else {
            return Ok(None);
        };
        let understood = T::deserialize(result).map_err(not_json)?;
        self.read().insert(key, result.clone());
        Ok(Some(understood))
    }

    /// Leaves the result `key` to the next rounds.
    pub(crate) fn leave<T: Serialize>(&self, key: &str, result: &T) -> Result<(), Unanswered> {
        let result = serde_json::to_value(result).map_err(not_json)?;
        self.read().insert(format!("{RESULT}{key}"), result);
        Ok(())
    }

    fn earlier(&self) -> Result<&InputResponses, Unanswered> {
        let opened = self.earlier.get_or_init(|| self.open()).as_ref();
        opened.map_err(|error| Unanswered::Failed(error.clone()))
    }

    fn open(&self) -> Result<InputResponses, ErrorData> {
        match &self.state {
            Some(state) => self.keys.open(state, &self.asked.binding()),
            None => Ok(InputResponses::new()),
        }
    }

    fn not_yet(&self, key: &str, question: InputRequest) -> Unanswered {
        let questions = InputRequests::from([(key.to_owned(), question)]);
        let read = self.read();
        if read.is_empty() {
            return Unanswered::NotYet(InputRequiredResult::from_input_requests(questions));
        }
        match self.keys.seal(&read, &self.asked.binding()) {
            Ok(state) => Unanswered::NotYet(InputRequiredResult::new(Some(questions), Some(state))),
            Err(error) => Unanswered::Failed(error),
        }
    }

    fn read(&self) -> MutexGuard<'_, InputResponses> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A result that is no JSON, or that another version of the handler left: the author has to mend it.
fn not_json(error: serde_json::Error) -> Unanswered {
    let reason = format!("a result cannot be carried from round to round: {error}");
    Unanswered::Failed(ErrorData::internal_error(reason, None))
}

//! Tools and a prompt that ask by `input_required` (2026-07-28, Multi Round-Trip Requests): the client answers and
//! sends the request again.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, InputRequests, InputRequiredResult, InputResponses,
    JsonObject, PromptMessage, Role,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use super::content::text;
use super::signed_state::{open, seal};

pub(super) const ELICITATION: &str = "test_input_required_result_elicitation";
pub(super) const SAMPLING: &str = "test_input_required_result_sampling";
pub(super) const LIST_ROOTS: &str = "test_input_required_result_list_roots";
pub(super) const REQUEST_STATE: &str = "test_input_required_result_request_state";
pub(super) const MULTIPLE_INPUTS: &str = "test_input_required_result_multiple_inputs";
pub(super) const MULTI_ROUND: &str = "test_input_required_result_multi_round";
pub(super) const TAMPERED_STATE: &str = "test_input_required_result_tampered_state";
pub(super) const CAPABILITIES: &str = "test_input_required_result_capabilities";
pub(super) const PROMPT: &str = "test_input_required_result_prompt";

/// Runs the tool `name` of this file.
///
/// # Errors
///
/// When there is no such tool, or the state is not as it was handed out.
pub(super) fn call(
    name: &str,
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let answers = Answers(request.input_responses.as_ref());
    let state = open(name, request.request_state.as_deref())?;
    let state = state.as_deref();
    Ok(match name {
        ELICITATION => match answers.field("user_name", "name") {
            Some(name) => text(format!("Hello, {name}!")).into(),
            None => ask(json!({"user_name": name_question("What is your name?")})).into(),
        },
        SAMPLING => match answers.of("capital_question") {
            Some(_) => text("The model knows the capital.").into(),
            None => {
                let question = sampling("What is the capital of France?", 100);
                ask(json!({"capital_question": question})).into()
            }
        },
        LIST_ROOTS => match answers.of("client_roots") {
            Some(_) => text("The client has told its roots.").into(),
            None => ask(json!({"client_roots": roots()})).into(),
        },
        REQUEST_STATE | TAMPERED_STATE => match (answers.of("confirm"), state) {
            (Some(_), Some(_)) => text("state-ok").into(),
            _ => ask_with(seal(name, "asked"), json!({"confirm": confirmation()})).into(),
        },
        MULTIPLE_INPUTS => multiple_inputs(&answers, state),
        MULTI_ROUND => multi_round(&answers, state),
        CAPABILITIES => capable(&context.client_capabilities().unwrap_or_default()),
        _ => {
            let reason = format!("there is no tool {name}");
            return Err(ErrorData::invalid_params(reason, None));
        }
    })
}

/// The prompt of this file.
pub(super) fn prompt(request: &GetPromptRequestParams) -> GetPromptResponse {
    let answers = Answers(request.input_responses.as_ref());
    let Some(context) = answers.field("user_context", "context") else {
        let question = form(
            "What context should the prompt use?",
            "context",
            json!({"type": "string"}),
        );
        return ask(json!({"user_context": question})).into();
    };
    let text = format!("Use this context: {context}");
    GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).into()
}

fn multiple_inputs(answers: &Answers<'_>, state: Option<&str>) -> CallToolResponse {
    let keys = ["user_name", "greeting", "client_roots"];
    if state.is_some() && keys.iter().all(|key| answers.of(key).is_some()) {
        return text("All three were answered.").into();
    }
    let questions = json!({
        "user_name": name_question("What is your name?"),
        "greeting": sampling("Generate a greeting", 50),
        "client_roots": roots(),
    });
    ask_with(seal(MULTIPLE_INPUTS, "asked"), questions).into()
}

/// The second round remembers the answer of the first, which the client does not send again.
fn multi_round(answers: &Answers<'_>, state: Option<&str>) -> CallToolResponse {
    let named = state.and_then(|state| state.strip_prefix("name="));
    if let (Some(name), Some(color)) = (named, answers.field("step2", "color")) {
        return text(format!("{name} likes {color}.")).into();
    }
    let name = named.or_else(|| state.and(answers.field("step1", "name")));
    match name {
        Some(name) => {
            let question = form(
                "Step 2: What is your favorite color?",
                "color",
                json!({"type": "string"}),
            );
            let state = seal(MULTI_ROUND, &format!("name={name}"));
            ask_with(state, json!({"step2": question})).into()
        }
        None => {
            let question = name_question("Step 1: What is your name?");
            ask_with(seal(MULTI_ROUND, "asked"), json!({"step1": question})).into()
        }
    }
}

/// Asks only what the client declares that it can answer.
fn capable(client: &ClientCapabilities) -> CallToolResponse {
    let mut questions = serde_json::Map::new();
    if client.sampling.is_some() {
        let question = sampling("Generate a greeting", 50);
        questions.insert("greeting".to_owned(), question);
    }
    if client.elicitation.is_some() {
        let question = name_question("What is your name?");
        questions.insert("user_name".to_owned(), question);
    }
    match questions.is_empty() {
        true => text("The client can be asked nothing.").into(),
        false => ask(Value::Object(questions)).into(),
    }
}

/// What the client answered, by question.
struct Answers<'a>(Option<&'a InputResponses>);

impl Answers<'_> {
    /// An answer. What is no object is none, and its question is put again.
    fn of(&self, question: &str) -> Option<&JsonObject> {
        self.0?.get(question)?.as_object()
    }

    /// A text of a form that the user filled in.
    fn field(&self, question: &str, field: &str) -> Option<&str> {
        self.of(question)?.get("content")?.get(field)?.as_str()
    }
}

fn ask(questions: Value) -> InputRequiredResult {
    InputRequiredResult::from_input_requests(requests(questions))
}

fn ask_with(state: String, questions: Value) -> InputRequiredResult {
    InputRequiredResult::new(Some(requests(questions)), Some(state))
}

fn requests(questions: Value) -> InputRequests {
    serde_json::from_value(questions).expect("are questions")
}

fn name_question(message: &str) -> Value {
    form(message, "name", json!({"type": "string"}))
}

fn confirmation() -> Value {
    form("Please confirm", "ok", json!({"type": "boolean"}))
}

fn form(message: &str, field: &str, schema: Value) -> Value {
    let schema = json!({"type": "object", "properties": {field: schema}, "required": [field]});
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    json!({"method": "elicitation/create", "params": params})
}

fn sampling(prompt: &str, max_tokens: u32) -> Value {
    let message = json!({"role": "user", "content": {"type": "text", "text": prompt}});
    let params = json!({"messages": [message], "maxTokens": max_tokens});
    json!({"method": "sampling/createMessage", "params": params})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

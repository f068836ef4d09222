//! Tools that put requests to the client of a legacy session.
#![expect(
    deprecated,
    reason = "sampling is deprecated in 2026-07-28 and in force in every revision"
)]

use rmcp::model::{
    CallToolResult, CreateMessageRequestParams, ElicitRequestParams, ElicitResult, SamplingMessage,
};
use rmcp::service::{RequestContext, ServiceError};
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use super::content::text;
use super::schemas;

/// Longest answer of the client's model.
const MAX_TOKENS: u32 = 100;

pub(super) async fn sampling(
    prompt: &str,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let question = vec![SamplingMessage::user_text(prompt)];
    let request = CreateMessageRequestParams::new(question, MAX_TOKENS);
    let answer = context.peer.create_message(request).await;
    let content = answer.map_err(unanswered)?.message.content;
    let answer = content.iter().find_map(|block| block.as_text());
    let answer = answer.map_or("(no text)", |text| text.text.as_str());
    Ok(text(format!("LLM response: {answer}")))
}

pub(super) async fn elicitation(
    message: &str,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let answer = ask(message, schemas::NAME_AND_EMAIL, context).await?;
    Ok(text(format!("User response: {}", described(&answer))))
}

pub(super) async fn defaults(
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let message = "Please review and update the form fields with defaults";
    let answer = ask(message, schemas::DEFAULTS, context).await?;
    Ok(text(format!(
        "Elicitation completed: {}",
        described(&answer)
    )))
}

pub(super) async fn enums(
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let message = "Please select options from the enum fields";
    let answer = ask(message, schemas::ENUMS, context).await?;
    Ok(text(format!(
        "Elicitation completed: {}",
        described(&answer)
    )))
}

async fn ask(
    message: &str,
    schema: &str,
    context: &RequestContext<RoleServer>,
) -> Result<ElicitResult, ErrorData> {
    let answer = context.peer.create_elicitation(form(message, schema)).await;
    answer.map_err(unanswered)
}

/// A question to the user with a form after `schema`.
fn form(message: &str, schema: &str) -> ElicitRequestParams {
    let schema: Value = serde_json::from_str(schema).expect("is JSON");
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    serde_json::from_value(params).expect("is a form")
}

fn described(answer: &ElicitResult) -> String {
    let content = json!(answer.content);
    format!("action={}, content={content}", json!(answer.action))
}

fn unanswered(error: ServiceError) -> ErrorData {
    match error {
        ServiceError::McpError(error) => error,
        other => ErrorData::internal_error(format!("the client did not answer: {other}"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_travels_as_it_is_written() {
        for schema in [schemas::NAME_AND_EMAIL, schemas::DEFAULTS, schemas::ENUMS] {
            let written: Value = serde_json::from_str(schema).expect("JSON");
            let sent = serde_json::to_value(form("?", schema)).expect("JSON");
            assert_eq!(sent["requestedSchema"], written);
        }
    }
}

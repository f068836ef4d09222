//! All tools, and who answers them.

use rmcp::model::{CallToolRequestParams, CallToolResponse, Tool};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};

use super::{content, diagnostics, mrtr, questions, reconnection, reports, schemas};

/// Tools without arguments: name and description. The suite calls the first of the list without being asked to.
const WITHOUT_ARGUMENTS: [(&str, &str); 25] = [
    ("test_simple_text", "Answers with a text"),
    ("test_image_content", "Answers with a picture"),
    ("test_audio_content", "Answers with a sound"),
    ("test_embedded_resource", "Answers with a resource"),
    (
        "test_multiple_content_types",
        "Answers with text, picture and resource",
    ),
    ("test_error_handling", "Fails"),
    ("test_tool_with_progress", "Reports progress"),
    ("test_tool_with_logging", "Logs"),
    (
        "test_elicitation_sep1034_defaults",
        "Asks the user with defaults of every type",
    ),
    (
        "test_elicitation_sep1330_enums",
        "Asks the user to choose, in every form there is",
    ),
    (
        "test_reconnection",
        "Closes its stream before it has answered, so that the client comes back for the answer",
    ),
    (
        "test_missing_capability",
        "Needs a client that can ask its model",
    ),
    (
        "test_streaming_elicitation",
        "Asks the user; the client need not answer",
    ),
    (
        "test_logging_tool",
        "Logs, which only a client that asked for logs may notice",
    ),
    ("test_trigger_tool_change", "Says that the tools changed"),
    (
        "test_trigger_prompt_change",
        "Says that the prompts changed",
    ),
    (mrtr::ELICITATION, "Asks for a name"),
    (mrtr::SAMPLING, "Asks the client's model for a capital"),
    (mrtr::LIST_ROOTS, "Asks for the client's roots"),
    (mrtr::REQUEST_STATE, "Asks, and hands out state"),
    (mrtr::MULTIPLE_INPUTS, "Asks three things at once"),
    (mrtr::MULTI_ROUND, "Asks two things, one after the other"),
    (
        mrtr::TAMPERED_STATE,
        "Asks, and refuses state that is not its own",
    ),
    (
        mrtr::CAPABILITIES,
        "Asks only what the client says that it can answer",
    ),
    (
        "json_schema_2020_12_tool",
        "Has a schema with the keywords of JSON Schema 2020-12",
    ),
];

/// Tools with arguments: name, description and the schema of the arguments.
const WITH_ARGUMENTS: [(&str, &str, &str); 3] = [
    (
        "test_sampling",
        "Asks the client's model",
        schemas::SAMPLING_ARGUMENTS,
    ),
    (
        "test_elicitation",
        "Asks the user for name and e-mail address",
        schemas::ELICITATION_ARGUMENTS,
    ),
    (
        "test_custom_header",
        "Answers with an argument that stands in a header as well",
        schemas::CUSTOM_HEADER_ARGUMENTS,
    ),
];

/// All tools, always in the same order.
pub(super) fn list() -> Vec<Tool> {
    let plain = WITHOUT_ARGUMENTS.iter().map(|(name, description)| {
        let schema = match *name {
            "json_schema_2020_12_tool" => schemas::JSON_SCHEMA_2020_12,
            _ => schemas::NO_ARGUMENTS,
        };
        Tool::new(*name, *description, schemas::object(schema))
    });
    let others = WITH_ARGUMENTS
        .iter()
        .map(|(name, description, schema)| Tool::new(*name, *description, schemas::object(schema)));
    plain.chain(others).collect()
}

/// Runs a tool.
pub(super) async fn call(
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    Ok(match request.name.as_ref() {
        "test_simple_text" => content::simple_text(),
        "test_image_content" => content::image(),
        "test_audio_content" => content::audio(),
        "test_embedded_resource" => content::embedded_resource(),
        "test_multiple_content_types" => content::multiple_types(),
        "test_error_handling" => content::failure(),
        "test_custom_header" => content::echo(argument(&request, "value")?),
        "json_schema_2020_12_tool" => content::text("The arguments are of no interest."),
        "test_tool_with_progress" => reports::progress(context).await?,
        "test_tool_with_logging" => reports::logs(context).await?,
        "test_logging_tool" => reports::one_log(context).await?,
        "test_sampling" => questions::sampling(argument(&request, "prompt")?, context).await?,
        "test_elicitation" => {
            questions::elicitation(argument(&request, "message")?, context).await?
        }
        "test_elicitation_sep1034_defaults" => questions::defaults(context).await?,
        "test_elicitation_sep1330_enums" => questions::enums(context).await?,
        "test_reconnection" => reconnection::answer_later(context).await?,
        "test_missing_capability" => diagnostics::missing_capability(context)?,
        "test_trigger_tool_change" => diagnostics::tool_change(context).await?,
        "test_trigger_prompt_change" => diagnostics::prompt_change(context).await?,
        "test_streaming_elicitation" => return mrtr::call(mrtr::ELICITATION, &request, context),
        name => return mrtr::call(name, &request, context),
    }
    .into())
}

fn argument<'a>(request: &'a CallToolRequestParams, name: &str) -> Result<&'a str, ErrorData> {
    let value = request.arguments.as_ref().and_then(|all| all.get(name));
    value.and_then(|value| value.as_str()).ok_or_else(|| {
        ErrorData::invalid_params(format!("the argument {name} must be a string"), None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_listed_as_it_is_written() {
        for (name, _, schema) in WITH_ARGUMENTS {
            let listed = list().into_iter().find(|tool| tool.name == name);
            let written: serde_json::Value = serde_json::from_str(schema).expect("JSON");
            let listed = serde_json::to_value(listed.expect("is listed")).expect("JSON");
            assert_eq!(listed["inputSchema"], written);
        }
    }
}

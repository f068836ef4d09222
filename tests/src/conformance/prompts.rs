//! The prompts, and the completion of their arguments.

use rmcp::ErrorData;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, ListPromptsResult, Prompt, PromptArgument, PromptMessage,
    ResourceContents, Role,
};

use super::{PNG, mrtr};

const SIMPLE: &str = "test_simple_prompt";
const ARGUMENTS: &str = "test_prompt_with_arguments";
const EMBEDDED_RESOURCE: &str = "test_prompt_with_embedded_resource";
const IMAGE: &str = "test_prompt_with_image";

/// What the first argument of [`ARGUMENTS`] may be completed to.
const VALUES: [&str; 3] = ["test-a", "test-b", "other"];

pub(super) fn list() -> ListPromptsResult {
    let prompt = |name, description, arguments: &[&str]| {
        let required = |name: &&str| {
            PromptArgument::new(*name)
                .with_description("Stands in the message")
                .with_required(true)
        };
        Prompt::new(
            name,
            Some(description),
            Some(arguments.iter().map(required).collect()),
        )
    };
    ListPromptsResult::with_all_items(vec![
        prompt(SIMPLE, "A prompt without arguments", &[]),
        prompt(ARGUMENTS, "A prompt with two arguments", &["arg1", "arg2"]),
        prompt(
            EMBEDDED_RESOURCE,
            "A prompt with a resource",
            &["resourceUri"],
        ),
        prompt(IMAGE, "A prompt with a picture", &[]),
        prompt(mrtr::PROMPT, "A prompt that asks for its context", &[]),
    ])
}

/// Makes a prompt.
///
/// # Errors
///
/// When there is none of this name, or an argument is missing.
pub(super) fn get(request: &GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let user = |content| PromptMessage::new(Role::User, content);
    let messages = match request.name.as_str() {
        SIMPLE => vec![user(ContentBlock::text(
            "This is a simple prompt for testing.",
        ))],
        ARGUMENTS => {
            let (arg1, arg2) = (argument(request, "arg1")?, argument(request, "arg2")?);
            let text = format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'");
            vec![user(ContentBlock::text(text))]
        }
        EMBEDDED_RESOURCE => {
            let uri = argument(request, "resourceUri")?;
            let contents = ResourceContents::text("Embedded resource content for testing.", uri);
            vec![
                user(ContentBlock::resource(contents)),
                user(ContentBlock::text(
                    "Please process the embedded resource above.",
                )),
            ]
        }
        IMAGE => vec![
            user(ContentBlock::image(PNG, "image/png")),
            user(ContentBlock::text("Please analyze the image above.")),
        ],
        mrtr::PROMPT => return Ok(mrtr::prompt(request)),
        name => return Err(unknown(name)),
    };
    Ok(GetPromptResult::new(messages).into())
}

/// The values of an argument that begin with what was typed.
///
/// # Errors
///
/// When the values do not fit into a result.
pub(super) fn complete(request: &CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let typed = &request.argument.value;
    let values = VALUES.iter().filter(|value| value.starts_with(typed));
    let info = CompletionInfo::with_all_values(values.map(ToString::to_string).collect())
        .map_err(|reason| ErrorData::internal_error(reason, None))?;
    Ok(CompleteResult::new(info))
}

fn argument<'a>(request: &'a GetPromptRequestParams, name: &str) -> Result<&'a str, ErrorData> {
    let value = request.arguments.as_ref().and_then(|all| all.get(name));
    value.and_then(|value| value.as_str()).ok_or_else(|| {
        ErrorData::invalid_params(format!("the argument {name} must be a string"), None)
    })
}

fn unknown(name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("there is no prompt {name}"), None)
}

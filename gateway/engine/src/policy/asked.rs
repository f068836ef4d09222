//! What a message asks for, as far as a policy is concerned.

use serde::Deserialize;

use crate::message::method_params::Object;
use crate::message::params::Params;
use crate::refusal::RequestError;

/// What a message asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To call a tool.
    Tool(String),
    /// To get a prompt, or to have its arguments completed.
    Prompt(String),
    /// To read a resource, to list what is in it, or to hear of its updates; to get the entry of a skill, which one of
    /// its files names; or to have the arguments of a template completed, which tells of everything under it.
    Resource(String),
    /// What no policy can forbid: lists show what their caller may see, everything else concerns the caller alone.
    Nothing,
    /// A method of an extension.
    Method(String),
}

/// The kinds of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Tools,
    Prompts,
    /// Templates are shown by the resources that they stand for, skills by their `SKILL.md`.
    Resources,
}

/// Methods and notifications of MCP's own that are open to everybody who may be here at all.
const OPEN: [&str; 18] = [
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
    "ping",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "skills/list",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/update",
    "tools/list",
];

/// `params` of `completion/complete`.
#[derive(Deserialize)]
struct Completed {
    r#ref: Object,
}

#[derive(Deserialize)]
struct Reference {
    r#type: String,
    name: Option<String>,
    uri: Option<String>,
}

/// Whether a method is open to everybody who may be here at all.
pub(super) fn is_open(method: &str) -> bool {
    OPEN.contains(&method)
}

/// Whether a method has a place of its own in a policy, and none among `methods`.
pub(super) fn is_core(method: &str) -> bool {
    let targeted = ["completion/complete", "prompts/get", "tools/call"];
    targeted.contains(&method) || names_resource(method) || is_open(method)
}

/// What a message asks for.
///
/// # Errors
///
/// When its parameters do not say it.
pub(super) fn asked(method: &str, params: &Params) -> Result<Asked, RequestError> {
    Ok(match method {
        "tools/call" => Asked::Tool(params.view()?.name()?),
        "prompts/get" => Asked::Prompt(params.view()?.name()?),
        method if names_resource(method) => Asked::Resource(params.view()?.uri()?),
        "completion/complete" => completed(params.read::<Completed>()?)?,
        open if is_open(open) => Asked::Nothing,
        other => Asked::Method(other.to_owned()),
    })
}

/// Whether a method names a resource by `uri`.
pub(super) fn names_resource(method: &str) -> bool {
    [
        "resources/directory/read",
        "resources/read",
        "resources/subscribe",
        "skills/get",
    ]
    .contains(&method)
}

fn completed(Completed { r#ref: Object(raw) }: Completed) -> Result<Asked, RequestError> {
    let reference: Reference = raw
        .read()
        .map_err(|error| RequestError::InvalidParams(error.to_string()))?;
    match (reference.r#type.as_str(), reference.name, reference.uri) {
        ("ref/prompt", Some(name), _) => Ok(Asked::Prompt(name)),
        ("ref/resource", _, Some(uri)) => Ok(Asked::Resource(uri)),
        _ => {
            let reason = r#""ref" must be a ref/prompt with a name or a ref/resource with a uri"#;
            Err(RequestError::InvalidParams(reason.to_owned()))
        }
    }
}

/// The list that answers a method, if one does.
pub(super) fn list(method: &str) -> Option<List> {
    match method {
        "tools/list" => Some(List::Tools),
        "prompts/list" => Some(List::Prompts),
        "resources/list"
        | "resources/templates/list"
        | "resources/directory/read"
        | "skills/list" => Some(List::Resources),
        _ => None,
    }
}

//! Completion of arguments.

use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};

use super::resources::{NOTE_TEMPLATE, NOTES};

const STYLES: [&str; 5] = ["casual", "enthusiastic", "formal", "friendly", "poetic"];
const LANGUAGES: [&str; 9] = [
    "c",
    "c++",
    "go",
    "java",
    "javascript",
    "python",
    "ruby",
    "rust",
    "typescript",
];

/// The values of an argument that begin with what was typed.
pub(super) fn complete(request: &CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let argument = &request.argument;
    let known = values(&request.r#ref, &argument.name)?;
    let typed = argument.value.to_lowercase();
    let values = known.into_iter().filter(|value| value.starts_with(&typed));
    let info = CompletionInfo::with_all_values(values.map(str::to_owned).collect())
        .map_err(|reason| ErrorData::internal_error(reason, None))?;
    Ok(CompleteResult::new(info))
}

fn values(reference: &Reference, argument: &str) -> Result<Vec<&'static str>, ErrorData> {
    match reference {
        Reference::Prompt(prompt) => match (prompt.name.as_str(), argument) {
            ("greet", "style") => Ok(STYLES.to_vec()),
            ("review_code", "language") => Ok(LANGUAGES.to_vec()),
            ("greet" | "review_code", _) => Ok(Vec::new()),
            (name, _) => Err(unknown("prompt", name)),
        },
        Reference::Resource(template) => match (template.uri.as_str(), argument) {
            (NOTE_TEMPLATE, "name") => Ok(NOTES.iter().map(|(name, _)| *name).collect()),
            (NOTE_TEMPLATE, _) => Ok(Vec::new()),
            (uri, _) => Err(unknown("resource template", uri)),
        },
        _ => Err(unknown("reference", reference.reference_type())),
    }
}

fn unknown(what: &str, name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("there is no {what} {name}"), None)
}

#[cfg(test)]
mod tests {
    use rmcp::model::ArgumentInfo;

    use super::*;

    fn completed(reference: Reference, argument: &str, value: &str) -> Vec<String> {
        let request = CompleteRequestParams::new(reference, ArgumentInfo::new(argument, value));
        complete(&request).expect("completes").completion.values
    }

    #[test]
    fn arguments_are_completed_by_their_beginning() {
        let greet = || Reference::for_prompt("greet");
        assert_eq!(completed(greet(), "style", "f"), ["formal", "friendly"]);
        assert_eq!(completed(greet(), "style", "Fo"), ["formal"]);
        assert_eq!(completed(greet(), "style", "").len(), STYLES.len());
        assert!(completed(greet(), "name", "A").is_empty());
        let notes = || Reference::for_resource(NOTE_TEMPLATE);
        assert_eq!(completed(notes(), "name", "re"), ["resume", "retry"]);
    }

    #[test]
    fn there_is_nothing_to_complete_of_unknown_things() {
        for reference in [
            Reference::for_prompt("nobody"),
            Reference::for_resource("everything://readme"),
        ] {
            let request = CompleteRequestParams::new(reference, ArgumentInfo::new("a", ""));
            assert!(complete(&request).is_err());
        }
    }
}

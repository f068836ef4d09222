//! The prompts.
#![expect(
    missing_docs,
    reason = "the prompt macro makes public functions without a comment"
)]

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{GetPromptResult, PromptArgument, PromptMessage, Role};
use rmcp::{prompt, prompt_router};
use serde::Deserialize;

use super::Everything;

/// Arguments of `greet`.
#[derive(Debug, Deserialize)]
struct GreetArguments {
    /// Whom to greet.
    name: String,
    /// In which style.
    style: Option<String>,
}

/// Arguments of `review_code`.
#[derive(Debug, Deserialize)]
struct ReviewCodeArguments {
    /// The programming language.
    language: String,
    /// The code.
    code: String,
}

#[prompt_router(router = "prompts", vis = "pub(super)")]
impl Everything {
    #[prompt(
        title = "Greeting",
        description = "Writes a greeting",
        arguments = Some(greet_arguments())
    )]
    async fn greet(&self, Parameters(greet): Parameters<GreetArguments>) -> GetPromptResult {
        let style = greet.style.as_deref().unwrap_or("friendly");
        let text = format!("Write a {style} greeting for {}.", greet.name);
        GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)])
            .with_description(format!("A {style} greeting"))
    }

    #[prompt(
        title = "Code review",
        description = "Reviews a piece of code",
        arguments = Some(review_code_arguments())
    )]
    async fn review_code(
        &self,
        Parameters(review): Parameters<ReviewCodeArguments>,
    ) -> GetPromptResult {
        let ReviewCodeArguments { language, code } = review;
        let text = format!(
            "Review this {language} code for mistakes, clarity and speed:\n\n```{language}\n{code}\n```"
        );
        let promise = "I will name each problem with its line and a better version.";
        GetPromptResult::new(vec![
            PromptMessage::new_text(Role::User, text),
            PromptMessage::new_text(Role::Assistant, promise),
        ])
        .with_description(format!("A review of {language} code"))
    }
}

fn greet_arguments() -> Vec<PromptArgument> {
    vec![
        PromptArgument::new("name")
            .with_title("Name")
            .with_description("Whom to greet")
            .with_required(true),
        PromptArgument::new("style")
            .with_title("Style")
            .with_description("In which style, such as formal")
            .with_required(false),
    ]
}

fn review_code_arguments() -> Vec<PromptArgument> {
    vec![
        PromptArgument::new("language")
            .with_title("Language")
            .with_description("The programming language")
            .with_required(true),
        PromptArgument::new("code")
            .with_title("Code")
            .with_description("The code to review")
            .with_required(true),
    ]
}

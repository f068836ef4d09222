//! Tools that put questions to the client.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResponse, CallToolResult, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationSchema, EnumSchema, StringSchema,
};
use rmcp::{ErrorData, schemars, tool, tool_router};
use serde::Deserialize;

use super::{failure, text_response};
use crate::Everything;
use prynai_worker::{Ask, Audited, Unanswered};

/// Words of a mock summary.
const MOCK_WORDS: usize = 12;

/// Arguments of `summarize`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct SummarizeArguments {
    /// The text to summarize.
    text: String,
}

/// Arguments of `book_table`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct BookTableArguments {
    /// Name of the restaurant.
    restaurant: String,
    /// The day, such as 2026-08-01; without it, today.
    date: Option<String>,
    /// How many people.
    people: u32,
}

/// Where a trip may go, and what there is to do.
const TRIPS: [(&str, [&str; 2]); 2] = [("mountains", ["hike", "ski"]), ("sea", ["swim", "sail"])];

#[tool_router(router = asking_tools, vis = "pub(super)")]
impl Everything {
    #[tool(
        title = "Summarize",
        description = "Summarizes a text with the client's model; clients without one get a mock summary",
        annotations(read_only_hint = true)
    )]
    async fn summarize(
        &self,
        Parameters(summarize): Parameters<SummarizeArguments>,
        ask: Ask,
    ) -> Result<CallToolResponse, ErrorData> {
        if !ask.supports_sampling() {
            return Ok(text_response(mock_summary(&summarize.text)));
        }
        match sample_summary(&ask, &summarize.text).await {
            Ok(summary) => Ok(text_response(summary)),
            Err(unanswered) => unanswered.into_response(),
        }
    }

    #[tool(
        title = "Book a table",
        description = "Books a table in a restaurant after the user has confirmed it",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false
        ),
        meta = Audited::arguments(&["restaurant", "people"])
    )]
    async fn book_table(
        &self,
        Parameters(booking): Parameters<BookTableArguments>,
        ask: Ask,
    ) -> Result<CallToolResponse, ErrorData> {
        if !ask.supports_elicitation() {
            let reason = "booking needs the user's confirmation, \
                          and this client cannot ask its user (no elicitation capability)";
            return Ok(failure(reason).into());
        }
        match ask.elicitation("confirm", confirmation(&booking)?).await {
            Ok(answer) => Ok(booked(&booking, &answer).into()),
            Err(unanswered) => unanswered.into_response(),
        }
    }

    #[tool(
        title = "Plan a trip",
        description = "Asks the user where to go, and then what to do there",
        annotations(read_only_hint = true)
    )]
    async fn plan_trip(&self, ask: Ask) -> Result<CallToolResponse, ErrorData> {
        match planned(&ask).await {
            Ok(plan) => Ok(text_response(plan)),
            Err(unanswered) => unanswered.into_response(),
        }
    }
}

/// Two questions, the second of which depends on the answer to the first, written as one would for a
/// client that answers at once.
async fn planned(ask: &Ask) -> Result<String, Unanswered> {
    let places = TRIPS.map(|(place, _)| place);
    let Some(place) = choose(ask, "place", "Where do you want to go?", &places).await? else {
        return Ok("No trip.".to_owned());
    };
    let activities = TRIPS.iter().find(|(name, _)| *name == place);
    let activities = activities.map_or(&[][..], |(_, activities)| activities);
    let question = format!("What do you want to do in the {place}?");
    Ok(
        match choose(ask, "activity", &question, activities).await? {
            Some(activity) => format!("You {activity} in the {place}."),
            None => format!("You rest in the {place}."),
        },
    )
}

/// The user's choice, or `None` when the user did not choose one of these.
async fn choose(
    ask: &Ask,
    key: &str,
    message: &str,
    options: &[&str],
) -> Result<Option<String>, Unanswered> {
    let choice = EnumSchema::builder(options.iter().map(|o| (*o).to_owned()).collect()).build();
    let requested_schema = ElicitationSchema::builder()
        .required_enum_schema("choice", choice)
        .build()
        .map_err(|reason| Unanswered::Failed(ErrorData::internal_error(reason, None)))?;
    let form = ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message.to_owned(),
        requested_schema,
    };
    let answer = ask.elicitation(key, form).await?;
    let chosen = answer.content.as_ref().and_then(|c| c["choice"].as_str());
    let valid =
        |choice: &&str| answer.action == ElicitationAction::Accept && options.contains(choice);
    Ok(chosen.filter(valid).map(str::to_owned))
}

#[expect(
    deprecated,
    reason = "sampling is deprecated in 2026-07-28 and in force in every revision"
)]
async fn sample_summary(ask: &Ask, text: &str) -> Result<String, Unanswered> {
    use rmcp::model::{CreateMessageRequestParams, SamplingMessage};
    let question = format!("Summarize this text in one sentence:\n\n{text}");
    let request = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(question)], 200)
        .with_system_prompt("You summarize texts briefly and faithfully.");
    let answer = ask.sampling("summary", request).await?;
    let texts: Vec<&str> = answer
        .message
        .content
        .iter()
        .filter_map(|block| block.as_text().map(|text| text.text.as_str()))
        .collect();
    Ok(texts.join("\n"))
}

/// The same text always gets the same summary, so that tests and demonstrations need no model.
fn mock_summary(text: &str) -> String {
    let sentence = text
        .split_inclusive(['.', '!', '?'])
        .next()
        .unwrap_or_default();
    let mut words = sentence.split_whitespace();
    let mut summary: Vec<&str> = words.by_ref().take(MOCK_WORDS).collect();
    if words.next().is_some() {
        summary.push("…");
    }
    format!("[mock summary] {}", summary.join(" "))
}

fn confirmation(booking: &BookTableArguments) -> Result<ElicitRequestParams, ErrorData> {
    let day = booking.date.as_deref().unwrap_or("today");
    let time = |schema: StringSchema| {
        schema
            .title("Time")
            .description("When you want to come, such as 19:30")
            .with_default("19:30")
    };
    let requested_schema = ElicitationSchema::builder()
        .required_bool_with("confirm", |schema| {
            schema.title("Confirm").description("Book this table?")
        })
        .optional_string_with("time", time)
        .build()
        .map_err(|reason| ErrorData::internal_error(reason, None))?;
    Ok(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: format!(
            "Book a table at {} on {day} for {} people?",
            booking.restaurant, booking.people
        ),
        requested_schema,
    })
}

fn booked(booking: &BookTableArguments, answer: &ElicitResult) -> CallToolResult {
    use rmcp::model::ContentBlock;
    let field = |name: &str| {
        answer
            .content
            .as_ref()
            .and_then(|content| content.get(name))
    };
    let confirmed = answer.action == ElicitationAction::Accept
        && field("confirm").and_then(serde_json::Value::as_bool) == Some(true);
    let text = if confirmed {
        let day = booking.date.as_deref().unwrap_or("today");
        let time = field("time").and_then(serde_json::Value::as_str);
        format!(
            "Booked: {} on {day} at {} for {} people.",
            booking.restaurant,
            time.unwrap_or("19:30"),
            booking.people
        )
    } else {
        let why = match answer.action {
            ElicitationAction::Accept => "it was not confirmed",
            ElicitationAction::Decline => "you declined",
            _ => "you cancelled",
        };
        format!("Not booked: {why}.")
    };
    CallToolResult::success(vec![ContentBlock::text(text)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mock_summary_is_the_first_sentence_or_its_beginning() {
        for (text, summary) in [
            ("One. Two.", "[mock summary] One."),
            ("no end", "[mock summary] no end"),
            ("", "[mock summary] "),
            (
                "a b c d e f g h i j k l m n. Next.",
                "[mock summary] a b c d e f g h i j k l …",
            ),
        ] {
            assert_eq!(mock_summary(text), summary);
        }
    }
}

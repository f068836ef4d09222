//! A tool that works before it asks.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ElicitRequestParams, ElicitationAction,
    ElicitationSchema,
};
use rmcp::{ErrorData, schemars, tool, tool_router};
use serde::Deserialize;

use super::{KEPT, failure, is_plain_name};
use crate::Everything;
use prynai_worker::{Ask, State, StateError, Unanswered};

/// Arguments of `buy`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct BuyArguments {
    /// What to buy: at most 64 letters, digits, `-` and `_`.
    item: String,
    /// Your own number of this order, of the same characters. An order that is begun again under its number has the
    /// reservation that it had.
    order: Option<String>,
}

#[tool_router(router = buying_tools, vis = "pub(super)")]
impl Everything {
    #[tool(
        title = "Buy",
        description = "Reserves an item, and buys it after the user has confirmed it",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false
        )
    )]
    async fn buy(
        &self,
        Parameters(order): Parameters<BuyArguments>,
        ask: Ask,
        state: State,
    ) -> Result<CallToolResponse, ErrorData> {
        if !is_plain_name(&order.item) || !order.order.as_deref().is_none_or(is_plain_name) {
            let reason = "an item, and the number of an order, is 1 to 64 letters, digits, - and _";
            return Ok(failure(reason).into());
        }
        if !ask.supports_elicitation() {
            let reason = "buying needs the user's confirmation, \
                          and this client cannot ask its user (no elicitation capability)";
            return Ok(failure(reason).into());
        }
        match bought(&order, &ask, &state).await {
            Ok(text) => Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into()),
            Err(unanswered) => unanswered.into_response(),
        }
    }
}

/// Reserves, asks, and buys. However long the user takes, and whichever worker has the call then, one reservation is
/// made.
async fn bought(order: &BuyArguments, ask: &Ask, state: &State) -> Result<String, Unanswered> {
    let item = &order.item;
    let number = ask.once("reservation", reservation(order, state)).await?;
    let answer = ask
        .elicitation("confirm", confirmation(item, number)?)
        .await?;
    let content = answer.content.as_ref();
    let confirmed = answer.action == ElicitationAction::Accept
        && content.is_some_and(|content| content["confirm"] == true);
    if !confirmed {
        return Ok(format!("Not bought: {item}, reservation {number}."));
    }
    let sold = count(&format!("sold:{item}"), state).await;
    let sold = sold.map_err(|error| Unanswered::Failed(error.into()))?;
    Ok(format!(
        "Bought: {item}, by reservation {number}; {sold} sold so far."
    ))
}

/// The number of a reservation: the first of an item is 1. An order that has a number gets the same one again, even
/// when its client begins anew, without `requestState`.
async fn reservation(order: &BuyArguments, state: &State) -> Result<i64, StateError> {
    let item = &order.item;
    let reservations = format!("reservations:{item}");
    let Some(order) = &order.order else {
        return count(&reservations, state).await;
    };
    let own = state.principal();
    let key = format!("order:{item}:{order}");
    if let Some(number) = own.get(&key).await? {
        return Ok(number);
    }
    let number = count(&reservations, state).await?;
    own.set(&key, &number, Some(KEPT)).await?;
    Ok(number)
}

async fn count(what: &str, state: &State) -> Result<i64, StateError> {
    state.global().increment(what, 1, Some(KEPT)).await
}

fn confirmation(item: &str, number: i64) -> Result<ElicitRequestParams, Unanswered> {
    let requested_schema = ElicitationSchema::builder()
        .required_bool_with("confirm", |schema| {
            schema.title("Confirm").description("Buy it?")
        })
        .build()
        .map_err(|reason| Unanswered::Failed(ErrorData::internal_error(reason, None)))?;
    Ok(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: format!("Buy {item}, reservation {number}?"),
        requested_schema,
    })
}

//! What the client says travels to whichever worker takes it: cursors, completion contexts, roots.

use prynai_worker_engine::Ask;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    CompletionInfo, ContentBlock, ListToolsResult, PaginatedRequestParams, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};

use crate::stage::{Stage, message, text};

/// A hundred tools, ten a page; completes with the context it is given; tells the client's roots.
pub(crate) struct Attentive;

impl ServerHandler for Attentive {
    async fn list_tools(
        &self,
        params: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let cursor = params.and_then(|params| params.cursor);
        let first: usize = cursor
            .as_deref()
            .unwrap_or("0")
            .parse()
            .expect("a cursor of ours");
        let schema = serde_json::Map::new();
        let tool = |n| Tool::new(format!("tool_{n}"), "a tool", schema.clone());
        let mut page = ListToolsResult::with_all_items((first..first + 10).map(tool).collect());
        page.next_cursor = (first < 90).then(|| (first + 10).to_string());
        Ok(page)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let context = request.context.and_then(|context| context.arguments);
        let values = context
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={value}"));
        let values = CompletionInfo::with_all_values(values.collect()).expect("few values");
        Ok(CompleteResult::new(values))
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let ask = context.extensions.get::<Ask>().expect("a worker gives it");
        match ask.roots("roots").await {
            Ok(roots) => {
                let told = serde_json::to_string(&roots).expect("JSON");
                Ok(CallToolResult::success(vec![ContentBlock::text(told)]).into())
            }
            Err(unanswered) => unanswered.into_response(),
        }
    }
}

#[tokio::test]
async fn a_cursor_of_one_worker_is_good_on_any_other() {
    let mut stage = Stage::new().await;
    let workers = [
        stage.serve_at_once(Attentive, 1),
        stage.serve_at_once(Attentive, 1),
    ];
    let mut names = Vec::new();
    let mut params = json!({});
    loop {
        let request = stage.modern("tools/list", params);
        let result = stage.response(&request).await["result"].clone();
        let tools = result["tools"].as_array().expect("tools");
        names.extend(tools.iter().map(|tool| tool["name"].clone()));
        match &result["nextCursor"] {
            Value::Null => break,
            cursor => params = json!({ "cursor": cursor }),
        }
    }
    let expected: Vec<Value> = (0..100).map(|n| json!(format!("tool_{n}"))).collect();
    assert_eq!(names, expected);
    for worker in workers {
        worker.stop(&stage).await;
    }
}

#[tokio::test]
async fn a_completion_knows_the_arguments_given_so_far() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Attentive);
    let params = json!({
        "ref": { "type": "ref/prompt", "name": "p" },
        "argument": { "name": "city", "value": "" },
        "context": { "arguments": { "country": "Italy" } },
    });
    for request in [
        stage.modern("completion/complete", params.clone()),
        stage.legacy_with("completion/complete", &params, &json!({})),
    ] {
        let response = stage.response(&request).await;
        assert_eq!(
            response["result"]["completion"]["values"],
            json!(["country=Italy"])
        );
    }
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_handler_learns_the_roots_of_its_client_in_both_eras() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Attentive);
    let call = json!({ "name": "tool_1", "arguments": {} });
    let roots = json!({ "roots": [{ "uri": "file:///one" }, { "uri": "file:///two" }] });

    let request = stage.legacy_with("tools/call", &call, &json!({ "roots": {} }));
    stage.enqueue(&request).await;
    let question = message(&stage.event().await);
    assert_eq!(question["method"], "roots/list");
    let session = request.session.as_ref().expect("a session").id.clone();
    let mail = json!({ "jsonrpc": "2.0", "id": question["id"], "result": roots.clone() });
    stage.post_mail(request.stream, &session, mail).await;
    let events = stage.rest_of(request.stream).await;
    assert_eq!(text(&message(&events[0])), roots.to_string());

    let mut again = call.clone();
    again["inputResponses"]["roots"] = roots.clone();
    let can = json!({ "roots": {} });
    let asked = stage.modern_with("tools/call", call, can.clone());
    let asked = stage.response(&asked).await;
    assert_eq!(
        asked["result"]["inputRequests"]["roots"]["method"],
        "roots/list"
    );
    let answered = stage.modern_with("tools/call", again, can);
    let answered = stage.response(&answered).await;
    assert_eq!(text(&answered), roots.to_string());
    worker.stop(&stage).await;
}

//! A client of 2026-07-28 that takes tasks: a call that becomes one goes on without it, and it asks for the end at the
//! next gateway, and the next.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::{Value, json};

use crate::clients::balancer::Balancer;
use crate::clients::http::{self, Frames, NoAnswer};
use crate::clients::modern::{message, refusal, request};
use crate::clients::observer::Observer;
use crate::clients::record::{Answer, Call};

const META: &str = r#","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

/// Between two questions about a task. Rarer than gateways suggest: thousands of clients share two processors with the
/// fleet.
const BETWEEN: Duration = Duration::from_secs(4);

/// Who calls, by their tokens, and somebody else, to whom none of their tasks may be shown. `None`: nobody has a token,
/// and all callers are one.
pub type Tokens<'a> = Option<[&'a str; 2]>;

/// Makes a call; gives whether it became a task, and an answer for when the observer has seen none.
pub async fn call(
    balancer: &Balancer,
    turn: usize,
    tokens: Tokens<'_>,
    call: &Call,
    observer: &mut Observer,
) -> (bool, Answer) {
    let gateway = balancer.at(turn);
    let body = message(call.number, "tools/call", &call.params(META));
    let own = tokens.map(|[own, _]| own);
    let request = bearing(
        own,
        request(gateway, "tools/call", &call.tool.to_string(), body),
    );
    let response = match http::send(gateway, request).await {
        Ok(response) => response,
        Err(NoAnswer::Unsent) => return (false, Answer::Unsent),
        Err(NoAnswer::Broken) => return (false, Answer::Dropped),
    };
    if let Some(refused) = refusal(&response) {
        return (false, refused);
    }
    match told(response, observer).await {
        Some(task) => {
            let end = end_of(&task, balancer, turn, tokens, call, observer);
            (true, end.await)
        }
        None => (false, Answer::Dropped),
    }
}

fn bearing(token: Option<&str>, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().expect("a header");
        request.headers_mut().insert("authorization", value);
    }
    request
}

/// The id of the task, unless the call was answered or cut off before it became one.
async fn told(response: Response<Incoming>, observer: &mut Observer) -> Option<String> {
    if !http::is_event_stream(&response) {
        let body = http::whole(response).await?;
        let text = String::from_utf8_lossy(&body);
        let task = task_of(&text);
        if task.is_none() {
            observer.text(&text);
        }
        return task;
    }
    let mut frames = Frames::of(response);
    while let Some(frame) = frames.next().await {
        if let Some(task) = frame.data.as_deref().and_then(task_of) {
            return Some(task);
        }
        observer.frame(frame);
    }
    None
}

fn task_of(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    let result = &message["result"];
    (result["resultType"] == "task").then(|| result["taskId"].as_str().map(str::to_owned))?
}

/// Asks until the task has ended. What was promised must come, so nothing excuses that it is gone.
async fn end_of(
    task: &str,
    balancer: &Balancer,
    mut turn: usize,
    tokens: Tokens<'_>,
    call: &Call,
    observer: &mut Observer,
) -> Answer {
    loop {
        tokio::time::sleep(BETWEEN).await;
        turn += 1;
        if let Some([_, other]) = tokens
            && let Some(told) = ask(balancer.at(turn), task, Some(other)).await
        {
            observer.stranger(&told);
        }
        let own = tokens.map(|[own, _]| own);
        let Some(answer) = ask(balancer.at(turn), task, own).await else {
            continue;
        };
        let now = &answer["result"];
        let end = match now["status"].as_str() {
            Some("working") => continue,
            Some("completed") => json!({ "id": call.number, "result": now["result"] }),
            Some("failed") => json!({ "id": call.number, "error": now["error"] }),
            _ => return Answer::Unexpected(answer.to_string()),
        };
        observer.text(&end.to_string());
        return match observer.answer() {
            Some(Answer::AnswerLost | Answer::Refused(_)) => Answer::Unexpected(end.to_string()),
            _ => Answer::Dropped,
        };
    }
}

/// `None` when the gateway is away, or cannot tell now.
async fn ask(gateway: SocketAddr, task: &str, token: Option<&str>) -> Option<Value> {
    let params = format!(r#"{{"taskId":"{task}","_meta":{{{}}}}}"#, &META[1..]);
    let body = message(1, "tasks/get", &params);
    let request = bearing(token, request(gateway, "tasks/get", task, body));
    let response = http::send(gateway, request).await.ok()?;
    if refusal(&response).is_some() {
        return None;
    }
    let body = http::whole(response).await?;
    Some(serde_json::from_slice(&body).unwrap_or(Value::Null))
}

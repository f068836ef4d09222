//! What callers get at the endpoint, in both eras, and what reaches the queue.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::scene::{Scene, json_of, request};
use super::*;
use crate::refusal::Challenge;

const POLICY: &str = r#"
[[allow]]
tools = ["echo", "report_*"]
prompts = ["greet"]
resources = ["x://open/*"]

[[allow]]
tools = ["drop"]
prompts = ["admin"]
resources = ["x://closed/**"]
methods = ["acme/*", "notifications/acme"]
any_scope = ["api://app/mcp.admin", "mcp.root"]

[[allow]]
tools = ["*"]
read_only = true
to = "apps"
any_role = ["Reader"]
"#;

/// Requests, and whether the policy lets somebody without scopes send them.
fn requests() -> Vec<(&'static str, Value, bool)> {
    let reference = |kind: &str, key: &str, value: &str| json!({"ref": {"type": kind, key: value}, "argument": {"name": "a", "value": ""}});
    vec![
        ("tools/call", json!({"name": "echo"}), true),
        ("tools/call", json!({"name": "report_1"}), true),
        ("tools/call", json!({"name": "drop"}), false),
        ("tools/call", json!({"name": "no such tool"}), false),
        ("prompts/get", json!({"name": "greet"}), true),
        ("prompts/get", json!({"name": "admin"}), false),
        ("resources/read", json!({"uri": "x://open/a"}), true),
        (
            "resources/read",
            json!({"uri": "x://open/../closed/a"}),
            false,
        ),
        ("resources/read", json!({"uri": "x://closed/a"}), false),
        (
            "resources/directory/read",
            json!({"uri": "x://open/a"}),
            true,
        ),
        (
            "resources/directory/read",
            json!({"uri": "x://closed/a"}),
            false,
        ),
        ("skills/get", json!({"uri": "x://open/SKILL.md"}), true),
        ("skills/get", json!({"uri": "x://closed/SKILL.md"}), false),
        ("skills/list", json!({}), true),
        (
            "completion/complete",
            reference("ref/prompt", "name", "greet"),
            true,
        ),
        (
            "completion/complete",
            reference("ref/prompt", "name", "admin"),
            false,
        ),
        (
            "completion/complete",
            reference("ref/resource", "uri", "x://open/{a}"),
            true,
        ),
        (
            "completion/complete",
            reference("ref/resource", "uri", "x://{a}/{b}"),
            false,
        ),
        ("acme/frobnicate", json!({}), false),
        ("other/method", json!({}), true),
        ("tools/list", json!({}), true),
    ]
}

#[tokio::test]
async fn what_is_forbidden_is_refused_and_never_queued() {
    let mut scene = Scene::new(Some(POLICY)).await;
    for caller in [anonymous(), user(&["mcp.read"], &[])] {
        for legacy in [false, true] {
            for (method, params, allowed) in requests() {
                let client = match legacy {
                    true => scene.legacy(caller.clone(), "2025-11-25").await,
                    false => scene.modern(caller.clone()),
                };
                let (status, answer) = client.answer(method, params.clone()).await;
                if allowed {
                    assert_eq!(status, StatusCode::OK, "{method} {params} {answer}");
                    assert_eq!(scene.queued().await.method, method);
                    continue;
                }
                // A scope is asked for with 403 in either era.
                let by_policy = answer["error"]["data"]["reason"] == "policy";
                let refused = match legacy && by_policy {
                    true => StatusCode::OK,
                    false => StatusCode::FORBIDDEN,
                };
                assert_eq!(status, refused, "{method} {params} {answer}");
                assert_eq!(answer["id"], 1);
                assert_eq!(answer["error"]["code"], -32600);
                scene.assert_nothing_queued().await;
            }
        }
    }
}

#[tokio::test]
async fn a_scope_opens_what_the_challenge_named() {
    let mut scene = Scene::new(Some(POLICY)).await;
    let params = json!({"name": "drop"});
    let refused = scene
        .modern(user(&["mcp.read"], &[]))
        .ask("tools/call", params.clone())
        .await;
    let challenge = refused
        .extensions()
        .get::<Challenge>()
        .cloned()
        .expect("a challenge");
    assert_eq!(
        challenge.scopes.as_deref(),
        Some(&["api://app/mcp.admin".to_owned()][..])
    );
    let (status, answer) = json_of(refused).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(
        answer["error"]["data"],
        json!({"reason": "insufficient_scope", "scopes": ["api://app/mcp.admin", "mcp.root"], "roles": []})
    );
    for scope in ["mcp.admin", "mcp.root"] {
        let client = scene.modern(user(&[scope], &[]));
        let (status, _) = client.answer("tools/call", params.clone()).await;
        assert_eq!(status, StatusCode::OK);
        let queued = scene.queued().await;
        assert_eq!(queued.name.as_deref(), Some("drop"));
        assert_eq!(queued.visible, None);
    }
}

#[tokio::test]
async fn nothing_tells_an_unknown_name_from_a_forbidden_one() {
    let scene = Scene::new(Some("[[allow]]\ntools = [\"echo\"]")).await;
    for caller in [anonymous(), user(&[], &[])] {
        let client = scene.modern(caller);
        let known = client.ask("tools/call", json!({"name": "put"})).await;
        let unknown = client
            .ask("tools/call", json!({"name": "no such tool"}))
            .await;
        assert!(known.extensions().get::<Challenge>().is_none());
        let (known, unknown) = (json_of(known).await, json_of(unknown).await);
        assert_eq!(known, unknown);
        assert_eq!(known.0, StatusCode::FORBIDDEN);
        assert_eq!(known.1["error"]["data"]["reason"], "policy");
    }
}

#[tokio::test]
async fn the_catalog_says_which_tools_only_read() {
    let mut scene = Scene::new(Some(POLICY)).await;
    for (name, roles, allowed) in [
        ("get", &["Reader"][..], true),
        ("put", &["Reader"], false),
        ("no such tool", &["Reader"], false),
        ("get", &[], false),
    ] {
        let client = scene.modern(app(roles));
        let (status, answer) = client.answer("tools/call", json!({"name": name})).await;
        assert_eq!(status == StatusCode::OK, allowed, "{name} {answer}");
        if allowed {
            assert_eq!(scene.queued().await.name.as_deref(), Some(name));
        } else {
            assert_eq!(status, StatusCode::FORBIDDEN);
        }
    }
    scene.assert_nothing_queued().await;
}

#[tokio::test]
async fn lists_are_queued_with_what_their_caller_may_see() {
    let mut scene = Scene::new(Some(POLICY)).await;
    let admin = user(&["mcp.admin"], &[]);
    let reader = app(&["Reader"]);
    for (caller, method, names, read_only) in [
        (
            anonymous(),
            "tools/list",
            &["echo", "report_*"][..],
            &[][..],
        ),
        (
            admin.clone(),
            "tools/list",
            &["drop", "echo", "report_*"],
            &[],
        ),
        (reader, "tools/list", &["echo", "report_*"], &["*"]),
        (anonymous(), "prompts/list", &["greet"], &[]),
        (admin.clone(), "prompts/list", &["admin", "greet"], &[]),
        (anonymous(), "resources/list", &["x://open/*"], &[]),
        (
            admin.clone(),
            "resources/templates/list",
            &["x://closed/**", "x://open/*"],
            &[],
        ),
    ] {
        for legacy in [false, true] {
            let client = match legacy {
                true => scene.legacy(caller.clone(), "2025-06-18").await,
                false => scene.modern(caller.clone()),
            };
            let (status, _) = client.answer(method, json!({})).await;
            assert_eq!(status, StatusCode::OK);
            let visible = scene.queued().await.visible.expect("is said");
            assert!(visible.names.iter().eq(names), "{method} {visible:?}");
            assert!(
                visible.read_only.iter().eq(read_only),
                "{method} {visible:?}"
            );
        }
    }
}

#[tokio::test]
async fn without_a_policy_everybody_may_do_everything() {
    let mut scene = Scene::new(None).await;
    for (method, params, _) in requests() {
        let client = scene.modern(anonymous());
        let (status, answer) = client.answer(method, params.clone()).await;
        assert_eq!(status, StatusCode::OK, "{method} {params} {answer}");
        let queued = scene.queued().await;
        assert_eq!((queued.method.as_str(), queued.visible), (method, None));
    }
}

#[tokio::test]
async fn what_the_gateway_answers_itself_is_for_everybody() {
    let mut scene = Scene::new(Some("[[allow]]\ntools = [\"nothing else\"]")).await;
    let client = scene.modern(anonymous());
    let (status, answer) = client.answer("server/discover", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer["result"]["capabilities"]["tools"].is_object());
    let client = scene.legacy(anonymous(), "2025-11-25").await;
    for method in ["ping", "resources/unsubscribe"] {
        let (status, answer) = client.answer(method, json!({"uri": "x://closed/a"})).await;
        assert_eq!(status, StatusCode::OK, "{method} {answer}");
    }
    scene.assert_nothing_queued().await;
}

#[tokio::test]
async fn each_message_of_a_batch_is_judged_by_itself() {
    let mut scene = Scene::new(Some(POLICY)).await;
    let client = scene.legacy(anonymous(), "2025-03-26").await;
    let mut batch = json!([
        request("tools/call", json!({"name": "drop"})),
        request("tools/call", json!({"name": "echo"})),
        request("prompts/get", json!({"name": "admin"})),
        {"jsonrpc": "2.0", "method": "notifications/acme"},
    ]);
    for (id, message) in batch.as_array_mut().unwrap().iter_mut().take(3).enumerate() {
        message["id"] = json!(id);
    }
    let (status, answers) = json_of(client.post(batch).await).await;
    assert_eq!(status, StatusCode::OK);
    let codes = |answer: &Value| (answer["id"].clone(), answer["error"]["code"].clone());
    let answers: Vec<_> = answers.as_array().unwrap().iter().map(codes).collect();
    let refused = json!(-32600);
    assert_eq!(
        answers,
        [
            (json!(0), refused.clone()),
            (json!(1), Value::Null),
            (json!(2), refused.clone()),
            (Value::Null, refused)
        ]
    );
    assert_eq!(scene.queued().await.name.as_deref(), Some("echo"));
    scene.assert_nothing_queued().await;
}

#[tokio::test]
async fn notifications_of_extensions_are_methods_too() {
    let mut scene = Scene::new(Some(POLICY)).await;
    for (caller, method, allowed) in [
        (anonymous(), "notifications/acme", false),
        (user(&["mcp.admin"], &[]), "notifications/acme", true),
        (anonymous(), "notifications/other", true),
    ] {
        for legacy in [false, true] {
            let client = match legacy {
                true => scene.legacy(caller.clone(), "2025-11-25").await,
                false => scene.modern(caller.clone()),
            };
            let message = json!({"jsonrpc": "2.0", "method": method, "params": {}});
            let (status, answer) = json_of(client.post(message).await).await;
            match allowed {
                true => {
                    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
                    assert_eq!(scene.queued().await.method, method);
                }
                false => {
                    assert_eq!(status, StatusCode::FORBIDDEN);
                    scene.assert_nothing_queued().await;
                }
            }
        }
    }
}

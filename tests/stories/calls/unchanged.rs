//! Messages pass unchanged, both ways and in both eras, whatever JSON is in them.
//!
//! What only we touch is compared as text; where rmcp's types lie in between, numbers are compared as they hold them
//! (`docs/decisions/0008-numbers-as-rmcp-holds-them.md`).

mod exact;
mod mirrored;
mod random;

use prynai_bus::wire::request::Era;
use prynai_test_fixtures::mirror::TOOLS;
use prynai_test_redis::assert_eventually;
use reqwest::StatusCode;
use rmcp::model::CallToolResult;
use serde_json::Value;

use exact::{Exact, member};
use mirrored::{ERAS, Mirrored, Said, holds, joined, said};
use random::{id, members, method, object, string, value};

/// What the handler got of a message: its text, and what rmcp made of `params` and `_meta`.
fn assert_reached(report: &Exact, sent: &Said, era: Era, got: &Exact) {
    let message = sent.message(era);
    assert_eq!(report.at("raw").text(), message);
    let params = Exact::parse(&message).at("params").clone().held();
    let meta = params.at("_meta").clone();
    assert_eq!(report.at("meta").clone().held(), meta);
    assert_eq!(got.clone().held(), params.without(&["_meta"]));
}

#[test]
fn ids_come_back_as_they_were_sent() {
    holds(128, id(), async |fleet, id| {
        for era in ERAS {
            for (method, params, member_of_answer) in [
                ("vendor/ask", r#""answer":{}"#, "result"),
                (
                    "vendor/ask",
                    r#""error":{"code":-1,"message":"no"}"#,
                    "error",
                ),
                // This one the worker refuses before the handler sees it, and the next the gateway.
                ("tools/call", r#""name":"x","arguments":7"#, "error"),
                ("prompts/list", r#""cursor":7"#, "error"),
            ] {
                let response = fleet.response(era, &said(&id, method, params)).await;
                assert_eq!(member(&response, "id").as_ref(), Some(&id), "{response}");
                assert!(member(&response, member_of_answer).is_some(), "{response}");
            }
        }
        let listen = said(&id, "subscriptions/listen", r#""notifications":{}"#);
        let reply = fleet
            .cluster
            .client
            .send(fleet.post(Era::Modern, &listen))
            .await;
        let first = reply.events().frame().await.expect("a frame");
        let first = Exact::parse(&first.data.expect("a message"));
        let named = first
            .at("params")
            .at("_meta")
            .at("io.modelcontextprotocol/subscriptionId");
        assert_eq!(*named, Exact::parse(&id));
    });
}

#[test]
fn requests_of_extensions_reach_the_handler_whole() {
    let case = (id(), method(), members(), members());
    holds(128, case, async |fleet, (id, method, params, meta)| {
        let sent = Said {
            id,
            method,
            params,
            meta,
        };
        for era in ERAS {
            let report = fleet.result(era, &sent).await;
            assert_reached(&report, &sent, era, report.at("params"));
        }
    });
}

#[test]
fn calls_of_tools_reach_the_handler_whole() {
    let case = (id(), object(), members(), members());
    holds(128, case, async |fleet, (id, arguments, unknown, meta)| {
        let named = format!(r#""name":"report","arguments":{arguments}"#);
        let method = "tools/call".to_owned();
        let params = joined([named.as_str(), unknown.as_str()]);
        let sent = Said {
            id,
            method,
            params,
            meta,
        };
        let known = Exact::parse(&format!("{{{named}}}"));
        for era in ERAS {
            let result = fleet.result(era, &sent).await;
            let report = result.at("structuredContent");
            assert_eq!(report.at("params").clone().held(), known.clone().held());
            // Members that rmcp does not know are in the message only.
            let whole = Exact::parse(&sent.message(era))
                .at("params")
                .clone()
                .without(&["_meta"]);
            assert_reached(report, &sent, era, &whole);
        }
    });
}

#[test]
fn notifications_of_extensions_reach_the_handler_whole() {
    let case = (method(), members(), members());
    holds(64, case, async |fleet, (method, params, meta)| {
        let sent = Said {
            id: String::new(),
            method,
            params,
            meta,
        };
        for era in ERAS {
            let reply = fleet.cluster.client.send(fleet.post(era, &sent)).await;
            assert_eq!(reply.status(), StatusCode::ACCEPTED);
            let message = sent.message(era);
            assert_eventually!(
                noted(fleet, &message, &sent, era).await,
                "never noted: {message}"
            );
        }
    });
}

async fn noted(fleet: &Mirrored, message: &str, sent: &Said, era: Era) -> bool {
    let noted = fleet
        .result(Era::Modern, &said("1", "mirror/noted", ""))
        .await;
    let Exact::List(reports) = noted.at("noted") else {
        panic!("no list: {noted:?}");
    };
    let report = reports
        .iter()
        .find(|report| report.at("raw").text() == message);
    if let Some(report) = report {
        assert_reached(report, sent, era, report.at("params"));
    }
    report.is_some()
}

#[test]
fn answers_of_the_handler_reach_the_client_as_rmcp_writes_them() {
    holds(128, (value(), string()), async |fleet, (answer, words)| {
        let written: Value = serde_json::from_str(&answer).expect("JSON");
        let written = written.to_string();
        assert_eq!(Exact::parse(&written).held(), Exact::parse(&answer).held());
        let answered = said("1", "vendor/ask", &format!(r#""answer":{answer}"#));
        let refusal = format!(r#""error":{{"code":-7,"message":{words},"data":{answer}}}"#);
        let refused = said("1", "vendor/ask", &refusal);
        for era in ERAS {
            let response = fleet.response(era, &answered).await;
            assert_eq!(
                response,
                format!(r#"{{"jsonrpc":"2.0","id":1,"result":{written}}}"#)
            );
            let response = fleet.response(era, &refused).await;
            let error = Exact::parse(&member(&response, "error").expect("an error"));
            // rmcp takes `null` for no data.
            if written != "null" {
                assert_eq!(*error.at("data"), Exact::parse(&written));
            }
            assert_eq!(*error.at("message"), Exact::parse(&words));
        }
    });
}

#[test]
fn results_of_tools_reach_the_client_whole() {
    let case = (object(), object(), object(), string());
    holds(128, case, async |fleet, (structured, meta, inner, text)| {
        let block = format!(r#"{{"type":"text","text":{text},"_meta":{inner}}}"#);
        let told = format!(
            r#"{{"content":[{block}],"structuredContent":{structured},"_meta":{meta},"isError":true}}"#
        );
        let read: CallToolResult = serde_json::from_str(&told).expect("a result");
        let written = serde_json::to_string(&read).expect("JSON");
        let params = format!(r#""name":"answer","arguments":{{"result":{told}}}"#);
        for era in ERAS {
            let result = fleet.result(era, &said("1", "tools/call", &params)).await;
            let result = result.without(&["resultType"]);
            assert_eq!(result, Exact::parse(&written).without(&["resultType"]));
            assert_eq!(result.held(), Exact::parse(&told).held());
        }
    });
}

#[test]
fn schemas_of_tools_reach_the_client_whole() {
    let case = (members(), object(), members(), object());
    holds(128, case, async |fleet, (input, inner, output, meta)| {
        let known =
            format!(r#""type":"object","properties":{{"p":{inner}}},"$defs":{{"d":{inner}}}"#);
        let input = joined([known.as_str(), input.as_str()]);
        // Of another type, rmcp keeps it from clients that do not know such.
        let output = joined([r#""type":"object""#, output.as_str()]);
        let tool = format!(
            r#"{{"name":"t","inputSchema":{{{input}}},"outputSchema":{{{output}}},"_meta":{meta}}}"#
        );
        let mut list = said("1", "tools/list", "");
        list.meta = format!(r#""{TOOLS}":[{tool}]"#);
        for era in ERAS {
            let tools = fleet.result(era, &list).await.at("tools").clone();
            assert_eq!(tools.held(), Exact::List(vec![Exact::parse(&tool).held()]));
        }
    });
}

#[test]
fn notifications_of_the_handler_reach_the_client_whole() {
    holds(64, (members(), object()), async |fleet, (members, meta)| {
        let meta = format!(r#""_meta":{meta}"#);
        let told = format!("{{{}}}", joined([meta.as_str(), members.as_str()]));
        let params = format!(r#""name":"tell","arguments":{{"params":{told}}}"#);
        for era in ERAS {
            let messages = fleet.messages(era, &said("1", "tools/call", &params)).await;
            let [notification, _response] = messages.as_slice() else {
                panic!("two messages: {messages:?}");
            };
            let got = Exact::parse(&member(notification, "params").expect("params"));
            assert_eq!(got.held(), Exact::parse(&told).held());
        }
    });
}

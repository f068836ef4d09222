//! What the reports say of what happened.

use serde_json::Value;

use crate::{Scratch, Server, load, number};

async fn report(server: &Server, further: &[&str]) -> Value {
    let (url, json) = (server.url(), Scratch::new("report.json"));
    let args = [
        &url,
        "--clients",
        "3",
        "--duration",
        "1s",
        "--json",
        json.path(),
    ];
    let ended = load(&[&args, further].concat()).await;
    assert!(ended.status.success(), "{}", ended.output);
    let report = json.json();
    assert_eq!(report["errors"], 0, "{report:#}");
    assert_eq!(report["lost"], 0, "{report:#}");
    report
}

#[tokio::test]
async fn every_mode_and_method_is_counted() {
    let server = Server::start().await;
    let modern = report(&server, &[]).await;
    assert_eq!(modern["calls"], modern["answered"]);
    assert_eq!(modern["sessions"], 0);
    let parts = modern["timeline"].as_array().expect("is an array");
    let sum: u64 = parts
        .iter()
        .filter_map(|part| part["answered"].as_u64())
        .sum();
    assert_eq!(modern["answered"], sum);

    let session = report(&server, &["--mode", "session"]).await;
    assert_eq!(session["sessions"], 3);
    assert_eq!(session["steps_ms"]["delete"]["count"], 3);

    let each = report(&server, &["--mode", "session-per-call"]).await;
    assert_eq!(each["sessions"], each["calls"]);
    assert_eq!(each["steps_ms"]["initialize"]["count"], each["calls"]);
    assert_eq!(each["steps_ms"]["delete"]["count"], each["calls"]);

    let list = report(&server, &["--method", "tools/list", "--threads", "2"]).await;
    assert!(number(&list["answered"]) > 0.0);
}

#[tokio::test]
async fn events_on_the_way_to_a_response_are_counted() {
    let server = Server::start().await;
    let steps = r#"{"steps":5,"delay_ms":1}"#;
    let args = ["--tool", "long_running", "--arguments", steps, "--progress"];
    for mode in ["modern", "session"] {
        let report = report(&server, &[&args[..], &["--mode", mode]].concat()).await;
        let (events, answered) = (number(&report["events"]), number(&report["answered"]));
        assert!(answered > 0.0 && events >= 5.0 * answered, "{report:#}");
    }
}

#[tokio::test]
async fn the_page_needs_nothing_but_itself() {
    let server = Server::start().await;
    let page = Scratch::new("report.html");
    report(&server, &["--ramp", "1s", "--html", page.path()]).await;
    let html = std::fs::read_to_string(page.path()).expect("is written");
    assert_eq!(html.matches("<svg").count(), 3, "{html}");
    assert_eq!(html.matches("</svg>").count(), 3, "{html}");
    for foreign in ["<script", "src=", "<link", "url(", "NaN", "inf"] {
        assert!(!html.contains(foreign), "{foreign}: {html}");
    }
}

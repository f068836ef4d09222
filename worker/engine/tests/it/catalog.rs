use prynai_bus::wire::catalog::CatalogTool;
use prynai_bus::wire::change::Change;
use prynai_bus::{Catalog, ChangeFeed, News};
use prynai_everything::Everything;
use serde_json::{Value, json};

use crate::stage::{Stage, soon, text};

#[tokio::test]
async fn the_catalog_is_announced() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    // A worker announces before it claims.
    let request = stage.modern_call("echo", json!({"text": "x"}));
    stage.response(&request).await;
    let catalog = stage
        .bus
        .read_catalog()
        .await
        .expect("reads")
        .expect("a catalog");
    let info: Value = catalog.server_info.read().expect("JSON");
    assert_eq!(info["name"], "prynai-everything");
    let capabilities: Value = catalog.capabilities.read().expect("JSON");
    assert_eq!(capabilities["resources"]["subscribe"], true);
    assert!(capabilities["completions"].is_object() && capabilities["logging"].is_object());
    assert_eq!(
        catalog.protocol_versions.last().map(String::as_str),
        Some("2026-07-28")
    );
    let tools_with = |is: fn(&CatalogTool) -> bool| -> Vec<&str> {
        let tools = catalog.tools.iter().filter(|(_, tool)| is(tool));
        tools.map(|(name, _)| name.as_str()).collect()
    };
    let reading = [
        "add",
        "echo",
        "long_running",
        "plan_trip",
        "summarize",
        "whoami",
    ];
    assert_eq!(tools_with(|tool| tool.repeatable), reading);
    assert_eq!(tools_with(|tool| tool.read_only), reading);
    assert_eq!(catalog.tools.len(), 9);
    worker.stop(&stage).await;
}

#[tokio::test]
async fn an_update_of_a_resource_goes_to_all_listeners() {
    let mut stage = Stage::new().await;
    let mut changes = stage.bus.change_news().await.expect("news");
    let worker = stage.serve(Everything::new());
    let uri = "everything://notes/retry";
    let request = stage.modern_call("touch_resource", json!({"uri": uri}));
    let response = stage.response(&request).await;
    assert_eq!(
        text(&response),
        "everything://notes/retry was updated 1 times"
    );
    loop {
        match soon("the change", changes.recv()).await.expect("news") {
            News::Item(change) if change.change == Change::CatalogChanged => {}
            News::Item(change) => {
                let uri = uri.to_owned();
                assert_eq!(change.change, Change::ResourceUpdated { uri });
                break;
            }
            News::Gap => {}
        }
    }
    worker.stop(&stage).await;
}

//! [`Catalog`](prynai_bus::Catalog): what the workers serve; outlives them.

use prynai_bus::wire::FORMAT;
use prynai_bus::wire::catalog::{CatalogRecord, CatalogTool, TaskUse};
use prynai_bus::wire::change::Change;

use crate::scene::{Kind, begun, json, next};

for_both_buses! {
    there_is_no_catalog_before_the_first_announcement,
    a_catalog_is_read_as_it_was_announced,
    only_another_catalog_is_a_change,
}

pub(crate) fn catalog(version: &str) -> CatalogRecord {
    let tool = CatalogTool {
        downstream: Vec::new(),
        repeatable: true,
        read_only: true,
        header_params: [(
            "Region".to_owned(),
            vec!["where".to_owned(), "region".to_owned()],
        )]
        .into(),
        audit: vec!["text".to_owned()],
        tasks: TaskUse::Always,
    };
    CatalogRecord {
        v: FORMAT,
        server_info: json(&format!(r#"{{"name":"everything","version":"{version}"}}"#)),
        capabilities: json(r#"{"tools":{"listChanged":true},"x":1.0}"#),
        instructions: Some("Ask \"nicely\".\n".to_owned()),
        protocol_versions: vec!["2025-11-25".to_owned(), "2026-07-28".to_owned()],
        tools: [
            ("add".to_owned(), tool),
            ("echo".to_owned(), Default::default()),
        ]
        .into(),
        prompts: ["greet".to_owned()].into(),
    }
}

async fn there_is_no_catalog_before_the_first_announcement(kind: Kind) {
    let scene = kind.scene().await;
    assert_eq!(scene.gateways.read_catalog().await.unwrap(), None);
}

async fn a_catalog_is_read_as_it_was_announced(kind: Kind) {
    let scene = kind.scene().await;
    for version in ["1", "2"] {
        let announced = catalog(version);
        scene.workers.announce_catalog(&announced).await.unwrap();
        let read = scene.gateways.read_catalog().await.unwrap();
        assert_eq!(read, Some(announced));
    }
}

async fn only_another_catalog_is_a_change(kind: Kind) {
    let scene = kind.scene().await;
    let start = scene.gateways.newest_change().await.unwrap();
    let mut news = begun(scene.gateways.change_news().await.unwrap()).await;
    let announcements = [
        ("1", true),
        ("1", false),
        ("2", true),
        ("2", false),
        ("1", true),
    ];
    for (version, differs) in announcements {
        let answer = scene.workers.announce_catalog(&catalog(version)).await;
        assert_eq!(answer.unwrap(), differs, "version {version}");
    }
    scene
        .workers
        .publish_change(&Change::ToolsListChanged)
        .await
        .unwrap();

    let page = scene.gateways.read_changes(&start, 100).await.unwrap();
    let changes: Vec<_> = page.changes.iter().map(|c| c.change.clone()).collect();
    let expected = [
        Change::CatalogChanged,
        Change::CatalogChanged,
        Change::CatalogChanged,
        Change::ToolsListChanged,
    ];
    assert_eq!(changes, expected);
    for change in page.changes {
        assert_eq!(next(&mut news).await, change);
    }
}

//! Entries of the queue, in pages.

use prynai_bus::ids::StreamId;
use prynai_bus::operations::{CallName, EntrySight, Operations, Shelf};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::RequestEnvelope;

use crate::scene::{Kind, Scene};

for_both_buses! {
    an_entry_is_told_without_its_message,
    the_queue_is_told_oldest_first_in_pages,
    one_entry_is_found_by_its_names,
    what_is_handed_back_is_told_as_such,
    long_names_are_cut_and_a_uri_is_told_without_secrets,
}

/// All pages of a shelf.
pub(super) async fn walk(
    operations: &dyn Operations,
    shelf: Shelf,
    of: Option<&CallName>,
) -> Vec<Vec<EntrySight>> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = operations.entries(shelf, after.as_ref(), of).await.unwrap();
        pages.push(page.entries);
        after = page.next;
        if after.is_none() {
            return pages;
        }
    }
}

fn named(scene: &Scene, method: &str, name: &str) -> RequestEnvelope {
    RequestEnvelope {
        method: method.to_owned(),
        name: Some(name.to_owned()),
        ..scene.request()
    }
}

async fn an_entry_is_told_without_its_message(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let request = RequestEnvelope {
        principal: Principal::named("alice"),
        deadline_ms: Some(1_785_000_060_000),
        ..named(&scene, "tools/call", "echo")
    };
    let claim = scene.claimed(&request).await;
    let [page] = walk(&*operations, Shelf::Queue, None)
        .await
        .try_into()
        .unwrap();
    let [entry]: [EntrySight; 1] = page.try_into().unwrap();
    assert_eq!(entry.entry, claim.entry.to_string());
    assert_eq!(entry.stream, Some(request.stream.to_string()));
    assert_eq!(entry.holder, Some(scene.gateway.to_string()));
    assert_eq!(entry.method.as_deref(), Some("tools/call"));
    assert_eq!(entry.name.as_deref(), Some("echo"));
    assert_eq!(entry.era.as_deref(), Some("modern"));
    assert_eq!(entry.protocol_version.as_deref(), Some("2026-07-28"));
    assert_eq!(entry.request_id.as_deref(), Some("1"));
    assert_eq!(entry.principal.as_deref(), Some("alice"));
    assert_eq!(entry.session, None);
    assert_eq!(entry.queued_at_ms, Some(request.queued_at_ms));
    assert_eq!(entry.deadline_ms, request.deadline_ms);
    assert!(entry.is_readable && !entry.is_signed && entry.dead.is_none());
    let least = request.message.as_str().len() as u64;
    assert!(
        (least + 1..least + 1000).contains(&entry.bytes),
        "{entry:?}"
    );
    let lease = entry.lease.expect("a worker has it");
    assert_eq!(lease.worker, scene.worker.to_string());
    assert_eq!(lease.delivery, 1);
    assert!(!lease.is_handed_back);
}

async fn the_queue_is_told_oldest_first_in_pages(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let mut streams = Vec::new();
    for _ in 0..250 {
        let request = scene.request();
        streams.push(request.stream.to_string());
        scene.gateways.enqueue(&request).await.unwrap();
    }
    for _ in 0..3 {
        crate::scene::claim_one(&*scene.workers, &scene.worker).await;
    }
    let overview = operations.overview().await.unwrap();
    assert_eq!((overview.waiting, overview.running), (247, 3));
    assert!(overview.oldest_waiting_ms.is_some() && overview.oldest_running_ms.is_some());
    let pages = walk(&*operations, Shelf::Queue, None).await;
    assert_eq!(
        pages.iter().map(Vec::len).collect::<Vec<_>>(),
        [100, 100, 50]
    );
    let entries = pages.concat();
    let told: Vec<_> = entries.iter().filter_map(|e| e.stream.clone()).collect();
    assert_eq!(told, streams);
    let running = entries.iter().filter(|entry| entry.lease.is_some());
    assert_eq!(running.count(), 3);
    assert!(entries[2].lease.is_some());
}

async fn one_entry_is_found_by_its_names(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let mut last = None;
    for _ in 0..120 {
        let request = scene.request();
        let entry = scene.gateways.enqueue(&request).await.unwrap();
        last = Some((request.stream, entry));
    }
    let (stream, entry) = last.expect("one was queued");
    // The names of entries have one form, whichever bus gave them.
    let by_text: CallName = entry.as_str().parse().unwrap();
    assert_eq!(by_text, CallName::Entry(entry.clone()));
    for name in [CallName::Stream(stream), by_text] {
        let found = walk(&*operations, Shelf::Queue, Some(&name)).await.concat();
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0].entry, entry.to_string());
    }
    let other = CallName::Stream(StreamId::generate());
    let found = walk(&*operations, Shelf::Queue, Some(&other))
        .await
        .concat();
    assert_eq!(found.len(), 0);
}

async fn what_is_handed_back_is_told_as_such(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let claim = scene.claimed(&scene.request()).await;
    let entries = [claim.entry];
    let handed_back = scene.workers.hand_back(&scene.worker, &entries, true).await;
    handed_back.unwrap();
    let found = walk(&*operations, Shelf::Queue, None).await.concat();
    let lease = found[0].lease.as_ref().expect("is still told");
    assert!(lease.is_handed_back, "{lease:?}");
    let workers = operations.workers().await.unwrap();
    assert_eq!(workers[0].running, 1, "until somebody takes it");
}

async fn long_names_are_cut_and_a_uri_is_told_without_secrets(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let long = "ä".repeat(1_000);
    for request in [
        named(&scene, "tools/call", &long),
        named(
            &scene,
            "resources/read",
            "db://me:secret@host/row?key=secret",
        ),
        named(&scene, &long, "\u{1b}[2J"),
    ] {
        scene.gateways.enqueue(&request).await.unwrap();
    }
    let entries = walk(&*operations, Shelf::Queue, None).await.concat();
    let names: Vec<_> = entries.iter().filter_map(|e| e.name.as_deref()).collect();
    assert!(
        names[0].starts_with("ää") && names[0].len() < 400,
        "{}",
        names[0]
    );
    assert_eq!(names[1], "db://host/row");
    assert_eq!(names[2], r"\u{1b}[2J");
    let method = entries[2].method.as_deref().expect("is told");
    assert!(method.len() <= 303, "{}", method.len());
}

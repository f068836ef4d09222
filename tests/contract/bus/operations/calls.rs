//! One call, from its queueing until its log is removed.

use prynai_bus::ids::StreamId;
use prynai_bus::operations::{CallName, CallSight, Operations};
use prynai_bus::wire::event::{EventKind, StreamEvent};

use crate::scene::{Kind, append, begun, finish, json, message};

for_both_buses! {
    a_call_is_known_from_its_queueing_to_its_release,
    a_cancelled_call_says_so,
    events_are_told_by_kind_and_shown_only_on_request,
    a_large_event_is_measured_and_not_read,
    events_come_in_pages,
}

async fn look(operations: &dyn Operations, name: &CallName) -> CallSight {
    let call = operations.call(name).await.unwrap();
    call.unwrap_or_else(|| panic!("{name} is not known"))
}

async fn a_call_is_known_from_its_queueing_to_its_release(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let life = std::time::Duration::from_secs(60);
    scene.gateways.beat(&scene.gateway, life).await.unwrap();
    let _heard = begun(scene.gateways.event_news(&scene.gateway).await.unwrap()).await;
    let request = scene.request();
    let name = CallName::Stream(request.stream);
    assert!(operations.call(&name).await.unwrap().is_none());
    let entry = scene.gateways.enqueue(&request).await.unwrap();
    let call = look(&*operations, &name).await;
    assert_eq!(call.entry.as_ref().map(|e| &*e.entry), Some(entry.as_str()));
    assert!(call.log.is_none() && call.worker.is_none() && !call.is_cancelled);
    let holder = call.holder.expect("a gateway waits for it");
    assert!(holder.is_alive && holder.is_listening, "{holder:?}");
    assert!(holder.version.is_some(), "{holder:?}");

    let claim = crate::scene::claim_one(&*scene.workers, &scene.worker).await;
    let owner = claim.ownership(&scene.worker);
    scene.say(&owner, 1).await;
    let call = look(&*operations, &CallName::Entry(entry.clone())).await;
    assert_eq!(call.stream, Some(request.stream.to_string()));
    assert_eq!(
        call.worker.expect("a worker has it").worker,
        scene.worker.to_string()
    );
    let log = call.log.expect("something was written");
    assert_eq!((log.state.as_str(), log.newest), ("open", 1));
    assert_eq!(log.worker, Some(scene.worker.to_string()));
    assert_eq!(
        (log.delivery, log.entry),
        (Some(1), Some(entry.to_string()))
    );
    assert!(log.kept_for_ms.is_some_and(|ms| ms > 60_000));
    let overview = operations.overview().await.unwrap();
    assert_eq!(overview.unfinished_streams, 1);

    scene.respond(&owner, 2).await;
    let call = look(&*operations, &name).await;
    assert!(call.entry.is_none() && call.worker.is_none() && call.dead.is_none());
    assert_eq!(call.log.expect("is kept").state, "finished");
    assert_eq!(operations.overview().await.unwrap().unfinished_streams, 0);
    scene.gateways.release(&[request.stream]).await.unwrap();
    assert!(operations.call(&name).await.unwrap().is_none());
}

async fn a_cancelled_call_says_so(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let owner = scene.owned().await;
    scene.cancel(&owner).await;
    let call = look(&*operations, &CallName::Stream(owner.stream)).await;
    assert!(call.is_cancelled && call.entry.is_some(), "{call:?}");
    assert_eq!(operations.overview().await.unwrap().cancelled, 1);
    let ended = prynai_bus::Finish {
        ownership: owner.clone(),
        record: None,
        earlier: Vec::new(),
        event: None,
    };
    scene.workers.finish(&[ended]).await.unwrap()[0].unwrap();
    let call = look(&*operations, &CallName::Stream(owner.stream)).await;
    assert!(call.is_cancelled && call.entry.is_none(), "{call:?}");
    assert_eq!(operations.overview().await.unwrap().cancelled, 0);
}

async fn events_are_told_by_kind_and_shown_only_on_request(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let owner = scene.owned().await;
    let stream = owner.stream;
    let question = r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create"}"#;
    let failed = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#;
    let events = [
        message(stream, 1),
        StreamEvent::new(stream, 2, EventKind::Message, json(question)),
        StreamEvent::pause(stream, 3),
    ];
    let appended = scene.workers.append_all(&[append(&owner, &events)]).await;
    assert_eq!(appended.unwrap(), [Ok(())]);
    let last = StreamEvent::new(stream, 4, EventKind::Final, json(failed));
    scene
        .workers
        .finish(&[finish(&owner, &last)])
        .await
        .unwrap()[0]
        .unwrap();

    let told = operations.events(&stream, 0, false).await.unwrap();
    let kinds: Vec<_> = told
        .iter()
        .map(|e| e.kind.as_deref().unwrap_or("-"))
        .collect();
    assert_eq!(kinds, ["message", "message", "pause", "final"]);
    assert_eq!(told[0].method.as_deref(), Some("notifications/progress"));
    assert!(!told[0].is_question && told[1].is_question);
    assert_eq!(told[3].error_code, Some(-32603));
    assert!(
        told.iter()
            .all(|event| event.bytes > 0 && event.message.is_none())
    );
    let told = operations.events(&stream, 1, true).await.unwrap();
    assert_eq!(told[0].offset, 2);
    assert_eq!(told[0].message.as_deref(), Some(question));
    let nothing = operations.events(&StreamId::generate(), 0, true).await;
    assert_eq!(nothing.unwrap().len(), 0);
}

async fn a_large_event_is_measured_and_not_read(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let owner = scene.owned().await;
    let large = format!(
        r#"{{"jsonrpc":"2.0","method":"x","params":"{}"}}"#,
        "x".repeat(100_000)
    );
    let event = StreamEvent::new(owner.stream, 1, EventKind::Message, json(&large));
    let appended = scene.workers.append(&owner, &event).await;
    assert_eq!(appended.unwrap(), Ok(()));
    let told = operations.events(&owner.stream, 0, true).await.unwrap();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].bytes > 100_000 && told[0].kind.is_none(),
        "{:?}",
        told[0]
    );
    assert!(told[0].message.is_none());
}

async fn events_come_in_pages(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let owner = scene.owned().await;
    let events: Vec<_> = (1..=150)
        .map(|offset| message(owner.stream, offset))
        .collect();
    for events in events.chunks(50) {
        let appended = scene.workers.append_all(&[append(&owner, events)]).await;
        assert_eq!(appended.unwrap(), [Ok(())]);
    }
    let first = operations.events(&owner.stream, 0, false).await.unwrap();
    let second = operations.events(&owner.stream, 100, false).await.unwrap();
    assert_eq!((first.len(), second.len()), (100, 50));
    assert_eq!(second.last().map(|event| event.offset), Some(150));
}

//! The audit.

use prynai_bus::operations::AuditFrom;
use prynai_bus::wire::audit::{AuditLine, AuditRecord};
use prynai_bus::{BusLimits, Finish, Refusal};

use crate::scene::{Kind, Scene, finish, message, modern_request, response};

for_both_buses! {
    the_record_of_a_call_comes_with_its_end_and_once,
    calls_that_end_together_have_a_record_each,
    a_call_that_another_worker_owns_leaves_no_record,
    what_ends_in_silence_leaves_its_record_once,
    what_is_noted_is_there_in_order,
    a_page_begins_after_a_record,
    an_audit_of_nothing_keeps_nothing,
}

fn line(name: &str) -> AuditLine {
    let record = AuditRecord {
        name: Some(name.into()),
        ..AuditRecord::new("ok")
    };
    record.line().expect("JSON")
}

async fn names(scene: &Scene) -> Vec<String> {
    let page = scene
        .operations()
        .await
        .audit(AuditFrom::Newest(100))
        .await
        .unwrap();
    let name = |record: AuditRecord<'_>| record.name.expect("a name").into_owned();
    let records = page
        .into_iter()
        .map(|sight| sight.record.expect("readable"));
    records.map(name).collect()
}

async fn the_record_of_a_call_comes_with_its_end_and_once(kind: Kind) {
    let scene = kind.scene().await;
    let (quick, spoken) = (scene.owned().await, scene.owned().await);
    scene.say(&spoken, 1).await;
    assert_eq!(names(&scene).await, [""; 0], "nothing has ended");
    let recorded = |ending: Finish, name| Finish {
        record: Some(line(name)),
        ..ending
    };
    let endings = [
        recorded(finish(&quick, &response(quick.stream, 1)), "quick"),
        recorded(finish(&spoken, &response(spoken.stream, 2)), "spoken"),
    ];
    for _ in 0..2 {
        let answers = scene.workers.finish(&endings).await.unwrap();
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
    assert_eq!(names(&scene).await, ["quick", "spoken"]);
}

async fn calls_that_end_together_have_a_record_each(kind: Kind) {
    for lost in [None, Some(5), Some(20)] {
        let scene = kind.scene().await;
        let mut endings = Vec::new();
        for number in 0..21_u8 {
            let owner = scene.owned().await;
            endings.push(Finish {
                record: Some(line(&number.to_string())),
                ..finish(&owner, &response(owner.stream, 1))
            });
        }
        // A call that has no record, and perhaps one that is another worker's: they share an entry with others on
        // Redis, where two entries are full.
        endings[1].record = None;
        if let Some(lost) = lost {
            endings[lost].ownership.delivery = 2;
        }
        let answers = scene.workers.finish(&endings).await.unwrap();
        assert_eq!(answers.iter().position(Result::is_err), lost);
        let ended = (0..21).filter(|number| *number != 1 && Some(*number) != lost);
        let ended: Vec<_> = ended.map(|number| number.to_string()).collect();
        assert_eq!(names(&scene).await, ended);
        let operations = scene.operations().await;
        let newest = operations.audit(AuditFrom::Newest(2)).await.unwrap();
        let newest: Vec<_> = newest.into_iter().map(|sight| sight.record).collect();
        let name =
            |record: &Option<AuditRecord<'_>>| Some(record.as_ref()?.name.as_deref()?.to_owned());
        let newest: Vec<String> = newest.iter().filter_map(name).collect();
        assert_eq!(newest, ended[ended.len() - 2..]);
        let start = "0-0".into();
        let page = operations.audit(AuditFrom::After(&start)).await.unwrap();
        assert_eq!(page.len(), ended.len());
        let rest = operations.audit(AuditFrom::After(&page[ended.len() - 1].entry));
        assert!(rest.await.unwrap().is_empty());
    }
}

async fn a_call_that_another_worker_owns_leaves_no_record(kind: Kind) {
    let scene = kind.scene().await;
    let old = scene.owned().await;
    let worker = prynai_bus::ids::WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    scene.workers.take_over(&new).await.unwrap();
    let ending = |owner, name| Finish {
        record: Some(line(name)),
        ..finish(owner, &response(old.stream, 1))
    };
    let late = scene.workers.finish(&[ending(&old, "old")]).await.unwrap();
    assert_eq!(late, [Err(Refusal::LostOwnership)]);
    scene.workers.finish(&[ending(&new, "new")]).await.unwrap();
    assert_eq!(names(&scene).await, ["new"]);
}

async fn what_ends_in_silence_leaves_its_record_once(kind: Kind) {
    let scene = kind.scene().await;
    let (noted, cancelled, asked) = (
        scene.owned().await,
        scene.owned().await,
        scene.owned().await,
    );
    scene.cancel(&cancelled).await;
    scene.say(&asked, 1).await;
    scene.cancel(&asked).await;
    let endings = [
        Finish {
            event: None,
            record: Some(line("noted")),
            ..finish(&noted, &message(noted.stream, 1))
        },
        Finish {
            event: None,
            record: Some(line("cancelled")),
            ..finish(&cancelled, &message(cancelled.stream, 1))
        },
        Finish {
            record: Some(line("asked")),
            ..finish(&asked, &response(asked.stream, 2))
        },
    ];
    for _ in 0..2 {
        scene.workers.finish(&endings).await.unwrap();
    }
    assert_eq!(names(&scene).await, ["noted", "cancelled", "asked"]);
}

async fn what_is_noted_is_there_in_order(kind: Kind) {
    let scene = kind.scene().await;
    let lines: Vec<AuditLine> = (0..600).map(|n| line(&n.to_string())).collect();
    scene.gateways.note(&lines).await.unwrap();
    let newest = names(&scene).await;
    let expected: Vec<String> = (500..600).map(|n| n.to_string()).collect();
    assert_eq!(newest, expected);
}

async fn a_page_begins_after_a_record(kind: Kind) {
    let scene = kind.scene().await;
    let lines: Vec<AuditLine> = (0..1_100).map(|n| line(&n.to_string())).collect();
    scene.gateways.note(&lines).await.unwrap();
    let operations = scene.operations().await;
    let (mut after, mut pages) = ("0-0".into(), Vec::new());
    loop {
        let page = operations.audit(AuditFrom::After(&after)).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.entry.clone();
        pages.push(page.len());
    }
    assert_eq!(pages, [500, 500, 100]);
}

async fn an_audit_of_nothing_keeps_nothing(kind: Kind) {
    let scene = kind
        .scene_with(BusLimits {
            audit: 0,
            ..BusLimits::default()
        })
        .await;
    let request = modern_request(&scene.gateway);
    let owner = scene.claimed(&request).await.ownership(&scene.worker);
    scene.gateways.note(&[line("noted")]).await.unwrap();
    let ending = Finish {
        record: Some(line("ended")),
        ..finish(&owner, &response(owner.stream, 1))
    };
    scene.workers.finish(&[ending]).await.unwrap();
    assert_eq!(names(&scene).await, [""; 0]);
}

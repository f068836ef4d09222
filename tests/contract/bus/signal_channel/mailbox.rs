//! [`SignalChannel`](prynai_bus::SignalChannel): what a client says to a running call is kept
//! until its worker takes it.

use prynai_bus::ids::{SessionId, StreamId, WorkerId};
use prynai_bus::wire::request::Era;
use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_bus::{BusLimits, Mail, Ownership, Posted};

use crate::scene::{Kind, Scene, json, legacy_request, next};

for_both_buses! {
    mail_is_kept_in_order_and_wakes_the_worker,
    mail_is_taken_once,
    mail_for_no_running_call_is_refused,
    the_mailbox_is_bounded,
    mail_reaches_the_new_owner,
    mail_stays_until_its_owner_has_it,
    mail_that_is_posted_twice_lies_there_once,
    mail_comes_in_parts,
}

impl Scene {
    /// A legacy call in a session, with its first event written.
    async fn call_in(&self, session: &SessionId) -> Ownership {
        let request = legacy_request(&self.gateway, session);
        let owner = self.claimed(&request).await.ownership(&self.worker);
        self.say(&owner, 1).await;
        owner
    }

    async fn post(&self, stream: StreamId, session: &SessionId, text: &str) -> Posted {
        let posted = self.gateways.post_mail(&stream, session, &json(text)).await;
        posted.expect("posted")
    }

    async fn mail(&self, owner: &Ownership) -> Vec<String> {
        let mut received = 0;
        let mut all = Vec::new();
        loop {
            let mail = self.take(owner, received).await;
            if mail.received == received {
                return all;
            }
            all.extend(texts(&mail));
            received = mail.received;
        }
    }

    async fn take(&self, owner: &Ownership, received: u64) -> Mail {
        let taken = self.workers.take_mail(owner, received).await;
        taken.expect("taken")
    }
}

fn texts(mail: &Mail) -> Vec<String> {
    let texts = mail.messages.iter();
    texts.map(|mail| mail.as_str().to_owned()).collect()
}

async fn mail_stays_until_its_owner_has_it(kind: Kind) {
    let scene = kind.scene().await;
    let session = SessionId::generate();
    let owner = scene.call_in(&session).await;
    scene.post(owner.stream, &session, "1").await;
    scene.post(owner.stream, &session, "2").await;
    let first = scene.take(&owner, 0).await;
    assert_eq!(texts(&first), ["1", "2"]);
    assert_eq!(scene.take(&owner, 0).await, first, "it was not received");

    scene.post(owner.stream, &session, "3").await;
    let next = scene.take(&owner, first.received).await;
    assert_eq!(texts(&next), ["3"]);
    assert_eq!(scene.take(&owner, first.received).await, next);

    let worker = WorkerId::generate();
    let new = scene.passed_on(&owner, &worker).await.ownership(&worker);
    scene.workers.take_over(&new).await.unwrap();
    assert_eq!(texts(&scene.take(&new, 0).await), ["3"], "the new owner");
    let none = scene.take(&new, next.received).await;
    assert_eq!(texts(&none), [""; 0]);
    assert_eq!(none.received, next.received);
}

async fn mail_comes_in_parts(kind: Kind) {
    let limits = BusLimits {
        page_bytes: 20,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let session = SessionId::generate();
    let owner = scene.call_in(&session).await;
    let sizes = [1, 2, 12, 50, 60, 3, 4];
    for size in sizes {
        scene.post(owner.stream, &session, &number(size)).await;
    }
    if kind == Kind::Memory {
        assert_eq!(scene.mail(&owner).await, sizes.map(number));
        return;
    }
    let mut received = 0;
    for expected in [&[1, 2, 12][..], &[50], &[60], &[3, 4], &[]] {
        let mail = scene.take(&owner, received).await;
        let expected: Vec<_> = expected.iter().copied().map(number).collect();
        assert_eq!(texts(&mail), expected);
        received = mail.received;
    }
}

/// A message of so many bytes.
fn number(bytes: usize) -> String {
    "1".repeat(bytes)
}

async fn mail_that_is_posted_twice_lies_there_once(kind: Kind) {
    let limits = BusLimits {
        mailbox: 1,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let session = SessionId::generate();
    let owner = scene.call_in(&session).await;
    for _ in 0..2 {
        let posted = scene.post(owner.stream, &session, "1").await;
        assert_eq!(posted, Posted::Accepted);
    }
    assert_eq!(scene.mail(&owner).await, ["1"]);
}

async fn mail_is_kept_in_order_and_wakes_the_worker(kind: Kind) {
    let scene = kind.scene().await;
    let mut signals = scene.signals_of(&scene.worker).await;
    let session = SessionId::generate();
    let owner = scene.call_in(&session).await;

    let letters = [
        r#"{"id":"a.1","result":{"n":1.0}}"#,
        r#"{"id":"a.2"}"#,
        "{}",
    ];
    for letter in letters {
        assert_eq!(
            scene.post(owner.stream, &session, letter).await,
            Posted::Accepted
        );
    }
    for _ in letters {
        assert_eq!(
            next(&mut signals).await,
            Signal::new(owner.stream, SignalKind::Mail)
        );
    }
    assert_eq!(scene.mail(&owner).await, letters);
}

async fn mail_is_taken_once(kind: Kind) {
    let scene = kind.scene().await;
    let session = SessionId::generate();
    let owner = scene.call_in(&session).await;
    assert_eq!(scene.mail(&owner).await, [""; 0]);
    for letter in ["1", "2"] {
        scene.post(owner.stream, &session, letter).await;
        assert_eq!(scene.mail(&owner).await, [letter]);
        assert_eq!(scene.mail(&owner).await, [""; 0]);
        // A message that was taken is another one.
        scene.post(owner.stream, &session, letter).await;
        assert_eq!(scene.mail(&owner).await, [letter]);
    }
}

async fn mail_for_no_running_call_is_refused(kind: Kind) {
    let scene = kind.scene().await;
    let session = SessionId::generate();
    let refused = Posted::NoSuchCall;

    let unknown = StreamId::generate();
    assert_eq!(scene.post(unknown, &session, "1").await, refused, "unknown");

    let request = legacy_request(&scene.gateway, &session);
    let silent = scene.claimed(&request).await.ownership(&scene.worker);
    let stream = silent.stream;
    assert_eq!(scene.post(stream, &session, "1").await, refused, "no event");
    let opened = scene
        .gateways
        .open_log(&stream, &scene.gateway, Some(&session), Era::Legacy)
        .await;
    opened.unwrap();
    assert_eq!(
        scene.post(stream, &session, "1").await,
        refused,
        "only opened"
    );

    scene.say(&silent, 1).await;
    let other = SessionId::generate();
    assert_eq!(
        scene.post(stream, &other, "1").await,
        refused,
        "another session"
    );
    let modern = scene.owned().await;
    scene.say(&modern, 1).await;
    assert_eq!(
        scene.post(modern.stream, &session, "1").await,
        refused,
        "no session"
    );

    scene.respond(&silent, 2).await;
    assert_eq!(scene.post(stream, &session, "1").await, refused, "finished");

    let request = legacy_request(&scene.gateway, &session);
    let begun = scene.claimed(&request).await.ownership(&scene.worker);
    let worker = WorkerId::generate();
    let taken = scene.passed_on(&begun, &worker).await.ownership(&worker);
    scene.workers.take_over(&taken).await.unwrap();
    let posted = scene.post(taken.stream, &session, "1").await;
    assert_eq!(posted, refused, "only taken over");

    let cancelled = scene.call_in(&session).await;
    scene.cancel(&cancelled).await;
    assert_eq!(
        scene.post(cancelled.stream, &session, "1").await,
        refused,
        "cancelled"
    );
    assert_eq!(scene.mail(&silent).await, [""; 0]);
}

async fn the_mailbox_is_bounded(kind: Kind) {
    let limits = BusLimits {
        mailbox: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let session = SessionId::generate();
    let (one, two) = (scene.call_in(&session).await, scene.call_in(&session).await);
    for (letter, expected) in [
        ("1", Posted::Accepted),
        ("2", Posted::Accepted),
        ("3", Posted::Full),
        ("4", Posted::Full),
    ] {
        assert_eq!(scene.post(one.stream, &session, letter).await, expected);
    }
    // Every call has a mailbox of its own.
    assert_eq!(
        scene.post(two.stream, &session, "1").await,
        Posted::Accepted
    );

    let taken = scene.take(&one, 0).await;
    assert_eq!(texts(&taken), ["1", "2"]);
    let posted = scene.post(one.stream, &session, "3").await;
    assert_eq!(posted, Posted::Full, "nobody says that they are received");
    scene.take(&one, taken.received).await;
    assert_eq!(
        scene.post(one.stream, &session, "3").await,
        Posted::Accepted
    );
    assert_eq!(texts(&scene.take(&one, taken.received).await), ["3"]);
}

async fn mail_reaches_the_new_owner(kind: Kind) {
    let scene = kind.scene().await;
    let session = SessionId::generate();
    let old = scene.call_in(&session).await;
    let worker = WorkerId::generate();
    let mut signals = scene.signals_of(&worker).await;
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    scene.workers.take_over(&new).await.unwrap();

    assert_eq!(
        scene.post(old.stream, &session, "1").await,
        Posted::Accepted
    );
    assert_eq!(
        next(&mut signals).await,
        Signal::new(old.stream, SignalKind::Mail)
    );
    assert_eq!(scene.mail(&old).await, [""; 0], "it is not for the old");
    assert_eq!(scene.mail(&new).await, ["1"]);

    scene.cancel(&new).await;
    assert_eq!(
        next(&mut signals).await,
        Signal::new(old.stream, SignalKind::Cancel)
    );
}

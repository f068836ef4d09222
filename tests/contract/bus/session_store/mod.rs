//! [`SessionStore`](prynai_bus::SessionStore): legacy sessions, and which calls run in them.

mod calls;
mod sessions;
mod shares;

use prynai_bus::ids::{EntryId, SessionId, StreamId};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::CallRef;
use prynai_bus::wire::session::{LogLevel, Session, SessionChange};
use prynai_bus::{BeginCall, BegunCall, BusError, Placed, ShareFull};

use crate::scene::{Scene, json, session};

impl Scene {
    async fn end(&self, id: &SessionId) -> Option<Vec<BegunCall>> {
        let owner = Principal::anonymous();
        let ended = self.gateways.end_session(id, &owner).await;
        ended.expect("ended")
    }

    async fn session(&self) -> SessionId {
        let id = SessionId::generate();
        self.gateways
            .create_session(&session(&id))
            .await
            .expect("created");
        id
    }

    pub(crate) async fn touch(&self, id: &SessionId) -> Option<Session> {
        self.touch_as(&Principal::anonymous(), id).await
    }

    async fn touch_as(&self, caller: &Principal, id: &SessionId) -> Option<Session> {
        let touched = self.gateways.touch_session(id, caller, None).await;
        touched.expect("touched").map(|touched| touched.session)
    }

    async fn keep_as(&self, caller: &Principal, id: &SessionId) -> bool {
        let kept = self.gateways.keep_session(id, caller).await;
        kept.expect("touched")
    }

    async fn subscriptions(&self, id: &SessionId) -> Vec<String> {
        let read = self.workers.subscriptions(id).await.expect("read");
        Vec::from_iter(read.expect("the session lives"))
    }

    async fn change(&self, id: &SessionId, change: SessionChange) -> Result<bool, BusError> {
        self.gateways.change_session(id, &change).await
    }

    /// The call that a cancel of `request_id` finds.
    async fn find(&self, id: &SessionId, request_id: &str) -> Option<BegunCall> {
        let mut found = self.find_all(id, request_id).await;
        assert!(found.len() <= 1, "{found:?}");
        found.pop()
    }

    async fn find_all(&self, id: &SessionId, request_id: &str) -> Vec<BegunCall> {
        let found = self.gateways.note_cancel(id, &json(request_id)).await;
        found.expect("looked for")
    }

    /// Begins a call; `None` when there is no room.
    async fn begin(&self, id: &SessionId, request_id: &str) -> Option<StreamId> {
        let begin = BeginCall {
            stream: StreamId::generate(),
            request_id: json(request_id),
        };
        let owner = Principal::anonymous();
        let touched = self.gateways.touch_session(id, &owner, Some(&begin)).await;
        let touched = touched.expect("touched").expect("the session lives");
        touched.has_room.then_some(begin.stream)
    }

    async fn place(&self, id: &SessionId, stream: StreamId) -> (CallRef, Placed) {
        let call = some_call(stream);
        let placed = self.gateways.place_call(id, &call).await;
        (call, placed.expect("placed"))
    }

    /// A call that is queued.
    async fn record(&self, id: &SessionId, request_id: &str) -> BegunCall {
        let stream = self.begin(id, request_id).await.expect("there is room");
        let (call, placed) = self.place(id, stream).await;
        assert_eq!(placed, Placed::Running);
        BegunCall {
            stream,
            entry: Some(call.entry),
        }
    }

    async fn forget(&self, id: &SessionId, stream: StreamId) {
        let forgotten = self.workers.forget_call(id, &stream).await;
        forgotten.expect("forgotten");
    }
}

fn some_call(stream: StreamId) -> CallRef {
    CallRef {
        stream,
        entry: EntryId::from("17-0"),
    }
}

/// Every method treats the session as absent, and leaves it so. Only its end may be asked for again.
async fn is_absent(scene: &Scene, id: &SessionId) {
    assert_eq!(scene.touch(id).await, None);
    assert!(!scene.keep_as(&Principal::anonymous(), id).await);
    assert_eq!(scene.gateways.subscriptions(id).await.unwrap(), None);
    for change in [
        SessionChange::LogLevel(LogLevel::Debug),
        SessionChange::Subscribe("file:///a".to_owned()),
        SessionChange::Unsubscribe("file:///a".to_owned()),
    ] {
        assert!(!scene.change(id, change).await.unwrap());
    }
    let begin = BeginCall {
        stream: StreamId::generate(),
        request_id: json("1"),
    };
    let owner = Principal::anonymous();
    let touched = scene.gateways.touch_session(id, &owner, Some(&begin)).await;
    assert_eq!(touched.unwrap(), None);
    let (_, placed) = scene.place(id, begin.stream).await;
    assert_eq!(placed, Placed::SessionEnded);
    assert_eq!(scene.find(id, "1").await, None);
    scene.forget(id, begin.stream).await;
    assert_eq!(scene.touch(id).await, None);
}

pub(crate) fn is_full<T: std::fmt::Debug>(refused: &Result<T, BusError>, full: ShareFull) {
    assert!(
        matches!(refused, Err(BusError::ShareFull(by)) if *by == full),
        "{refused:?}"
    );
}

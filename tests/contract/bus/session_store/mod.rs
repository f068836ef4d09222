//! [`SessionStore`](prynai_bus::SessionStore): legacy sessions, and which calls run in them.

mod calls;
mod sessions;
mod shares;

use std::time::Duration;

use prynai_bus::ids::SessionId;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::{CallRef, Era, RequestEnvelope};
use prynai_bus::wire::session::{LogLevel, Session, SessionChange};
use prynai_bus::{BusError, Ownership, ShareFull};
use tokio_util::sync::CancellationToken;

use crate::scene::{Scene, finish, json, legacy_request, response, session};

/// How long a claim waits where it may find nothing.
const BRIEF: Duration = Duration::from_millis(10);

impl Scene {
    async fn end(&self, id: &SessionId) -> Option<Vec<CallRef>> {
        let owner = Principal::anonymous();
        let ended = self.gateways.end_session(id, &owner).await;
        Some(ended.expect("ended")?.calls)
    }

    pub(crate) async fn session(&self) -> SessionId {
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
        let touched = self.gateways.touch_session(id, caller).await;
        touched.expect("touched")
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
    pub(crate) async fn find(&self, id: &SessionId, request_id: &str) -> Option<CallRef> {
        let mut found = self.find_all(id, request_id).await;
        assert!(found.len() <= 1, "{found:?}");
        found.pop()
    }

    async fn find_all(&self, id: &SessionId, request_id: &str) -> Vec<CallRef> {
        let found = self.gateways.find_calls(id, &json(request_id)).await;
        found.expect("looked for")
    }

    /// Queues a call.
    async fn call(&self, id: &SessionId, request_id: &str) -> Result<CallRef, BusError> {
        let request = self.call_request(id, request_id);
        let entry = self.gateways.enqueue_call(&request).await?;
        let stream = request.stream;
        Ok(CallRef { stream, entry })
    }

    fn call_request(&self, id: &SessionId, request_id: &str) -> RequestEnvelope {
        RequestEnvelope {
            request_id: Some(json(request_id)),
            ..legacy_request(&self.gateway, id)
        }
    }

    /// A call that is queued.
    pub(crate) async fn called(&self, id: &SessionId, request_id: &str) -> CallRef {
        self.call(id, request_id).await.expect("is queued")
    }

    /// Claims all that waits, and ends this call.
    async fn end_call(&self, id: &SessionId, call: &CallRef, request_id: &str) {
        let never = CancellationToken::new();
        let claimed = self.workers.claim(&self.worker, 64, BRIEF, &never).await;
        claimed.expect("claimed");
        let ownership = Ownership {
            stream: call.stream,
            entry: call.entry.clone(),
            worker: self.worker.clone(),
            delivery: 1,
            holder: self.gateway.clone(),
            session: Some(id.clone()),
            request_id: Some(json(request_id)),
            era: Era::Legacy,
        };
        let event = response(call.stream, 1);
        let finished = self.workers.finish(&[finish(&ownership, &event)]).await;
        assert_eq!(finished.expect("finished"), [Ok(())]);
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
    let called = scene.call(id, "1").await;
    assert!(matches!(called, Err(BusError::SessionEnded)), "{called:?}");
    assert_eq!(scene.find(id, "1").await, None);
    assert_eq!(scene.touch(id).await, None);
}

pub(crate) fn is_full<T: std::fmt::Debug>(refused: &Result<T, BusError>, full: ShareFull) {
    assert!(
        matches!(refused, Err(BusError::ShareFull(by)) if *by == full),
        "{refused:?}"
    );
}

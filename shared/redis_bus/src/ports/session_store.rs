//! [`SessionStore`] on Redis: a hash per session, and a sorted set of all their calls.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, SessionId};
use prynai_bus::wire::WireError;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::{Principal, Share};
use prynai_bus::wire::request::{CallRef, RequestEnvelope};
use prynai_bus::wire::session::{LogLevel, Session, SessionChange};
use prynai_bus::{BusError, EndedSession, SessionStore};
use prynai_process::clock::unix_millis;
use redis::{cmd, pipe};
use tokio::time::Instant;

use crate::bus::RedisBus;
use crate::connection::budget::DEADLINE;
use crate::connection::command::Command;
use crate::ports::shares::Kept;
use crate::scripts::{
    self, ChangeCode, EnqueueCode, FieldChange, QueuedCall, millis, unknown_code,
};

/// The field that counts the subscriptions, for the scripts.
const SUBSCRIPTIONS: &str = "subscriptions";

/// What the field of a subscription begins with; the URI follows.
const SUBSCRIPTION: &str = "subscription:";

/// The field that says when it was opened, in Unix milliseconds of Redis' clock.
const OPENED: &str = "opened";

/// How often the log level of a session may change while a call of it is being queued.
const LEVEL_CHANGES: usize = 8;

/// Bytes of a session that are counted at once while its subscriptions grow.
const COUNTED_AT_ONCE: usize = 16 * 1024;

#[async_trait]
impl SessionStore for RedisBus {
    async fn create_session(&self, session: &Session) -> Result<(), BusError> {
        let (share, kept) = (session.principal.share(), Kept::Session(&session.id));
        let mut fields = session.to_fields()?;
        fields.push((SUBSCRIPTIONS, "0".to_owned()));
        let content = fields
            .iter()
            .map(|(field, value)| field.len() + value.len());
        let content = content.sum();
        let bytes = kept.cost(content);
        self.count_kept(&share, &kept, bytes, self.counted_for())
            .await?;
        let key = self.keys.session(&session.id);
        let mut set = cmd("HSET");
        set.arg(&key);
        for (field, value) in fields {
            set.arg(field).arg(value);
        }
        set.arg("share").arg(share.as_str());
        set.arg("used").arg(bytes).arg("kept").arg(bytes);
        set.arg("counted").arg(unix_millis());
        let (now_ms, life_ms) = (self.clock.now_ms(), millis(self.session_life()));
        set.arg(OPENED).arg(now_ms);
        let mut all = pipe();
        all.atomic().add_command(set);
        all.cmd("PEXPIRE").arg(&key).arg(life_ms);
        all.cmd("ZADD")
            .arg(self.keys.sessions())
            .arg(now_ms.saturating_add(life_ms.saturating_mul(9) / 8))
            .arg(session.id.as_str());
        let touched = Instant::now();
        let created = self.run(&Command::<()>::pipeline(all)).await;
        match &created {
            Ok(()) => self.recent_sessions.note(session, content, touched),
            Err(_) => self.forget_in_time(&share, &kept).await,
        }
        Ok(created?)
    }

    async fn touch_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<Session>, BusError> {
        let (life, subject) = (self.session_life(), &caller.subject);
        let touch = scripts::touch_session(&self.keys, life, id, subject, &Session::FIELDS);
        let touched = Instant::now();
        let (lives, values, count) = self.run(&touch).await?;
        if !lives {
            return Ok(None);
        }
        self.count_session_anew(id, &count).await;
        let bytes = values.iter().flatten().map(String::len).sum();
        let session = Session::from_values(id, values)?;
        self.recent_sessions.note(&session, bytes, touched);
        Ok(Some(session))
    }

    async fn recall_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<Session>, BusError> {
        match self.recent_sessions.recall(id, caller) {
            None => self.touch_session(id, caller).await,
            recalled => Ok(recalled),
        }
    }

    async fn keep_session(&self, id: &SessionId, caller: &Principal) -> Result<bool, BusError> {
        let (life, subject) = (self.session_life(), &caller.subject);
        let touch = scripts::touch_session(&self.keys, life, id, subject, &[]);
        let (lives, _, count) = self.run(&touch).await?;
        self.count_session_anew(id, &count).await;
        Ok(lives)
    }

    async fn subscriptions(&self, id: &SessionId) -> Result<Option<BTreeSet<String>>, BusError> {
        let mut read = cmd("HKEYS");
        read.arg(self.keys.session(id));
        let fields: Vec<String> = self.run(&Command::single(read)).await?;
        let uri = |field: &String| field.strip_prefix(SUBSCRIPTION).map(str::to_owned);
        Ok((!fields.is_empty()).then(|| fields.iter().filter_map(uri).collect()))
    }

    async fn change_session(
        &self,
        id: &SessionId,
        change: &SessionChange,
    ) -> Result<bool, BusError> {
        self.recent_sessions.forget(id);
        let field;
        let change = match change {
            SessionChange::LogLevel(level) => {
                field = level.to_text()?;
                FieldChange::Set(LogLevel::FIELD, &field)
            }
            SessionChange::Subscribe(uri) => {
                field = format!("{SUBSCRIPTION}{uri}");
                FieldChange::Subscribe(&field)
            }
            SessionChange::Unsubscribe(uri) => {
                field = format!("{SUBSCRIPTION}{uri}");
                FieldChange::Unsubscribe(&field)
            }
        };
        let (keys, limits) = (&self.keys, &self.limits);
        let change = |counted| scripts::change_session(keys, limits, id, &change, counted);
        let (code, share, needed) = self.run(&change(None)).await?;
        let mut code = ChangeCode::try_from(code)?;
        if code == ChangeCode::NotCounted {
            let bytes = needed.next_multiple_of(COUNTED_AT_ONCE);
            let (share, kept) = (Share::named(&share), Kept::Session(id));
            self.count_kept(&share, &kept, bytes, self.counted_for())
                .await?;
            let (again, _, _) = self.run(&change(Some(bytes))).await?;
            code = ChangeCode::try_from(again)?;
        }
        match code {
            ChangeCode::Changed => Ok(true),
            ChangeCode::TooManySubscriptions => Err(BusError::Full {
                what: "the list of resource subscriptions of this session",
                limit: self.limits.session_subscriptions,
            }),
            ChangeCode::SessionEnded => Ok(false),
            ChangeCode::NotCounted => Err(unknown_code(code as i64)),
        }
    }

    async fn enqueue_call(&self, request: &RequestEnvelope) -> Result<EntryId, BusError> {
        self.check_queue_room().await?;
        let mut request = Cow::Borrowed(request);
        for _ in 0..LEVEL_CHANGES {
            let sent = Instant::now();
            match self.try_enqueue_call(&request, sent).await? {
                Enqueued::Queued(entry) => return Ok(entry),
                Enqueued::OtherLevel(level) => {
                    if let Some(session) = &mut request.to_mut().session {
                        self.recent_sessions.forget(&session.id);
                        session.log_level = level;
                    }
                }
            }
        }
        let reason = "the log level of the session changes all the time".to_owned();
        Err(BusError::Unavailable(reason))
    }

    async fn count_sessions(&self) -> Result<u64, BusError> {
        let key = self.keys.sessions();
        let mut both = pipe();
        both.cmd("ZREMRANGEBYSCORE").arg(&key).arg("-inf");
        both.arg(format!("({}", self.clock.now_ms())).ignore();
        both.cmd("ZCARD").arg(&key);
        let (count,): (u64,) = self.run(&Command::pipeline(both)).await?;
        Ok(count)
    }

    async fn end_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<EndedSession>, BusError> {
        self.recent_sessions.forget(id);
        // Of one that has ended already what it left says the same.
        let mut read = pipe();
        for key in [self.keys.session(id), self.keys.ended_session(id)] {
            read.cmd("HMGET").arg(key);
            read.arg("share").arg(OPENED).arg("protocol_version");
        }
        let noted: Vec<Noted> = self.run(&Command::pipeline(read)).await?;
        let noted = noted.into_iter().find(|(.., version)| version.is_some());
        let (share, opened_ms, version) = noted.unwrap_or_default();
        let end = scripts::end_session(&self.keys, &self.limits, id, &caller.subject);
        let Some(calls) = self.run(&end).await? else {
            return Ok(None);
        };
        if let Some(share) = share {
            let share = Share::named(&share);
            self.forget_in_time(&share, &Kept::Session(id)).await;
        }
        let lived_ms = opened_ms.map(|opened_ms| self.clock.now_ms().saturating_sub(opened_ms));
        Ok(Some(EndedSession {
            protocol_version: version.unwrap_or_default(),
            calls: call_refs(calls)?,
            lived: lived_ms.map(Duration::from_millis),
        }))
    }

    async fn forget_session(&self, id: &SessionId) -> Result<(), BusError> {
        let mut forget = cmd("UNLINK");
        forget.arg(self.keys.ended_session(id));
        self.run(&Command::<()>::single(forget)).await?;
        Ok(())
    }

    async fn find_calls(
        &self,
        id: &SessionId,
        request_id: &RawJson,
    ) -> Result<Vec<CallRef>, BusError> {
        let find = scripts::find_calls(&self.keys, id, request_id);
        call_refs(self.run(&find).await?)
    }
}

impl RedisBus {
    /// For how long a session is counted. A touch counts it anew after a quarter of its idle time, so it is counted for
    /// at least as long as it lives.
    pub(crate) fn counted_for(&self) -> Option<Duration> {
        Some(self.limits.session_idle.saturating_mul(5) / 4)
    }

    /// For how long a session lives from a touch on: its idle time begins with the last use, and that may be as much
    /// later as a session is recalled.
    fn session_life(&self) -> Duration {
        let idle = self.limits.session_idle;
        idle.saturating_add(self.recent_sessions.recalled_for())
    }

    async fn try_enqueue_call(
        &self,
        request: &RequestEnvelope,
        sent: Instant,
    ) -> Result<Enqueued, BusError> {
        let (Some(session), Some(request_id)) = (&request.session, &request.request_id) else {
            return Err(BusError::SessionEnded);
        };
        let level = session.log_level.map(LogLevel::to_text).transpose()?;
        let fields = self.entry_fields(request)?;
        let call = QueuedCall {
            session: &session.id,
            stream: &request.stream,
            request_id,
            log_level: level.as_deref().unwrap_or_default(),
            fields: &fields,
        };
        let (limit, most) = (self.limits.queue, self.limits.session_calls);
        let counted = self.gauge.may_hold(most).then_some(most);
        let looks = self.gauge.must_look(limit);
        let enqueue = scripts::enqueue_call(&self.keys, &call, counted, looks);
        // Without a connection nothing was sent: then there is no doubt.
        self.hot.link(sent + DEADLINE).await?;
        let (code, said, length) = match self.run(&enqueue).await {
            Ok(answer) => answer,
            Err(fault) => {
                let found = self.not_added(request, sent, fault).await;
                return found.map(Enqueued::Queued);
            }
        };
        if let Some(length) = length {
            self.gauge.saw(length, limit);
        }
        match EnqueueCode::try_from(code)? {
            EnqueueCode::Queued => Ok(Enqueued::Queued(said.as_str().into())),
            EnqueueCode::OtherLevel => {
                let level = (!said.is_empty()).then(|| LogLevel::from_text(said));
                Ok(Enqueued::OtherLevel(level.transpose()?))
            }
            EnqueueCode::SessionEnded => {
                self.recent_sessions.forget(&session.id);
                Err(BusError::SessionEnded)
            }
            EnqueueCode::TooManyCalls => Err(BusError::Full {
                what: "the list of running calls of this session",
                limit: most,
            }),
        }
    }

    /// Counts a session again, if the touch said share and bytes.
    async fn count_session_anew(&self, id: &SessionId, count: &[String]) {
        let [share, bytes] = count else { return };
        let (share, bytes) = (Share::named(share), bytes.parse().unwrap_or(0));
        let (kept, life) = (Kept::Session(id), self.counted_for());
        if let Err(error) = self.count_kept(&share, &kept, bytes, life).await {
            tracing::debug!(%error, "could not count a session again; for a while its share seems too small");
        }
    }
}

/// What a session that ends, or has ended, says of itself: its share, when it was opened, its revision.
type Noted = (Option<String>, Option<u64>, Option<String>);

/// What became of an attempt to queue a call.
enum Enqueued {
    Queued(EntryId),
    /// The session has this log level now.
    OtherLevel(Option<LogLevel>),
}

fn call_refs(calls: scripts::Calls) -> Result<Vec<CallRef>, BusError> {
    let calls = calls.into_iter().map(|(stream, entry)| {
        let stream = stream.parse().map_err(|_| WireError::Invalid {
            field: "stream",
            reason: "not a stream id".to_owned(),
        })?;
        let entry = EntryId::from(entry.as_str());
        Ok(CallRef { stream, entry })
    });
    calls.collect()
}

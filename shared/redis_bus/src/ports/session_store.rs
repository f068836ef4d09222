//! [`SessionStore`] on Redis: a hash per session and one of its running calls.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, SessionId, StreamId};
use prynai_bus::wire::WireError;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::{Principal, Share};
use prynai_bus::wire::request::CallRef;
use prynai_bus::wire::session::{LogLevel, Session, SessionChange};
use prynai_bus::{BeginCall, BegunCall, BusError, Placed, SessionStore, Touched};
use prynai_process::clock::unix_millis;
use redis::{cmd, pipe};
use serde::{Deserialize, Serialize};

use crate::bus::RedisBus;
use crate::connection::command::Command;
use crate::ports::shares::Kept;
use crate::scripts::{self, ChangeCode, FieldChange, millis, unknown_code};

/// The field that counts the subscriptions, for the scripts.
const SUBSCRIPTIONS: &str = "subscriptions";

/// What the field of a subscription begins with; the URI follows.
const SUBSCRIPTION: &str = "subscription:";

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
        let bytes = kept.cost(content.sum());
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
        let mut both = pipe();
        both.atomic().add_command(set);
        both.cmd("PEXPIRE")
            .arg(&key)
            .arg(millis(self.limits.session_idle));
        let created = self.run(&Command::<()>::pipeline(both)).await;
        if created.is_err() {
            self.forget_in_time(&share, &kept).await;
        }
        Ok(created?)
    }

    async fn touch_session(
        &self,
        id: &SessionId,
        caller: &Principal,
        begin: Option<&BeginCall>,
    ) -> Result<Option<Touched>, BusError> {
        let begin = begin.map(RecordedCall::begin).transpose()?;
        let subject = &caller.subject;
        let (keys, limits, begin) = (&self.keys, &self.limits, begin.as_ref());
        let touch = scripts::touch_session(keys, limits, id, subject, begin, &Session::FIELDS);
        let (lives, has_room, values, count) = self.run(&touch).await?;
        if !lives {
            return Ok(None);
        }
        self.count_session_anew(id, &count).await;
        let session = Session::from_values(id, values)?;
        Ok(Some(Touched { session, has_room }))
    }

    async fn keep_session(&self, id: &SessionId, caller: &Principal) -> Result<bool, BusError> {
        let subject = &caller.subject;
        let touch = scripts::touch_session(&self.keys, &self.limits, id, subject, None, &[]);
        let (lives, _, _, count) = self.run(&touch).await?;
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

    async fn end_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<Vec<BegunCall>>, BusError> {
        // Of one that has ended already what it left says the same.
        let mut read = pipe();
        for key in [self.keys.session(id), self.keys.ended_session(id)] {
            read.cmd("HGET").arg(key).arg("share");
        }
        let shares: Vec<Option<String>> = self.run(&Command::pipeline(read)).await?;
        let share = shares.into_iter().flatten().next();
        let end = scripts::end_session(&self.keys, &self.limits, id, &caller.subject);
        let Some(calls) = self.run(&end).await? else {
            return Ok(None);
        };
        if let Some(share) = share {
            let share = Share::named(&share);
            self.forget_in_time(&share, &Kept::Session(id)).await;
        }
        let calls = calls.iter().map(|(stream, call)| {
            let RecordedCall { entry, .. } = serde_json::from_str(call).map_err(WireError::from)?;
            begun(stream, entry)
        });
        calls.collect::<Result<_, _>>().map(Some)
    }

    async fn forget_session(&self, id: &SessionId) -> Result<(), BusError> {
        let mut forget = cmd("UNLINK");
        forget
            .arg(self.keys.ended_session(id))
            .arg(self.keys.session_calls(id));
        self.run(&Command::<()>::single(forget)).await?;
        Ok(())
    }

    async fn place_call(&self, id: &SessionId, call: &CallRef) -> Result<Placed, BusError> {
        let place = scripts::place_call(&self.keys, id, call);
        Ok(match self.run(&place).await? {
            0 => Placed::Running,
            1 => Placed::Cancelled,
            2 => Placed::SessionEnded,
            other => return Err(unknown_code(other)),
        })
    }

    async fn forget_call(&self, id: &SessionId, stream: &StreamId) -> Result<(), BusError> {
        let mut forget = cmd("HDEL");
        forget
            .arg(self.keys.session_calls(id))
            .arg(stream.to_string());
        self.run(&Command::<()>::single(forget)).await?;
        Ok(())
    }

    async fn note_cancel(
        &self,
        id: &SessionId,
        request_id: &RawJson,
    ) -> Result<Vec<BegunCall>, BusError> {
        let cancel = scripts::note_cancel(&self.keys, id, request_id.as_str());
        let found = self.run(&cancel).await?;
        let found = found.into_iter().map(|(stream, entry)| {
            let entry = (!entry.is_empty()).then(|| EntryId::from(entry.as_str()));
            begun(&stream, entry)
        });
        found.collect()
    }
}

impl RedisBus {
    /// For how long a session is counted. A touch counts it anew after a quarter of its idle time, so it is counted for
    /// at least as long as it lives.
    pub(crate) fn counted_for(&self) -> Option<Duration> {
        Some(self.limits.session_idle.saturating_mul(5) / 4)
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

/// A call in its session's list of calls, by its stream. Scripts read and write it: they add `entry` and, until then,
/// `cancelled`.
#[derive(Serialize, Deserialize)]
struct RecordedCall {
    /// The text of the JSON: a script must not read the number.
    request_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entry: Option<EntryId>,
}

impl RecordedCall {
    /// Its field and value.
    fn begin(call: &BeginCall) -> Result<(String, String), WireError> {
        let recorded = Self {
            request_id: call.request_id.as_str().to_owned(),
            entry: None,
        };
        Ok((call.stream.to_string(), serde_json::to_string(&recorded)?))
    }
}

fn begun(stream: &str, entry: Option<EntryId>) -> Result<BegunCall, BusError> {
    let stream = stream.parse().map_err(|_| WireError::Invalid {
        field: "stream",
        reason: "not a stream id".to_owned(),
    })?;
    Ok(BegunCall { stream, entry })
}

//! [`SessionStore`] on Redis: a hash per session and one of its running calls.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, SessionId, StreamId};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::{Principal, Share};
use prynai_bus::wire::request::CallRef;
use prynai_bus::wire::session::{LogLevel, Session, SessionChange};
use prynai_bus::wire::{FORMAT, WireError, check_format};
use prynai_bus::{BeginCall, BegunCall, BusError, Placed, SessionStore, Touched};
use prynai_process::clock::unix_millis;
use redis::{cmd, pipe};
use serde::{Deserialize, Serialize};

use crate::bus::RedisBus;
use crate::connection::command::Command;
use crate::ports::shares::Kept;
use crate::scripts::{self, FieldChange, millis, unknown_code};

/// What the field of a subscription begins with; the URI follows.
const SUBSCRIPTION: &str = "subscription:";

/// Bytes of a session that are counted at once while its subscriptions grow.
const COUNTED_AT_ONCE: usize = 16 * 1024;

/// The fields of a session besides its subscriptions.
const FIELDS: [&str; 6] = [
    "v",
    "principal",
    "protocol_version",
    "client_info",
    "capabilities",
    "log_level",
];

#[async_trait]
impl SessionStore for RedisBus {
    async fn create_session(&self, session: &Session) -> Result<(), BusError> {
        let (share, kept) = (session.principal.share(), Kept::Session(&session.id));
        let fields = to_fields(session)?;
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
        let touch = scripts::touch_session(keys, limits, id, subject, begin, &FIELDS);
        let (lives, has_room, values, count) = self.run(&touch).await?;
        if !lives {
            return Ok(None);
        }
        self.count_session_anew(id, &count).await;
        let session = from_values(id, values)?;
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
                field = level_text(*level)?;
                FieldChange::Set("log_level", &field)
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
        let (mut code, share, needed) = self.run(&change(None)).await?;
        if code == 3 {
            let bytes = needed.next_multiple_of(COUNTED_AT_ONCE);
            let (share, kept) = (Share::named(&share), Kept::Session(id));
            self.count_kept(&share, &kept, bytes, self.counted_for())
                .await?;
            (code, _, _) = self.run(&change(Some(bytes))).await?;
        }
        match code {
            0 => Ok(true),
            1 => Err(BusError::Full {
                what: "the list of resource subscriptions of this session",
                limit: self.limits.session_subscriptions,
            }),
            2 => Ok(false),
            code => Err(unknown_code(code)),
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
            _ => Placed::SessionEnded,
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

    async fn cancel_calls(
        &self,
        id: &SessionId,
        request_id: &RawJson,
    ) -> Result<Vec<BegunCall>, BusError> {
        let cancel = scripts::cancel_calls(&self.keys, id, request_id.as_str());
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
            tracing::debug!(%error, "a session that lives on is not counted for a while");
        }
    }
}

/// A call in its session's books, under its stream. A script adds `entry` and, until then, `cancelled`.
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

fn to_fields(session: &Session) -> Result<Vec<(String, String)>, WireError> {
    let mut fields = vec![
        ("v".to_owned(), FORMAT.to_string()),
        (
            "principal".to_owned(),
            serde_json::to_string(&session.principal)?,
        ),
        (
            "protocol_version".to_owned(),
            session.protocol_version.clone(),
        ),
        (
            "client_info".to_owned(),
            session.client_info.as_str().to_owned(),
        ),
        (
            "capabilities".to_owned(),
            session.capabilities.as_str().to_owned(),
        ),
        ("subscriptions".to_owned(), "0".to_owned()),
    ];
    if let Some(level) = session.log_level {
        fields.push(("log_level".to_owned(), level_text(level)?));
    }
    Ok(fields)
}

/// From the values of [`FIELDS`].
fn from_values(id: &SessionId, values: Vec<Option<String>>) -> Result<Session, WireError> {
    let mut values = FIELDS.into_iter().zip(values);
    let mut take = |field: &'static str| {
        let value = values.next().filter(|(name, _)| *name == field);
        let value = value.and_then(|(_, value)| value);
        value.ok_or(WireError::Missing(field))
    };
    let format = take("v")?.parse().map_err(|_| WireError::Invalid {
        field: "v",
        reason: "not a number".to_owned(),
    })?;
    check_format(format)?;
    Ok(Session {
        id: id.clone(),
        principal: serde_json::from_str(&take("principal")?)?,
        protocol_version: take("protocol_version")?,
        client_info: RawJson::parse(take("client_info")?)?,
        capabilities: RawJson::parse(take("capabilities")?)?,
        log_level: take("log_level").ok().map(level).transpose()?,
    })
}

/// The specification's name of a level, without the quotes of JSON.
fn level_text(level: LogLevel) -> Result<String, WireError> {
    Ok(serde_json::to_string(&level)?.trim_matches('"').to_owned())
}

fn level(text: String) -> Result<LogLevel, WireError> {
    Ok(serde_json::from_value(serde_json::Value::String(text))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_survives_its_fields() {
        let session = Session {
            id: SessionId::generate(),
            principal: Principal::anonymous(),
            protocol_version: "2025-11-25".to_owned(),
            client_info: RawJson::parse(r#"{"name":"a"}"#).unwrap(),
            capabilities: RawJson::parse("{}").unwrap(),
            log_level: Some(LogLevel::Warning),
        };
        let written = to_fields(&session).unwrap();
        let value = |name: &str| {
            let field = written.iter().find(|(field, _)| field == name);
            field.map(|(_, value)| value.clone())
        };
        assert_eq!(value("log_level").as_deref(), Some("warning"));
        let values = FIELDS.map(value).to_vec();
        assert_eq!(from_values(&session.id, values).unwrap(), session);
    }
}

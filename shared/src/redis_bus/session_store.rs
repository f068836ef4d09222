//! [`SessionStore`] on Redis: a hash per session and one of its running calls.

use std::collections::HashMap;

use async_trait::async_trait;
use redis::{cmd, pipe};
use serde::{Deserialize, Serialize};

use super::RedisBus;
use super::scripts::{self, Call, FieldChange, millis};
use crate::bus::{BeginCall, BegunCall, BusError, Placed, SessionStore, Touched};
use crate::ids::{EntryId, SessionId, StreamId};
use crate::wire::message::RawJson;
use crate::wire::principal::Principal;
use crate::wire::request::CallRef;
use crate::wire::session::{LogLevel, Session, SessionChange};
use crate::wire::{FORMAT, WireError, check_format};

/// What the field of a subscription begins with; the URI follows.
const SUBSCRIPTION: &str = "subscription:";

#[async_trait]
impl SessionStore for RedisBus {
    async fn create_session(&self, session: &Session) -> Result<(), BusError> {
        let key = self.keys.session(&session.id);
        let mut set = cmd("HSET");
        set.arg(&key);
        for (field, value) in to_fields(session)? {
            set.arg(field).arg(value);
        }
        let mut both = pipe();
        both.atomic().add_command(set);
        both.cmd("PEXPIRE")
            .arg(&key)
            .arg(millis(self.limits.session_idle));
        self.run(&Call::<()>::pipeline(both)).await?;
        Ok(())
    }

    async fn touch_session(
        &self,
        id: &SessionId,
        caller: &Principal,
        begin: Option<&BeginCall>,
    ) -> Result<Option<Touched>, BusError> {
        let begin = begin.map(RecordedCall::begin).transpose()?;
        let subject = &caller.subject;
        let touch = scripts::touch_session(&self.keys, &self.limits, id, subject, begin.as_ref());
        let (fields, has_room) = self.run(&touch).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        let session = from_fields(id, fields)?;
        Ok(Some(Touched { session, has_room }))
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
        let change = scripts::change_session(&self.keys, &self.limits, id, &change);
        match self.run(&change).await? {
            0 => Ok(true),
            1 => Err(BusError::Full {
                what: "the list of resource subscriptions of this session",
                limit: self.limits.session_subscriptions,
            }),
            _ => Ok(false),
        }
    }

    async fn end_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<Vec<BegunCall>>, BusError> {
        let end = scripts::end_session(&self.keys, &self.limits, id, &caller.subject);
        let Some(calls) = self.run(&end).await? else {
            return Ok(None);
        };
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
        self.run(&Call::<()>::command(forget)).await?;
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
        self.run(&Call::<()>::command(forget)).await?;
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
        (
            "subscriptions".to_owned(),
            session.subscriptions.len().to_string(),
        ),
    ];
    if let Some(level) = session.log_level {
        fields.push(("log_level".to_owned(), level_text(level)?));
    }
    let subscriptions = session.subscriptions.iter();
    fields.extend(subscriptions.map(|uri| (format!("{SUBSCRIPTION}{uri}"), "1".to_owned())));
    Ok(fields)
}

fn from_fields(id: &SessionId, mut fields: HashMap<String, String>) -> Result<Session, WireError> {
    let mut take = |field: &'static str| fields.remove(field).ok_or(WireError::Missing(field));
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
        subscriptions: fields
            .keys()
            .filter_map(|field| field.strip_prefix(SUBSCRIPTION).map(str::to_owned))
            .collect(),
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
            subscriptions: ["test://a".to_owned(), "test://b".to_owned()].into(),
        };
        let fields: HashMap<_, _> = to_fields(&session).unwrap().into_iter().collect();
        assert_eq!(fields["log_level"], "warning");
        assert_eq!(from_fields(&session.id, fields).unwrap(), session);
    }
}

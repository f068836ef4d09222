//! How a record becomes a line.
//!
//! A worker writes one for each call, and `serde_json` takes longer for that: it looks at each byte of each name and of
//! each text by itself.

use std::borrow::Cow;

use serde::Serialize;

use super::AuditRecord;
use crate::wire::WireError;

/// Room for a record of usual length, in bytes.
const ROOM: usize = 512;

/// A longer time, which no call takes, is written as it is.
const LONGEST_MS: f64 = 1e12;

/// The record as JSON: what [`Serialize`] would write, but for the zeros at the end of a time.
pub(super) fn written(record: &AuditRecord<'_>) -> Result<String, WireError> {
    // Without `..`, so that no member can be forgotten here.
    let AuditRecord {
        v,
        timestamp,
        outcome,
        method,
        name,
        principal,
        client,
        kind,
        address,
        scopes,
        roles,
        session,
        rule,
        reason,
        code,
        stream,
        gateway,
        worker,
        attempt,
        queue_ms,
        duration_ms,
        trace_id,
        arguments,
        count,
    } = record;
    let mut line = Line(Vec::with_capacity(ROOM));
    line.value(r#"{"v":"#, v)?;
    if !timestamp.is_empty() {
        line.text(r#","timestamp":"#, timestamp)?;
    }
    line.text(r#","outcome":"#, outcome)?;
    line.optional_text(r#","method":"#, method)?;
    line.optional_text(r#","name":"#, name)?;
    line.optional_text(r#","principal":"#, principal)?;
    line.optional_text(r#","client":"#, client)?;
    line.optional_value(r#","kind":"#, kind)?;
    line.optional_text(r#","address":"#, address)?;
    if !scopes.is_empty() {
        line.value(r#","scopes":"#, scopes)?;
    }
    if !roles.is_empty() {
        line.value(r#","roles":"#, roles)?;
    }
    line.optional_text(r#","session":"#, session)?;
    line.optional_text(r#","rule":"#, rule)?;
    line.optional_text(r#","reason":"#, reason)?;
    line.optional_value(r#","code":"#, code)?;
    line.optional_text(r#","stream":"#, stream)?;
    line.optional_text(r#","gateway":"#, gateway)?;
    line.optional_text(r#","worker":"#, worker)?;
    line.optional_value(r#","attempt":"#, attempt)?;
    line.optional_time(r#","queue_ms":"#, *queue_ms)?;
    line.optional_time(r#","duration_ms":"#, *duration_ms)?;
    line.optional_text(r#","trace_id":"#, trace_id)?;
    line.optional_value(r#","arguments":"#, arguments)?;
    line.optional_value(r#","count":"#, count)?;
    line.0.push(b'}');
    // JSON is text.
    Ok(String::from_utf8(line.0).unwrap_or_default())
}

struct Line(Vec<u8>);

impl Line {
    fn optional_text(
        &mut self,
        name: &str,
        text: &Option<Cow<'_, str>>,
    ) -> Result<(), serde_json::Error> {
        text.as_deref().map_or(Ok(()), |text| self.text(name, text))
    }

    fn text(&mut self, name: &str, text: &str) -> Result<(), serde_json::Error> {
        // All bytes, without an early end: the compiler makes steps of 16 of that.
        let needs_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        let escaped = text
            .bytes()
            .fold(false, |any, byte| any | needs_escape(byte));
        if escaped {
            return self.value(name, text);
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
        Ok(())
    }

    /// With three digits after the point in any case, so that two calls that differ in their times alone take about as
    /// much memory, which scripts/cost compares.
    fn optional_time(&mut self, name: &str, ms: Option<f64>) -> Result<(), serde_json::Error> {
        let Some(ms) = ms.filter(|ms| (0.0..LONGEST_MS).contains(ms)) else {
            return self.optional_value(name, &ms);
        };
        // It is neither negative nor too large.
        let micros = (ms * 1e3).round() as u64;
        self.value(name, &(micros / 1_000))?;
        let digit = |of: u64| b'0' + (micros / of % 10) as u8;
        self.0
            .extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
        Ok(())
    }

    fn optional_value(
        &mut self,
        name: &str,
        value: &Option<impl Serialize>,
    ) -> Result<(), serde_json::Error> {
        value
            .as_ref()
            .map_or(Ok(()), |value| self.value(name, value))
    }

    fn value(
        &mut self,
        name: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), serde_json::Error> {
        self.0.extend_from_slice(name.as_bytes());
        serde_json::to_writer(&mut self.0, value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::wire::principal::CallerKind;

    #[test]
    fn a_line_says_what_serde_writes() {
        let text = |text: &'static str| Some(Cow::Borrowed(text));
        let full = AuditRecord {
            timestamp: "2026-11-30T02:31:07.120Z".into(),
            method: text("tools/call"),
            name: text("a \"name\""),
            principal: text("back\\slash"),
            client: text("line\nend"),
            kind: Some(CallerKind::User),
            address: text("192.0.2.7"),
            scopes: vec!["one".into(), "\"two\"".into()],
            roles: vec!["three".into()],
            session: text("5d1f0c2e8b7a"),
            rule: text("péople\u{7f}"),
            reason: text(""),
            code: Some(-32603),
            stream: text("4b"),
            gateway: text("gw-1"),
            worker: text("wk-1"),
            attempt: Some(2),
            queue_ms: Some(0.4),
            duration_ms: Some(1e21),
            trace_id: text("4bf9"),
            arguments: Some(json!({"account": "a\u{1b}"})),
            count: Some(u64::MAX),
            ..AuditRecord::new("ok")
        };
        let times = |ms| AuditRecord {
            queue_ms: Some(ms),
            ..AuditRecord::new("ok")
        };
        let lengths = [0.0, 0.1, 0.094].map(|ms| written(&times(ms)).expect("is written").len());
        assert_eq!(lengths, [lengths[0]; 3]);
        for record in [
            full,
            times(f64::NAN),
            times(f64::INFINITY),
            AuditRecord::new("refused"),
            AuditRecord::default(),
        ] {
            let line = written(&record).expect("is written");
            let read: Value = serde_json::from_str(&line).expect("is JSON");
            assert_eq!(read, serde_json::to_value(&record).expect("is written"));
        }
    }
}

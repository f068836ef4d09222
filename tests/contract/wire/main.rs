//! Samples of every form ever released (`tests/contract/golden`): this build reads them and writes back the same. A
//! sample is never edited; a new form gets a new one.

mod audit;
mod records;
mod requests;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;

use prynai_bus::ids::{SessionId, StreamId};
use prynai_bus::wire::audit::AuditRecord;
use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::change::ChangeEntry;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::session::{LogLevel, Session};
use prynai_bus::wire::signal::Signal;
use prynai_bus::wire::task::TaskBirth;
use prynai_bus::wire::{WireError, check_format};
use serde_json::{Value, json};

/// The samples by file name; [`every_sample_is_read`] keeps the list complete.
macro_rules! samples {
    ($($name:literal),+ $(,)?) => {
        const SAMPLES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../golden/", $name, ".json")))),+];
    };
}

samples! {
    "audit_call",
    "audit_refused",
    "catalog",
    "catalog_audited",
    "catalog_downstream",
    "catalog_prompts",
    "catalog_read_only",
    "catalog_tasks",
    "change_catalog_changed",
    "change_prompts_list_changed",
    "change_resource_updated",
    "change_resources_list_changed",
    "change_session_changed",
    "change_session_ended",
    "change_session_listening",
    "change_tools_list_changed",
    "event_cancelled",
    "event_final",
    "event_final_sealed",
    "event_message",
    "event_pause",
    "event_see_log",
    "event_task",
    "request_anonymous",
    "request_knock",
    "request_legacy",
    "request_modern",
    "request_ruled",
    "request_signed",
    "request_task",
    "request_trace_state",
    "request_traced",
    "request_visible",
    "session",
    "session_alone",
    "signal_cancel",
    "signal_drain",
    "signal_mail",
    "task_birth",
    "task_birth_named",
}

/// How one kind of entry is read and written.
trait Wire: Sized + PartialEq + Debug {
    /// Whether its format version stands in it.
    const VERSIONED: bool = true;

    fn read(text: &str) -> Result<Self, WireError>;
    fn write(&self) -> String;
}

/// Reads a sample, writes it back, and reads what neighbouring releases might make of it.
fn passes<T: Wire>(name: &str, expected: &T) {
    let sample = SAMPLES.iter().find(|(sample, _)| *sample == name);
    let (_, text) = sample.expect("a sample of this name");
    let written: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(T::read(text).expect(name), *expected);
    let again: Value = serde_json::from_str(&expected.write()).expect("JSON");
    assert_eq!(again, written, "{name}");

    // As text, so that what is inside keeps its order and its numbers.
    let extended = text.replacen('{', r#"{"from_a_later_release":"text","#, 1);
    let read = T::read(&extended);
    assert_eq!(read.expect("an unknown field is ignored"), *expected);

    if T::VERSIONED {
        let newer = as_version_2(text);
        let refused = T::read(&newer);
        assert!(
            matches!(refused, Err(WireError::Newer(2))),
            "{name}: {refused:?}"
        );
    }
}

fn as_version_2(text: &str) -> String {
    let (before, version) = text.split_once(r#""v":"#).expect("a version");
    format!(r#"{before}"v":{}"#, version.replacen('1', "2", 1))
}

/// The fields of a sample.
fn pairs(fields: &HashMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    fields.iter().map(|(field, value)| (&**field, &**value))
}

impl Wire for RequestEnvelope {
    fn read(text: &str) -> Result<Self, WireError> {
        Self::from_fields(pairs(&serde_json::from_str(text)?))
    }

    fn write(&self) -> String {
        let fields: HashMap<_, _> = self.to_fields().expect("fields").into_iter().collect();
        json!(fields).to_string()
    }
}

impl Wire for StreamEvent {
    fn read(text: &str) -> Result<Self, WireError> {
        Self::from_line(text)
    }

    fn write(&self) -> String {
        self.to_line().expect("a line")
    }
}

impl Wire for ChangeEntry {
    fn read(text: &str) -> Result<Self, WireError> {
        Self::from_line(text)
    }

    fn write(&self) -> String {
        self.to_line().expect("a line")
    }
}

impl Wire for Signal {
    fn read(text: &str) -> Result<Self, WireError> {
        let signal: Self = serde_json::from_str(text)?;
        check_format(signal.v)?;
        Ok(signal)
    }

    fn write(&self) -> String {
        serde_json::to_string(self).expect("a line")
    }
}

impl Wire for CatalogRecord {
    fn read(text: &str) -> Result<Self, WireError> {
        Self::from_json(text)
    }

    fn write(&self) -> String {
        self.to_json().expect("JSON")
    }
}

impl Wire for TaskBirth {
    fn read(text: &str) -> Result<Self, WireError> {
        Self::from_json(text)
    }

    fn write(&self) -> String {
        self.to_json().expect("JSON")
    }
}

/// One of a newer format is read as far as it is known: nobody acts on it.
impl Wire for AuditRecord<'static> {
    const VERSIONED: bool = false;

    fn read(text: &str) -> Result<Self, WireError> {
        AuditRecord::read(text)
    }

    fn write(&self) -> String {
        self.line().expect("a line").as_str().to_owned()
    }
}

/// Travels inside a request, whose version it shares.
impl Wire for Session {
    const VERSIONED: bool = false;

    fn read(text: &str) -> Result<Self, WireError> {
        Ok(serde_json::from_str(text)?)
    }

    fn write(&self) -> String {
        serde_json::to_string(self).expect("JSON")
    }
}

fn stream() -> StreamId {
    "0198c5f2a7b47c3e9d10b2f4c6e8a012"
        .parse()
        .expect("a stream id")
}

fn session_id() -> SessionId {
    "5d1f0c2e8b7a4f6390ab12cd34ef5678"
        .parse()
        .expect("a session id")
}

fn raw(text: &str) -> RawJson {
    RawJson::parse(text).expect("JSON")
}

fn session() -> Session {
    Session {
        id: session_id(),
        principal: Principal::anonymous(),
        protocol_version: "2025-11-25".to_owned(),
        client_info: raw(r#"{"name":"inspector","version":"0.17.0"}"#),
        capabilities: raw(r#"{"sampling":{},"elicitation":{}}"#),
        log_level: Some(LogLevel::Info),
    }
}

#[test]
fn every_sample_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
    let files = std::fs::read_dir(folder).expect("the samples");
    let files: BTreeSet<String> = files
        .map(|file| {
            file.expect("a file")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    let listed = SAMPLES.iter().map(|(name, _)| format!("{name}.json"));
    assert_eq!(files, listed.collect());
}

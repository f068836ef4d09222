//! Samples of every form ever released (`tests/contract/golden`): this build reads them and writes back the
//! same. A sample is never edited; a new form gets a new one.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;

use prynai_bus::ids::{SessionId, StreamId};
use prynai_bus::wire::catalog::{CatalogRecord, CatalogTool};
use prynai_bus::wire::change::{Change, ChangeEntry};
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::{CallerKind, Principal};
use prynai_bus::wire::request::{Era, RequestEnvelope};
use prynai_bus::wire::session::{LogLevel, Session};
use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_bus::wire::visible::Visible;
use prynai_bus::wire::{WireError, check_format};
use prynai_process::secret::Secret;
use prynai_redis_bus::signature::{EnvelopeKeys, SIGNATURE};
use serde_json::{Value, json};

/// The samples by file name; [`every_sample_is_read`] keeps the list complete.
macro_rules! samples {
    ($($name:literal),+ $(,)?) => {
        const SAMPLES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../golden/", $name, ".json")))),+];
    };
}

samples! {
    "catalog",
    "catalog_read_only",
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
    "event_message",
    "event_pause",
    "event_see_log",
    "request_anonymous",
    "request_legacy",
    "request_modern",
    "request_signed",
    "request_visible",
    "session",
    "session_alone",
    "signal_cancel",
    "signal_mail",
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

impl Wire for RequestEnvelope {
    fn read(text: &str) -> Result<Self, WireError> {
        Self::from_fields(serde_json::from_str(text)?)
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

#[test]
fn a_legacy_request() {
    let expected = RequestEnvelope {
        stream: stream(),
        holder: "gw-3f9a1c07d2be".into(),
        era: Era::Legacy,
        protocol_version: "2025-11-25".to_owned(),
        method: "tools/call".to_owned(),
        name: Some("long_running".to_owned()),
        request_id: Some(raw("\"call-7\"")),
        principal: Principal::anonymous(),
        session: Some(session()),
        headers: Default::default(),
        queued_at_ms: 1_785_000_000_000,
        deadline_ms: Some(1_785_000_300_000),
        visible: None,
        message: raw(concat!(
            r#"{"jsonrpc":"2.0","id":"call-7","method":"tools/call","params":{"name":"long_running","#,
            r#""arguments":{"seconds":2.0},"_meta":{"progressToken":12345678901234567890}}}"#
        )),
    };
    passes("request_legacy", &expected);
}

#[test]
fn a_modern_request() {
    passes("request_modern", &modern_request(Principal::anonymous()));
}

#[test]
fn a_request_of_an_anonymous_caller_with_an_address() {
    let address = "192.0.2.1".parse().expect("an address");
    let request = modern_request(Principal::anonymous_at(address));
    passes("request_anonymous", &request);
    assert_eq!(request.principal.share().as_str(), "a.192.0.2.1");
}

fn modern_request(principal: Principal) -> RequestEnvelope {
    let headers = [(
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )];
    RequestEnvelope {
        stream: "0198c5f2a7b47c3e9d10b2f4c6e8a013"
            .parse()
            .expect("a stream id"),
        holder: "gw-3f9a1c07d2be".into(),
        era: Era::Modern,
        protocol_version: "2026-07-28".to_owned(),
        method: "tools/list".to_owned(),
        name: None,
        request_id: Some(raw("1")),
        principal,
        session: None,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        queued_at_ms: 1_785_000_000_001,
        deadline_ms: None,
        visible: None,
        message: raw(concat!(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":"#,
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#
        )),
    }
}

/// The signature was made by another implementation of what the module says.
#[test]
fn a_signed_request() {
    let (_, text) = SAMPLES
        .iter()
        .find(|(name, _)| *name == "request_signed")
        .expect("it");
    let mut fields: HashMap<String, String> = serde_json::from_str(text).expect("fields");
    let key = Secret::from("the key of the samples, 32 and more bytes".to_owned());
    let key = EnvelopeKeys::new(&[key]).expect("is a key");
    let queue = "prynai:{main.0}:requests";
    let written: Vec<_> = fields.clone().into_iter().collect();
    key.check_request(queue, &written)
        .expect("is as it was signed");
    let signature = fields.remove(SIGNATURE).expect("is signed");

    let request = RequestEnvelope::from_fields(fields).expect("is read");
    let identity = request.principal.identity.as_ref().expect("is known");
    assert_eq!(
        (&*identity.object_id, identity.kind),
        ("u1", CallerKind::User)
    );
    let again = request.to_fields().expect("fields");
    assert_eq!(key.sign_request(queue, &again), Some(signature));
}

#[test]
fn a_request_of_whose_answer_the_caller_may_see_a_part() {
    let expected = RequestEnvelope {
        stream: "0198c5f2a7b47c3e9d10b2f4c6e8a014"
            .parse()
            .expect("a stream id"),
        holder: "gw-3f9a1c07d2be".into(),
        era: Era::Modern,
        protocol_version: "2026-07-28".to_owned(),
        method: "tools/list".to_owned(),
        name: None,
        request_id: Some(raw("2")),
        principal: Principal::anonymous(),
        session: None,
        headers: Default::default(),
        queued_at_ms: 1_785_000_000_002,
        deadline_ms: None,
        visible: Some(Visible {
            names: ["add".to_owned(), "report_*".to_owned()].into(),
            read_only: ["*".to_owned()].into(),
        }),
        message: raw(concat!(
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"_meta":"#,
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#
        )),
    };
    passes("request_visible", &expected);
}

#[test]
fn a_request_without_a_required_field_is_refused() {
    let (_, text) = SAMPLES
        .iter()
        .find(|(name, _)| *name == "request_modern")
        .expect("it");
    let whole: HashMap<String, String> = serde_json::from_str(text).expect("fields");
    // Without an id it is a notification.
    for field in whole
        .keys()
        .filter(|field| !["headers", "id"].contains(&field.as_str()))
    {
        let mut fields = whole.clone();
        fields.remove(field);
        let refused = RequestEnvelope::from_fields(fields);
        assert!(
            matches!(&refused, Err(WireError::Missing(missing)) if missing == field),
            "{field}: {refused:?}"
        );
    }
}

#[test]
fn events() {
    let message = concat!(
        r#"{"jsonrpc":"2.0","method":"notifications/progress","#,
        r#""params":{"progressToken":12345678901234567890,"progress":0.5}}"#
    );
    let response = concat!(
        r#"{"jsonrpc":"2.0","id":"call-7","#,
        r#""result":{"content":[{"type":"text","text":"done"}]}}"#
    );
    let event = |offset, kind, text| StreamEvent::new(stream(), offset, kind, raw(text));
    passes("event_message", &event(1, EventKind::Message, message));
    passes("event_final", &event(2, EventKind::Final, response));
    passes("event_cancelled", &StreamEvent::cancelled(stream(), 3));
    passes("event_pause", &StreamEvent::pause(stream(), 2));
    passes("event_see_log", &StreamEvent::see_log(stream()));
}

#[test]
fn changes() {
    let session = session_id();
    let uri = "test://static/1".to_owned();
    for (name, change) in [
        ("change_tools_list_changed", Change::ToolsListChanged),
        ("change_prompts_list_changed", Change::PromptsListChanged),
        (
            "change_resources_list_changed",
            Change::ResourcesListChanged,
        ),
        ("change_resource_updated", Change::ResourceUpdated { uri }),
        ("change_catalog_changed", Change::CatalogChanged),
        (
            "change_session_listening",
            Change::SessionListening {
                session: session.clone(),
                listener: stream(),
            },
        ),
        (
            "change_session_changed",
            Change::SessionChanged {
                session: session.clone(),
            },
        ),
        ("change_session_ended", Change::SessionEnded { session }),
    ] {
        passes(name, &ChangeEntry::new(change));
    }
}

#[test]
fn signals() {
    for (name, kind) in [
        ("signal_cancel", SignalKind::Cancel),
        ("signal_mail", SignalKind::Mail),
    ] {
        let stream = stream();
        passes(name, &Signal { v: 1, stream, kind });
    }
}

#[test]
fn a_catalog() {
    let echo = CatalogTool {
        repeatable: true,
        read_only: false,
        header_params: [(
            "Region".to_owned(),
            vec!["where".to_owned(), "region".to_owned()],
        )]
        .into(),
    };
    let versions = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];
    let expected = CatalogRecord {
        v: 1,
        server_info: raw(r#"{"name": "everything", "version": "0.1.0"}"#),
        capabilities: raw(r#"{"tools": {"listChanged": true}, "resources": {"subscribe": true}}"#),
        instructions: Some("Try echo first.".to_owned()),
        protocol_versions: versions.map(str::to_owned).into(),
        tools: [
            ("book_table".to_owned(), CatalogTool::default()),
            ("echo".to_owned(), echo),
        ]
        .into(),
    };
    passes("catalog", &expected);
}

#[test]
fn a_catalog_with_a_tool_that_only_reads() {
    let read_report = CatalogTool {
        repeatable: true,
        read_only: true,
        header_params: Default::default(),
    };
    let expected = CatalogRecord {
        v: 1,
        server_info: raw(r#"{"name": "reports", "version": "0.2.0"}"#),
        capabilities: raw(r#"{"tools": {}}"#),
        instructions: None,
        protocol_versions: vec!["2025-11-25".to_owned(), "2026-07-28".to_owned()],
        tools: [
            ("delete_report".to_owned(), CatalogTool::default()),
            ("read_report".to_owned(), read_report),
        ]
        .into(),
    };
    passes("catalog_read_only", &expected);
}

#[test]
fn a_session() {
    let expected = Session {
        client_info: raw(r#"{"name": "inspector", "version": "0.17.0"}"#),
        capabilities: raw(r#"{"sampling": {}, "elicitation": {}}"#),
        ..session()
    };
    passes("session_alone", &expected);
    // What a session subscribed to was a part of it once, which never left its gateway.
    let (_, text) = SAMPLES
        .iter()
        .find(|(name, _)| *name == "session")
        .expect("it");
    assert_eq!(Session::read(text).expect("is read"), expected);
}

//! What of a task lies in Redis so that whoever reads Redis cannot read it.
//!
//! Sealed are the message of a request whose client takes a task, with the headers for its handler, and of a task: what
//! it says of itself, what it asks, what it leaves for its next round, what it is told, and its response, also where
//! that is kept under an idempotency key. Each is bound to the log of its task and to what it is there.
//!
//! Sealed text is a string of JSON, in base64. So it can stand wherever a message stands, and whoever has no keys finds
//! something there that is no message.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prynai_bus::operations::TaskStatus;
use prynai_bus::wire::WireError;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_process::seal::Seal;
use prynai_process::secret::{Secret, check_keys};

use crate::wire::keys::Keys;

/// What sealed text begins with.
const SEALED: &str = "\"sealed:";

/// Keeps these keys apart from others that are made of the same secret.
const PURPOSE: &str = "task at rest";

/// The fields of an entry that are sealed.
const OF_ENTRIES: [&str; 2] = ["message", "headers"];

/// What operators see in the place of sealed text.
pub(crate) const NOT_SHOWN: &str = "(sealed)";

/// Keys that seal what tasks keep in Redis. The first one seals, all open, so that a key can be replaced while the
/// fleet works. Without keys nothing is sealed, and nothing sealed can be read.
#[derive(Debug, Clone, Default)]
pub struct TaskKeys(Option<Seal>);

/// What a sealed text is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind<'a> {
    /// A field of the entry of its request.
    Entry(&'a str),
    /// What a task says of itself.
    Status,
    /// The request to the client, by the key of the question.
    Question(&'a str),
    /// What the handler names a question by, by its key.
    Name(&'a str),
    /// What the handler left for the next round.
    Left,
    /// What the client answered to the question of this key.
    Answer(&'a str),
    /// The response.
    End,
    /// The response, as it is kept under an idempotency key.
    Outcome,
}

impl<'a> Kind<'a> {
    /// As it is spelled, and which of them.
    pub(crate) fn parts(self) -> (&'static str, &'a str) {
        match self {
            Self::Entry(field) => ("entry", field),
            Self::Status => ("status", ""),
            Self::Question(key) => ("question", key),
            Self::Name(key) => ("name", key),
            Self::Left => ("left", ""),
            Self::Answer(key) => ("answer", key),
            Self::End => ("end", ""),
            Self::Outcome => ("outcome", ""),
        }
    }
}

impl TaskKeys {
    /// Keys from settings, the sealing one first.
    ///
    /// # Errors
    ///
    /// What is wrong with them, without repeating them.
    pub fn new(keys: &[Secret]) -> Result<Self, String> {
        check_keys("--task-key", keys)?;
        Ok(Self(Seal::new(PURPOSE, keys)))
    }

    /// Whether nothing is sealed.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The text as it may lie in Redis; `of` names the log of the task, or what it is kept with.
    pub(crate) fn seal<'a>(&self, of: &str, kind: Kind<'_>, plain: &'a str) -> Cow<'a, str> {
        let Some(seal) = &self.0 else {
            return plain.into();
        };
        let sealed = seal.seal(&context(of, kind), plain.as_bytes());
        let mut text = String::with_capacity(SEALED.len() + sealed.len() * 4 / 3 + 4);
        text.push_str(SEALED);
        STANDARD_NO_PAD.encode_string(sealed, &mut text);
        text.push('"');
        text.into()
    }

    /// The text that [`TaskKeys::seal`] made this of, for the same place.
    ///
    /// # Errors
    ///
    /// [`WireError::Unsealed`] when there are keys and it is not sealed, and [`WireError::CannotBeOpened`].
    pub(crate) fn open<'a>(
        &self,
        of: &str,
        kind: Kind<'_>,
        text: &'a str,
    ) -> Result<Cow<'a, str>, WireError> {
        let sealed = sealed(text);
        match (&self.0, sealed) {
            (None, None) => Ok(text.into()),
            (Some(_), None) => Err(WireError::Unsealed),
            (None, Some(_)) => Err(WireError::CannotBeOpened),
            (Some(seal), Some(sealed)) => {
                let bytes = STANDARD_NO_PAD.decode(sealed).ok();
                let plain = bytes.and_then(|bytes| seal.open(&context(of, kind), &bytes));
                let plain = plain.and_then(|plain| String::from_utf8(plain).ok());
                plain.map(Cow::Owned).ok_or(WireError::CannotBeOpened)
            }
        }
    }

    /// The end of a task as it may lie in its log.
    pub(crate) fn seal_end(&self, log: &str, mut end: StreamEvent) -> StreamEvent {
        if self.0.is_none() {
            return end;
        }
        let is_error =
            |message: &RawJson| TaskStatus::of_response(message.as_str()) == TaskStatus::Failed;
        end.failed = end.message.as_ref().is_some_and(is_error);
        // What is sealed is a string of JSON. Should it be none, nothing is better than what nobody must read.
        end.message = end.message.and_then(|message| {
            let sealed = self.seal(log, Kind::End, message.as_str());
            RawJson::parse(sealed.into_owned()).ok()
        });
        end
    }

    /// The fields of an entry of a request: sealed if its client takes a task.
    ///
    /// # Errors
    ///
    /// When a part cannot be written as JSON.
    pub(crate) fn entry_fields<'a>(
        &self,
        keys: &Keys,
        request: &'a RequestEnvelope,
    ) -> Result<Vec<(&'static str, Cow<'a, str>)>, WireError> {
        let mut fields = request.to_fields()?;
        if !request.takes_task || self.is_empty() {
            return Ok(fields);
        }
        let log = keys.log(&request.stream);
        for (field, value) in &mut fields {
            if OF_ENTRIES.contains(field) {
                let sealed = self.seal(&log, Kind::Entry(field), value).into_owned();
                *value = sealed.into();
            }
        }
        Ok(fields)
    }

    /// Reads the fields of an entry, and opens what is sealed.
    ///
    /// # Errors
    ///
    /// As [`RequestEnvelope::from_fields`] and [`TaskKeys::open`].
    pub(crate) fn read_entry(
        &self,
        keys: &Keys,
        fields: &[(&str, &str)],
    ) -> Result<RequestEnvelope, WireError> {
        let value = |name: &str| {
            let found = fields.iter().find(|(field, _)| *field == name);
            found.map(|(_, value)| *value)
        };
        if value("task") != Some("1") {
            return RequestEnvelope::from_fields(fields.iter().copied());
        }
        let stream = value("stream").and_then(|stream| stream.parse().ok());
        let log = stream.map(|stream| keys.log(&stream)).unwrap_or_default();
        let mut opened = Vec::with_capacity(fields.len());
        for (field, value) in fields {
            let is_sealed = OF_ENTRIES.contains(field);
            opened.push(match is_sealed {
                true => (*field, self.open(&log, Kind::Entry(field), value)?),
                false => (*field, Cow::Borrowed(*value)),
            });
        }
        RequestEnvelope::from_fields(opened.iter().map(|(field, value)| (*field, &**value)))
    }
}

/// What stands in sealed text.
fn sealed(text: &str) -> Option<&str> {
    text.strip_prefix(SEALED)?.strip_suffix('"')
}

/// Whether a text is sealed.
pub(crate) fn is_sealed(text: &str) -> bool {
    sealed(text).is_some()
}

/// The text for people: nobody can read sealed text.
pub(crate) fn shown(text: String) -> String {
    match sealed(&text) {
        Some(_) => NOT_SHOWN.to_owned(),
        None => text,
    }
}

/// A message for people: nobody can read one that is sealed.
pub(crate) fn shown_message(message: RawJson) -> RawJson {
    match sealed(message.as_str()) {
        Some(_) => RawJson::from_value(&NOT_SHOWN).unwrap_or(message),
        None => message,
    }
}

/// Each part with its length, so that no two places look the same.
fn context(of: &str, kind: Kind<'_>) -> Vec<u8> {
    let (kind, name) = kind.parts();
    let mut context = Vec::with_capacity(of.len() + kind.len() + name.len() + 24);
    for part in [of, kind, name] {
        context.extend((part.len() as u64).to_be_bytes());
        context.extend(part.as_bytes());
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"secret":1}"#;

    fn keys(letters: &[&str]) -> TaskKeys {
        let keys: Vec<Secret> = letters.iter().map(|l| l.repeat(32).into()).collect();
        TaskKeys::new(&keys).expect("are good keys")
    }

    #[test]
    fn sealed_text_is_json_that_opens_in_its_own_place_only() {
        let keys = keys(&["a"]);
        let sealed = keys.seal("log", Kind::Answer("k"), PLAIN);
        assert!(!sealed.contains("secret"), "{sealed}");
        assert!(RawJson::parse(&*sealed).is_ok(), "{sealed}");
        let opened = keys.open("log", Kind::Answer("k"), &sealed);
        assert_eq!(opened.expect("is opened"), PLAIN);
        for (of, kind) in [
            ("logk", Kind::Answer("")),
            ("log", Kind::Answer("l")),
            ("log", Kind::Question("k")),
            ("log", Kind::End),
        ] {
            let opened = keys.open(of, kind, &sealed);
            assert!(matches!(opened, Err(WireError::CannotBeOpened)), "{kind:?}");
        }
    }

    #[test]
    fn who_has_keys_takes_nothing_unsealed_and_who_has_none_nothing_sealed() {
        let (none, some) = (TaskKeys::default(), keys(&["b", "a"]));
        assert_eq!(none.seal("log", Kind::End, PLAIN), PLAIN);
        assert_eq!(none.open("log", Kind::End, PLAIN).expect("is open"), PLAIN);
        let refused = some.open("log", Kind::End, PLAIN);
        assert!(matches!(refused, Err(WireError::Unsealed)));
        let sealed = keys(&["a"]).seal("log", Kind::End, PLAIN).into_owned();
        assert!(none.open("log", Kind::End, &sealed).is_err());
        assert!(keys(&["b"]).open("log", Kind::End, &sealed).is_err());
        assert_eq!(some.open("log", Kind::End, &sealed).expect("opens"), PLAIN);
        assert_eq!(shown(sealed), NOT_SHOWN);
        assert_eq!(shown(PLAIN.to_owned()), PLAIN);
    }

    #[test]
    fn a_short_key_is_refused_by_the_name_of_its_setting() {
        let reason = TaskKeys::new(&["short".to_owned().into()]).expect_err("is refused");
        assert!(reason.contains("--task-key"), "{reason}");
    }
}

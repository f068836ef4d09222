//! The `params` of a message, read no further than routing needs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::ops::Range;
use std::time::Duration;

use prynai_bus::wire::absent::is_absent;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::session::LogLevel;
use prynai_bus::wire::task::TASKS;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::members::{
    META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_KEYS, META_LOG_LEVEL, META_PROGRESS_TOKEN,
    META_TASK_TIMES, META_TIMEOUT, Members, NO_MEMBERS, Place, ReadMembers, ReadParams,
};
use super::size_limits::{
    MAX_CLIENT_BYTES, MAX_CURSOR_BYTES, MAX_META_BYTES, MAX_NAME_BYTES, MAX_REQUEST_STATE_BYTES,
    MAX_TOKEN_BYTES, MAX_URI_BYTES, too_large,
};
use crate::refusal::RequestError;

/// The `params` of a message.
#[derive(Debug)]
pub(crate) struct Params {
    message: RawJson,
    given: Given,
}

#[derive(Debug)]
enum Given {
    /// None, or what stands for none.
    Nothing,
    Members(Box<Members>),
    /// An object that cannot be read, and why.
    Unreadable(String),
}

/// What the gateway itself needs of `params`. Members are JSON texts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParamsView<'a> {
    text: &'a str,
    members: &'a Members,
}

/// A message of which only `params` is read.
#[derive(Deserialize)]
struct WithParams<T> {
    params: T,
}

// === impl Params ===

impl Params {
    /// As they were read with their message.
    pub(super) fn new(message: &RawJson, read: Option<ReadParams<'_>>) -> Self {
        let members = read.and_then(|ReadParams(members)| members);
        let given = members.map_or(Given::Nothing, |members| {
            Given::Members(Box::new(members.places_in(message.as_str())))
        });
        Self {
            message: message.clone(),
            given,
        }
    }

    /// Reads them by themselves, to tell what is wrong with them.
    pub(super) fn read_apart(
        message: &RawJson,
        params: Option<&RawValue>,
    ) -> Result<Self, RequestError> {
        let given = match params.map(RawValue::get) {
            Some(text) if !is_absent(text) => {
                if !text.starts_with('{') {
                    let reason = r#"the member "params" must be an object"#;
                    return Err(RequestError::NotJsonRpc(reason.to_owned()));
                }
                match serde_json::from_str::<ReadMembers<'_>>(text) {
                    Ok(members) => Given::Members(Box::new(members.places_in(message.as_str()))),
                    Err(error) => Given::Unreadable(error.to_string()),
                }
            }
            _ => Given::Nothing,
        };
        Ok(Self {
            message: message.clone(),
            given,
        })
    }

    /// Reads the members a `T` names, for a method that the gateway answers itself: another pass over the message.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        let read = match self.given {
            Given::Nothing => serde_json::from_str("{}"),
            _ => self.message.read().map(|WithParams { params }| params),
        };
        read.map_err(|error| RequestError::InvalidParams(error.to_string()))
    }

    /// What routing needs.
    pub(crate) fn view(&self) -> Result<ParamsView<'_>, RequestError> {
        let members = match &self.given {
            Given::Nothing => NO_MEMBERS,
            Given::Members(members) => members,
            Given::Unreadable(reason) => return Err(RequestError::InvalidParams(reason.clone())),
        };
        Ok(ParamsView {
            text: self.message.as_str(),
            members,
        })
    }
}

// === impl ParamsView ===

impl<'a> ParamsView<'a> {
    /// The member that names the target of a method that has one. Extension methods may give
    /// `name` and `uri` another meaning, so only those of known extensions are looked at: whether a handler serves one
    /// is not known here, and one that does not says that there is no such method, whatever the parameters are.
    pub(crate) fn target(&self, method: &str) -> Result<Option<String>, RequestError> {
        match method {
            "tools/call" | "prompts/get" => self.name().map(Some),
            "resources/read" => self.uri().map(Some),
            "resources/directory/read" | "skills/get" => Ok(self.uri().ok()),
            "tasks/get" | "tasks/update" | "tasks/cancel" => self.task_id().map(Some),
            _ => Ok(None),
        }
    }

    /// What `name` says, of a method that must have one.
    pub(crate) fn name(&self) -> Result<String, RequestError> {
        self.string("name", &self.members.name)
    }

    /// What `name` says, if it is written without escapes: without a copy.
    pub(crate) fn plain_name(&self) -> Option<&'a str> {
        let text = self.at(&self.members.name)?;
        let name = text.strip_prefix('"')?.strip_suffix('"')?;
        (!name.contains('\\')).then_some(name)
    }

    /// What `uri` says, of a method that must have one.
    pub(crate) fn uri(&self) -> Result<String, RequestError> {
        self.string("uri", &self.members.uri)
    }

    /// What `taskId` says, of a method that must have one.
    pub(crate) fn task_id(&self) -> Result<String, RequestError> {
        self.string("taskId", &self.members.task_id)
    }

    /// Whether the client takes a task in place of an answer (ext-tasks, draft, Capability Negotiation): it says so in
    /// each request.
    pub(crate) fn takes_tasks(&self) -> bool {
        #[derive(Deserialize)]
        struct Capabilities<'a> {
            #[serde(borrow, default)]
            extensions: BTreeMap<Cow<'a, str>, &'a RawValue>,
        }
        // Few clients have any, so few texts are read. The name of the extension itself may be escaped.
        let capabilities = self.meta(META_CLIENT_CAPABILITIES);
        let said = capabilities.filter(|text| text.contains("extensions"));
        let read = said.and_then(|text| serde_json::from_str::<Capabilities<'_>>(text).ok());
        read.is_some_and(|read| read.extensions.contains_key(TASKS))
    }

    /// The arguments, if there are any.
    pub(crate) fn arguments(&self) -> Option<&'a str> {
        self.at(&self.members.arguments)
    }

    /// A member of `_meta`, unless it is `null`.
    pub(crate) fn meta(&self, key: &str) -> Option<&'a str> {
        let index = META_KEYS.iter().position(|known| *known == key)?;
        self.at(&self.members.meta[index])
            .filter(|text| *text != "null")
    }

    /// Refuses members that have a type of their own in every revision and another one here: a handler
    /// would take them for absent.
    pub(crate) fn check(&self, method: &str) -> Result<(), RequestError> {
        self.check_sizes()?;
        let wrong = |member: &str, expected: &str| {
            Err(RequestError::InvalidParams(format!(
                "{member} must be {expected}"
            )))
        };
        let string = |text: &str| text.starts_with('"');
        let object = |text: &str| text.starts_with('{') || is_absent(text);
        let cursor = self.at(&self.members.cursor);
        if method.ends_with("/list") && cursor.is_some_and(|cursor| !string(cursor)) {
            return wrong("cursor", "a string");
        }
        let token = self.meta(META_PROGRESS_TOKEN);
        if token.is_some_and(|token| !string(token) && !is_integer(token)) {
            return wrong("_meta.progressToken", "a string or an integer");
        }
        if self
            .meta(META_CLIENT_INFO)
            .is_some_and(|info| !object(info))
        {
            return wrong(META_CLIENT_INFO, "an object");
        }
        for key in META_TASK_TIMES {
            self.millis(key)?;
        }
        let level = self.meta(META_LOG_LEVEL);
        if level.is_some_and(|level| serde_json::from_str::<LogLevel>(level).is_err()) {
            return wrong(META_LOG_LEVEL, "a log level");
        }
        let capabilities = self.meta(META_CLIENT_CAPABILITIES);
        let capabilities = capabilities.filter(|given| !is_absent(given));
        let members = capabilities.map(serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>);
        match members {
            Some(Ok(members)) if members.values().all(|member| object(member.get())) => Ok(()),
            None => Ok(()),
            Some(_) => wrong(META_CLIENT_CAPABILITIES, "an object of objects"),
        }
    }

    /// How long the request may take, waiting and running, if its client says so.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, RequestError> {
        self.millis(META_TIMEOUT)
    }

    fn millis(&self, key: &str) -> Result<Option<Duration>, RequestError> {
        let wrong = || {
            let reason = format!("{key} must be a positive integer of milliseconds");
            RequestError::InvalidParams(reason)
        };
        self.meta(key)
            .map(|text| serde_json::from_str::<NonZeroU64>(text).map_err(|_| wrong()))
            .transpose()
            .map(|millis| millis.map(|millis| Duration::from_millis(millis.get())))
    }

    /// Refuses what is larger than its bound.
    fn check_sizes(&self) -> Result<(), RequestError> {
        let Members {
            name,
            uri,
            cursor,
            request_state,
            meta_bytes,
            ..
        } = self.members;
        let size = |place: &Place| place.as_ref().map_or(0, Range::len);
        let meta = |key: &str| self.meta(key).map_or(0, str::len);
        let client = meta(META_CLIENT_INFO) + meta(META_CLIENT_CAPABILITIES);
        for (field, bytes, most) in [
            ("name", size(name), MAX_NAME_BYTES),
            ("uri", size(uri), MAX_URI_BYTES),
            ("cursor", size(cursor), MAX_CURSOR_BYTES),
            ("requestState", size(request_state), MAX_REQUEST_STATE_BYTES),
            (
                "_meta.progressToken",
                meta(META_PROGRESS_TOKEN),
                MAX_TOKEN_BYTES,
            ),
            (
                "clientInfo and clientCapabilities in _meta",
                client,
                MAX_CLIENT_BYTES,
            ),
            ("_meta", *meta_bytes, MAX_META_BYTES),
        ] {
            if bytes > most {
                return Err(too_large(field, bytes, most));
            }
        }
        Ok(())
    }

    fn string(&self, member: &str, place: &Place) -> Result<String, RequestError> {
        let text = self
            .at(place)
            .and_then(|text| serde_json::from_str(text).ok());
        text.ok_or_else(|| RequestError::InvalidParams(format!("{member:?} must be a string")))
    }

    fn at(&self, place: &Place) -> Option<&'a str> {
        self.text.get(place.clone()?)
    }
}

/// Whether a JSON number is an integer by its form, of whatever size.
pub(super) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::envelope::{Message, Request};

    fn request(params: &str) -> Request {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
        match Message::parse(&body) {
            Ok(Message::Request(request)) => request,
            other => panic!("{params}: {other:?}"),
        }
    }

    #[test]
    fn a_client_takes_tasks_however_it_writes_that() {
        let takes = |capabilities: &str| {
            let key = "io.modelcontextprotocol/clientCapabilities";
            let request = request(&format!(r#"{{"_meta":{{"{key}":{capabilities}}}}}"#));
            request.params.view().expect("is read").takes_tasks()
        };
        assert!(takes(
            r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#
        ));
        assert!(takes(
            r#"{"extensions":{"io.modelcontextprotocol\/tasks":{}}}"#
        ));
        assert!(!takes(
            r#"{"extensions":{"io.modelcontextprotocol/ui":{}}}"#
        ));
        assert!(!takes(r#"{"tasks":{}}"#));
    }

    #[test]
    fn every_field_is_taken_at_its_bound_and_refused_beyond() {
        for (form, most) in [
            (r#"{"name":@}"#, MAX_NAME_BYTES),
            (r#"{"uri":@}"#, MAX_URI_BYTES),
            (r#"{"cursor":@}"#, MAX_CURSOR_BYTES),
            (r#"{"requestState":@}"#, MAX_REQUEST_STATE_BYTES),
            (r#"{"_meta":{"progressToken":@}}"#, MAX_TOKEN_BYTES),
            (
                r#"{"_meta":{"io.modelcontextprotocol/clientInfo":@}}"#,
                MAX_CLIENT_BYTES,
            ),
            (
                r#"{"_meta":{"io.modelcontextprotocol/clientCapabilities":@}}"#,
                MAX_CLIENT_BYTES,
            ),
            (r#"{"_meta":{"x":@}}"#, MAX_META_BYTES - 1),
        ] {
            let of = |bytes: usize| form.replace('@', &format!("\"{}\"", "x".repeat(bytes - 2)));
            let check = |bytes: usize| request(&of(bytes)).params.view().unwrap().check_sizes();
            assert!(check(most).is_ok(), "{form}");
            let refused = check(most + 1);
            assert!(
                matches!(refused, Err(RequestError::InvalidParams(_))),
                "{form}"
            );
        }
    }

    #[test]
    fn members_are_found_where_they_lie() {
        let request = request(
            r#"{ "x": {"name": 1}, "n\u0061me" : "\u0061", "arguments":{ "name":[ ] },
               "_meta": {"progressToken":1.50,"x":{},"progress\u0054oken": 7 , "ai.prynai/timeoutMs":null} }"#,
        );
        let view = request.params.view().unwrap();
        assert_eq!(view.name().unwrap(), "a");
        assert!(view.uri().is_err());
        assert_eq!(view.arguments(), Some(r#"{ "name":[ ] }"#));
        // Of two the last, as with every other reader of JSON.
        assert_eq!(view.meta("progressToken"), Some("7"));
        assert_eq!(view.timeout().unwrap(), None);
        assert_eq!(view.meta("x"), None, "nobody asks for it");
    }

    #[test]
    fn params_that_cannot_be_read_are_a_fault_of_the_params_alone() {
        for params in [
            r#"{"name":"a","name":"b"}"#,
            r#"{"_meta":7}"#,
            r#"{"_meta":[1]}"#,
            r#"{"_meta":{},"_meta":{}}"#,
            r#"{"\ud800":1}"#,
            r#"{"_meta":{"\ud800":1}}"#,
        ] {
            let refused = request(params).params.view().map(drop);
            assert!(
                matches!(refused, Err(RequestError::InvalidParams(_))),
                "{params}"
            );
        }
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{},"params":7}"#;
        assert!(matches!(Message::parse(text), Ok(Message::Response(_))));
    }
}

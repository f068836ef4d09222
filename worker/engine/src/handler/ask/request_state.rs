//! Keys that sign what a modern client carries from round to round.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prynai_process::secret::{Secret, check_keys};
use rmcp::ErrorData;
use rmcp::model::{InputResponses, RequestStateCodec, SealOptions};

/// How long a client may take for its answers.
const STATE_TTL: Duration = Duration::from_secs(24 * 3600);

/// Longest `requestState`, in bytes: it travels in every further round.
const MOST_STATE_BYTES: usize = 256 * 1024;

/// Keys that sign `requestState` (2026-07-28, Multi Round-Trip Requests). The first one signs, all are
/// accepted, so that a key can be replaced without losing what is under way.
#[derive(Clone, Default)]
pub struct RequestStateKeys {
    codecs: Arc<[RequestStateCodec]>,
    /// Whether the call is a task by now: then its state stays on the bus, and its client does not carry it.
    is_task: Arc<AtomicBool>,
    /// The present state may come from the bus.
    from_bus: bool,
}

/// What the state of a task begins with, which need not be signed.
const UNSIGNED: &str = "task:";

impl RequestStateKeys {
    /// Keys from settings, the signing one first. Without keys no question may depend on another in
    /// the modern era.
    ///
    /// # Errors
    ///
    /// What is wrong with them, without repeating them.
    pub fn new(keys: &[Secret]) -> Result<Self, String> {
        check_keys("--state-key", keys)?;
        let codec = |key: &Secret| RequestStateCodec::try_new(key.expose().as_bytes());
        let codecs: Result<Arc<_>, _> = keys.iter().map(codec).collect();
        let keys = codecs.map(Self::of);
        keys.map_err(|error| error.to_string())
    }

    /// A key of its own for one process.
    pub fn random() -> Self {
        let key: [u8; 32] = rand::random();
        Self::of(Arc::new([RequestStateCodec::new_unchecked(key)]))
    }

    fn of(codecs: Arc<[RequestStateCodec]>) -> Self {
        Self {
            codecs,
            ..Self::default()
        }
    }

    /// The same for one call, which may become a task while it runs; `again`: what it left comes from the bus.
    pub(crate) fn of_call(&self, is_task: Arc<AtomicBool>, again: bool) -> Self {
        Self {
            codecs: Arc::clone(&self.codecs),
            is_task,
            from_bus: again,
        }
    }

    fn stays_on_the_bus(&self) -> bool {
        self.is_task.load(Ordering::Relaxed)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.codecs.is_empty()
    }

    /// Refuses when nothing could be signed.
    pub(crate) fn check(&self) -> Result<(), ErrorData> {
        match self.is_empty() && !self.stays_on_the_bus() {
            true => Err(no_key()),
            false => Ok(()),
        }
    }

    /// Signs answers for the request that `binding` describes.
    pub(crate) fn seal(
        &self,
        answers: &InputResponses,
        binding: &str,
    ) -> Result<String, ErrorData> {
        let state = match self.stays_on_the_bus() {
            false => self.sign(answers, binding)?,
            true => {
                let answers = serde_json::to_string(answers).map_err(internal)?;
                format!("{UNSIGNED}{answers}")
            }
        };
        if state.len() > MOST_STATE_BYTES {
            let reason = "the answers and results are too large to be carried to the next question";
            return Err(ErrorData::invalid_params(reason, None));
        }
        Ok(state)
    }

    fn sign(&self, answers: &InputResponses, binding: &str) -> Result<String, ErrorData> {
        let signing = self.codecs.first().ok_or_else(no_key)?;
        let options = SealOptions::new()
            .associated_data(binding.as_bytes())
            .ttl(STATE_TTL);
        signing.seal_json_with(answers, &options).map_err(internal)
    }

    /// Reads answers that were signed for the request that `binding` describes. Whatever is wrong, the
    /// client hears the same.
    pub(crate) fn open(&self, state: &str, binding: &str) -> Result<InputResponses, ErrorData> {
        self.check()?;
        let unsigned = state.strip_prefix(UNSIGNED);
        if let Some(answers) = unsigned.filter(|_| self.from_bus) {
            return serde_json::from_str(answers).map_err(internal);
        }
        self.codecs
            .iter()
            .find_map(|key| key.open_json_with(state, binding.as_bytes()).ok())
            .ok_or_else(|| {
                let reason = "requestState is not valid for this request, or has expired; \
                              send the request again without it";
                ErrorData::invalid_params(reason, None)
            })
    }
}

fn internal(error: impl fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

fn no_key() -> ErrorData {
    tracing::error!(
        "a tool asked a second question, or asked after work, which needs --state-key; \
         set it, the same on every worker"
    );
    let reason = "the server is not set up for a second question, nor for one after work";
    ErrorData::internal_error(reason, None)
}

impl fmt::Debug for RequestStateKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestStateKeys({})", self.codecs.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(keys: &[&str]) -> RequestStateKeys {
        let keys: Vec<Secret> = keys.iter().map(|key| key.repeat(32).into()).collect();
        RequestStateKeys::new(&keys).expect("are good keys")
    }

    fn answers() -> InputResponses {
        InputResponses::from([("name".to_owned(), json!({ "action": "accept" }))])
    }

    #[test]
    fn what_one_worker_signed_another_reads_and_a_key_can_be_replaced() {
        let state = keys(&["a"]).seal(&answers(), "x").expect("is sealed");
        for reader in [keys(&["a"]), keys(&["b", "a"])] {
            assert_eq!(reader.open(&state, "x").expect("is opened"), answers());
        }
        assert!(keys(&["b"]).open(&state, "x").is_err());
    }

    #[test]
    fn a_state_is_of_use_for_its_own_request_only_and_not_when_changed() {
        let keys = keys(&["a"]);
        let state = keys.seal(&answers(), "x").expect("is sealed");
        assert!(keys.open(&state, "y").is_err());
        assert!(keys.open(&format!("{state}-TAMPERED"), "x").is_err());
        assert!(keys.open("", "x").is_err());
    }

    #[test]
    fn what_a_task_leaves_is_not_signed_and_no_client_can_give_it() {
        let none = RequestStateKeys::default();
        let task = || Arc::new(AtomicBool::new(true));
        let first = none.of_call(task(), false);
        let state = first.seal(&answers(), "x").expect("is left");
        let again = none.of_call(task(), true);
        assert_eq!(again.open(&state, "x").expect("is read"), answers());
        for client in [first, none, keys(&["a"])] {
            assert!(client.open(&state, "x").is_err());
        }
        // What was signed before the call became a task is good afterwards.
        let keys = keys(&["a"]);
        let state = keys.seal(&answers(), "x").expect("is sealed");
        let opened = keys.of_call(task(), true).open(&state, "x");
        assert_eq!(opened.expect("is opened"), answers());
    }

    #[test]
    fn a_state_stays_on_the_bus_once_its_call_is_a_task() {
        let becomes_task = Arc::new(AtomicBool::new(false));
        let call = keys(&["a"]).of_call(Arc::clone(&becomes_task), false);
        let none = RequestStateKeys::default().of_call(Arc::clone(&becomes_task), false);
        let state = call.seal(&answers(), "x").expect("is sealed");
        assert!(!state.starts_with(UNSIGNED) && none.check().is_err());
        becomes_task.store(true, Ordering::Relaxed);
        let state = call.seal(&answers(), "x").expect("is left");
        assert!(state.starts_with(UNSIGNED) && none.check().is_ok());
    }

    #[test]
    fn the_size_of_a_state_is_bounded() {
        let text = "x".repeat(MOST_STATE_BYTES);
        let large = InputResponses::from([("text".to_owned(), json!(text))]);
        assert!(keys(&["a"]).seal(&large, "x").is_err());
    }

    #[test]
    fn a_short_key_is_refused_by_the_name_of_its_setting() {
        let reason = RequestStateKeys::new(&["short".to_owned().into()]).expect_err("is refused");
        assert!(reason.contains("--state-key"), "{reason}");
    }
}

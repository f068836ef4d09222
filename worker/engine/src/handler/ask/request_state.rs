//! Keys that sign what a modern client carries from round to round.

use std::fmt;
use std::sync::Arc;
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
pub struct RequestStateKeys(Arc<[RequestStateCodec]>);

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
        codecs.map(Self).map_err(|error| error.to_string())
    }

    /// A key of its own for one process.
    pub fn random() -> Self {
        let key: [u8; 32] = rand::random();
        Self(Arc::new([RequestStateCodec::new_unchecked(key)]))
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses when nothing could be signed.
    pub(crate) fn check(&self) -> Result<(), ErrorData> {
        match self.is_empty() {
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
        let signing = self.0.first().ok_or_else(no_key)?;
        let options = SealOptions::new()
            .associated_data(binding.as_bytes())
            .ttl(STATE_TTL);
        let state = signing
            .seal_json_with(answers, &options)
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        if state.len() > MOST_STATE_BYTES {
            let reason = "the answers and results are too large to be carried to the next question";
            return Err(ErrorData::invalid_params(reason, None));
        }
        Ok(state)
    }

    /// Reads answers that were signed for the request that `binding` describes. Whatever is wrong, the
    /// client hears the same.
    pub(crate) fn open(&self, state: &str, binding: &str) -> Result<InputResponses, ErrorData> {
        self.check()?;
        self.0
            .iter()
            .find_map(|key| key.open_json_with(state, binding.as_bytes()).ok())
            .ok_or_else(|| {
                let reason = "requestState is not valid for this request, or has expired; \
                              send the request again without it";
                ErrorData::invalid_params(reason, None)
            })
    }
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
        write!(f, "RequestStateKeys({})", self.0.len())
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

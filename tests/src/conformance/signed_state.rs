//! What a tool remembers between two rounds: the client keeps it, and must not change it (2026-07-28, Multi Round-Trip
//! Requests, `requestState`).

use rmcp::ErrorData;
use rmcp::model::{RequestStateCodec, SealOptions};

/// Known to everybody: these are fixtures. All workers must share it.
const KEY: &[u8] = b"the key of the conformance fixtures, which protects nothing";
const _: () = assert!(KEY.len() >= RequestStateCodec::MIN_KEY_LENGTH);

/// Seals `state` for the next round of `tool`.
pub(super) fn seal(tool: &str, state: &str) -> String {
    let options = SealOptions::new().associated_data(tool.as_bytes());
    codec().seal_with(state.as_bytes(), &options)
}

/// The state that an earlier round of `tool` sealed; `None` in the first round.
///
/// # Errors
///
/// When it is not as it was sealed.
pub(super) fn open(tool: &str, sealed: Option<&str>) -> Result<Option<String>, ErrorData> {
    let Some(sealed) = sealed else {
        return Ok(None);
    };
    let opened = codec().open_with(sealed, tool.as_bytes());
    let state = opened.map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
    Ok(Some(String::from_utf8_lossy(&state).into_owned()))
}

fn codec() -> RequestStateCodec {
    RequestStateCodec::new_unchecked(KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_opened_by_its_own_tool_only() {
        let sealed = seal("a", "step 1");
        let opened = open("a", Some(&sealed)).expect("is genuine");
        assert_eq!(opened.as_deref(), Some("step 1"));
        assert!(open("b", Some(&sealed)).is_err());
        assert!(open("a", Some(&format!("{sealed}-TAMPERED"))).is_err());
    }
}

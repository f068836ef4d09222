//! How large each field of a message may be. The body bounds the sum ([`crate::streamable_http::BODY_LIMIT`]), and
//! alone what has no bound of its own: `arguments`, `inputResponses` and what a client answers or tells a handler.

use serde_json::value::RawValue;

use crate::envelope::{META_CLIENT_CAPABILITIES, META_CLIENT_INFO, ParamsView};
use crate::error::RequestError;

/// Longest JSON-RPC id taken, in bytes of JSON: it is stored and echoed.
pub(crate) const MAX_ID_BYTES: usize = 1024;

/// Longest method, in bytes of text: it is stored beside the message.
pub(crate) const MAX_METHOD_BYTES: usize = 256;

/// Most bytes of `clientInfo` and `capabilities` together: they travel with every request.
pub(crate) const MAX_CLIENT_BYTES: usize = 64 * 1024;

/// Longest URI that may be subscribed to, in bytes of text.
pub(crate) const MAX_SUBSCRIBED_URI_BYTES: usize = 2 * 1024;

/// Most resources that one `subscriptions/listen` may name, and bytes of their URIs: its stream holds them.
pub(crate) const MAX_LISTENED_URIS: usize = 1_000;
pub(crate) const MAX_LISTENED_BYTES: usize = 256 * 1024;

/// In bytes of JSON, as are the following. It is written into every progress notification.
const MAX_TOKEN_BYTES: usize = 1024;

/// A tool's or prompt's name; it is stored beside the message.
const MAX_NAME_BYTES: usize = 1024;

/// A resource's URI; it is stored beside the message.
const MAX_URI_BYTES: usize = 8 * 1024;

/// A cursor is a handler's, and comes back.
const MAX_CURSOR_BYTES: usize = 8 * 1024;

/// What a worker makes of 256 KiB of state, and room.
const MAX_REQUEST_STATE_BYTES: usize = 512 * 1024;

/// All of `_meta`.
const MAX_META_BYTES: usize = 128 * 1024;

impl ParamsView<'_> {
    /// Refuses what is larger than its bound.
    pub(crate) fn check_sizes(&self) -> Result<(), RequestError> {
        let size = |raw: Option<&RawValue>| raw.map_or(0, |raw| raw.get().len());
        let meta = self.meta.iter().flatten();
        let client = size(self.meta(META_CLIENT_INFO)) + size(self.meta(META_CLIENT_CAPABILITIES));
        for (field, bytes, most) in [
            ("name", size(self.name), MAX_NAME_BYTES),
            ("uri", size(self.uri), MAX_URI_BYTES),
            ("cursor", size(self.cursor), MAX_CURSOR_BYTES),
            (
                "requestState",
                size(self.request_state),
                MAX_REQUEST_STATE_BYTES,
            ),
            (
                "_meta.progressToken",
                size(self.meta("progressToken")),
                MAX_TOKEN_BYTES,
            ),
            (
                "clientInfo and clientCapabilities in _meta",
                client,
                MAX_CLIENT_BYTES,
            ),
            (
                "_meta",
                meta.map(|(key, value)| key.len() + value.get().len()).sum(),
                MAX_META_BYTES,
            ),
        ] {
            if bytes > most {
                return Err(too_large(field, bytes, most));
            }
        }
        Ok(())
    }
}

/// The refusal of a field that is too large.
pub(crate) fn too_large(field: &str, bytes: usize, most: usize) -> RequestError {
    RequestError::InvalidParams(format!(
        "{field} may have {most} bytes at most and has {bytes}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(params: &str) -> Result<(), RequestError> {
        let view: ParamsView<'_> = serde_json::from_str(params).unwrap();
        view.check_sizes()
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
            assert!(check(&of(most)).is_ok(), "{form}");
            let refused = check(&of(most + 1));
            assert!(
                matches!(refused, Err(RequestError::InvalidParams(_))),
                "{form}"
            );
        }
    }
}

//! How large each field of a message may be. The body bounds the sum
//! ([`BODY_LIMIT`](crate::admission::limits::BODY_LIMIT)), and alone what has no bound of its own: `arguments`,
//! `inputResponses` and what a client answers or tells a handler.

use crate::refusal::RequestError;

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

/// Most tasks that one may name: each is read when it begins, and may change any time.
pub(crate) const MAX_LISTENED_TASKS: usize = 100;

/// In bytes of JSON, as are the following. It is written into every progress notification.
pub(crate) const MAX_TOKEN_BYTES: usize = 1024;

/// A tool's or prompt's name; it is stored beside the message.
pub(crate) const MAX_NAME_BYTES: usize = 1024;

/// A resource's URI; it is stored beside the message.
pub(crate) const MAX_URI_BYTES: usize = 8 * 1024;

/// A cursor is a handler's, and comes back.
pub(crate) const MAX_CURSOR_BYTES: usize = 8 * 1024;

/// What a worker makes of 256 KiB of state, and room.
pub(crate) const MAX_REQUEST_STATE_BYTES: usize = 512 * 1024;

/// All of `_meta`.
pub(crate) const MAX_META_BYTES: usize = 128 * 1024;

/// The refusal of a field that is too large.
pub(crate) fn too_large(field: &str, bytes: usize, most: usize) -> RequestError {
    RequestError::InvalidParams(format!(
        "{field} may have {most} bytes at most and has {bytes}"
    ))
}

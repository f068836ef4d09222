//! A client's message: the JSON-RPC [`envelope`] around it, the [`params`] that the gateway reads, their [`members`]
//! and how large these may be ([`size_limits`]), and the [`era`] that it belongs to. What is known of its request
//! besides the body: [`request_head`] (who calls), the [`mirrored_headers`], the [`handler_headers`], what the
//! client takes ([`accept`]), and the [`host`](mod@host) and the [`trace`] that it names.

pub(crate) mod accept;
pub(crate) mod envelope;
pub(crate) mod era;
pub(crate) mod handler_headers;
pub(crate) mod host;
pub(crate) mod members;
pub(crate) mod method_params;
pub(crate) mod mirrored_headers;
pub(crate) mod params;
pub(crate) mod request_head;
pub(crate) mod size_limits;
pub(crate) mod trace;

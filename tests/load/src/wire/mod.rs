//! HTTP and JSON-RPC, as cheap as they can be: what measures shares its cores with what is measured.
//!
//! 1. [`connect`]: TCP and TLS; [`mod@line`]: one connection, made anew when it is gone
//! 2. [`template`]: a request, written once and sent often
//! 3. [`sse`]: event streams; [`numbering`]: what is missing from one; [`message`]: what a JSON-RPC message says
//! 4. [`failure`]: why there was no answer, in plain words

pub(crate) mod connect;
pub(crate) mod failure;
pub(crate) mod line;
pub(crate) mod message;
pub(crate) mod numbering;
pub(crate) mod sse;
pub(crate) mod template;

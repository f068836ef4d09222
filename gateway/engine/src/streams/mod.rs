//! What a client hears in answer to a call: the [`hub`] holds its stream, [`call_stream`] turns the events into JSON or
//! [`sse`] frames, whose [`event_id`] a client resumes from. A call whose client is gone is cancelled by the
//! [`canceller`], and what was begun for it is ended all the same ([`detach_on_drop`]). Its last event says how it
//! ended ([`outcome`]).
//!
//! Every stream that a client reads is fed by the loop in [`event_stream`], for as long as its [`lifetime`] allows.
//! Meanwhile its session is in use ([`session_use`]). [`respond`] makes the HTTP responses.

pub(crate) mod call_stream;
pub(crate) mod canceller;
pub(crate) mod detach_on_drop;
pub(crate) mod event_id;
pub(crate) mod event_stream;
pub(crate) mod hub;
pub(crate) mod lifetime;
mod outcome;
pub(crate) mod respond;
pub(crate) mod session_use;
pub(crate) mod sse;

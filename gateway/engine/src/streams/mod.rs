//! What a client hears in answer to a call: the [`hub`] holds its stream, [`respond`] turns the events into JSON or
//! [`sse`] frames, whose [`event_id`] a client resumes from, for as long as the [`lifetime`] of a stream is.

pub(crate) mod canceller;
pub(crate) mod event_id;
pub(crate) mod hub;
pub(crate) mod lifetime;
pub(crate) mod respond;
pub(crate) mod sse;

//! Why requests are refused, and what their senders are told: a leaf, which nothing of the gateway's lies below but the
//! names of the revisions, and the metrics that count it.
//!
//! A new refusal is a variant of [`RequestError`]; one match each gives it its status, its code and its `data`. It is
//! sent as [`Refused`]. Where a token would help, the [`challenge`] says which.

pub(crate) mod challenge;
mod error;
mod refused;

pub(crate) use challenge::{Challenge, Flaw, Missing, TokenFault};
pub(crate) use error::{RequestError, status_of_modern_error};
pub(crate) use refused::Refused;

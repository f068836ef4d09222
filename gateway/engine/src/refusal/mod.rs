//! Why requests are refused, and what their senders are told: a leaf, which nothing of the gateway's lies below but the
//! names of the revisions.
//!
//! A new refusal is a variant of [`RequestError`]; one match each gives it its status, its code and its `data`. Where a
//! token would help, the [`challenge`] says which.

pub(crate) mod challenge;
mod error;

pub(crate) use challenge::{Challenge, Missing, TokenFault};
pub(crate) use error::{Refused, RequestError, status_of_modern_error};

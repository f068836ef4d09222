//! What travels between gateways and workers.
//!
//! Every entry carries [`FORMAT`]. The rule for change: a new *optional* field keeps the
//! number, and readers ignore fields they do not know, so neighbouring releases understand
//! each other; anything else raises it, and a reader refuses a number above its own.
//! `tests/contract/golden/` holds one sample of every form ever released.
//!
//! How a type is written and read stands beside the type, whichever bus it goes over: as one line of JSON (`to_line`),
//! as JSON (`to_json`), or as named fields (`to_fields`).

pub mod absent;
pub mod audit;
pub mod catalog;
pub mod change;
pub mod event;
pub mod json_rpc;
pub mod message;
pub mod outcome;
pub mod principal;
pub mod request;
pub mod response;
pub mod session;
pub mod signal;
pub mod task;
pub mod trace;
pub mod visible;

/// The format version this build writes, and the highest it reads.
pub const FORMAT: u32 = 1;

/// An entry that this build cannot read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Written by a newer release.
    #[error("format {0} is newer than this build understands ({FORMAT}); upgrade this process")]
    Newer(u32),
    /// A required field is absent.
    #[error("the field {0:?} is missing")]
    Missing(&'static str),
    /// A field holds something else than its type.
    #[error("the field {field:?} cannot be read: {reason}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It carries no signature, and there are keys to check one with.
    #[error("it is not signed")]
    Unsigned,
    /// No key that is known here made its signature for what it says, there where it lies.
    #[error("it is not as it was signed, or was signed with another key")]
    WronglySigned,
    /// It is not sealed, and should be where there are keys to open it with.
    #[error("it is not sealed, and this process has a --task-key")]
    Unsealed,
    /// No key that is known here sealed it for where it lies.
    #[error(
        "it is sealed with another --task-key than this process has, or is not as it was sealed"
    )]
    CannotBeOpened,
    /// Not the JSON expected here.
    #[error("not valid JSON of this form: {0}")]
    Json(#[from] serde_json::Error),
}

/// Refuses formats above [`FORMAT`].
///
/// # Errors
///
/// [`WireError::Newer`].
pub fn check_format(format: u32) -> Result<(), WireError> {
    if format > FORMAT {
        return Err(WireError::Newer(format));
    }
    Ok(())
}

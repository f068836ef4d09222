//! What is kept for each caller, counted in one place per share.
//!
//! The count is a step of its own before something is stored, since no script uses keys of two hash tags: what is
//! counted and not stored after all is taken back, and otherwise forgotten at its end.

use std::time::Duration;

use prynai_bus::ids::{SessionId, StreamId};
use prynai_bus::wire::principal::Share;
use prynai_bus::{BusError, ShareFull, TaskPart};
use sha2::{Digest, Sha256};

use crate::bus::RedisBus;
use crate::scripts::{self, unknown_code};

/// What a session costs besides its fields, in bytes, about: keys, calls, and its place in the count.
const SESSION_BYTES: usize = 1024;

/// What a record of an idempotency key costs besides its outcome.
const OUTCOME_BYTES: usize = 1024;

/// What a value of a tool costs besides its key and content.
const VALUE_BYTES: usize = 512;

/// What a part of a task costs besides itself.
const TASK_BYTES: usize = 512;

/// Digits of a record's name that tell it from others in the count.
const RECORD_DIGITS: usize = 32;

/// Something that is kept for a caller.
pub(crate) enum Kept<'a> {
    /// With all that ends with it.
    Session(&'a SessionId),
    /// By the name of its record.
    Outcome(&'a str),
    /// A value of a tool, by the name of its scope and its own.
    Value(String),
    /// A part of a task.
    Task(&'a StreamId, TaskPart<'a>),
}

impl Kept<'_> {
    fn name(&self) -> String {
        match self {
            Self::Session(id) => format!("s.{id}"),
            Self::Outcome(record) => {
                format!("o.{}", record.get(..RECORD_DIGITS).unwrap_or(record))
            }
            Self::Value(name) => format!("v.{}", digits(Sha256::new_with_prefix(name))),
            Self::Task(name, TaskPart::Body) => format!("t.{name}"),
            Self::Task(name, TaskPart::Events) => format!("e.{name}"),
            Self::Task(name, TaskPart::Answers(answers)) => {
                let mut digest = Sha256::new_with_prefix(name.to_string());
                for (key, answer) in *answers {
                    // The lengths tell one answer from the next.
                    digest.update(key.len().to_be_bytes());
                    digest.update(key);
                    digest.update(answer.as_str().len().to_be_bytes());
                    digest.update(answer.as_str());
                }
                format!("a.{}", digits(digest))
            }
        }
    }

    /// What it costs, with so many bytes of content.
    pub(crate) fn cost(&self, content: usize) -> usize {
        let besides = match self {
            Self::Session(_) => SESSION_BYTES,
            Self::Outcome(_) => OUTCOME_BYTES,
            Self::Value(_) => VALUE_BYTES,
            Self::Task(..) => TASK_BYTES,
        };
        content.saturating_add(besides)
    }
}

impl RedisBus {
    /// Counts something in the place of what was counted for it before; it lives for `life`, or for ever.
    pub(crate) async fn count_kept(
        &self,
        share: &Share,
        kept: &Kept<'_>,
        bytes: usize,
        life: Option<Duration>,
    ) -> Result<(), BusError> {
        self.counted(share, &kept.name(), Some((bytes, life))).await
    }

    /// Takes a count back.
    pub(crate) async fn forget_kept(&self, share: &Share, kept: &Kept<'_>) -> Result<(), BusError> {
        self.counted(share, &kept.name(), None).await
    }

    /// Takes the count of something back that has an end: when the bus is away, it counts until then.
    pub(crate) async fn forget_in_time(&self, share: &Share, kept: &Kept<'_>) {
        if let Err(error) = self.forget_kept(share, kept).await {
            tracing::debug!(%error, "could not take back a count; it counts until its end");
        }
    }

    /// Whether there is room for one more outcome.
    pub(crate) async fn room_for_outcome(&self, share: &Share) -> Result<(), BusError> {
        self.counted(share, "", Some((OUTCOME_BYTES, None))).await
    }

    async fn counted(
        &self,
        share: &Share,
        name: &str,
        kept: Option<(usize, Option<Duration>)>,
    ) -> Result<(), BusError> {
        let count = scripts::count_kept(&self.keys, &self.limits, share, name, kept);
        match self.run(&count).await? {
            0 => Ok(()),
            1 => Err(ShareFull::Kept {
                limit: self.limits.caller_kept,
            }
            .into()),
            2 => Err(ShareFull::Sessions {
                limit: self.limits.caller_sessions,
            }
            .into()),
            code => Err(unknown_code(code)),
        }
    }
}

fn digits(digest: Sha256) -> String {
    let digest = digest.finalize();
    let digits = digest.iter().take(RECORD_DIGITS / 2);
    digits.map(|byte| format!("{byte:02x}")).collect()
}

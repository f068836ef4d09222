//! The questions, one file each. What is read is written as JSON, or said in words and tables.

use std::{fmt, io};

use prynai_bus::BusError;
use prynai_bus::operations::Place;
use prynai_operations::text::harmless;
use serde::Serialize;

use crate::settings::{
    EXIT_AWAY, EXIT_DECLINED, EXIT_FAILED, EXIT_NO_FLEET, EXIT_UNKNOWN, EXIT_USAGE,
};

pub mod call;
pub mod doctor;
pub mod processes;
pub mod queue;
pub mod sessions;
pub mod status;
pub mod tail;
pub mod tasks;
pub mod top;

/// What is shown: as JSON, or in words within a width.
pub trait Shown: Serialize {
    /// In words and tables.
    fn words(&self, width: Option<usize>) -> String;
}

/// Why there is nothing to show.
#[derive(Debug)]
pub enum Failed {
    /// What was asked for was not found, or cannot be done.
    Not(prynai_operations::Failed),
    /// There is no fleet.
    NoFleet(Box<Place>),
    /// Somebody must confirm it, and nobody can be asked.
    Unasked,
    /// Somebody was asked, and did not agree.
    Declined,
    /// It could not be written as JSON.
    Json(serde_json::Error),
    /// The terminal does not let a screen be drawn.
    Terminal(io::Error),
}

impl Failed {
    /// The exit code.
    pub fn code(&self) -> u8 {
        use prynai_operations::Failed::{Bus, Unfit, Unknown};
        match self {
            Self::Not(failed) if failed.is_passing() => EXIT_AWAY,
            Self::Not(Bus(BusError::Unusable(_))) => EXIT_USAGE,
            Self::Not(Bus(_) | Unfit(_)) | Self::Json(_) | Self::Terminal(_) => EXIT_FAILED,
            Self::Not(Unknown(_)) => EXIT_UNKNOWN,
            Self::Declined => EXIT_DECLINED,
            Self::Unasked => EXIT_USAGE,
            Self::NoFleet(_) => EXIT_NO_FLEET,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Not(failed) => failed.fmt(f),
            Self::Json(error) => write!(f, "cannot be written as JSON: {error}"),
            Self::Terminal(error) => write!(f, "the terminal cannot be used: {error}"),
            Self::Unasked => f.write_str(
                "this asks before it does anything, and there is no terminal: add --yes",
            ),
            Self::Declined => f.write_str("not done"),
            Self::NoFleet(place) => {
                write!(
                    f,
                    "no fleet uses the prefix {:?} in {}",
                    place.prefix, place.bus
                )?;
                if !place.others.is_empty() {
                    let others = place
                        .others
                        .iter()
                        .map(|other| format!("{:?}", harmless(other)));
                    let others = others.collect::<Vec<_>>().join(", ");
                    write!(f, "; there are fleets with --key-prefix {others}")?;
                }
                Ok(())
            }
        }
    }
}

impl From<BusError> for Failed {
    fn from(error: BusError) -> Self {
        Self::Not(error.into())
    }
}

impl From<prynai_operations::Failed> for Failed {
    fn from(failed: prynai_operations::Failed) -> Self {
        Self::Not(failed)
    }
}

//! The questions, one file each. Each reads what it needs, as a value that is written as JSON, and says it in words and
//! tables.

use std::fmt;

use prynai_bus::BusError;
use prynai_bus::operations::Place;
use serde::Serialize;

use crate::settings::{
    EXIT_AWAY, EXIT_DECLINED, EXIT_FAILED, EXIT_NO_FLEET, EXIT_UNKNOWN, EXIT_USAGE,
};
use crate::show::harmless;

pub mod call;
pub mod doctor;
pub mod processes;
pub mod queue;
pub mod sessions;
pub mod status;
pub mod top;

/// What is shown: as JSON, or in words within a width.
pub trait Shown: Serialize {
    /// In words and tables.
    fn words(&self, width: Option<usize>) -> String;
}

/// Why there is nothing to show.
#[derive(Debug)]
pub enum Failed {
    /// The bus did not answer, or refused.
    Bus(BusError),
    /// There is no fleet.
    NoFleet(Box<Place>),
    /// Nothing is known of this.
    Unknown(String),
    /// What was asked for cannot be done, and why.
    Unfit(String),
    /// Somebody must confirm it, and nobody can be asked.
    Unasked,
    /// Somebody was asked, and did not agree.
    Declined,
    /// It could not be written as JSON.
    Json(serde_json::Error),
}

impl Failed {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Bus(BusError::Unavailable(_) | BusError::Refused(_)) => EXIT_AWAY,
            Self::Bus(BusError::Unusable(_)) => EXIT_USAGE,
            Self::Bus(_) | Self::Json(_) | Self::Unfit(_) => EXIT_FAILED,
            Self::Declined => EXIT_DECLINED,
            Self::Unasked => EXIT_USAGE,
            Self::NoFleet(_) => EXIT_NO_FLEET,
            Self::Unknown(_) => EXIT_UNKNOWN,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus(error) => f.write_str(&harmless(&error.to_string())),
            Self::Json(error) => write!(f, "cannot be written as JSON: {error}"),
            Self::Unknown(what) | Self::Unfit(what) => f.write_str(&harmless(what)),
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
        Self::Bus(error)
    }
}

/// What stands for something that is not known.
pub(crate) fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}

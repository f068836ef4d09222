//! The questions, one file each. Each reads what it needs, as a value that is written as JSON, and says it in words and
//! tables.

use std::fmt;

use prynai_bus::BusError;
use prynai_bus::operations::{Operations, Place};
use serde::Serialize;

use crate::settings::{Ask, EXIT_AWAY, EXIT_FAILED, EXIT_NO_FLEET, EXIT_UNKNOWN, EXIT_USAGE};
use crate::show::{harmless, harmless_json};

pub mod call;
pub mod processes;
pub mod queue;
pub mod sessions;
pub mod status;

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
    /// It could not be written as JSON.
    Json(serde_json::Error),
}

/// Asks the question, and gives the text for standard output.
///
/// # Errors
///
/// Why there is nothing to show.
pub async fn answer(
    operations: &dyn Operations,
    ask: &Ask,
    json: bool,
    width: Option<usize>,
) -> Result<String, Failed> {
    let place = operations.place().await?;
    if !place.is_there {
        return Err(Failed::NoFleet(Box::new(place)));
    }
    match ask {
        Ask::Status => text(&status::read(operations, place).await?, json, width),
        Ask::Queue(filter) => text(&queue::read(operations, filter).await?, json, width),
        Ask::Workers => text(&processes::workers(operations).await?, json, width),
        Ask::Gateways => text(&processes::gateways(operations).await?, json, width),
        Ask::Call(asked) => text(&call::read(operations, asked).await?, json, width),
        Ask::Sessions(filter) => text(&sessions::read(operations, filter).await?, json, width),
        Ask::Completion { .. } => Ok(String::new()),
    }
}

fn text<S: Shown>(shown: &S, json: bool, width: Option<usize>) -> Result<String, Failed> {
    if !json {
        return Ok(shown.words(width));
    }
    let text = serde_json::to_string_pretty(shown).map_err(Failed::Json)?;
    Ok(harmless_json(&text) + "\n")
}

impl Failed {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Bus(BusError::Unavailable(_) | BusError::Refused(_)) => EXIT_AWAY,
            Self::Bus(BusError::Unusable(_)) => EXIT_USAGE,
            Self::Bus(_) | Self::Json(_) => EXIT_FAILED,
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
            Self::Unknown(what) => f.write_str(what),
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
fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}

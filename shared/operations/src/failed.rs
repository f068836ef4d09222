//! Why there is nothing to show.

use std::fmt;

use prynai_bus::BusError;

use crate::text::harmless;

/// Why there is nothing to show.
#[derive(Debug)]
pub enum Failed {
    /// The bus did not answer, or refused.
    Bus(BusError),
    /// Nothing is known of this.
    Unknown(String),
    /// What was asked for cannot be done, and why.
    Unfit(String),
}

impl Failed {
    /// Whether the same may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Bus(BusError::Unavailable(_) | BusError::Refused(_))
        )
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus(error) => f.write_str(&harmless(&error.to_string())),
            Self::Unknown(what) | Self::Unfit(what) => f.write_str(&harmless(what)),
        }
    }
}

impl From<BusError> for Failed {
    fn from(error: BusError) -> Self {
        Self::Bus(error)
    }
}

//! Bugs that can be planted, so that the chaos harness can show that it would find them. Only binaries built with the
//! feature `mutations` know how; no released one is.

/// Names the bug to plant.
#[cfg(feature = "mutations")]
const VARIABLE: &str = "PRYNAI_MUTATION";

/// Something that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// That only the owner writes.
    Fencing,
    /// That a gateway reads the log when it may have missed news.
    LogRead,
}

impl Mutation {
    /// Whether this process has to leave it out.
    #[cfg(feature = "mutations")]
    pub fn is_planted(self) -> bool {
        let name = match self {
            Self::Fencing => "fencing",
            Self::LogRead => "log-read",
        };
        std::env::var(VARIABLE).is_ok_and(|planted| planted == name)
    }

    /// Never.
    #[cfg(not(feature = "mutations"))]
    pub const fn is_planted(self) -> bool {
        false
    }
}

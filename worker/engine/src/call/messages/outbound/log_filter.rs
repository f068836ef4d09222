//! Which log messages of a handler reach its client.

use prynai_bus::wire::request::{Era, RequestEnvelope};
use prynai_bus::wire::session::LogLevel;
use rmcp::model::{ClientRequest, GetMeta};

/// Which log messages a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogFilter {
    All,
    AtLeast(LogLevel),
    Nothing,
}

impl LogFilter {
    /// Legacy: `logging/setLevel`, all without it. Modern: `_meta`, none without it (2026-07-28,
    /// Logging).
    pub(super) fn of(envelope: &RequestEnvelope, request: &ClientRequest) -> Self {
        match envelope.era {
            Era::Legacy => envelope
                .session
                .as_ref()
                .and_then(|session| session.log_level)
                .map_or(Self::All, Self::AtLeast),
            Era::Modern => request
                .get_meta()
                .log_level()
                .map_or(Self::Nothing, |level| Self::AtLeast(logging::level(&level))),
        }
    }
}

/// Logging is deprecated in 2026-07-28 and in force in every revision.
mod logging {
    #![expect(deprecated, reason = "in force in every revision we serve")]

    use rmcp::model::{LoggingLevel, LoggingMessageNotification};

    use super::{LogFilter, LogLevel};

    impl LogFilter {
        pub(crate) fn passes(self, log: &LoggingMessageNotification) -> bool {
            match self {
                Self::All => true,
                Self::AtLeast(least) => level(&log.params.level) >= least,
                Self::Nothing => false,
            }
        }
    }

    pub(super) fn level(level: &LoggingLevel) -> LogLevel {
        match level {
            LoggingLevel::Debug => LogLevel::Debug,
            LoggingLevel::Info => LogLevel::Info,
            LoggingLevel::Notice => LogLevel::Notice,
            LoggingLevel::Warning => LogLevel::Warning,
            LoggingLevel::Error => LogLevel::Error,
            LoggingLevel::Critical => LogLevel::Critical,
            LoggingLevel::Alert => LogLevel::Alert,
            LoggingLevel::Emergency => LogLevel::Emergency,
        }
    }
}

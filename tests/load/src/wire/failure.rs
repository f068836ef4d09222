//! Why a request was not answered as it should be.

use std::borrow::Cow;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;

use http::StatusCode;

/// Why a request was not answered as it should be. Each has its kind, in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It never left: nothing is lost.
    Unsent(Cow<'static, str>),
    /// It was sent, and there was no answer, or only a part of one.
    Unanswered(Cow<'static, str>),
    /// The answer is a refusal or an error.
    Refused {
        kind: String,
        /// 200 if the refusal came as a JSON-RPC error of a successful exchange.
        status: StatusCode,
        /// After how long the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The server does not know the session any more.
    SessionLost(StatusCode),
}

impl Failure {
    pub(crate) fn refused(kind: impl Into<String>) -> Self {
        Self::Refused {
            kind: kind.into(),
            status: StatusCode::OK,
            retry_after: None,
        }
    }

    /// What it is called in the report.
    pub(crate) fn kind(&self) -> Cow<'static, str> {
        match self {
            Self::Unsent(kind) | Self::Unanswered(kind) => kind.clone(),
            Self::Refused { kind, .. } => kind.clone().into(),
            Self::SessionLost(status) => format!("session lost (HTTP {})", status.as_u16()).into(),
        }
    }

    /// Whether a call that fails so is lost: sent, and never answered.
    pub(crate) fn loses_call(&self) -> bool {
        matches!(self, Self::Unanswered(_))
    }

    /// Whether another token could help.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::UNAUTHORIZED)
    }

    /// Whether it may well be different in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unsent(_) | Self::Unanswered(_) => true,
            Self::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
                    // Another stream of the session is still thought to be open.
                    || *status == StatusCode::CONFLICT
            }
            Self::SessionLost(_) => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A connection that was not made.
pub(crate) fn unconnected(error: &io::Error) -> Failure {
    Failure::Unsent(match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".into(),
        ErrorKind::ConnectionReset => "connection reset while connecting".into(),
        ErrorKind::TimedOut => "no connection in time".into(),
        // What rustls has to say stands in the text.
        _ => format!("cannot connect: {error}").into(),
    })
}

/// A connection that ended before its time.
pub(crate) fn broken(error: &hyper::Error) -> Failure {
    let io = error.source().and_then(|source| source.downcast_ref());
    let kind = io.map(io::Error::kind);
    Failure::Unanswered(match kind {
        Some(ErrorKind::ConnectionReset) => "connection reset".into(),
        Some(ErrorKind::BrokenPipe) => "connection closed while sending".into(),
        Some(ErrorKind::UnexpectedEof) => "connection closed before the end of the answer".into(),
        _ if error.is_incomplete_message() => "connection closed before the answer".into(),
        _ if error.is_parse() => "the answer is no HTTP".into(),
        _ => format!("connection broken: {error}").into(),
    })
}

//! What becomes of a request whose worker was lost.

use std::collections::BTreeMap;
use std::time::Duration;

use prynai_bus::Claim;
use prynai_bus::wire::catalog::CatalogTool;
use prynai_bus::wire::json_rpc::code::INTERNAL_ERROR;
use prynai_bus::wire::request::RequestEnvelope;
use rmcp::ErrorData;
use serde_json::json;

use crate::call::run_line::Run;

/// Why a request is not run again: nobody knows what its first run did.
const WORKER_LOST: &str = "worker_lost";

/// Why a request is not run again: it was begun as often as it may be.
const TOO_MANY_ATTEMPTS: &str = "too_many_attempts";

/// What becomes of a reclaimed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It runs (again).
    Run,
    /// Nobody knows whether it took effect: the client is told so.
    AnswerUnknown,
    /// It was begun as often as it may be.
    DeadLetter,
}

impl Verdict {
    /// How a request ends that is not run any more.
    pub(crate) fn as_run(self, claim: &Claim, now_ms: u64) -> Run {
        let waited = now_ms.saturating_sub(claim.request.queued_at_ms);
        Run {
            outcome: "error",
            code: Some(INTERNAL_ERROR.into()),
            reason: Some(match self {
                Self::DeadLetter => TOO_MANY_ATTEMPTS,
                Self::AnswerUnknown | Self::Run => WORKER_LOST,
            }),
            waited: Duration::from_millis(waited),
            took: Duration::ZERO,
        }
    }
}

/// Judges a reclaimed request.
pub(crate) fn judge(
    claim: &Claim,
    max_attempts: u32,
    tools: &BTreeMap<String, CatalogTool>,
) -> Verdict {
    if claim.cancelled || claim.delivery <= 1 {
        Verdict::Run
    } else if claim.delivery > max_attempts {
        Verdict::DeadLetter
    } else if is_repeatable(&claim.request, tools) {
        Verdict::Run
    } else {
        Verdict::AnswerUnknown
    }
}

/// Methods that only read by definition.
const READING: [&str; 10] = [
    "completion/complete",
    "prompts/get",
    "prompts/list",
    "resources/directory/read",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "skills/get",
    "skills/list",
    "tools/list",
];

/// Whether a second run adds no effect to the first. Of a tool only its author knows that; of an extension's method
/// nobody here does.
fn is_repeatable(request: &RequestEnvelope, tools: &BTreeMap<String, CatalogTool>) -> bool {
    let tool = || tools.get(request.name.as_ref()?);
    match request.method.as_str() {
        "tools/call" => tool().is_some_and(|tool| tool.repeatable),
        method => READING.contains(&method),
    }
}

/// What the client of a request with [`Verdict::AnswerUnknown`] is told.
pub(crate) fn outcome_unknown(claim: &Claim) -> ErrorData {
    ErrorData::internal_error(
        "the worker that ran this call was lost; the outcome is unknown: \
         the call may or may not have taken effect",
        Some(json!({
            "reason": WORKER_LOST,
            "outcome": "unknown",
            "attempt": claim.delivery - 1,
            "stream": claim.request.stream.to_string(),
        })),
    )
}

/// What the client of a request with [`Verdict::DeadLetter`] is told.
pub(crate) fn given_up(claim: &Claim) -> ErrorData {
    ErrorData::internal_error(
        "this request was begun as often as it may be, and each time its worker was lost or stopped before it ended; it is \
         not tried again",
        Some(json!({
            "reason": TOO_MANY_ATTEMPTS,
            "outcome": "unknown",
            "attempt": claim.delivery - 1,
            "stream": claim.request.stream.to_string(),
        })),
    )
}

#[cfg(test)]
mod tests {
    use prynai_bus::ids::GatewayId;
    use prynai_bus::testing::modern_request;

    use super::*;

    fn claim(method: &str, name: Option<&str>, delivery: u32) -> Claim {
        Claim {
            entry: "1-0".into(),
            delivery,
            cancelled: false,
            request: RequestEnvelope {
                method: method.to_owned(),
                name: name.map(str::to_owned),
                ..modern_request(&GatewayId::generate())
            },
        }
    }

    fn tools() -> BTreeMap<String, CatalogTool> {
        let repeatable = |repeatable| CatalogTool {
            repeatable,
            ..CatalogTool::default()
        };
        BTreeMap::from([
            ("echo".to_owned(), repeatable(true)),
            ("bump".to_owned(), repeatable(false)),
        ])
    }

    #[test]
    fn only_what_is_repeatable_runs_again() {
        for (method, name, verdict) in [
            ("tools/call", Some("echo"), Verdict::Run),
            ("tools/call", Some("bump"), Verdict::AnswerUnknown),
            ("tools/call", Some("gone"), Verdict::AnswerUnknown),
            ("tools/call", None, Verdict::AnswerUnknown),
            ("resources/read", Some("x://y"), Verdict::Run),
            ("tools/list", None, Verdict::Run),
        ] {
            let claim = claim(method, name, 2);
            assert_eq!(judge(&claim, 3, &tools()), verdict, "{method} {name:?}");
        }
    }

    #[test]
    fn what_was_never_begun_runs() {
        let claim = claim("tools/call", Some("bump"), 1);
        assert_eq!(judge(&claim, 3, &tools()), Verdict::Run);
    }

    #[test]
    fn attempts_end() {
        assert_eq!(
            judge(&claim("tools/list", None, 3), 3, &tools()),
            Verdict::Run
        );
        assert_eq!(
            judge(&claim("tools/list", None, 4), 3, &tools()),
            Verdict::DeadLetter
        );
    }

    #[test]
    fn a_cancelled_one_only_needs_to_be_removed() {
        let mut claim = claim("tools/call", Some("bump"), 9);
        claim.cancelled = true;
        assert_eq!(judge(&claim, 3, &tools()), Verdict::Run);
    }
}

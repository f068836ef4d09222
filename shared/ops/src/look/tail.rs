//! The audit, as it comes.

use std::borrow::Cow;
use std::io::{Write, stderr};

use prynai_bus::ids::EntryId;
use prynai_bus::operations::{AUDIT_PAGE, AuditFrom, AuditSight, Operations};
use prynai_bus::wire::audit::AuditRecord;
use prynai_operations::look::audit::AuditFilter;
use prynai_operations::text::{harmless, harmless_json, took};
use unicode_width::UnicodeWidthStr;

use super::Failed;
use crate::answer::Answer;
use crate::settings::{EXIT_AWAY, Outcome, TailAsked};

/// Shows records until the program is interrupted or nobody reads any more, which `print` says.
///
/// Each look is one command for Redis and nothing for the fleet, however many look.
///
/// # Errors
///
/// Why there is nothing to show. A Redis that is away later on is waited for.
pub async fn follow(
    operations: &dyn Operations,
    asked: &TailAsked,
    json: bool,
    print: impl Fn(&str) -> bool,
) -> Result<Answer, Failed> {
    let place = operations.place().await?;
    if !place.is_there {
        return Err(Failed::NoFleet(Box::new(place)));
    }
    let over = Answer {
        text: String::new(),
        code: 0,
    };
    // One is needed to know where to go on.
    let (last, filter) = (usize::from(asked.last()), asked.filter());
    let before = operations.audit(AuditFrom::Newest(last.max(1))).await?;
    let mut after = last_of(&before).unwrap_or_else(|| "0-0".into());
    if before.is_empty() {
        say("nothing yet: nobody has called, or the audit is off (--audit-records 0)");
    } else if asked.no_follow && !before.iter().any(|sight| filter.wants_sight(sight)) {
        say(&format!(
            "none of the newest {} records is like this",
            before.len()
        ));
    }
    if !show(before.iter().take(last), &filter, json, &print) || asked.no_follow {
        return Ok(over);
    }
    let mut is_away = false;
    loop {
        tokio::time::sleep(asked.every).await;
        loop {
            let page = match operations.audit(AuditFrom::After(&after)).await {
                Ok(page) => page,
                Err(error) => match Failed::from(error) {
                    failed if failed.code() == EXIT_AWAY => {
                        if !is_away {
                            say(&format!("{failed}; looking again"));
                        }
                        is_away = true;
                        break;
                    }
                    failed => return Err(failed),
                },
            };
            is_away = false;
            after = last_of(&page).unwrap_or(after);
            if !show(page.iter(), &filter, json, &print) {
                return Ok(over);
            }
            if page.len() < AUDIT_PAGE {
                break;
            }
        }
    }
}

/// On standard error, so that it is not taken for a record.
fn say(text: &str) {
    // Nothing is left to do when it is gone.
    let _ = writeln!(stderr(), "{text}");
}

fn last_of(page: &[AuditSight]) -> Option<EntryId> {
    page.last().map(|sight| sight.entry.clone())
}

/// Whether somebody still reads.
fn show<'a>(
    mut page: impl Iterator<Item = &'a AuditSight>,
    filter: &AuditFilter,
    json: bool,
    print: &impl Fn(&str) -> bool,
) -> bool {
    page.all(|sight| match &sight.record {
        _ if !filter.wants_sight(sight) => true,
        Some(record) if json => print(&as_json(record)),
        Some(record) => print(&as_words(record)),
        None => print(&format!(
            "{}  a record that this release cannot read\n",
            harmless(sight.entry.as_str())
        )),
    })
}

impl TailAsked {
    /// How many records from before are looked through.
    fn last(&self) -> u16 {
        let wants_all = self.filter().wants_all();
        self.last.unwrap_or(if wants_all { 10 } else { 500 })
    }

    /// Which records are wanted.
    fn filter(&self) -> AuditFilter {
        AuditFilter {
            tool: self.tool.clone(),
            principal: self.principal.clone(),
            session: self.session.clone(),
            call: self.call,
            outcomes: self.outcome.iter().map(|o| o.as_str().into()).collect(),
        }
    }
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
        }
    }
}

fn as_json(record: &AuditRecord<'_>) -> String {
    // It was read from JSON, so it can be written.
    let json = serde_json::to_string(record).unwrap_or_default();
    harmless_json(&json) + "\n"
}

/// The time, how it ended and how long it took, what, who, and whatever else is to be said of it.
fn as_words(record: &AuditRecord<'_>) -> String {
    let text = |text: &Option<Cow<'_, str>>| harmless(text.as_deref().unwrap_or("-"));
    let what = match &record.name {
        Some(_) => format!("{} {}", text(&record.method), text(&record.name)),
        None => text(&record.method),
    };
    let who = match &record.principal {
        Some(_) => text(&record.principal),
        None => text(&record.address),
    };
    // All who call without a token have one name.
    let from = record.principal.as_ref().and(record.address.as_ref());
    let duration = record.duration_ms.map_or_else(|| "-".to_owned(), took);
    let mut line = [
        padded(&harmless(&record.timestamp), 24),
        padded(&harmless(&record.outcome), 10),
        format!("{duration:>9}"),
        padded(&what, 32),
        padded(&who, 16),
    ]
    .join("  ");
    let mut add = |name: &str, value: String| line += &format!("  {name} {value}");
    if let Some(address) = from {
        add("from", harmless(address));
    }
    if record.count() > 1 {
        add("times", record.count().to_string());
    }
    for (name, value) in [
        ("reason", &record.reason),
        ("rule", &record.rule),
        ("call", &record.stream),
    ] {
        if value.is_some() {
            add(name, text(value));
        }
    }
    if let Some(code) = record.code {
        add("code", code.to_string());
    }
    if let Some(attempt) = record.attempt.filter(|attempt| *attempt > 1) {
        add("attempt", attempt.to_string());
    }
    if let Some(arguments) = &record.arguments {
        add("arguments", harmless(&arguments.to_string()));
    }
    line.trim_end().to_owned() + "\n"
}

fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AuditRecord<'static> {
        AuditRecord {
            method: Some("tools/call".into()),
            name: Some("echo\u{1b}[2J".into()),
            principal: Some("alice".into()),
            session: Some("5d1f0c2e8b7a".into()),
            duration_ms: Some(12.34),
            stream: Some("01a2".into()),
            ..AuditRecord::new("ok").at(1_785_000_000_000)
        }
    }

    fn asked() -> TailAsked {
        TailAsked {
            tool: None,
            principal: None,
            session: None,
            call: None,
            outcome: Vec::new(),
            last: None,
            no_follow: true,
            every: std::time::Duration::from_secs(1),
        }
    }

    #[test]
    fn a_line_says_what_there_is_and_steers_nothing() {
        let line = as_words(&record());
        assert!(
            line.contains("12.3 ms  tools/call echo\\u{1b}[2J"),
            "{line}"
        );
        assert!(line.ends_with("alice             call 01a2\n"), "{line:?}");
        assert!(!as_json(&record()).contains('\u{1b}'));
        let nameless = AuditRecord {
            principal: Some("anonymous".into()),
            address: Some("192.0.2.7".into()),
            ..record()
        };
        let line = as_words(&nameless);
        assert!(line.ends_with("  from 192.0.2.7  call 01a2\n"), "{line:?}");
        let refused = AuditRecord {
            reason: Some("expired".into()),
            address: Some("192.0.2.7".into()),
            count: Some(9000),
            ..AuditRecord::new("refused")
        };
        let line = as_words(&refused);
        assert!(line.contains("192.0.2.7"), "{line}");
        assert!(line.ends_with("times 9000  reason expired\n"), "{line}");
    }

    #[test]
    fn a_filter_takes_what_it_names() {
        let some = |text: &str| Some(text.to_owned());
        for (asked, wanted) in [
            (asked(), true),
            (
                TailAsked {
                    principal: some("alice"),
                    ..asked()
                },
                true,
            ),
            (
                TailAsked {
                    principal: some("bob"),
                    ..asked()
                },
                false,
            ),
            (
                TailAsked {
                    tool: some("echo\u{1b}[2J"),
                    ..asked()
                },
                false,
            ),
            (
                TailAsked {
                    session: some("5d1f0c2e8b7a4f63"),
                    ..asked()
                },
                true,
            ),
            (
                TailAsked {
                    session: some("6d1f0c2e8b7a4f63"),
                    ..asked()
                },
                false,
            ),
            (
                TailAsked {
                    outcome: vec![Outcome::Refused, Outcome::Ok],
                    ..asked()
                },
                true,
            ),
            (
                TailAsked {
                    call: Some(prynai_bus::ids::StreamId::generate()),
                    ..asked()
                },
                false,
            ),
            (
                TailAsked {
                    outcome: vec![Outcome::Error],
                    ..asked()
                },
                false,
            ),
        ] {
            assert_eq!(asked.filter().wants(&record()), wanted, "{asked:?}");
        }
    }
}

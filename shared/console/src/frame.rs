//! What stands around each page.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use prynai_operations::text::moment;
use prynai_process::clock::unix_millis;
use sha2::{Digest, Sha256};

use crate::address::path;
use crate::parts::said;

/// It has no secrets and nothing that anybody said.
const STYLE: &str = include_str!("style.css");

/// Seconds after which a page is loaded anew.
const EVERY: u32 = 5;

/// The lists, in the order in which they are offered.
const LISTS: [(&str, &str); 9] = [
    ("", "Overview"),
    ("queue", "Queue"),
    ("recent", "Recent calls"),
    ("tasks", "Tasks"),
    ("workers", "Workers"),
    ("gateways", "Gateways"),
    ("dead", "Dead letters"),
    ("sessions", "Sessions"),
    ("doctor", "Doctor"),
];

/// The process that shows the console.
#[derive(Debug, Clone)]
pub struct About {
    /// Its program.
    pub program: String,
    /// Its version.
    pub version: String,
}

/// What is said of a page.
pub(crate) struct Frame {
    title: String,
    /// Which of the lists it is.
    list: Option<&'static str>,
    /// Whether it is loaded anew by itself.
    is_live: bool,
    /// Where the same page is that is not loaded anew, or the other way round.
    other: Option<String>,
}

impl Frame {
    /// A list, or a call, that is loaded anew by itself unless somebody stopped it. `other` is its path when it is
    /// stopped, or goes on.
    pub(crate) fn live(
        title: &str,
        list: Option<&'static str>,
        is_stopped: bool,
        other: String,
    ) -> Self {
        Self {
            title: title.to_owned(),
            list,
            is_live: !is_stopped,
            other: Some(other),
        }
    }

    /// A page that stays as it is.
    pub(crate) fn still(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            list: None,
            is_live: false,
            other: None,
        }
    }

    /// A page that asks again until there is something to show.
    pub(crate) fn waiting(title: &str) -> Self {
        Self {
            is_live: true,
            ..Self::still(title)
        }
    }

    /// The whole page.
    pub(crate) fn around(&self, about: &About, may_write: bool, body: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    @if self.is_live { meta http-equiv="refresh" content=(EVERY); }
                    link rel="icon" href="data:,";
                    title { (said(&self.title)) " · PrynAI MCP" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        p .brand { "PrynAI MCP" span .dim { " console of " (said(&about.program)) " " (about.version) } }
                        nav aria-label="Lists" { ul { @for (page, name) in LISTS {
                            li { a href=(path(page, &[])) aria-current=[self.list.filter(|l| *l == page).map(|_| "page")] {
                                (name)
                            } }
                        } } }
                    }
                    main { h1 { (said(&self.title)) } (body) }
                    footer { (self.footer(may_write)) }
                }
            }
        }
    }

    fn footer(&self, may_write: bool) -> Markup {
        let now = moment(unix_millis());
        let (date, clock) = now.split_at(now.find('T').map_or(0, |at| at + 1));
        html! {
            p {
                "As of " (date.trim_end_matches('T')) " " (&clock[..clock.len().min(8)]) " UTC. "
                @if let Some(other) = &self.other {
                    @if self.is_live { "Loaded anew every " (EVERY) " s. " a href=(other) { "Stop that" } }
                    @else { "Not loaded anew. " a href=(other) { "Keep it up to date" } }
                }
            }
            p { @if may_write { "You can change things here." } @else { "Nothing can be changed here." } }
        }
    }
}

/// The style as a `Content-Security-Policy` names it.
pub(crate) fn style_hash() -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(STYLE)))
}

//! Which methods, tools, prompts and revisions have a label of their own. What a client makes up has none, or it could
//! make as many series as it likes.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// The label of all that has none of its own, as OpenTelemetry spells it for errors.
pub(crate) const OTHER: &str = "_OTHER";

/// Tools, and prompts, that have a label of their own; those that the workers announce later are [`OTHER`].
pub(crate) const MOST_NAMES: usize = 128;

/// Bytes of the longest name that is a label.
const LONGEST: usize = 128;

/// What stands for all other methods, and then the methods of MCP that clients send, in every revision that is served;
/// those first that are looked up most often.
pub(crate) const METHODS: [&str; 23] = [
    OTHER,
    TOOLS_CALL,
    "tools/list",
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
    "ping",
    PROMPTS_GET,
    "prompts/list",
    "resources/directory/read",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "skills/get",
    "skills/list",
    "subscriptions/listen",
];

/// The one method that names a tool.
pub(crate) const TOOLS_CALL: &str = "tools/call";

/// The one method that names a prompt.
pub(crate) const PROMPTS_GET: &str = "prompts/get";

/// The place of a method in [`METHODS`].
pub(crate) fn method(name: &str) -> u8 {
    let place = METHODS.iter().position(|method| *method == name);
    place
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(0)
}

/// The tools that have a label, or the prompts: those that were announced first, up to a bound. They keep it when they
/// are announced no more, since a counter that goes away counts wrong.
#[derive(Default)]
pub(crate) struct Names(RwLock<HashMap<Box<str>, u16>>);

/// No name, or one without a label of its own.
pub(crate) const NO_NAME: u16 = 0;
pub(crate) const OTHER_NAME: u16 = 1;

/// The number of the first name with a label.
const FIRST_NAME: u16 = 2;

/// Numbers of names.
pub(crate) const NAMES: usize = MOST_NAMES + FIRST_NAME as usize;

impl Names {
    /// What has these names is served from now on.
    pub(crate) fn announced<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) {
        if names.clone().all(|name| self.number(name) != OTHER_NAME) {
            return;
        }
        let mut numbers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for name in names.filter(|name| may_be_label(name)) {
            let next = numbers.len();
            if next == MOST_NAMES || numbers.contains_key(name) {
                continue;
            }
            if let Ok(number) = u16::try_from(next) {
                numbers.insert(name.into(), FIRST_NAME + number);
            }
        }
    }

    /// The number of a name.
    pub(crate) fn number(&self, name: &str) -> u16 {
        let numbers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        numbers.get(name).copied().unwrap_or(OTHER_NAME)
    }

    /// The label of a number; empty for no name.
    pub(crate) fn label(&self, number: u16) -> String {
        let numbers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let named = numbers.iter().find(|(_, of)| **of == number);
        match (number, named) {
            (NO_NAME, _) => String::new(),
            (_, Some((name, _))) => name.to_string(),
            (_, None) => OTHER.to_owned(),
        }
    }
}

/// Whether a name can stand in a log or a page as it is.
fn may_be_label(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_not_announced_is_no_label() {
        let tools = Names::default();
        tools.announced(["echo", "add"].into_iter());
        for (name, label) in [
            ("echo", "echo"),
            ("add", "add"),
            ("made_up", OTHER),
            ("", OTHER),
        ] {
            assert_eq!(tools.label(tools.number(name)), label, "{name}");
        }
        assert_eq!(tools.label(NO_NAME), "");
        // It goes on to count where it did.
        let echo = tools.number("echo");
        tools.announced(["other"].into_iter());
        assert_eq!(tools.number("echo"), echo);
        assert_eq!(tools.label(tools.number("other")), "other");
    }

    #[test]
    fn so_many_names_have_a_label_and_no_more() {
        let tools = Names::default();
        let names: Vec<String> = (0..MOST_NAMES + 2)
            .map(|n| format!("tool-{n:04}"))
            .collect();
        tools.announced(names.iter().map(String::as_str));
        let label = |index: usize| tools.label(tools.number(&names[index]));
        assert_eq!(label(0), names[0]);
        assert_eq!(label(MOST_NAMES - 1), names[MOST_NAMES - 1]);
        assert_eq!(label(MOST_NAMES), OTHER);
        assert_eq!(label(MOST_NAMES + 1), OTHER);
        let numbers: std::collections::BTreeSet<u16> =
            names.iter().map(|name| tools.number(name)).collect();
        assert_eq!(numbers.len(), MOST_NAMES + 1);
        assert!(numbers.iter().all(|number| usize::from(*number) < NAMES));
        // However often others are announced.
        tools.announced(["late"].into_iter());
        assert_eq!(tools.label(tools.number("late")), OTHER);
    }

    #[test]
    fn no_label_has_what_a_terminal_or_a_page_would_act_on() {
        let tools = Names::default();
        let long = "x".repeat(LONGEST + 1);
        let bad = ["\u{1b}[31mred", "a\nb", "a\"} 1\n", "ä", " ", long.as_str()];
        tools.announced(bad.into_iter());
        for name in bad {
            assert_eq!(tools.label(tools.number(name)), OTHER, "{name:?}");
        }
    }

    #[test]
    fn every_method_has_its_place() {
        for (place, name) in METHODS.iter().enumerate() {
            assert_eq!(usize::from(method(name)), place);
        }
        assert_eq!(method("made/up"), 0);
        assert_eq!(METHODS[0], OTHER);
    }
}

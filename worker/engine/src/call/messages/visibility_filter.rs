//! Takes out of a list what its caller may not see, before anything of it is written to the log.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use prynai_bus::patterns::Patterns;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::visible::Visible;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Different sets of patterns that are kept prepared. A fleet has about as many as it has kinds of callers.
const KEPT: usize = 32;

/// The filters that were needed so far. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Filters(Arc<Mutex<HashMap<Visible, Arc<Shown>>>>);

/// What one list may show.
pub(crate) struct Filter {
    list: &'static List,
    shown: Arc<Shown>,
}

#[derive(Default)]
struct Shown {
    names: Patterns,
    read_only: Patterns,
}

/// Where a list is in its result, and by what its entries are known.
struct List {
    method: &'static str,
    member: &'static str,
    shows: fn(&Shown, &Entry<'_>) -> bool,
}

/// What is read of an entry; the rest is unknown and stays.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri_template: Option<Cow<'a, str>>,
    annotations: Option<Hints>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hints {
    read_only_hint: Option<bool>,
}

const LISTS: [List; 6] = [
    List {
        method: "tools/list",
        member: "tools",
        shows: Shown::tool,
    },
    List {
        method: "prompts/list",
        member: "prompts",
        shows: |shown, entry| name_matches(&shown.names, entry),
    },
    List {
        method: "resources/list",
        member: "resources",
        shows: Shown::resource,
    },
    // An extension's, with the result of `resources/list`.
    List {
        method: "resources/directory/read",
        member: "resources",
        shows: Shown::resource,
    },
    // An extension's. Of a skill that is shown the whole entry is, since hosts refuse one that leaves out files.
    List {
        method: "skills/list",
        member: "skills",
        shows: Shown::resource,
    },
    List {
        method: "resources/templates/list",
        member: "resourceTemplates",
        shows: |shown, entry| {
            let template = entry.uri_template.as_deref();
            template.is_some_and(|template| shown.names.may_match_template(template))
        },
    },
];

// === impl Filters ===

impl Filters {
    /// The filter for the response to this request, if it needs one.
    pub(crate) fn of(&self, envelope: &RequestEnvelope) -> Option<Filter> {
        let visible = envelope.visible.as_ref()?;
        let list = LISTS.iter().find(|list| list.method == envelope.method)?;
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(visible).map(Arc::clone);
        if let Some(shown) = known {
            return Some(Filter { list, shown });
        }
        // Not under the lock: many patterns take a while to prepare.
        let shown = Arc::new(Shown::new(visible));
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(visible.clone(), Arc::clone(&shown));
        Some(Filter { list, shown })
    }
}

// === impl Filter ===

impl Filter {
    /// The result without what its caller may not see. What stays keeps its text, and so does a cursor: a page may
    /// be short or empty while there are further ones. Others may see another list, so no cache may share it
    /// (2026-07-28, Caching, Cache Scope Field).
    ///
    /// # Errors
    ///
    /// When the result has no form in which it could be looked through.
    pub(crate) fn apply(&self, result: &RawJson) -> Result<RawJson, serde_json::Error> {
        let text = result.as_str();
        let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text)?;
        let mut changes: Vec<(Range<usize>, String)> = Vec::new();
        if let Some(list) = members.get(self.list.member) {
            changes.push((place(list.get(), text), self.shown_of(list)?));
        }
        if let Some(scope) = members.get("cacheScope") {
            changes.push((place(scope.get(), text), r#""private""#.to_owned()));
        }
        changes.sort_by_key(|(place, _)| place.start);
        let mut shown = text.to_owned();
        for (place, instead) in changes.into_iter().rev() {
            shown.replace_range(place, &instead);
        }
        RawJson::parse(shown)
    }

    fn shown_of(&self, list: &RawValue) -> Result<String, serde_json::Error> {
        let entries: Vec<&RawValue> = serde_json::from_str(list.get())?;
        let shown = |entry: &&RawValue| {
            let entry: Option<Entry<'_>> = serde_json::from_str(entry.get()).ok();
            entry.is_some_and(|entry| (self.list.shows)(&self.shown, &entry))
        };
        let texts: Vec<&str> = entries
            .into_iter()
            .filter(shown)
            .map(RawValue::get)
            .collect();
        Ok(format!("[{}]", texts.join(",")))
    }
}

/// Where a part of a text lies in it.
fn place(part: &str, whole: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

fn name_matches(patterns: &Patterns, entry: &Entry<'_>) -> bool {
    let name = entry.name.as_deref();
    name.is_some_and(|name| patterns.matches(name))
}

// === impl Shown ===

impl Shown {
    fn new(visible: &Visible) -> Self {
        let prepared = |patterns| {
            // A gateway of another release may have said something that nobody here understands.
            Patterns::new(patterns).unwrap_or_else(|error| {
                tracing::warn!(
                    %error,
                    "the patterns of what a caller may see cannot be read, so its lists are shown empty; if the \
                     gateway is of a newer release, update this worker"
                );
                Patterns::default()
            })
        };
        Self {
            names: prepared(&visible.names),
            read_only: prepared(&visible.read_only),
        }
    }

    fn tool(&self, tool: &Entry<'_>) -> bool {
        let hints = tool.annotations.as_ref();
        let reads = hints.is_some_and(|hints| hints.read_only_hint == Some(true));
        name_matches(&self.names, tool) || (reads && name_matches(&self.read_only, tool))
    }

    fn resource(&self, resource: &Entry<'_>) -> bool {
        let uri = resource.uri.as_deref();
        uri.is_some_and(|uri| self.names.matches_uri(uri))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prynai_bus::ids::GatewayId;
    use prynai_bus::testing::modern_request;
    use serde_json::{Value, json};

    use super::*;

    fn envelope(method: &str, names: &[&str], read_only: &[&str]) -> RequestEnvelope {
        let set = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        RequestEnvelope {
            method: method.to_owned(),
            visible: Some(Visible {
                names: set(names),
                read_only: set(read_only),
            }),
            ..modern_request(&GatewayId::generate())
        }
    }

    fn applied(method: &str, names: &[&str], read_only: &[&str], result: &str) -> String {
        let filter = Filters::default().of(&envelope(method, names, read_only));
        let result = RawJson::parse(result).expect("JSON");
        let shown = filter.expect("a filter").apply(&result).expect("a list");
        shown.as_str().to_owned()
    }

    #[test]
    fn what_stays_keeps_its_text_and_its_order() {
        let b = r#"{ "name":"b\u0061", "x":1.0, "y":18446744073709551617 }"#;
        let result = format!(
            r#"{{"nextCursor":"c","tools":[{{"name":"a"}}, {b},{{"name":"c"}}],"_meta":{{"n":1.0}}}}"#
        );
        assert_eq!(
            applied("tools/list", &["c", "b*"], &[], &result),
            format!(r#"{{"nextCursor":"c","tools":[{b},{{"name":"c"}}],"_meta":{{"n":1.0}}}}"#)
        );
        assert_eq!(
            applied("tools/list", &[], &[], &result),
            r#"{"nextCursor":"c","tools":[],"_meta":{"n":1.0}}"#
        );
    }

    #[test]
    fn every_list_is_filtered_by_what_its_entries_are_known_by() {
        for (method, result, expected) in [
            (
                "prompts/list",
                r#"{"prompts":[{"name":"x://a"},{"name":"b"}]}"#,
                r#"{"prompts":[{"name":"x://a"}]}"#,
            ),
            (
                "resources/list",
                r#"{"resources":[{"uri":"x://a","name":"b"},{"uri":"b","name":"x://a"}]}"#,
                r#"{"resources":[{"uri":"x://a","name":"b"}]}"#,
            ),
            (
                "resources/directory/read",
                r#"{"resources":[{"uri":"x://a"},{"uri":"x://../y"},{"uri":"y"}]}"#,
                r#"{"resources":[{"uri":"x://a"}]}"#,
            ),
            (
                "skills/list",
                r#"{"skills":[{"uri":"x://a/SKILL.md","resources":[{"uri":"y"}]},{"uri":"y/SKILL.md"}]}"#,
                r#"{"skills":[{"uri":"x://a/SKILL.md","resources":[{"uri":"y"}]}]}"#,
            ),
            (
                "resources/templates/list",
                r#"{"resourceTemplates":[{"uriTemplate":"x://{a}"},{"uriTemplate":"y://{a}"}]}"#,
                r#"{"resourceTemplates":[{"uriTemplate":"x://{a}"}]}"#,
            ),
        ] {
            assert_eq!(applied(method, &["x://**"], &[], result), expected);
        }
    }

    #[test]
    fn tools_that_only_read_have_patterns_of_their_own() {
        let result = r#"{"tools":[
            {"name":"a","annotations":{"readOnlyHint":true}},{"name":"b","annotations":{"readOnlyHint":false}},
            {"name":"c"},{"name":"d","annotations":null}]}"#;
        let shown: Value =
            serde_json::from_str(&applied("tools/list", &["c"], &["*"], result)).expect("JSON");
        assert_eq!(shown["tools"][0]["name"], "a");
        assert_eq!(shown["tools"][1]["name"], "c");
        assert_eq!(shown["tools"][2], Value::Null);
    }

    #[test]
    fn no_cache_shares_a_list_that_is_one_callers() {
        let shown = applied(
            "tools/list",
            &["*"],
            &[],
            r#"{"tools":[],"cacheScope":"public","ttlMs":1}"#,
        );
        assert_eq!(shown, r#"{"tools":[],"cacheScope":"private","ttlMs":1}"#);
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_not_shown() {
        let result = r#"{"tools":[1,{},{"name":7},{"name":"a","name":"a"},null,{"name":"a"}]}"#;
        assert_eq!(
            applied("tools/list", &["*"], &[], result),
            r#"{"tools":[{"name":"a"}]}"#
        );
        let filter = Filters::default().of(&envelope("tools/list", &["*"], &[]));
        let filter = filter.expect("a filter");
        for result in ["[]", r#"{"tools":{"a":1}}"#] {
            let result = RawJson::parse(result).expect("JSON");
            assert!(filter.apply(&result).is_err(), "{result:?}");
        }
    }

    #[test]
    fn what_cannot_be_understood_hides_everything() {
        let result = r#"{"tools":[{"name":"a"}]}"#;
        assert_eq!(
            applied("tools/list", &["a", "x**"], &[], result),
            r#"{"tools":[]}"#
        );
    }

    #[test]
    fn only_lists_are_filtered_and_only_when_it_is_asked_for() {
        let filters = Filters::default();
        assert!(filters.of(&envelope("tools/call", &[], &[])).is_none());
        let mut all = envelope("tools/list", &[], &[]);
        all.visible = None;
        assert!(filters.of(&all).is_none());
    }

    #[test]
    fn few_sets_are_kept() {
        let filters = Filters::default();
        for n in 0..=KEPT {
            let name = n.to_string();
            assert!(filters.of(&envelope("tools/list", &[&name], &[])).is_some());
            assert!(filters.0.lock().expect("not poisoned").len() <= KEPT);
        }
    }

    proptest! {
        #[test]
        fn a_filtered_list_is_the_list_with_entries_left_out(
            names in proptest::collection::vec("[ab]{1,2}|\\PC{0,3}", 0..8),
            extra in any::<f64>(),
            shown in "[ab]\\*?",
        ) {
            let entries: Vec<String> = names
                .iter()
                .map(|name| json!({"name": name, "extra": extra, "uri": name}).to_string())
                .collect();
            let list = |entries: &[String]| {
                format!(r#"{{"resultType":"complete","tools":[{}],"nextCursor":"{shown}"}}"#, entries.join(","))
            };
            let patterns = Patterns::new([&shown]).expect("a pattern");
            let kept: Vec<String> = names
                .iter()
                .zip(&entries)
                .filter(|(name, _)| patterns.matches(name))
                .map(|(_, entry)| entry.clone())
                .collect();
            let filtered = applied("tools/list", &[&shown], &[], &list(&entries));
            prop_assert_eq!(filtered, list(&kept));
        }
    }
}

//! Where pages are, and what is asked of them.

use std::collections::BTreeMap;
use std::fmt;

use prynai_bus::shown;

/// Where all pages are.
const BEGINNING: &str = "/console";

/// Values that are read of a query or a form, and the largest of them in bytes.
const MOST_VALUES: usize = 16;
pub(crate) const LARGEST_VALUE: usize = 512;

/// The page at a path, if it is one of the console's.
pub(crate) fn page_at(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(BEGINNING)?;
    match rest.strip_prefix('/') {
        Some(page) => Some(page.trim_end_matches('/')),
        None => rest.is_empty().then_some(""),
    }
}

/// The path of a page, with a query.
pub(crate) fn path(page: &str, query: &[(&str, &str)]) -> String {
    let slash = if page.is_empty() { "" } else { "/" };
    let path = format!("{BEGINNING}{slash}{page}");
    if query.is_empty() {
        return path;
    }
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(query);
    format!("{path}?{}", text.finish())
}

/// What came in a query or a form: the first value of each name, if it is not empty.
#[derive(Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn read(text: &[u8]) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text).take(MOST_VALUES) {
            let is_small = name.len() <= LARGEST_VALUE && value.len() <= LARGEST_VALUE;
            if is_small && !value.is_empty() {
                // A page shows again what was asked for, and no more of a session than its begin.
                let value = match &*name {
                    "session" => shown::session(&value).to_owned(),
                    _ => value.into_owned(),
                };
                values.entry(name.into_owned()).or_insert(value);
            }
        }
        Self(values)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A copy of a value.
    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// The path of this page with another value for a name, or without one.
    pub(crate) fn path_with(&self, page: &str, name: &str, value: Option<&str>) -> String {
        let others = self.0.iter().filter(|(other, _)| *other != name);
        let mut pairs: Vec<_> = others.map(|(n, v)| (n.as_str(), v.as_str())).collect();
        pairs.extend(value.map(|value| (name, value)));
        path(page, &pairs)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = form_urlencoded::Serializer::new(String::new());
        f.write_str(&text.extend_pairs(&self.0).finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_below_their_path_only() {
        for (path, page) in [
            ("/console", Some("")),
            ("/console/", Some("")),
            ("/console/queue", Some("queue")),
            ("/console/queue/", Some("queue")),
            ("/consoles", None),
            ("/", None),
            ("/x/console", None),
        ] {
            assert_eq!(page_at(path), page, "{path}");
        }
    }

    #[test]
    fn queries_are_bounded_and_come_back_as_they_were() {
        let query = Query::read(b"a=1&b=&a=2&c=%3C%26%3E");
        assert_eq!((query.get("a"), query.get("b")), (Some("1"), None));
        assert_eq!(query.to_string(), "a=1&c=%3C%26%3E");
        assert_eq!(query.path_with("x", "a", None), "/console/x?c=%3C%26%3E");
        assert_eq!(query.path_with("", "c", Some("3")), "/console?a=1&c=3");
        let many: String = (0..1_000).map(|n| format!("n{n}=1&")).collect();
        assert_eq!(Query::read(many.as_bytes()).0.len(), MOST_VALUES);
        let long = format!("a={}", "x".repeat(LARGEST_VALUE + 1));
        assert_eq!(Query::read(long.as_bytes()).get("a"), None);
        let session = Query::read(b"session=0123456789abcdef0123456789abcdef");
        assert_eq!(session.to_string(), "session=0123456789ab");
    }
}

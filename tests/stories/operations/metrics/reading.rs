//! Metrics as Prometheus reads them: the text format, version 0.0.4, and nothing that a strict reader would not take.

use std::collections::{BTreeMap, HashMap, HashSet};

use prynai_test_harness::client::RawClient;
use prynai_test_redis::eventually;

/// The labels of a series, by name.
pub(super) type Labels = BTreeMap<String, String>;

/// What one scrape brought.
pub(super) struct Scrape {
    pub(super) text: String,
    samples: Vec<(String, Labels, f64)>,
}

/// Reads the metrics at `url`.
pub(super) async fn scrape(client: &RawClient, url: &str) -> Scrape {
    let reply = client.send(client.request("GET", url)).await;
    assert_eq!(reply.status(), 200);
    let kind = &reply.headers()["content-type"];
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    Scrape::of(reply.text().await)
}

/// Waits until a metric has this value; what is counted after the answer may come late.
pub(super) async fn becomes(
    client: &RawClient,
    url: &str,
    name: &str,
    labels: &[(&str, &str)],
    value: f64,
) {
    let mut last;
    eventually!(
        {
            last = scrape(client, url).await.value(name, labels);
            (last == Some(value)).then_some(())
        },
        "{name} {labels:?} never became {value}: {last:?}"
    );
}

impl Scrape {
    /// The value of the series with exactly these labels; those that are not named are empty.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Labels = labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let of_series = |(of, labels, value): &(String, Labels, f64)| {
            let said = labels.iter().filter(|(_, value)| !value.is_empty());
            let same = said.clone().count() == wanted.len()
                && said
                    .clone()
                    .all(|(label, value)| wanted.get(label) == Some(value));
            (of == name && same).then_some(*value)
        };
        self.samples.iter().find_map(of_series)
    }

    /// The sum of all series of a name.
    pub(super) fn sum(&self, name: &str) -> f64 {
        let of_name = self.samples.iter().filter(|(of, ..)| of == name);
        of_name.map(|(.., value)| value).sum()
    }

    /// How many series there are.
    pub(super) fn series(&self) -> usize {
        self.samples.len()
    }

    fn of(text: String) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut samples: Vec<(String, Labels, f64)> = Vec::new();
        let mut kinds: HashMap<String, String> = HashMap::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("has a text");
                assert!(!help.is_empty() && !kinds.contains_key(name), "{line}");
                name.clone_into(&mut family);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("has a kind");
                assert_eq!(name, family, "{line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                kinds.insert(name.to_owned(), kind.to_owned());
            } else {
                let sample = read_sample(line);
                let parts: &[&str] = match kinds[&family].as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                let of_family = |part: &&str| sample.0 == format!("{family}{part}");
                assert!(parts.iter().any(of_family), "{line} stands below {family}");
                samples.push(sample);
            }
        }
        let mut seen = HashSet::new();
        for (name, labels, _) in &samples {
            assert!(seen.insert((name, labels)), "twice: {name} {labels:?}");
        }
        let scrape = Self { text, samples };
        for (name, kind) in &kinds {
            if kind == "histogram" {
                scrape.check_histogram(name);
            }
        }
        scrape
    }

    /// Each bucket holds those below it, and the last one holds all.
    fn check_histogram(&self, name: &str) {
        let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for (of, labels, value) in &self.samples {
            if *of == format!("{name}_bucket") {
                let mut labels = labels.clone();
                let bound = labels.remove("le").expect("a bucket has a bound");
                let bound = if bound == "+Inf" {
                    f64::INFINITY
                } else {
                    bound.parse().unwrap()
                };
                buckets.entry(labels).or_default().push((bound, *value));
            }
        }
        for (labels, buckets) in buckets {
            let ascend = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
            assert!(
                buckets.windows(2).all(ascend),
                "{name} {labels:?}: {buckets:?}"
            );
            let (bound, all) = buckets.last().expect("has buckets");
            let named: Vec<(&str, &str)> = labels
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            assert_eq!(*bound, f64::INFINITY, "{name}");
            assert_eq!(
                self.value(&format!("{name}_count"), &named),
                Some(*all),
                "{name}"
            );
            assert!(
                self.value(&format!("{name}_sum"), &named)
                    .is_some_and(|sum| sum >= 0.0)
            );
        }
    }
}

/// `name{label="value",…} number`.
fn read_sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
    let value = value
        .parse()
        .unwrap_or_else(|error| panic!("{error}: {line}"));
    let (name, labels) = match series.split_once('{') {
        None => (series, ""),
        Some((name, labels)) => (name, labels.strip_suffix('}').expect("closes its labels")),
    };
    assert!(is_name(name), "{line}");
    let mut read = Labels::new();
    let mut rest = labels;
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").expect("a label has a quoted value");
        assert!(is_name(label), "{line}");
        // None of ours holds what would have to be escaped.
        let (value, after) = after.split_once('"').expect("the quote is closed");
        assert!(
            value.bytes().all(|byte| byte.is_ascii_graphic()),
            "{line:?}"
        );
        assert!(
            read.insert(label.to_owned(), value.to_owned()).is_none(),
            "{line}"
        );
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    (name.to_owned(), read, value)
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(allowed) && name.starts_with(|first: char| first.is_ascii_alphabetic())
}

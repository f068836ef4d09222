//! `docs/metrics.md`, written from the metrics as the code makes them: this process has those of all three programs.

use std::path::Path;

use prynai_process::metrics::metrics;

/// Set, it says that the page shall be written anew (scripts/metrics).
const WRITE: &str = "PRYNAI_WRITE_PAGE";

const BEGINNING: &str = include_str!("metrics_page.md");

#[test]
fn the_page_of_metrics_is_what_the_code_says() {
    prynai_gateway_engine::register_metrics();
    prynai_worker::register_metrics();
    prynai_redis_bus::register_metrics();
    prynai_traces::register_metrics();
    metrics().program("prynai-mcp", "0.0.0");
    let page = format!("{BEGINNING}{}", metrics().page());
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md"));
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, page).expect("the page is written");
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let differs = |(a, b): &(&str, &str)| a != b;
    let first = committed.lines().zip(page.lines()).find(differs);
    assert!(
        committed == page,
        "docs/metrics.md is not what the code says; run scripts/metrics and commit the page. First difference: {first:?}"
    );
}

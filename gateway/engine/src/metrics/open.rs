//! What is open now.

use prynai_process::metrics::Gauge;

/// Counts as open until it is dropped.
pub(crate) struct Open(&'static Gauge);

impl Open {
    pub(crate) fn new(gauge: &'static Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
#[test]
fn what_is_dropped_is_open_no_more() {
    static GAUGE: std::sync::LazyLock<Gauge> =
        std::sync::LazyLock::new(|| Gauge::new("open", "for this test").unwrap());
    let both = [Open::new(&GAUGE), Open::new(&GAUGE)];
    assert_eq!(GAUGE.get(), 2);
    drop(both);
    assert_eq!(GAUGE.get(), 0);
}

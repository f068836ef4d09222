//! What is set up wrongly or has gone wrong unnoticed, and what to do about each.

use prynai_operations::look::doctor::{Doctor, Verdict};

use super::Shown;
use crate::show::point;

impl Shown for Doctor {
    fn words(&self, width: Option<usize>) -> String {
        let points = self.findings.iter().map(|finding| {
            let verdict = match finding.verdict {
                Verdict::Good => "good",
                Verdict::Note => "note",
                Verdict::Wrong => "WRONG",
                Verdict::Unknown => "unknown",
            };
            point(
                &format!("{}: {verdict}. {}", finding.about, finding.said),
                width,
            )
        });
        points.collect()
    }
}

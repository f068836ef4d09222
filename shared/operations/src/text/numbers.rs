//! Spans of time, moments and sizes.

use std::time::{Duration, UNIX_EPOCH};

/// A span of milliseconds in its two largest units: `350 ms`, `4.2 s`, `3 min 12 s`, `5 h 2 min`, `2 d 3 h`.
pub fn span(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..60 => format!("{}.{} s", s, ms % 1000 / 100),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// A moment, in UTC.
pub fn moment(unix_ms: u64) -> String {
    // The year 9999 is the last that can be written so.
    let ms = unix_ms.min(253_402_300_799_999);
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

/// A number of bytes: `512 B`, `1.4 KiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut unit = "B";
    let mut amount = bytes as f64;
    for larger in UNITS {
        if amount < 1024.0 {
            break;
        }
        (amount, unit) = (amount / 1024.0, larger);
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ => format!("{amount:.1} {unit}"),
    }
}

/// How long something took, in milliseconds, with a digit of them while it was short.
pub fn took(ms: f64) -> String {
    match ms {
        0.0..1000.0 => format!("{ms:.1} ms"),
        _ => span(ms.max(0.0) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let spans = [
            0, 999, 1000, 59_950, 60_000, 3_599_999, 3_600_000, 90_000_000,
        ];
        let shown = spans.map(span);
        assert_eq!(
            shown,
            [
                "0 ms",
                "999 ms",
                "1.0 s",
                "59.9 s",
                "1 min 0 s",
                "59 min 59 s",
                "1 h 0 min",
                "1 d 1 h"
            ]
        );
        assert_eq!(
            [0, 1023, 1536, u64::MAX].map(size).join(","),
            "0 B,1023 B,1.5 KiB,16384.0 PiB"
        );
        assert_eq!(moment(0), "1970-01-01T00:00:00.000Z");
        assert!(moment(u64::MAX).starts_with("9999-12-31"));
    }
}

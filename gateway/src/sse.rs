//! Server-sent events, framed. Pure: bytes in, bytes out.
//!
//! Source: HTML Standard, "Server-sent events", event stream format.

use bytes::Bytes;

/// A comment: keeps proxies from closing a quiet connection; clients ignore it.
pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// One event. `data` may be empty (a priming event); line breaks within it become further
/// `data:` lines, which a client joins again.
pub(crate) fn event(id: Option<&str>, retry_ms: Option<u64>, data: &str) -> Bytes {
    let mut frame = String::with_capacity(data.len() + 64);
    if let Some(id) = id {
        frame.push_str("id: ");
        frame.push_str(id);
        frame.push('\n');
    }
    if let Some(retry) = retry_ms {
        frame.push_str("retry: ");
        frame.push_str(&retry.to_string());
        frame.push('\n');
    }
    for line in lines(data) {
        frame.push_str("data: ");
        frame.push_str(line);
        frame.push('\n');
    }
    frame.push('\n');
    Bytes::from(frame)
}

/// `retry:` alone: tells the client how long to wait before it reconnects.
pub(crate) fn retry(retry_ms: u64) -> Bytes {
    Bytes::from(format!("retry: {retry_ms}\n\n"))
}

/// Splits at CR LF, LF and CR, as a parser of events does.
fn lines(data: &str) -> impl Iterator<Item = &str> {
    data.split('\n').flat_map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.split('\r')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_carries_id_retry_and_data() {
        let frame = event(Some("a-1"), Some(500), "{}");
        assert_eq!(&frame[..], b"id: a-1\nretry: 500\ndata: {}\n\n");
    }

    #[test]
    fn a_priming_event_has_an_empty_data_line() {
        assert_eq!(&event(Some("a-0"), None, "")[..], b"id: a-0\ndata: \n\n");
    }

    #[test]
    fn no_line_break_of_the_data_ends_a_field() {
        let frame = event(None, None, "a\r\nb\nc\rid: forged\n\nx");
        let text = std::str::from_utf8(&frame).unwrap();
        let body = text.strip_suffix("\n\n").unwrap();
        assert!(body.split('\n').all(|line| line.starts_with("data: ")));
        assert!(!body.contains('\r'));
    }
}

//! Server-sent events, framed. Pure: bytes in, bytes out.
//!
//! Source: HTML Standard, "Server-sent events", event stream format: a line ends with LF, CR or both. Some
//! clients (httpx-sse 0.4.1 and whatever else reads with Python's `str.splitlines`) end a line at U+0085,
//! U+2028 and U+2029 as well, then wait for the rest of a message for ever. Of all characters that such a
//! reader ends a line at, only these three may stand as they are in JSON (RFC 8259, section 7, demands an
//! escape for all below U+0020), and only inside a string. So they are written as the escape that means the same.

use bytes::Bytes;

/// A comment: keeps proxies from closing a quiet connection; clients ignore it.
pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// Bytes that are looked at together: a fixed number, so that the compiler makes one comparison of them.
const SCANNED: usize = 64;

/// One event. `data` is JSON, or empty (a priming event). Line breaks between its tokens become further
/// `data:` lines, which a client joins again.
pub(crate) fn event(id: Option<&str>, retry_ms: Option<u64>, data: &str) -> Bytes {
    let mut frame = String::new();
    push_event(&mut frame, id, retry_ms, data);
    Bytes::from(frame)
}

/// Adds an event to others, as [`event`].
pub(crate) fn push_event(frame: &mut String, id: Option<&str>, retry_ms: Option<u64>, data: &str) {
    frame.reserve(data.len() + 64);
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
    frame.push_str("data: ");
    if is_one_line(data) {
        frame.push_str(data);
    } else {
        push_lines(frame, data);
    }
    frame.push_str("\n\n");
}

/// `retry:` alone: tells the client how long to wait before it reconnects.
pub(crate) fn retry(retry_ms: u64) -> Bytes {
    let mut frame = String::new();
    push_retry(&mut frame, retry_ms);
    Bytes::from(frame)
}

/// Adds it to other events, as [`retry`].
pub(crate) fn push_retry(frame: &mut String, retry_ms: u64) {
    frame.push_str(&format!("retry: {retry_ms}\n\n"));
}

/// Whether no client can take `data` for more than one line. It may be, even if this says no: it looks at
/// the first byte of what matters.
fn is_one_line(data: &str) -> bool {
    let matters = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0xC2 | 0xE2);
    let any = |bytes: &[u8]| bytes.iter().fold(false, |any, byte| any | matters(byte));
    !data.as_bytes().chunks(SCANNED).any(any)
}

/// Adds `data` with each line break as the beginning of another `data:` line, and each character that some
/// clients take for a line break as its escape.
fn push_lines(frame: &mut String, data: &str) {
    let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let mut rest = data;
    while let Some(at) = rest.find(breaks) {
        let (before, from) = rest.split_at(at);
        frame.push_str(before);
        let (written, width) = match from.as_bytes() {
            [b'\r', b'\n', ..] => ("\ndata: ", 2),
            [b'\n' | b'\r', ..] => ("\ndata: ", 1),
            [0xC2, ..] => (r"\u0085", 2),
            [_, _, 0xA8, ..] => (r"\u2028", 3),
            _ => (r"\u2029", 3),
        };
        frame.push_str(written);
        rest = &from[width..];
    }
    frame.push_str(rest);
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

    #[test]
    fn what_some_clients_take_for_a_line_break_is_escaped() {
        let told = |data: &str| String::from_utf8(event(None, None, data).to_vec()).unwrap();
        let data = "{\"a\u{85}\":\"x\u{2028}y\u{2029}\u{2028}\",\"b\":[\"\u{85}\"]}";
        assert_eq!(
            told(data),
            "data: {\"a\\u0085\":\"x\\u2028y\\u2029\\u2028\",\"b\":[\"\\u0085\"]}\n\n"
        );
        // What begins with the same bytes stays as it is, and so does what no reader breaks at.
        let alike = "\"\u{80}\u{84}\u{86}\u{a0}\u{e9}\u{2027}\u{202a}\u{201c}\u{20ac}\u{feff}\u{7f}\u{10ffff}\"";
        assert_eq!(told(alike), format!("data: {alike}\n\n"));
        // An escape that was there before, also behind an escaped backslash.
        let escaped = r#""\u2028\\u2028\\""#;
        assert_eq!(told(escaped), format!("data: {escaped}\n\n"));
    }

    #[test]
    fn one_is_found_wherever_it_stands() {
        for before in 0..3 * SCANNED {
            for broken in ["\u{85}", "\u{2028}", "\u{2029}"] {
                let data = format!("\"{}{broken}{}\"", "a".repeat(before), "b".repeat(SCANNED));
                let frame = event(None, None, &data);
                let text = std::str::from_utf8(&frame).unwrap();
                assert!(!text.contains(broken), "{before}");
                let told = text.strip_prefix("data: ").unwrap().trim_end();
                let [told, meant]: [String; 2] =
                    [told, &data].map(|json| serde_json::from_str(json).unwrap());
                assert_eq!(told, meant);
            }
        }
    }

    proptest::proptest! {
        /// Read the way of `str.splitlines`, every message is one line and says what it said.
        #[test]
        fn any_text_is_one_line_for_every_reader(text in "[\\x00-\u{a0}\u{2020}-\u{2030}\\PC]{0,40}") {
            let json = serde_json::to_string(&text).unwrap();
            let frame = event(Some("a-1"), None, &json);
            let frame = std::str::from_utf8(&frame).unwrap();
            let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
            let lines: Vec<&str> = frame.split(ends).collect();
            assert_eq!(lines.len(), 4, "{frame:?}");
            let data = lines[1].strip_prefix("data: ").unwrap();
            assert_eq!(serde_json::from_str::<String>(data).unwrap(), text);
        }
    }
}

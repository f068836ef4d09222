//! What is no JSON, and what is JSON but no message.

use super::{BOTH_ERAS, Era, Target, echo, refused, taken};

/// A part of a good call, what stands in its place, and the code of the refusal: -32700 when it is no JSON, -32600
/// when it is no JSON-RPC message (JSON-RPC 2.0, section 5.1).
type Spoiled = (&'static str, &'static [u8], i64);

const SPOILED: [Spoiled; 44] = [
    // Not JSON (RFC 8259): text that is not UTF-8, in a member that is looked at and in one that is not.
    ("tools/call", b"tools/\xff", -32700),
    (r#""x""#, b"\"\xc3\x28\"", -32700),
    (r#""x""#, b"\"\xed\xa0\x80\"", -32700),
    (r#""x""#, b"\"\xc0\xaf\"", -32700),
    (r#""x""#, b"\"a\0b\"", -32700),
    (r#""x""#, b"\"a\nb\"", -32700),
    (r#""x""#, br#""\x41""#, -32700),
    (r#""x""#, br#""\u12""#, -32700),
    (r#""x""#, b"'x'", -32700),
    (r#""x""#, b"NaN", -32700),
    (r#""x""#, b"Infinity", -32700),
    (r#""x""#, b"undefined", -32700),
    (r#""x""#, b"01", -32700),
    (r#""x""#, b"+1", -32700),
    (r#""x""#, b"0x10", -32700),
    (r#""x""#, b"1.", -32700),
    (r#""x""#, br#""x","#, -32700),
    (r#""x""#, br#""x"/**/"#, -32700),
    (r#""id":1"#, b"\"id\":1\xc2\xa0", -32700),
    // A lone surrogate names no method; as a part of what is only passed on it is JSON.
    (r#""tools/call""#, br#""\ud800""#, -32700),
    // Members of the wrong type or missing (2026-07-28, Basic, Requests).
    (r#""2.0""#, br#""1.0""#, -32600),
    (r#""2.0""#, br#""2.0 ""#, -32600),
    (r#""2.0""#, b"2.0", -32600),
    (r#""2.0""#, b"null", -32600),
    (r#""2.0""#, b"[]", -32600),
    (r#""2.0""#, b"{}", -32600),
    (r#""jsonrpc":"2.0","#, b"", -32600),
    (r#""jsonrpc""#, br#""JSONRPC""#, -32600),
    (r#""id":1"#, br#""id":null"#, -32600),
    (r#""id":1"#, br#""id":true"#, -32600),
    (r#""id":1"#, br#""id":1.5"#, -32600),
    (r#""id":1"#, br#""id":1e400"#, -32600),
    (r#""id":1"#, br#""id":[1]"#, -32600),
    (r#""id":1"#, br#""id":{}"#, -32600),
    (r#""tools/call""#, b"null", -32600),
    (r#""tools/call""#, b"7", -32600),
    (r#""tools/call""#, br#"["tools/call"]"#, -32600),
    (r#""tools/call""#, br#"{"a":1}"#, -32600),
    (r#""tools/call""#, br#""""#, -32600),
    // Two of what there may be one of: of two readers each could take another (RFC 8259, section 4).
    (r#""id":1"#, br#""id":1,"id":2"#, -32600),
    (r#""id":1"#, br#""id":1,"\u0069d":2"#, -32600),
    (r#""id":1"#, br#""id":1,"method":"ping""#, -32600),
    (r#""id":1"#, br#""id":1,"params":{}"#, -32600),
    (r#""id":1"#, br#""id":1,"result":{}"#, -32600),
];

#[tokio::test]
async fn a_call_that_is_no_message_is_refused() {
    let mut target = Target::start().await;
    for era in BOTH_ERAS {
        for (part, instead, code) in SPOILED {
            let body = spoiled(era, part, instead);
            let what = format!(
                "{era:?}: {part} as {:?}",
                instead.escape_ascii().to_string()
            );
            let row = refused(what, target.call(era, body), 400, code);
            target.attack([row]).await;
        }
    }
    target.assert_unharmed().await;
}

fn spoiled(era: Era, part: &str, instead: &[u8]) -> Vec<u8> {
    let good = echo(era);
    let (before, after) = good.split_once(part).expect("is a part of the call");
    [before.as_bytes(), instead, after.as_bytes()].concat()
}

/// A body in place of a good one, or around it (`@`).
const BODIES: [(&str, &str, i64); 32] = [
    (
        "a byte order mark (RFC 8259, section 8.1: senders must not add one)",
        "\u{feff}@",
        -32700,
    ),
    ("two messages", "@@", -32700),
    ("two lines", "@\n@", -32700),
    ("trailing garbage", "@x", -32700),
    ("a trailing comma", "@,", -32700),
    ("a trailing NUL", "@\0", -32700),
    ("a trailing brace", "@}", -32700),
    ("a leading NUL", "\0@", -32700),
    ("a space that is none of JSON's", "\u{a0}@", -32700),
    ("an event stream", "data: @\n\n", -32700),
    ("a form", "message=@", -32700),
    ("white space", " \r\n\t", -32700),
    ("a quotation mark", "\"", -32700),
    ("half an array", "[@", -32700),
    ("an array with a hole", "[@,,@]", -32700),
    ("null", "null", -32600),
    ("a truth", "true", -32600),
    ("a string", "\"ping\"", -32600),
    ("a number", "-0.0e-1", -32600),
    ("a huge number", "1e99999", -32600),
    ("an empty object", "{}", -32600),
    ("a struct as a list", r#"["2.0",1,"ping",{}]"#, -32600),
    ("a list of lists", "[[@]]", -32600),
    (
        "a message in a message",
        r#"{"jsonrpc":"2.0","id":1,"params":@}"#,
        -32600,
    ),
    (
        "an answer that answers nothing",
        r#"{"jsonrpc":"2.0","id":1}"#,
        -32600,
    ),
    (
        "an answer without an id",
        r#"{"jsonrpc":"2.0","result":{}}"#,
        -32600,
    ),
    (
        "params as null, which stands for none",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null}"#,
        -32602,
    ),
    (
        "params as a truth",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":true}"#,
        -32600,
    ),
    (
        "params as a number",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":7}"#,
        -32600,
    ),
    (
        "params as a string",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"echo"}"#,
        -32600,
    ),
    (
        "params as a list",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["echo"]}"#,
        -32600,
    ),
    (
        "params as an empty list, which stands for none",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#,
        -32602,
    ),
];

#[tokio::test]
async fn a_body_that_is_no_message_is_refused() {
    let mut target = Target::start().await;
    for era in BOTH_ERAS {
        let good = echo(era);
        for (what, body, code) in BODIES {
            let request = target.call(era, body.replace('@', &good));
            // In a session, wrong parameters concern their call alone.
            let status = match (era, code) {
                (Era::Legacy, -32602) => 200,
                _ => 400,
            };
            let row = refused(format!("{era:?}: {what}"), request, status, code);
            target.attack([row]).await;
        }
        for length in (0..good.len()).step_by(7) {
            let request = target.call(era, good[..length].to_owned());
            let row = refused(format!("{era:?}: {length} bytes"), request, 400, -32700);
            target.attack([row]).await;
        }
    }
    target.assert_unharmed().await;
}

#[tokio::test]
async fn ids_and_bodies_have_a_largest_size() {
    let mut target = Target::start().await;
    for era in BOTH_ERAS {
        let good = echo(era);
        let too_large = match era {
            Era::Legacy => 200,
            Era::Modern => 413,
        };
        let long = |bytes: usize| {
            let id = format!(r#""id":"{}""#, "9".repeat(bytes - 2));
            good.replace(r#""id":1"#, &id)
        };
        let padded = |bytes: usize| good.replace(r#""x""#, &format!(r#""{}""#, "x".repeat(bytes)));
        let rows = [
            refused(
                format!("{era:?}: an id of 1025 bytes"),
                target.call(era, long(1025)),
                400,
                -32600,
            ),
            taken(
                format!("{era:?}: an id of 1024 bytes"),
                target.call(era, long(1024)),
                200,
            )
            .reaching(super::REACHED_ECHO),
            refused(
                format!("{era:?}: 4 MiB and more"),
                target.call(era, padded(4 << 20)),
                too_large,
                -32600,
            ),
            refused(
                format!("{era:?}: 15 MiB"),
                target.call(era, padded(15 << 20)),
                too_large,
                -32600,
            ),
        ];
        target.attack(rows).await;
    }
    target.assert_unharmed().await;
}

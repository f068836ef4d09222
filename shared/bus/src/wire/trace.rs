//! To which trace a request belongs (W3C Trace Context, `traceparent` and `tracestate`).

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Characters of `traceparent` in version 00.
const LENGTH: usize = 55;

/// The bit of the flags that says that whoever sent it records the trace.
const SAMPLED: u8 = 1;

/// Most characters of `tracestate`, which everybody has to hand on (Trace Context, section 3.3.1.5).
const MOST_OF_STATE: usize = 512;

/// Most members of it (section 3.3.1.1).
const MOST_MEMBERS: usize = 32;

/// Most characters of a key, and of a value.
const MOST_OF_MEMBER: usize = 256;

/// A place in a trace: what `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; not 0.
    pub trace_id: u128,
    /// The span in it; not 0.
    pub span_id: u64,
    /// Of version 00: bit 0 says that the trace is recorded.
    pub flags: u8,
}

/// What the systems that a trace has passed say of it: `tracestate`, of a [`TraceContext`]. It is handed on as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceState(Box<str>);

/// The ids of a [`TraceContext`] as text, without memory of their own.
#[derive(Debug, Clone, Copy)]
pub struct Digits([u8; 48]);

/// A text that is no `traceparent`, or no `tracestate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not of W3C Trace Context")]
pub struct InvalidTrace;

impl TraceContext {
    /// Whether whoever sent it records the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Its ids as they stand in `traceparent`.
    pub fn digits(&self) -> Digits {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut digits = [0; 48];
        let ids = self.trace_id.to_be_bytes().into_iter();
        let ids = ids.chain(self.span_id.to_be_bytes());
        for (place, byte) in digits.chunks_exact_mut(2).zip(ids) {
            place[0] = DIGITS[usize::from(byte >> 4)];
            place[1] = DIGITS[usize::from(byte & 15)];
        }
        Digits(digits)
    }
}

impl Digits {
    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.text(0..32)
    }

    /// The same, as bytes.
    pub fn trace_id_bytes(&self) -> [u8; 32] {
        let mut digits = [0; 32];
        digits.copy_from_slice(&self.0[..32]);
        digits
    }

    /// 16 hexadecimal digits.
    pub fn span_id(&self) -> &str {
        self.text(32..48)
    }

    fn text(&self, part: Range<usize>) -> &str {
        // They are ASCII.
        std::str::from_utf8(&self.0[part]).unwrap_or_default()
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTrace;

    /// Accepts version 00 as it is written, and of later versions the part that they share with it (Trace Context,
    /// sections 3.2.2 and 3.2.4).
    fn from_str(text: &str) -> Result<Self, InvalidTrace> {
        let bytes = text.as_bytes();
        let (known, rest) = bytes.split_at_checked(LENGTH).ok_or(InvalidTrace)?;
        let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
        let version = hex(&known[..2])?;
        let ends_well = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|next| *next == b'-'),
        };
        let context = Self {
            trace_id: hex(&known[3..35])?,
            span_id: number(&known[36..52])?,
            flags: number(&known[53..55])?,
        };
        let is_valid = dashes && ends_well && context.trace_id != 0 && context.span_id != 0;
        is_valid.then_some(context).ok_or(InvalidTrace)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            span_id,
            flags,
        } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{flags:02x}")
    }
}

impl TraceState {
    /// As it stands in `tracestate`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TraceState {
    type Err = InvalidTrace;

    /// Accepts members `key=value`, separated by commas; empty ones are left out. One that is wrong spoils all, and so
    /// do too many of them (Trace Context, section 3.3.1).
    fn from_str(text: &str) -> Result<Self, InvalidTrace> {
        // Spaces and tabs may stand around the commas.
        if text.len() > 2 * MOST_OF_STATE {
            return Err(InvalidTrace);
        }
        let members = text
            .split(',')
            .map(|member| member.trim_matches([' ', '\t']));
        let members: Vec<&str> = members.filter(|member| !member.is_empty()).collect();
        let mut keys = HashSet::with_capacity(members.len());
        if !(1..=MOST_MEMBERS).contains(&members.len()) {
            return Err(InvalidTrace);
        }
        for member in &members {
            let (key, value) = member.split_once('=').ok_or(InvalidTrace)?;
            if !(is_key(key) && is_value(value) && keys.insert(key)) {
                return Err(InvalidTrace);
            }
        }
        let state = members.join(",");
        match state.len() <= MOST_OF_STATE {
            true => Ok(Self(state.into())),
            false => Err(InvalidTrace),
        }
    }
}

/// Section 3.3.1.3.1: `key` or `tenant@system`.
fn is_key(key: &str) -> bool {
    let is_of = |part: &str, most: usize| {
        let mut bytes = part.bytes();
        let begins = bytes
            .next()
            .is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit());
        let goes_on = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
        begins && part.len() <= most && bytes.all(goes_on)
    };
    match key.split_once('@') {
        Some((tenant, system)) => is_of(tenant, 241) && is_of(system, 14),
        None => is_of(key, MOST_OF_MEMBER),
    }
}

/// Section 3.3.1.3.2; the space at the end is not there any more.
fn is_value(value: &str) -> bool {
    let fits = (1..=MOST_OF_MEMBER).contains(&value.len());
    fits && value
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

/// A number of at most 32 hexadecimal digits, in lower case: a sign or an upper-case letter is none.
fn hex(digits: &[u8]) -> Result<u128, InvalidTrace> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(InvalidTrace),
        };
        Ok(number << 4 | u128::from(digit))
    })
}

fn number<T: TryFrom<u128>>(digits: &[u8]) -> Result<T, InvalidTrace> {
    T::try_from(hex(digits)?).map_err(|_| InvalidTrace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written_as_it_was() {
        let context: TraceContext = VALID.parse().unwrap();
        assert_eq!(context.to_string(), VALID);
        assert!(context.is_sampled());
        let digits = context.digits();
        assert_eq!(digits.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(digits.span_id(), "00f067aa0ba902b7");
        let not_recorded: TraceContext = VALID.replace("-01", "-00").parse().unwrap();
        assert!(!not_recorded.is_sampled());
        // What a later version adds is not looked at.
        for later in [
            VALID.replacen("00", "01", 1),
            VALID.replacen("00", "cc", 1) + "-what-the-future",
        ] {
            let later: TraceContext = later.parse().unwrap();
            assert_eq!(later, context);
        }
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        for text in [
            String::new(),
            VALID.to_uppercase(),
            VALID.replacen("00", "ff", 1),
            format!("{VALID}-more"),
            format!("{VALID} "),
            VALID.replacen("00", "01", 1) + "x",
            VALID[..54].to_owned(),
            VALID.replace('-', "_"),
            VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            VALID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            VALID.replace("4bf9", "+bf9"),
            VALID.replace("4bf9", "\u{1b}[m9"),
            VALID.replace("4bf9", "é\u{e9}"),
        ] {
            assert_eq!(text.parse::<TraceContext>(), Err(InvalidTrace), "{text:?}");
        }
    }

    #[test]
    fn a_tracestate_is_handed_on_up_to_its_bounds_and_dropped_whole() {
        let members = |count: usize| {
            let members = (0..count).map(|number| format!("k{number}=v"));
            members.collect::<Vec<_>>().join(",")
        };
        let long = format!("a={},b={}", "x".repeat(256), "y".repeat(251));
        assert_eq!(long.len(), MOST_OF_STATE);
        for (text, expected) in [
            ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", None),
            ("t/1-_*@vendor=a b!~", None),
            ("a=1,\t ,b=2 , c=3 ", Some("a=1,b=2,c=3")),
            (&members(MOST_MEMBERS), None),
            (&long, None),
        ] {
            let state: TraceState = text.parse().unwrap();
            assert_eq!(state.as_str(), expected.unwrap_or(text));
        }
        for text in [
            "",
            " , ",
            "a",
            "=v",
            "a=",
            "A=v",
            "_a=v",
            "a@=v",
            "a@b@c=v",
            "a b=v",
            "a=v=w",
            "a=1,a=2",
            "a=1,b",
            "a=\u{1b}[2J",
            "a=\u{e9}",
            &members(MOST_MEMBERS + 1),
            &format!("{long}y"),
            &format!("a={}", "x".repeat(257)),
            &format!("{}=v", "k".repeat(257)),
            &" ".repeat(4096),
        ] {
            assert_eq!(text.parse::<TraceState>(), Err(InvalidTrace), "{text:?}");
        }
    }
}

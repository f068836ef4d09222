//! The id of a request whose body is too large to be kept: without it nobody could tell the client which of its
//! requests is refused.

use prynai_bus::wire::message::RawJson;

/// Most bytes kept of a member's name, or of the id.
const MOST_KEPT: usize = 1024;

/// Reads a JSON text byte by byte and keeps nothing of it but `id`, and whether there is a `method`.
#[derive(Default)]
pub(super) struct IdSearch {
    /// How many objects and lists are open.
    depth: usize,
    is_object: bool,
    in_string: bool,
    escaped: bool,
    in_value: bool,
    name: Vec<u8>,
    value: Vec<u8>,
    id: Option<Vec<u8>>,
    has_method: bool,
}

impl IdSearch {
    /// Reads on.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    /// The id, if what was read is a request.
    pub(super) fn request_id(self) -> Option<RawJson> {
        let id = String::from_utf8(self.id.filter(|_| self.has_method)?).ok()?;
        let id = RawJson::parse(id.trim()).ok()?;
        let is_id = |first: char| first == '"' || first == '-' || first.is_ascii_digit();
        id.as_str().starts_with(is_id).then_some(id)
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            self.keep(byte);
            let ends = byte == b'"' && !self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            self.in_string = !ends;
            return;
        }
        match byte {
            b'{' | b'[' => {
                self.is_object |= self.depth == 0 && byte == b'{';
                self.depth += 1;
            }
            b'}' | b']' => {
                self.end_member();
                self.depth = self.depth.saturating_sub(1);
            }
            b',' => self.end_member(),
            b':' => self.in_value |= self.depth == 1,
            _ => {
                self.in_string = byte == b'"';
                self.keep(byte);
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth != 1 || !self.is_object {
            return;
        }
        let kept = match self.in_value {
            false => &mut self.name,
            true if self.name == br#""id""# => &mut self.value,
            true => return,
        };
        // One too many makes it no id and no name.
        if (byte.is_ascii_graphic() || self.in_string) && kept.len() <= MOST_KEPT {
            kept.push(byte);
        }
    }

    fn end_member(&mut self) {
        if self.depth != 1 {
            return;
        }
        self.has_method |= self.name == br#""method""#;
        let value = std::mem::take(&mut self.value);
        if self.name == br#""id""# && value.len() <= MOST_KEPT {
            self.id.get_or_insert(value);
        }
        self.name.clear();
        self.in_value = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        let mut search = IdSearch::default();
        // However the body is cut.
        for byte in text.as_bytes().chunks(3) {
            search.read(byte);
        }
        search.request_id().map(|id| id.as_str().to_owned())
    }

    #[test]
    fn the_id_of_a_request_is_found_wherever_it_stands() {
        for (text, id) in [
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"id":8}}"#,
                "7",
            ),
            (
                r#"{"method":"x","params":{"a":[{"id":1},"}\"{"],"id":"no"},"jsonrpc":"2.0","id":-3}"#,
                "-3",
            ),
            (
                " {\n\"id\" : \"a, \\\"b\\\\\" ,\"method\": \"x\"}",
                r#""a, \"b\\""#,
            ),
            (r#"{"params":"\"id\":1,\\","method":"x","id":2}"#, "2"),
        ] {
            assert_eq!(found(text).as_deref(), Some(id), "{text}");
        }
    }

    #[test]
    fn what_is_no_request_has_no_id() {
        let long = format!(r#"{{"id":"{}","method":"x"}}"#, "a".repeat(MOST_KEPT));
        for text in [
            r#"{"id":1,"result":{"method":"x"}}"#,
            r#"{"method":"x","params":{"id":1}}"#,
            r#"[{"id":1,"method":"x"}]"#,
            r#"{"id":null,"method":"x"}"#,
            r#"{"id":{},"method":"x"}"#,
            r#"{"id":1x,"method":"x"}"#,
            r#"{"id":1,"metho"#,
            "",
            "]}]}",
            &long,
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_read(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let mut search = IdSearch::default();
            search.read(&body);
            drop(search.request_id());
        }
    }
}

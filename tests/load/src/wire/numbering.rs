//! What is missing from an event stream, by the numbers in its event ids.

/// Follows the ids of one stream. Ids are the server's own affair, so only those that say a number plainly are used:
/// `NAME-NUMBER`, as here, or `NUMBER/NAME`, as rmcp writes them. All others pass.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    last: Option<(String, u64)>,
}

impl Numbering {
    /// How many events are missing between the last id and this one.
    pub(crate) fn missing_before(&mut self, id: &str) -> u64 {
        let Some((name, number)) = numbered(id) else {
            self.last = None;
            return 0;
        };
        match &mut self.last {
            Some((known, last)) if known == name => {
                let missing = number.saturating_sub(*last + 1);
                *last = number.max(*last);
                missing
            }
            _ => {
                self.last = Some((name.to_owned(), number));
                0
            }
        }
    }
}

fn numbered(id: &str) -> Option<(&str, u64)> {
    let dashed = id
        .rsplit_once('-')
        .and_then(|(name, number)| Some((name, canonical(number)?)));
    let slashed = || {
        let (number, name) = id.split_once('/')?;
        Some((name, canonical(number)?))
    };
    dashed.or_else(slashed)
}

/// A number as it is counted: the end of a UUID is none.
fn canonical(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text && number < u64::MAX).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(ids: &[&str]) -> u64 {
        let mut numbering = Numbering::default();
        ids.iter().map(|id| numbering.missing_before(id)).sum()
    }

    #[test]
    fn only_numbers_that_were_left_out_are_missing() {
        assert_eq!(missing(&["a-0", "a-1", "a-2"]), 0);
        assert_eq!(missing(&["a-0", "a-3", "a-4", "a-6"]), 3);
        assert_eq!(missing(&["0/7", "1/7", "4/7"]), 2);
        // Resumed: the last one is named again.
        assert_eq!(missing(&["a-0", "a-1", "a-1", "a-2"]), 0);
        assert_eq!(missing(&["a-0", "b-7", "b-8"]), 0);
        assert_eq!(missing(&["x", "y", "a-01", "a-09"]), 0);
        assert_eq!(missing(&["s_1764_k3", "s_1769_p9"]), 0);
    }
}

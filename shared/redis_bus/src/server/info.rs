//! What `INFO` answers.

/// The value of a line `name:value`.
pub(crate) fn fact<'a>(facts: &'a str, name: &str) -> Option<&'a str> {
    let mut values = facts
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    values.next().map(str::trim)
}

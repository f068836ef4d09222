//! Values of settings that nobody must see.

use std::fmt;

/// Most keys for one purpose at a time: the new one and the one it replaces.
const MOST_KEYS: usize = 2;

/// Least length of a key, in bytes: as much as SHA-256 gives out (RFC 2104, section 3).
const LEAST_BYTES: usize = 32;

/// A key or password from the settings. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Refuses the keys of a setting that are too many, or too short to protect anything.
///
/// # Errors
///
/// What is wrong with them, without repeating them.
pub fn check_keys(flag: &str, keys: &[Secret]) -> Result<(), String> {
    if keys.len() > MOST_KEYS {
        return Err(format!("{flag} takes two keys at most"));
    }
    if keys.iter().any(|key| key.0.trim() != key.0) {
        return Err(format!(
            "{flag} begins or ends with a space or a line break; write it without, in a file with printf and not echo"
        ));
    }
    if keys.iter().any(|key| key.0.len() < LEAST_BYTES) {
        return Err(format!("{flag} must have 32 characters or more"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_surplus_keys_are_refused_without_being_repeated() {
        let keys = |lengths: &[usize]| -> Vec<Secret> {
            let key = |length: &usize| Secret::from("geheim".repeat(99)[..*length].to_owned());
            lengths.iter().map(key).collect()
        };
        for good in [&[][..], &[32], &[32, 64]] {
            assert_eq!(check_keys("--key", &keys(good)), Ok(()), "{good:?}");
        }
        for padded in [
            format!("{}\n", "geheim".repeat(6)),
            format!(" {}", "geheim".repeat(6)),
        ] {
            let reason = check_keys("--key", &[padded.into()]).expect_err("is refused");
            assert!(
                reason.contains("line break") && !reason.contains("gehei"),
                "{reason}"
            );
        }
        for bad in [&[0][..], &[31], &[32, 31], &[32, 32, 32]] {
            let reason = check_keys("--key", &keys(bad)).expect_err("is refused");
            let told = format!("{reason} {:?}", keys(bad));
            assert!(
                reason.contains("--key") && !told.contains("gehei"),
                "{told}"
            );
        }
    }
}

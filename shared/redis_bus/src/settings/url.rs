//! Where Redis is, as an operator writes it.

use std::fmt;
use std::str::FromStr;

use clap::builder::ValueParserFactory;
use prynai_process::settings::Unrepeated;

use crate::server::address::Address;

/// Where Redis is, read from a URL that may hold passwords: neither `Display` nor `Debug` shows them, nor the user.
#[derive(Clone)]
pub struct RedisUrl(Address);

impl RedisUrl {
    pub(crate) fn address(&self) -> &Address {
        &self.0
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    /// Says what is wrong without repeating the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let credentials = text
            .split_once("://")
            .and_then(|(_, rest)| rest.rsplit_once('@'));
        // Each of them would end user and password, and with them the host, before the @.
        if credentials.is_some_and(|(credentials, _)| credentials.contains(['#', '/', '?'])) {
            return Err(
                "user name and password hold characters that a URL does not: write # as %23, / as %2F, ? as %3F \
                 and % as %25"
                    .to_owned(),
            );
        }
        Address::parse(text).map(Self)
    }
}

impl ValueParserFactory for RedisUrl {
    type Parser = Unrepeated<Self>;

    fn value_parser() -> Unrepeated<Self> {
        Unrepeated::default()
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_user_and_password() {
        for (text, shown) in [
            ("redis://user:secret@host:6380/1", "redis://host:6380"),
            ("rediss://:secret@host", "rediss://host:6379"),
            (
                "redis+sentinel://user:secret@one,two:7000/main?sentinel_user=user&sentinel_password=secret",
                "redis+sentinel://one:26379,two:7000/main",
            ),
        ] {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
    }

    #[test]
    fn a_password_that_ends_the_url_early_is_refused_without_being_repeated() {
        for text in [
            "redis://u:sec/ret@h",
            "redis://u:sec#ret@h",
            "redis://u:sec?ret@h",
        ] {
            let reason = text.parse::<RedisUrl>().expect_err("is refused");
            assert!(reason.contains("%23"), "{reason}");
            assert!(!reason.contains("ret@"), "{reason}");
        }
    }
}

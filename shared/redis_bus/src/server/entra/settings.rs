//! With what a process signs in to Redis.

use clap::{Args, ValueEnum};
use prynai_identity::Identity;

use crate::settings::RedisUrl;

/// With what a process signs in to Redis.
#[derive(Debug, Clone, Default, Args)]
pub struct RedisSignInSettings {
    /// With what this process signs in to Redis.
    #[arg(
        long,
        env = "PRYNAI_REDIS_AUTH",
        value_name = "HOW",
        value_enum,
        default_value_t = RedisAuth::Url
    )]
    pub redis_auth: RedisAuth,

    /// Client id of the user-assigned identity that `--redis-auth entra` uses [default: AZURE_CLIENT_ID; without that
    /// the system-assigned identity].
    #[arg(long, env = "PRYNAI_REDIS_IDENTITY", value_name = "CLIENT_ID")]
    pub redis_identity: Option<String>,
}

/// With what a process signs in to Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum RedisAuth {
    /// User and password of the URL, or nothing
    #[default]
    Url,
    /// Tokens of Microsoft Entra ID, for the managed identity of a Container App or the workload identity of a pod
    Entra,
}

impl RedisSignInSettings {
    /// Refuses what cannot work with this Redis.
    ///
    /// # Errors
    ///
    /// Which setting is wrong and what it may be.
    pub fn check(&self, url: Option<&RedisUrl>) -> Result<(), String> {
        if self.redis_auth == RedisAuth::Url {
            return match self.redis_identity {
                Some(_) => Err("--redis-identity is for --redis-auth entra".to_owned()),
                None => Ok(()),
            };
        }
        let address = url.ok_or("--redis-auth entra needs --redis-url")?.address();
        if !address.uses_tls() {
            return Err(
                "--redis-auth entra needs a --redis-url that begins with rediss: whoever reads a token on its way may \
                 use it"
                    .to_owned(),
            );
        }
        if !address.is_one_server() {
            return Err("--redis-auth entra is for one address, not for Sentinels".to_owned());
        }
        if address.has_credentials() {
            return Err(
                "--redis-auth entra takes user and password from Entra ID; leave them out of --redis-url".to_owned(),
            );
        }
        self.identity().map(drop)
    }

    /// Who this process is, if it signs in with Entra ID.
    pub(super) fn identity(&self) -> Result<Option<Identity>, String> {
        match self.redis_auth {
            RedisAuth::Url => Ok(None),
            RedisAuth::Entra => Identity::of_process(self.redis_identity.as_deref())
                .map(Some)
                .ok_or_else(|| format!("--redis-auth entra: {}", Identity::NONE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entra() -> RedisSignInSettings {
        RedisSignInSettings {
            redis_auth: RedisAuth::Entra,
            redis_identity: None,
        }
    }

    #[test]
    fn what_would_show_a_token_or_ignore_a_password_is_refused() {
        for (url, word) in [
            ("redis://host:10000", "rediss"),
            ("rediss://user:geheim@host:10000", "leave them out"),
            ("rediss+sentinel://one/main", "Sentinels"),
        ] {
            let url = url.parse().expect("a URL");
            let reason = entra().check(Some(&url)).expect_err("is refused");
            assert!(
                reason.contains(word) && !reason.contains("geheim"),
                "{reason}"
            );
        }
        assert!(entra().check(None).is_err());
        let stray = RedisSignInSettings {
            redis_auth: RedisAuth::Url,
            redis_identity: Some("x".to_owned()),
        };
        assert!(stray.check(None).is_err());
    }
}

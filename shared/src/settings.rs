//! Settings that several processes have in common, and how a wrong one is refused.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Args, Parser};

use crate::bus::BusError;
use crate::secret::Secret;
use crate::wire::signature::EnvelopeKeys;

/// Exit code for settings that cannot work (`EX_USAGE` of `sysexits.h`).
pub const EXIT_USAGE: i32 = 64;

/// Where the shared Redis is.
#[derive(Debug, Clone, Args)]
pub struct RedisSettings {
    /// Redis that gateways and workers share, as a URL: `redis://[user:password@]host:port`, `rediss://`
    /// for TLS, or `redis+sentinel://[user:password@]host:port,host:port/master` (`rediss+sentinel://`)
    /// to follow the master that Sentinels name; their own password is
    /// `?sentinel_user=…&sentinel_password=…`. Redis 7.0 or later, with the eviction policy noeviction;
    /// no cluster of several masters (docs/redis.md).
    #[arg(
        long,
        env = "PRYNAI_REDIS_URL",
        default_value = "redis://127.0.0.1:6379",
        value_name = "URL",
        hide_env_values = true,
        value_parser = redis_url
    )]
    pub redis_url: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub tls: RedisTlsSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub keys: KeySettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub envelope: EnvelopeSettings,
}

/// Whom a `rediss://` connection trusts, and how it shows itself. The files are read for every new
/// connection, so that a renewed certificate needs no restart.
#[derive(Debug, Clone, Default, Args)]
pub struct RedisTlsSettings {
    /// Authorities that may vouch for Redis: a PEM file [default: those of the system; where it has none,
    /// the public ones].
    #[arg(long, env = "PRYNAI_REDIS_CA", value_name = "FILE")]
    pub redis_ca: Option<PathBuf>,

    /// Certificate with which this process shows itself to Redis: a PEM file [default: none].
    #[arg(long, env = "PRYNAI_REDIS_CERT", value_name = "FILE")]
    pub redis_cert: Option<PathBuf>,

    /// Private key of that certificate: a PEM file, not encrypted.
    #[arg(long, env = "PRYNAI_REDIS_KEY", value_name = "FILE")]
    pub redis_key: Option<PathBuf>,
}

/// How keys in Redis are named.
#[derive(Debug, Clone, Args)]
pub struct KeySettings {
    /// Text before every key in Redis; fleets with different prefixes do not see each other.
    #[arg(
        long,
        env = "PRYNAI_KEY_PREFIX",
        default_value = "prynai:",
        value_name = "TEXT",
        value_parser = key_prefix
    )]
    pub key_prefix: String,
}

/// How what gateways put into Redis for workers is signed.
#[derive(Debug, Clone, Default, Args)]
pub struct EnvelopeSettings {
    /// Secret with which gateways sign the requests they put into Redis, 32 characters or more and the
    /// same in the whole fleet. A worker that has it runs nothing that is not signed; give it to all
    /// gateways first, then to the workers. To replace it, give two, separated by a comma: the first one
    /// signs, both are accepted [default: none, nothing is signed].
    #[arg(
        long,
        env = "PRYNAI_ENVELOPE_KEY",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub envelope_key: Vec<Secret>,
}

impl RedisSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// Which setting is wrong and what it may be.
    pub fn check(&self) -> Result<(), String> {
        crate::redis_bus::check_tls(&self.redis_url, &self.tls)?;
        self.envelope.check()
    }
}

impl EnvelopeSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// Which setting is wrong and what it may be.
    pub fn check(&self) -> Result<(), String> {
        self.keys().map(drop)
    }

    /// The keys.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn keys(&self) -> Result<EnvelopeKeys, String> {
        EnvelopeKeys::new(&self.envelope_key)
    }
}

/// Ends the process with [`EXIT_USAGE`] if it cannot use its Redis as both are set up, and says why.
pub fn exit_if_unusable<T>(connected: Result<T, BusError>) -> Result<T, BusError> {
    if let Err(error @ BusError::Unusable(_)) = &connected {
        // Nothing is left to do when standard error is gone as well.
        let _ = writeln!(std::io::stderr(), "error: {error}");
        std::process::exit(EXIT_USAGE);
    }
    connected
}

/// Checks a Redis URL without connecting.
///
/// # Errors
///
/// What is wrong with it, without repeating it: it may hold a password.
pub fn redis_url(text: &str) -> Result<String, String> {
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
    crate::redis_bus::check_url(text)?;
    Ok(text.to_owned())
}

fn key_prefix(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b":._-".contains(&b);
    if text.len() <= 64 && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("use at most 64 letters, digits and any of : . _ -".to_owned())
    }
}

/// Reads a number of bytes, such as `4096`, `512KiB` or `16MiB`.
///
/// # Errors
///
/// How to write it.
pub fn byte_size(text: &str) -> Result<usize, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let unit = |&(name, bytes)| Some((text.strip_suffix(name)?, bytes));
    let (number, unit) = units.iter().find_map(unit).unwrap_or((text, 1));
    let number = number.trim_end().parse::<usize>().ok();
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| "write a number of bytes, such as 4096, 512KiB or 16MiB".to_owned())
}

/// Reads the settings of a process from its arguments and environment. Prints what is wrong and
/// exits with [`EXIT_USAGE`] when they cannot work; `--help` and `--version` exit with 0. An empty variable counts
/// as none. Gives what `check` made
/// of them as well, which is the log as a rule.
pub fn parse_or_exit<S: Parser, C>(
    args: impl IntoIterator<Item = OsString>,
    check: impl FnOnce(&S) -> Result<C, String>,
) -> (S, C) {
    let mut command = S::command().mut_args(without_empty_variable);
    let matches = command.try_get_matches_from_mut(args);
    let settings = matches.and_then(|mut matches| S::from_arg_matches_mut(&mut matches));
    let settings = settings.unwrap_or_else(|error| exit(error.format(&mut command)));
    match check(&settings) {
        Ok(checked) => (settings, checked),
        Err(reason) => exit(S::command().error(ErrorKind::ValueValidation, reason)),
    }
}

/// Compose files and Helm charts pass what nobody has set as an empty variable.
fn without_empty_variable(arg: Arg) -> Arg {
    let value = arg.get_env().and_then(std::env::var_os);
    if value.is_some_and(|value| value.is_empty()) {
        arg.env(Resettable::Reset)
    } else {
        arg
    }
}

fn exit(mut error: clap::Error) -> ! {
    // A value may hold a password, so what was given is not repeated.
    if error.get(ContextKind::InvalidValue).is_some() && concerns_a_url(&error) {
        let hidden = ContextValue::String("(not shown)".to_owned());
        error.insert(ContextKind::InvalidValue, hidden);
    }
    // Nothing is left to do when standard error is gone as well.
    let _ = error.print();
    std::process::exit(if error.use_stderr() { EXIT_USAGE } else { 0 })
}

fn concerns_a_url(error: &clap::Error) -> bool {
    matches!(
        error.get(ContextKind::InvalidArg),
        Some(ContextValue::String(argument)) if argument.contains("-url ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("512KiB", 512 * 1024),
            ("16 MiB", 16 * 1024 * 1024),
            ("1GiB", 1024 * 1024 * 1024),
        ] {
            assert_eq!(byte_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "16MB", "99999999999GiB"] {
            assert!(byte_size(text).is_err(), "{text}");
        }
    }
}

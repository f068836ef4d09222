//! Where Redis is and how this process shows itself to it.

use std::io::Write;

use clap::{Args, ValueEnum};
use prynai_bus::BusError;
use prynai_process::secret::Secret;
use prynai_process::settings::EXIT_USAGE;

use crate::server::tls::Tls;
use crate::wire::downstream::DownstreamKeys;
use crate::wire::sealing::TaskKeys;
use crate::wire::signature::EnvelopeKeys;

mod url;

pub use crate::server::entra::{RedisAuth, RedisSignInSettings};
pub use crate::server::tls::RedisTlsSettings;
pub use url::RedisUrl;

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
        hide_env_values = true
    )]
    pub redis_url: RedisUrl,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub tls: RedisTlsSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub sign_in: RedisSignInSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub keys: KeySettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub envelope: EnvelopeSettings,

    /// Set by the processes that tell clients of tasks.
    #[arg(skip)]
    pub task_durability: TaskDurability,
}

/// When a client may be told of a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TaskDurability {
    /// Redis has it.
    #[default]
    AsSet,
    /// It is on the disk of Redis.
    Synced,
}

/// How certain tasks are.
#[derive(Debug, Clone, Default, Args)]
pub struct TaskSettings {
    /// When a client is told of a task: `as-set`, as soon as Redis has it, so that it is as durable as the append-only
    /// file of Redis is set to be; or `synced`, once it is on the disk of the master. That takes up to a second with
    /// `appendfsync everysec`, and needs Redis 7.2 or later. What is not on disk within five seconds is cancelled.
    #[arg(
        long,
        env = "PRYNAI_TASK_DURABILITY",
        default_value = "as-set",
        value_name = "WHEN"
    )]
    pub task_durability: TaskDurability,
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

/// How what gateways put into Redis for workers is signed, and what tasks keep there is sealed.
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

    /// Secret with which arguments, questions, answers and results of tasks are sealed in Redis, 32 characters or more
    /// and the same in the whole fleet. A process that has it takes nothing of a task that is not sealed. To replace
    /// it, give two, separated by a comma: the first one seals, both open [default: none, nothing is sealed].
    #[arg(
        long,
        env = "PRYNAI_TASK_KEY",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub task_key: Vec<Secret>,

    /// Secret with which tokens for other APIs are sealed in Redis on their way to the tools that use them on behalf
    /// of their callers, 32 characters or more and the same in the whole fleet. It needs --envelope-key. To replace
    /// it, give two, separated by a comma: the first one seals, both open [default: none, no such token is kept].
    #[arg(
        long,
        env = "PRYNAI_DOWNSTREAM_KEY",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub downstream_key: Vec<Secret>,
}

impl RedisSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// Which setting is wrong and what it may be.
    pub fn check(&self) -> Result<(), String> {
        check_tls(Some(&self.redis_url), &self.tls)?;
        self.sign_in.check(Some(&self.redis_url))?;
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
        self.keys()?;
        self.task_keys()?;
        self.downstream_keys()?;
        match !self.downstream_key.is_empty() && self.envelope_key.is_empty() {
            // Whoever can write to Redis could name any caller otherwise, whose token a worker would use.
            true => Err(
                "--downstream-key needs --envelope-key, so that nobody else names callers"
                    .to_owned(),
            ),
            false => Ok(()),
        }
    }

    /// The keys that seal tokens for other APIs.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn downstream_keys(&self) -> Result<DownstreamKeys, String> {
        DownstreamKeys::new(&self.downstream_key)
    }

    /// The keys that sign.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn keys(&self) -> Result<EnvelopeKeys, String> {
        EnvelopeKeys::new(&self.envelope_key)
    }

    /// The keys that seal.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn task_keys(&self) -> Result<TaskKeys, String> {
        TaskKeys::new(&self.task_key)
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

fn key_prefix(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b":._-".contains(&b);
    if text.len() <= 64 && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("use at most 64 letters, digits and any of : . _ -".to_owned())
    }
}

/// Checks the files of a TLS connection to Redis, if there is a Redis.
///
/// # Errors
///
/// Which of them cannot be used.
pub fn check_tls(url: Option<&RedisUrl>, tls: &RedisTlsSettings) -> Result<(), String> {
    let is_used = url.is_some_and(|url| url.address().uses_tls());
    let is_set = tls.redis_ca.is_some() || tls.redis_cert.is_some() || tls.redis_key.is_some();
    match (is_used, is_set) {
        (true, true) => Tls::new(tls).config().map(drop),
        (false, true) => Err(
            "--redis-ca, --redis-cert and --redis-key are for a --redis-url that begins with rediss"
                .to_owned(),
        ),
        (_, false) => Ok(()),
    }
}

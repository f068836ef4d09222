//! The Lua scripts: one atomic step per file in `lua/`, one typed function for each.
//!
//! The functions only spell calls; [`Call::run`] sends them.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::time::Duration;

use prynai_process::mutation::Mutation;
use redis::aio::MultiplexedConnection;
use redis::{
    Arg, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisResult, Script, ServerErrorKind, cmd,
};

use super::budget::LARGE;

mod edge;
mod outcomes;
mod queue;
mod streams;

pub(super) use edge::*;
pub(super) use outcomes::*;
pub(super) use queue::*;
pub(super) use streams::*;

/// A script of `lua/`.
pub(super) struct Lua {
    #[cfg(test)]
    source: &'static str,
    script: Script,
}

/// Something to be sent to Redis, with the type of its answer.
pub(super) struct Call<T> {
    body: Body,
    /// Bytes of the answer, at most, where it may have many.
    answer: usize,
    reply: PhantomData<fn() -> T>,
}

enum Body {
    Command(Cmd),
    Pipeline(Pipeline),
    Script(&'static Lua, Cmd),
}

/// Declares the script of a file in `lua/`.
macro_rules! lua {
    ($name:ident, $file:literal) => {
        pub(super) static $name: std::sync::LazyLock<$crate::scripts::Lua> =
            std::sync::LazyLock::new(|| {
                $crate::scripts::Lua::new(include_str!(concat!("../lua/", $file)))
            });
    };
}
use lua;

impl Lua {
    fn new(source: &'static str) -> Self {
        Self {
            #[cfg(test)]
            source,
            script: Script::new(&mutated(source)),
        }
    }

    /// A call with these keys; the arguments are to be added.
    fn with_keys<K: AsRef<str>>(&self, keys: &[K]) -> Cmd {
        let mut call = cmd("EVALSHA");
        call.arg(self.script.get_hash()).arg(keys.len());
        for key in keys {
            call.arg(key.as_ref());
        }
        call
    }
}

/// Without the lines that compare owners, if that is the bug to plant.
fn mutated(source: &str) -> Cow<'_, str> {
    if !Mutation::Fencing.is_planted() {
        return Cow::Borrowed(source);
    }
    let kept = source.lines().filter(|line| !line.contains("owner ~="));
    Cow::Owned(kept.collect::<Vec<_>>().join("\n"))
}

impl<T: FromRedisValue> Call<T> {
    pub(super) fn command(command: Cmd) -> Self {
        Self::of(Body::Command(command))
    }

    pub(super) fn pipeline(pipeline: Pipeline) -> Self {
        Self::of(Body::Pipeline(pipeline))
    }

    fn script(lua: &'static Lua, call: Cmd) -> Self {
        Self::of(Body::Script(lua, call))
    }

    fn of(body: Body) -> Self {
        Self {
            body,
            answer: 0,
            reply: PhantomData,
        }
    }

    /// Notes how many bytes the answer may have.
    pub(super) fn expecting(mut self, bytes: usize) -> Self {
        self.answer = bytes;
        self
    }

    /// Bytes that it carries there and, as far as that is known, back.
    pub(super) fn bytes(&self) -> usize {
        let sent = match &self.body {
            Body::Command(command) | Body::Script(_, command) => size(command),
            Body::Pipeline(pipeline) => pipeline.cmd_iter().map(size).sum(),
        };
        sent.saturating_add(self.answer)
    }

    /// Sends it and waits for the answer. A script that Redis does not know (any more) is loaded.
    pub(super) async fn run(&self, connection: &mut MultiplexedConnection) -> RedisResult<T> {
        match &self.body {
            Body::Command(command) => command.query_async(connection).await,
            Body::Pipeline(pipeline) => pipeline.query_async(connection).await,
            Body::Script(lua, call) => {
                // Otherwise much would be sent only to learn that the script is not known.
                if self.bytes() > LARGE {
                    lua.script.load_async(connection).await?;
                }
                match call.query_async(connection).await {
                    Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                        lua.script.load_async(connection).await?;
                        call.query_async(connection).await
                    }
                    answer => answer,
                }
            }
        }
    }
}

/// Bytes of the arguments.
fn size(command: &Cmd) -> usize {
    let sizes = command.args_iter().map(|arg| match arg {
        Arg::Simple(arg) => arg.len(),
        _ => 0,
    });
    sizes.sum()
}

/// Whole milliseconds, at least one: Redis takes 0 for an error or for ever.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, MAX_MILLIS)
}

/// A hundred years. Redis refuses lifetimes that end beyond its clock.
const MAX_MILLIS: u64 = 100 * 365 * 24 * 3600 * 1000;

#[cfg(test)]
mod tests;

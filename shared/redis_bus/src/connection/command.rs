//! What is sent to Redis.

use std::borrow::Cow;
use std::marker::PhantomData;

use prynai_process::mutation::Mutation;
use redis::aio::MultiplexedConnection;
use redis::{Arg, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisResult, Script, ServerErrorKind};

use super::budget::LARGE;

/// Bytes for what a call of a script says besides its keys, as a rule.
const ROOM: usize = 512;

/// A script of `lua/`.
pub(crate) struct Lua {
    #[cfg(test)]
    source: &'static str,
    script: Script,
}

/// What is sent to Redis: a command, a pipeline of commands, or a script; with the type of its answer.
pub(crate) struct Command<T> {
    body: Body,
    /// Bytes of the answer, at most, where it may have many.
    answer: usize,
    reply: PhantomData<fn() -> T>,
}

enum Body {
    Single(Cmd),
    Pipeline(Pipeline),
    Script(&'static Lua, Cmd),
}

impl Lua {
    pub(crate) fn new(source: &'static str) -> Self {
        Self {
            #[cfg(test)]
            source,
            script: Script::new(&mutated(source)),
        }
    }

    /// The command that runs it with these keys; the arguments are to be added.
    pub(crate) fn with_keys<K: AsRef<str>>(&self, keys: &[K]) -> Cmd {
        self.with_keys_and(keys, 0)
    }

    /// The same, with room for arguments of so many bytes more than usual.
    pub(crate) fn with_keys_and<K: AsRef<str>>(&self, keys: &[K], bytes: usize) -> Cmd {
        self.called("EVALSHA", keys, bytes)
    }

    /// The command that runs it with these keys and lets it only read: a user who may not write may run it.
    pub(crate) fn reading_keys<K: AsRef<str>>(&self, keys: &[K]) -> Cmd {
        self.called("EVALSHA_RO", keys, 0)
    }

    fn called<K: AsRef<str>>(&self, how: &str, keys: &[K], bytes: usize) -> Cmd {
        let lengths = keys.iter().map(|key| key.as_ref().len());
        let room = ROOM + bytes + lengths.sum::<usize>();
        let mut command = Cmd::with_capacity(keys.len() + ROOM / 16, room);
        command.arg(how).arg(self.script.get_hash()).arg(keys.len());
        for key in keys {
            command.arg(key.as_ref());
        }
        command
    }

    #[cfg(test)]
    pub(crate) fn source(&self) -> &'static str {
        self.source
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

impl<T: FromRedisValue> Command<T> {
    pub(crate) fn single(command: Cmd) -> Self {
        Self::of(Body::Single(command))
    }

    pub(crate) fn pipeline(pipeline: Pipeline) -> Self {
        Self::of(Body::Pipeline(pipeline))
    }

    /// A call of a script, as [`Lua::with_keys`] began it.
    pub(crate) fn script(lua: &'static Lua, command: Cmd) -> Self {
        Self::of(Body::Script(lua, command))
    }

    fn of(body: Body) -> Self {
        Self {
            body,
            answer: 0,
            reply: PhantomData,
        }
    }

    /// The script that it runs, and the words of the command, for tests.
    #[cfg(test)]
    pub(crate) fn parts(self) -> (&'static Lua, Vec<String>) {
        let Body::Script(lua, command) = self.body else {
            panic!("not a script");
        };
        let text = |arg| match arg {
            Arg::Simple(bytes) => String::from_utf8(Vec::from(bytes)).unwrap(),
            _ => panic!("not an argument"),
        };
        (lua, command.args_iter().map(text).collect())
    }

    /// Notes how many bytes the answer may have.
    pub(crate) fn expecting(mut self, bytes: usize) -> Self {
        self.answer = bytes;
        self
    }

    /// Bytes that it carries there and, as far as that is known, back.
    pub(crate) fn bytes(&self) -> usize {
        let sent = match &self.body {
            Body::Single(command) | Body::Script(_, command) => size(command),
            Body::Pipeline(pipeline) => pipeline.cmd_iter().map(size).sum(),
        };
        sent.saturating_add(self.answer)
    }

    /// Sends it and waits for the answer. A script that Redis does not know (any more) is loaded.
    pub(crate) async fn run(&self, connection: &mut MultiplexedConnection) -> RedisResult<T> {
        match &self.body {
            Body::Single(command) => command.query_async(connection).await,
            Body::Pipeline(pipeline) => pipeline.query_async(connection).await,
            Body::Script(lua, command) => {
                // Otherwise much would be sent only to learn that the script is not known.
                if self.bytes() > LARGE {
                    lua.script.load_async(connection).await?;
                }
                match command.query_async(connection).await {
                    Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                        lua.script.load_async(connection).await?;
                        command.query_async(connection).await
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

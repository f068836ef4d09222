//! A way to Redis on which replies are lost or come late. Redis executes every command; only its caller does not hear
//! of it, or not in time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::relay::Relay;
use crate::seed::Seed;

/// An address that leads to a Redis. It closes when this is dropped.
pub struct ReplyThief {
    relay: Relay,
    plan: Arc<Mutex<Plan>>,
}

/// What becomes of a command or its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The command never arrives, and the connection is cut.
    Unasked,
    /// The reply never arrives, and the connection is cut.
    Lost,
    /// The reply arrives so much later, and so does all that follows on its connection.
    Late(Duration),
}

/// Later than the bus waits for a reply.
pub const TOO_LATE: Mishap = Mishap::Late(Duration::from_millis(1_200));

/// Which reply it hits.
#[derive(Default)]
enum Plan {
    #[default]
    None,
    /// The one after so many others.
    After(usize, Mishap),
    /// The next one to a command that has the first of these among its arguments, then that of the second, and so on.
    To(VecDeque<String>, Mishap),
    /// Each one by chance: one in so many.
    OneIn(u64, Seed),
}

/// Commands that every connection sends by itself: no caller waits for these replies.
const UNASKED: [&str; 8] = [
    "HELLO", "AUTH", "SELECT", "CLIENT", "CONFIG", "PING", "PUBLISH", "INFO",
];

/// They are answered with pushes only (RESP3).
const ANSWERED_BY_PUSH: [&str; 2] = ["SUBSCRIBE", "UNSUBSCRIBE"];

impl ReplyThief {
    /// Serves on a free port; every reply passes.
    pub async fn start(target: SocketAddr) -> Self {
        let plan = Arc::default();
        let made = Arc::clone(&plan);
        let carry = move |client, server| carry(client, server, Arc::clone(&made));
        let relay = Relay::start(target, carry).await;
        Self { relay, plan }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.relay.address()
    }

    /// Its URL, as that of the server.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Lets so many replies pass and hits the next one, once.
    pub fn hit_after(&self, passing: usize, mishap: Mishap) {
        *lock(&self.plan) = Plan::After(passing, mishap);
    }

    /// Hits the next reply to a command that has this among its arguments, once.
    pub fn hit_reply_to(&self, argument: &str, mishap: Mishap) {
        self.hit_replies_to(&[argument], mishap);
    }

    /// Hits the next reply to a command that has the first of these among its arguments, then to one that has the
    /// second, and so on: each once.
    pub fn hit_replies_to(&self, arguments: &[&str], mishap: Mishap) {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        *lock(&self.plan) = Plan::To(arguments.collect(), mishap);
    }

    /// Hits one in so many replies by chance, until [`ReplyThief::stop`].
    pub fn hit_one_in(&self, replies: u64, chance: Seed) {
        *lock(&self.plan) = Plan::OneIn(replies, chance);
    }

    /// Lets every reply pass.
    pub fn stop(&self) {
        *lock(&self.plan) = Plan::None;
    }

    /// Whether the reply that was to be hit was.
    pub fn has_hit(&self) -> bool {
        matches!(*lock(&self.plan), Plan::None)
    }
}

impl Plan {
    /// What becomes of a command that is `asked` now, or of its reply.
    fn judge(&mut self, command: &[String], asked: bool) -> Option<Mishap> {
        if command.is_empty() || UNASKED.contains(&command[0].as_str()) {
            return None;
        }
        let mishap = match self {
            Self::None => return None,
            Self::After(_, mishap) | Self::To(_, mishap)
                if asked != (*mishap == Mishap::Unasked) =>
            {
                return None;
            }
            Self::OneIn(..) if asked => return None,
            Self::OneIn(replies, chance) => {
                let late = chance.below(2) == 0;
                let mishap = if late { TOO_LATE } else { Mishap::Lost };
                return (chance.below(*replies) == 0).then_some(mishap);
            }
            Self::After(passing, _) if *passing > 0 => {
                *passing -= 1;
                return None;
            }
            Self::To(arguments, mishap) => {
                let mishap = *mishap;
                if !arguments.front().is_some_and(|next| command.contains(next)) {
                    return None;
                }
                arguments.pop_front();
                if !arguments.is_empty() {
                    return Some(mishap);
                }
                mishap
            }
            Self::After(_, mishap) => *mishap,
        };
        *self = Self::None;
        Some(mishap)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("is never poisoned")
}

/// The commands of one connection whose replies are still to come.
type Asked = Mutex<VecDeque<Vec<String>>>;

async fn carry(client: TcpStream, server: TcpStream, plan: Arc<Mutex<Plan>>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asked = Asked::default();
    tokio::select! {
        // However it ends, both sides see that it did.
        _ = ask(from_client, to_server, &asked, &plan) => {}
        _ = answer(from_server, to_client, &asked, &plan) => {}
    }
}

async fn ask(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    asked: &Asked,
    plan: &Mutex<Plan>,
) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let mut whole = 0;
        while let Some(length) = frame(&buffer[whole..]) {
            let command = words(&buffer[whole..whole + length]);
            if lock(plan).judge(&command, true).is_some() {
                return Ok(());
            }
            whole += length;
            let name = command.first().map(String::as_str);
            if !name.is_some_and(|name| ANSWERED_BY_PUSH.contains(&name)) {
                lock(asked).push_back(command);
            }
        }
        to.write_all(&buffer[..whole]).await?;
        buffer.drain(..whole);
    }
}

async fn answer(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    asked: &Asked,
    plan: &Mutex<Plan>,
) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let mut whole = 0;
        while let Some(length) = frame(&buffer[whole..]) {
            let reply = &buffer[whole..whole + length];
            whole += length;
            if reply[0] != b'>' {
                let command = lock(asked).pop_front().unwrap_or_default();
                let mishap = lock(plan).judge(&command, false);
                match mishap {
                    None => {}
                    Some(Mishap::Lost | Mishap::Unasked) => return Ok(()),
                    Some(Mishap::Late(delay)) => tokio::time::sleep(delay).await,
                }
            }
            to.write_all(reply).await?;
        }
        buffer.drain(..whole);
    }
}

/// The length of the first frame of RESP3, once it is there as a whole.
fn frame(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|end| end == b"\r\n")? + 2;
    let count = || {
        let text = std::str::from_utf8(&bytes[1..line - 2]).expect("a number");
        text.parse::<i64>().expect("a number")
    };
    let nested = match bytes[0] {
        b'$' | b'!' | b'=' => {
            let end = match usize::try_from(count()) {
                Ok(length) => line + length + 2,
                Err(_) => line,
            };
            return (bytes.len() >= end).then_some(end);
        }
        b'*' | b'~' | b'>' => count(),
        b'%' => count() * 2,
        b'|' => count() * 2 + 1,
        _ => 0,
    };
    (0..nested).try_fold(line, |end, _| Some(end + frame(bytes.get(end..)?)?))
}

/// The name of a command, in capitals, and its arguments.
fn words(command: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    let Some(mut at) = command.windows(2).position(|end| end == b"\r\n") else {
        return words;
    };
    at += 2;
    while let Some(length) = command.get(at..).and_then(frame) {
        let argument = &command[at..at + length];
        let head = argument.windows(2).position(|end| end == b"\r\n");
        let text = head.map_or(&[][..], |head| &argument[head + 2..length - 2]);
        words.push(String::from_utf8_lossy(text).into_owned());
        at += length;
    }
    if let Some(name) = words.first_mut() {
        name.make_ascii_uppercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_whole() {
        let replies = [
            "+OK\r\n",
            "$-1\r\n",
            "_\r\n",
            "*2\r\n$1\r\na\r\n:1\r\n",
            "%1\r\n+a\r\n*0\r\n",
            ">2\r\n+message\r\n$2\r\n\r\n\r\n",
        ];
        for reply in replies {
            let bytes = reply.as_bytes();
            assert_eq!(frame(bytes), Some(bytes.len()), "{reply:?}");
            for end in 0..bytes.len() {
                assert_eq!(frame(&bytes[..end]), None, "{reply:?} to {end}");
            }
        }
    }

    #[test]
    fn the_words_of_a_command_are_read() {
        let command = b"*2\r\n$3\r\nget\r\n$4\r\na\r\nb\r\n";
        assert_eq!(words(command), ["GET", "a\r\nb"]);
    }
}

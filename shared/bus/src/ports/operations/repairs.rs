//! What operators change.

use async_trait::async_trait;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::super::BusError;
use super::{EntrySight, Operations};
use crate::ids::{EntryId, GatewayId, StreamId, WorkerId};
use crate::wire::message::RawJson;
use crate::wire::request::{Era, RequestEnvelope};

/// What operators change. Gateways and workers do not use it. Each step may be repeated.
///
/// # Errors
///
/// Of all methods: when the bus is away, or its user may not do this.
#[async_trait]
pub trait Repairs: Operations {
    /// Cancels a call as its client would: nothing is written for it any more, its gateway ends the stream without an
    /// answer, and its worker is told. `false` when it was over.
    async fn cancel(&self, stream: &StreamId, entry: &EntryId, era: Era) -> Result<bool, BusError>;

    /// A dead letter with its message; `None` when there is none of this name.
    async fn letter(&self, letter: &EntryId) -> Result<Option<Letter>, BusError>;

    /// Removes dead letters, and says how many there were of them.
    async fn drop_letters(&self, letters: &[EntryId]) -> Result<u64, BusError>;

    /// Queues a dead letter once more and removes it, in one step: nobody else can queue it again. The request keeps
    /// its principal, its session and its message. Its stream, its entry and so its owner are new: nothing of the first
    /// one can write to it. It has as much time from now on as a gateway gave it: after that it is not begun any more,
    /// and stopped if it runs.
    ///
    /// A call under an idempotency key is not queued: it would not run, since the key keeps what became of it.
    ///
    /// On a bus with keys, only a letter with a valid signature is queued, and it is signed again. So whoever can write
    /// to the bus cannot have an operator sign what no gateway wrote.
    ///
    /// Whoever asked holds the stream: [`Repairs::hold`] must be called every few seconds until it has ended, or the
    /// workers take its caller for gone.
    async fn replay(&self, letter: &EntryId) -> Result<Replay, BusError>;

    /// Says that the holder of a replayed request is still there.
    async fn hold(&self, replayed: &Replayed) -> Result<(), BusError>;

    /// Tells a worker to claim nothing more, to let its calls end and then to end itself. `false` when it did not hear
    /// it: it is gone, or deaf. It may be told again.
    async fn drain(&self, worker: &WorkerId) -> Result<bool, BusError>;
}

/// A dead letter.
#[derive(Debug, Clone, Serialize)]
pub struct Letter {
    /// All but its message.
    pub sight: EntrySight,
    /// The JSON-RPC message, as it lies there.
    pub message: Option<String>,
}

/// What became of a replay.
#[derive(Debug, Clone)]
pub enum Replay {
    /// It is queued.
    Queued(Replayed),
    /// There is no such letter (any more).
    Unknown,
    /// It cannot be queued: why.
    Unfit(String),
}

/// A request that was queued once more.
#[derive(Debug, Clone, Serialize)]
pub struct Replayed {
    /// Its stream.
    pub stream: StreamId,
    /// Its entry.
    pub entry: EntryId,
    /// Who holds its stream.
    #[serde(skip)]
    pub holder: GatewayId,
}

/// A message, as far as a replay looks at it.
#[derive(Deserialize)]
struct Message {
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "_meta")]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "ai.prynai/idempotencyKey")]
    key: Option<IgnoredAny>,
}

/// The request of a dead letter as [`Repairs::replay`] queues it: on a stream of its own, with a holder of its own, and
/// with as much time from now on as it was given.
///
/// # Errors
///
/// Why it is not queued.
pub fn queued_again(request: RequestEnvelope, now_ms: u64) -> Result<RequestEnvelope, String> {
    if request.method == "tools/call" && has_idempotency_key(&request.message) {
        return Err(
            "it has an idempotency key, which keeps what became of it, so it would not run; its client must send it \
             under a new key"
                .to_owned(),
        );
    }
    let allowed_ms = |deadline_ms: u64| deadline_ms.saturating_sub(request.queued_at_ms);
    let deadline_ms = request
        .deadline_ms
        .map(|deadline_ms| now_ms.saturating_add(allowed_ms(deadline_ms)));
    Ok(RequestEnvelope {
        stream: StreamId::generate(),
        holder: GatewayId::generate(),
        queued_at_ms: now_ms,
        deadline_ms,
        ..request
    })
}

fn has_idempotency_key(message: &RawJson) -> bool {
    let message = serde_json::from_str::<Message>(message.as_str());
    let meta = message.ok().and_then(|message| message.params?.meta);
    meta.is_some_and(|meta| meta.key.is_some())
}

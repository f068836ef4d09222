//! What the handler and the client of one call say to each other.

use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::task::Inputs;
use prynai_bus::{Claim, Refusal};
use prynai_process::metrics::Counter;
use rmcp::ErrorData;
use rmcp::model::NumberOrString;
use tokio::time::Instant;

use crate::call::changes::ChangePublisher;
use crate::call::event_writer::EventWriter;
use crate::call::messages::inbound;
use crate::call::messages::outbound::{Outbound, Sent};
use crate::call::promotion::Promoting;
use crate::call::request_transport::HandlerLink;
use crate::call::running::{Slot, Stop};
use crate::call::task_input::{self, Asks};
use crate::handler::become_task::BecomeTask;
use crate::handler::close_stream::CloseStream;
use crate::metrics::metrics;

/// Brings to and fro what the handler of one call and its client say, until there is a response.
pub(crate) struct Conversation<'a> {
    pub(crate) outbound: &'a Outbound,
    pub(crate) slot: &'a Slot,
    pub(crate) writer: &'a mut EventWriter,
    pub(crate) handler: HandlerLink,
    pub(crate) close: CloseStream,
    pub(crate) deadline: Option<Instant>,
    pub(crate) promoting: Promoting,
    pub(crate) become_task: BecomeTask,
    pub(crate) inputs: &'a Inputs,
    pub(crate) claim: &'a Claim,
    pub(crate) changes: &'a ChangePublisher,
}

/// What a handler ends with.
pub(crate) enum Reply {
    /// The response.
    Response(RawJson),
    /// Questions of a task.
    Asks(Asks),
}

impl Conversation<'_> {
    /// What the handler ends with; `None` when the deadline passed before.
    pub(crate) async fn relay(&mut self) -> Result<Option<Reply>, Stop> {
        let slot = self.slot;
        let controls = &slot.controls;
        let mut received = 0;
        loop {
            let outgoing = tokio::select! {
                biased;
                reason = controls.stopped() => return Err(reason),
                () = until(self.deadline) => return Ok(None),
                // Also when nothing was asked: what nobody waits for must not stay in the mailbox.
                () = controls.mail() => {
                    // It may take long to get a place.
                    self.writer.send();
                    tokio::select! {
                        biased;
                        reason = controls.stopped() => return Err(reason),
                        () = until(self.deadline) => return Ok(None),
                        () = slot.resume() => {}
                    }
                    self.deliver(&mut received).await?;
                    continue;
                }
                // These two come seldom, so whatever the handler says waits for them, and not the other way round.
                () = self.promoting.due() => {
                    self.promote().await?;
                    continue;
                }
                () = self.promoting.has_news() => {
                    if let Some(said) = self.promoting.news() {
                        self.note_status(&said).await?;
                    }
                    continue;
                }
                outgoing = self.handler.outgoing.recv(), if self.writer.has_room() => outgoing,
                () = self.become_task.asked() => {
                    if self.promoting.may_become_task() {
                        self.promote().await?;
                    }
                    self.become_task.tell(self.promoting.is_task());
                    continue;
                }
                () = self.close.asked() => {
                    // Nobody waits for a task.
                    if !self.promoting.is_task() {
                        self.writer.pause().await?;
                    }
                    continue;
                }
                // The last to be looked at, so that all that is ready goes together.
                written = self.writer.write() => {
                    self.writer.settle(written).await?;
                    continue;
                }
            };
            let Some(outgoing) = outgoing else {
                let error = ErrorData::internal_error("the handler ended without a response", None);
                return Ok(Some(Reply::Response(self.outbound.error(&error))));
            };
            match self.outbound.translate(*outgoing.message) {
                Sent::Final(message) => return Ok(Some(self.reply(message))),
                Sent::Event(message) if self.promoting.is_task() => self.promoting.hear(&message),
                Sent::Event(message) => self.writer.put(message),
                Sent::Question { number, message } => {
                    self.writer.put(message);
                    if self.writer.flush().await? {
                        slot.park();
                    } else {
                        let reason = "this call has sent as many messages as it may";
                        self.refuse(number, reason).await;
                    }
                }
                Sent::Forbidden { number } => {
                    let reason = "this client takes no requests; use Ask or InputRequiredResult";
                    self.refuse(number, reason).await;
                }
                Sent::TooLarge { number } => {
                    let reason = "this question is larger than the server may send";
                    self.refuse(number, reason).await;
                }
                Sent::Change(change) => {
                    self.writer.send();
                    self.changes.publish(&change).await;
                }
                Sent::Nothing => {}
            }
        }
    }

    /// A task asks without ending.
    fn reply(&self, message: RawJson) -> Reply {
        let asks = self
            .promoting
            .is_task()
            .then(|| task_input::asks(&message, self.inputs));
        match asks.flatten() {
            Some(asks) => Reply::Asks(asks),
            None => Reply::Response(message),
        }
    }

    /// Makes a task of the call.
    async fn promote(&mut self) -> Result<(), Stop> {
        let id = self.outbound.request_id();
        let writer = &mut *self.writer;
        let counter = &metrics().tasks_promoted;
        let until = promote(
            counter,
            &mut self.promoting,
            self.claim,
            id,
            self.slot,
            writer,
        )
        .await?;
        self.deadline = until.or(self.deadline);
        Ok(())
    }

    async fn note_status(&self, said: &str) -> Result<(), Stop> {
        match self.writer.bus().note_status(said).await? {
            Ok(()) => Ok(()),
            Err(Refusal::Cancelled) => Err(Stop::Cancelled),
            Err(Refusal::LostOwnership | Refusal::Finished | Refusal::LogFull) => Err(Stop::Lost),
        }
    }

    /// Tells the handler that its question is not put.
    async fn refuse(&self, question: i64, reason: &'static str) {
        let id = NumberOrString::Number(question);
        self.handler.refuse(id, reason).await;
    }

    /// Brings the client's mail to the handler, until there is none. What the handler has is removed by the next look.
    async fn deliver(&self, received: &mut u64) -> Result<(), Stop> {
        let bus = self.writer.bus();
        let owner = bus.ownership();
        loop {
            let mail = bus.take_mail(*received).await?;
            if mail.received == *received {
                return Ok(());
            }
            *received = mail.received;
            for message in &mail.messages {
                match inbound::parse_mail(owner, message) {
                    // rmcp reads at any time, so this does not wait for the handler. An error means
                    // that the call has ended.
                    Some(message) => drop(self.handler.mail.send(Box::new(message)).await),
                    None => {
                        tracing::debug!(
                            stream = %owner.stream,
                            "a message of the client's mail answers no question of this call; it is dropped"
                        );
                    }
                }
            }
        }
    }
}

/// Makes a task of a call, if there is room for one, and counts it. Says how long it has then.
///
/// # Errors
///
/// Why the call must end.
pub(crate) async fn promote(
    counter: &Counter,
    promoting: &mut Promoting,
    claim: &Claim,
    id: &RawJson,
    slot: &Slot,
    writer: &mut EventWriter,
) -> Result<Option<Instant>, Stop> {
    let now_ms = writer.bus().now_ms();
    promoting.shorten(&claim.request);
    let promotion = |offset| promoting.promotion(claim, id, offset, now_ms);
    let bytes = claim.request.message.as_str().len();
    let Some(birth) = writer.promote(bytes, promotion).await? else {
        promoting.given_up();
        return Ok(None);
    };
    counter.inc();
    slot.becomes_task(birth.created_ms);
    Ok(promoting.promoted(birth))
}

/// Waits for a deadline, for ever if there is none.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

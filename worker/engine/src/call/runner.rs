//! One request, from its claim to its final response.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures::future::BoxFuture;
use prynai_bus::wire::catalog::TaskUse;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::{Era, RequestEnvelope};
use prynai_bus::wire::task::{Inputs, life};
use prynai_bus::{Claim, Finish};
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, GetExtensions, JsonRpcMessage, NumberOrString,
};
use rmcp::service::serve_directly_with_ct;
use rmcp::{ErrorData, ServerHandler};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::call::audit::Audit;
use crate::call::call_bus::{CallBus, CallPorts};
use crate::call::changes::ChangePublisher;
use crate::call::conversation::{self, Conversation, Reply};
use crate::call::deadline;
use crate::call::ending::{Ending, FinishQueue};
use crate::call::event_shares::{CallEvents, EventShares};
use crate::call::event_writer::{EventWriter, LastEvents};
use crate::call::gone_holders::GoneHolders;
use crate::call::idempotency::{self, Use};
use crate::call::messages::outbound::{self, Muted, Outbound};
use crate::call::messages::visibility_filter::Filters;
use crate::call::messages::{inbound, response};
use crate::call::promotion::{Promoting, shortened};
use crate::call::request_transport;
use crate::call::run_line::{RunEnd, RunLine};
use crate::call::running::{Slot, Stop};
use crate::call::task_input;
use crate::config::TaskTerms;
use crate::handler::ask::request_state::RequestStateKeys;
use crate::handler::become_task::BecomeTask;
use crate::handler::close_stream::CloseStream;
use crate::handler::context;
use crate::handler::downstream::Downstream;
use crate::handler::guard::{Guard, RunSpan};
use crate::metrics::metrics;
use crate::roles::catalog_announcer::Tools;

/// How long a stopped call is given to end: the guard's patience with the handler and then some.
const ENDING: Duration = Duration::from_secs(2);

/// Bytes of the end of a task that are kept in any case: there are only as many tasks as there may be.
const SMALL: usize = 4 * 1024;

/// How long a handler may take to note a notification.
const NOTING: Duration = Duration::from_secs(30);

/// Runs calls; hides which handler it is from the roles.
pub(crate) trait RunCall: Send + Sync {
    /// Runs one call to its end.
    fn run(self: Arc<Self>, claim: Claim, slot: Slot) -> BoxFuture<'static, ()>;
}

/// Runs calls with a handler.
pub(crate) struct CallRunner<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) ports: Arc<CallPorts>,
    pub(crate) finishing: FinishQueue,
    pub(crate) changes: ChangePublisher,
    pub(crate) state_keys: RequestStateKeys,
    pub(crate) gone_holders: GoneHolders,
    pub(crate) filters: Filters,
    /// Largest message to a client, in bytes.
    pub(crate) max_result: usize,
    pub(crate) event_shares: Arc<EventShares>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) task_terms: TaskTerms,
    pub(crate) tools: watch::Receiver<Tools>,
}

/// A request that waits for a response, with its place among the running calls.
struct Call<'a> {
    claim: &'a Claim,
    id: &'a RawJson,
    slot: &'a Slot,
    /// When it is too late, Unix milliseconds by the clock of the bus.
    deadline_ms: Option<u64>,
    /// What its client was asked and has answered, if it is a task.
    inputs: Inputs,
}

impl<H: ServerHandler> RunCall for CallRunner<H> {
    fn run(self: Arc<Self>, claim: Claim, slot: Slot) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let ownership = claim.ownership(&self.ports.worker);
            let stream = claim.request.stream;
            let events = self.event_shares.begin(claim.request.principal.share());
            let events = Arc::new(events);
            let line = RunLine::begin(&claim, self.ports.requests.now_ms());
            let running = self.last_events(&claim, &slot, &events);
            let ended = running.instrument(line.span()).await;
            let end = match &ended {
                Ok(last) => RunEnd::Response(last.as_ref().and_then(LastEvents::response)),
                Err(stop) => RunEnd::Stopped(*stop),
            };
            if matches!(ended, Err(Stop::Cancelled)) && slot.task_since().is_some() {
                let share = claim.request.principal.share();
                self.ports.forget_task(&share, &stream).await;
            }
            let run = line.end(&claim, &self.ports.worker, end);
            let (earlier, event, of_task) = match ended {
                Ok(Some(last)) => (last.earlier, Some(last.event), last.of_task),
                Ok(None) | Err(Stop::Cancelled) => (Vec::new(), None, false),
                Err(Stop::Lost) => {
                    return tracing::debug!(%stream, "another worker has this call now; its response is dropped");
                }
                // Its entry is gone; with the answers there will be another one.
                Err(Stop::Asking) => return,
                Err(Stop::HandedBack) => return slot.keep_place(),
            };
            let message = event.as_ref().and_then(|event| event.message.as_ref());
            let brief = message.is_some_and(|message| {
                let (bytes, era) = (message.as_str().len(), claim.request.era);
                !events.end(bytes, era)
            });
            let finish = Finish {
                ownership,
                earlier,
                event: event.map(|event| self.ports.at_rest(event, of_task)),
                record: self.audit.record(&claim, &run),
            };
            let ending = Ending {
                finish,
                slot,
                brief,
                outcome: run.outcome,
            };
            self.finishing.push(ending).await;
        })
    }
}

impl<H: ServerHandler> CallRunner<H> {
    /// The events that end the stream; `None` for a notification.
    async fn last_events(
        &self,
        claim: &Claim,
        slot: &Slot,
        events: &Arc<CallEvents>,
    ) -> Result<Option<LastEvents>, Stop> {
        let envelope = &claim.request;
        let controls = &slot.controls;
        if claim.cancelled {
            return Err(Stop::Cancelled);
        }
        let bus = self.ports.of(claim, controls);
        let mut writer = EventWriter::new(bus).within(Arc::clone(events));
        let task = match claim.delivery > 1 || envelope.again {
            true => writer.take_over().await?,
            false => None,
        };
        let mut inputs = Inputs::default();
        if let Some(birth) = &task {
            slot.becomes_task(birth.created_ms);
            inputs = writer.bus().inputs().await?;
        } else if envelope.era == Era::Modern && self.gone_holders.contains(&envelope.holder) {
            writer.bus().abandon().await?;
            return Err(Stop::Cancelled);
        }
        if let Some(reason) = controls.reason() {
            return Err(reason);
        }
        let deadline_ms = match &task {
            Some(birth) => {
                let terms = shortened(self.task_terms, envelope);
                Some(deadline::of_task(birth, terms.timeout))
            }
            None => envelope.deadline_ms,
        };
        let in_time = deadline::in_time(deadline_ms, writer.bus().now_ms());
        let Some(id) = &envelope.request_id else {
            if in_time.is_err() {
                let stream = &envelope.stream;
                tracing::debug!(%stream, "a notification waited for longer than its deadline; it is dropped");
                return Ok(None);
            }
            slot.begin();
            return self.notify(envelope, writer.bus()).await.map(|()| None);
        };
        let promoting = Promoting::new(envelope, self.task_use(envelope), self.task_terms, task);
        let call = Call {
            claim,
            id,
            slot,
            deadline_ms,
            inputs,
        };
        let begun = in_time.and_then(|()| Ok((inbound::parse_request(envelope)?, promoting?)));
        let message = match begun {
            Ok((mut request, promoting)) => {
                task_input::tell(&mut request, &call.inputs);
                self.run_once(&call, request, promoting, &mut writer)
                    .await?
            }
            Err(error) => response::error(id, &error),
        };
        let message = match writer.is_task() {
            true => self.kept_end(&call, message).await,
            false => message,
        };
        writer.end(message).await.map(Some)
    }

    /// The end of a task, which counts to the share of its caller, or what is kept in its place.
    async fn kept_end(&self, call: &Call<'_>, end: RawJson) -> RawJson {
        let (request, terms) = (&call.claim.request, self.task_terms);
        let (share, bytes) = (request.principal.share(), end.as_str().len());
        let life = terms.kept.max(terms.timeout);
        let ports = &self.ports;
        if ports.keep_end(&share, &request.stream, bytes, life).await || bytes <= SMALL {
            return end;
        }
        let error = ErrorData::internal_error(
            "this task has run, but its result is not kept: as many bytes are kept for you as one caller may have",
            Some(json!({ "reason": "caller_kept", "bytes": bytes })),
        );
        response::error(call.id, &error)
    }

    /// Runs a call, unless its client's key says that it has run.
    async fn run_once(
        &self,
        call: &Call<'_>,
        request: ClientRequest,
        promoting: Promoting,
        writer: &mut EventWriter,
    ) -> Result<RawJson, Stop> {
        let once = match idempotency::key_use(call.claim, &request, call.inputs.round) {
            Ok(Some(once)) => once,
            Ok(None) => {
                call.slot.begin();
                return self.converse(call, request, promoting, writer).await;
            }
            Err(error) => return Ok(response::error(call.id, &error)),
        };
        match idempotency::begin(&once, call.claim, call.id, writer.bus()).await? {
            Use::Run => {}
            Use::Respond(message) => return Ok(message),
        }
        call.slot.begin();
        let response = match self.converse(call, request, promoting, writer).await {
            // What the call said before goes first: whoever repeats it gets only the response.
            Ok(message) => writer.flush().await.map(|_| message),
            Err(stop) => Err(stop),
        };
        match &response {
            Ok(message) => idempotency::end(&once, message, writer.bus()).await?,
            Err(Stop::Cancelled) => {
                idempotency::stopped(&once, &idempotency::cancelled(), writer.bus()).await;
            }
            Err(Stop::Lost | Stop::HandedBack | Stop::Asking) => {}
        }
        response
    }

    /// Lets rmcp and the handler deal with the request and brings to and fro what they and the client
    /// say, until there is a response.
    async fn converse(
        &self,
        call: &Call<'_>,
        mut request: ClientRequest,
        mut promoting: Promoting,
        writer: &mut EventWriter,
    ) -> Result<RawJson, Stop> {
        let (claim, slot) = (call.claim, call.slot);
        let mut task_deadline = None;
        // Before the handler does anything: of some tools every call is a task, and where its state lies goes by that.
        if promoting.begins_as_task() {
            let counter = &metrics().tasks_at_once;
            let (promoting, id) = (&mut promoting, call.id);
            task_deadline =
                conversation::promote(counter, promoting, claim, id, slot, writer).await?;
        }
        let bus = writer.bus();
        let (envelope, controls) = (&claim.request, &slot.controls);
        let filter = self.filters.of(envelope);
        // A task says how far it is in each attempt.
        let repeated = writer.has_written() && !promoting.is_task();
        let mut outbound = Outbound::new(claim, call.id, &request, repeated, filter);
        outbound.limit(self.max_result);
        let close = CloseStream::default();
        context::attach(request.extensions_mut(), envelope, bus.state_store());
        request.extensions_mut().insert(close.clone());
        if let Some(downstream) = self.downstream(envelope) {
            request.extensions_mut().insert(downstream);
        }
        let mut become_task = BecomeTask::NEVER;
        if promoting.is_task() || promoting.may_become_task() {
            become_task = BecomeTask::possible();
            request.extensions_mut().insert(become_task.clone());
        }
        if prynai_traces::tracer().is_some() {
            request.extensions_mut().insert(RunSpan(Span::current()));
        }
        // The client's own id may be one that rmcp cannot hold; ours is replaced on the way out.
        let message = ClientJsonRpcMessage::request(request, NumberOrString::Number(1));
        let (transport, handler) = request_transport::open(message, outbound.muted());
        let guard = self.guard(envelope, promoting.task_flag(), &call.inputs);
        let session = envelope.session.as_ref().map(context::initialize_params);
        let ct = controls.token().child_token();
        let service = serve_directly_with_ct(guard, transport, session, ct.clone());
        let deadline = call.deadline_ms.map(|deadline| {
            let left = deadline.saturating_sub(bus.now_ms());
            Instant::now() + Duration::from_millis(left)
        });
        let deadline = task_deadline.or(deadline);
        let mut conversation = Conversation {
            outbound: &outbound,
            slot,
            writer,
            handler,
            close,
            deadline,
            promoting,
            become_task,
            inputs: &call.inputs,
            claim,
            changes: &self.changes,
        };
        let response = conversation.relay().await;
        if let Err(reason) = response {
            controls.stop(reason);
        }
        ct.cancel();
        if !matches!(response, Ok(Some(_)) | Err(Stop::HandedBack)) {
            // The permit is kept until the handler is gone.
            let _ = tokio::time::timeout(ENDING, service.waiting()).await;
        }
        match response? {
            Some(Reply::Response(message)) => Ok(message),
            Some(Reply::Asks(asks)) => {
                let life = life(self.task_terms.timeout, self.task_terms.kept);
                let refused =
                    task_input::park(call.claim, asks, &self.audit, writer.bus(), life).await?;
                Ok(outbound.error(&refused))
            }
            None => Ok(outbound.error(&deadline::overdue())),
        }
    }

    /// Where the call of a tool that acts at other APIs finds its tokens.
    fn downstream(&self, envelope: &RequestEnvelope) -> Option<Downstream> {
        let name = envelope.name.as_ref();
        let name = name.filter(|_| envelope.method == "tools/call")?;
        let tools = self.tools.borrow();
        let scopes = &tools.get(name)?.downstream;
        let tokens = &self.ports.downstream;
        (!scopes.is_empty()).then(|| Downstream::new(tokens.clone(), &envelope.principal, scopes))
    }

    /// When calls of its tool become tasks; a call of anything else never does (ext-tasks, draft, Supported Methods).
    fn task_use(&self, envelope: &RequestEnvelope) -> TaskUse {
        if envelope.method != "tools/call" {
            return TaskUse::Never;
        }
        let tools = self.tools.borrow();
        let tool = envelope.name.as_ref().and_then(|name| tools.get(name));
        tool.map_or(TaskUse::AfterATime, |tool| tool.tasks)
    }

    /// What a task leaves for its next round stays on the bus, so no client could change it.
    fn guard(
        &self,
        envelope: &RequestEnvelope,
        is_task: Arc<AtomicBool>,
        inputs: &Inputs,
    ) -> Guard<H> {
        let handler = Arc::clone(&self.handler);
        let keys = self.state_keys.of_call(is_task, inputs.round > 0);
        Guard::new(handler, envelope.era, keys).of_run(envelope)
    }

    /// Lets the handler take note of something. It has nobody to talk to: what it says is dropped, but
    /// for changes, which concern everybody.
    async fn notify(&self, envelope: &RequestEnvelope, bus: &CallBus) -> Result<(), Stop> {
        let controls = bus.controls();
        let mut notification = match inbound::parse_notification(envelope) {
            Ok(notification) => notification,
            // What serde says may repeat what it read.
            Err(_) => {
                let method = &envelope.method;
                tracing::debug!(method, "a notification cannot be read; it is dropped");
                return Ok(());
            }
        };
        context::attach(notification.extensions_mut(), envelope, bus.state_store());
        let message = ClientJsonRpcMessage::notification(notification);
        let (transport, mut handler) = request_transport::open(message, Muted::NOTHING);
        let guard = self.guard(envelope, Arc::default(), &Inputs::default());
        let noted = guard.noted();
        let session = envelope.session.as_ref().map(context::initialize_params);
        let ct = controls.token().child_token();
        let _service = serve_directly_with_ct(guard, transport, session, ct);
        let patience = tokio::time::sleep(NOTING);
        tokio::pin!(patience);
        loop {
            let outgoing = tokio::select! {
                biased;
                reason = controls.stopped() => return Err(reason),
                Some(outgoing) = handler.outgoing.recv() => outgoing,
                () = noted.cancelled() => return Ok(()),
                () = &mut patience => return Ok(()),
            };
            match *outgoing.message {
                JsonRpcMessage::Notification(sent) => {
                    if let Some(change) = outbound::change(&sent.notification) {
                        self.changes.publish(&change).await;
                    }
                }
                JsonRpcMessage::Request(asked) => {
                    handler
                        .refuse(asked.id, "nobody can be asked during a notification")
                        .await;
                }
                _ => {}
            }
        }
    }
}

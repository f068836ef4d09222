//! What stands between rmcp and the handler.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Once};
use std::time::Duration;

use futures::FutureExt;
use prynai_bus::wire::request::{Era, RequestEnvelope};
use prynai_process::telemetry::of_run::{self, RunIds};
use rmcp::model::{
    ClientNotification, ClientRequest, ErrorCode, NotificationMetaObject, ProtocolVersion,
    ServerConfig, ServerResult,
};
use rmcp::service::{NotificationContext, RequestContext, Service};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::handler::ask::Ask;
use crate::handler::ask::request_state::RequestStateKeys;

/// How long a handler may go on after its call was cancelled, to clean up.
const PARTING: Duration = Duration::from_millis(500);

/// Serves one request with a handler that all requests share. A panic of the handler is an error of
/// that one call; a cancelled handler sees its token fire and is dropped soon after.
pub(crate) struct Guard<H> {
    handler: Arc<H>,
    era: Era,
    state_keys: RequestStateKeys,
    noted: CancellationToken,
    /// What the lines of the handler name.
    run: Option<RunIds>,
}

thread_local! {
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the messages of handlers' panics, which may hold arguments of calls, out of the log; the worker logs where
/// they happened. All other panics are reported as before.
pub fn hush_handler_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if IN_HANDLER.get() {
                let place = panic.location().map(ToString::to_string);
                PANICKED_AT.with_borrow_mut(|at| *at = place);
            } else {
                report(panic);
            }
        }));
    });
}

/// The span of the run that a handler's spans belong to.
#[derive(Clone)]
pub(crate) struct RunSpan(pub(crate) Span);

impl<H> Guard<H> {
    /// A guard for one request of `era`.
    pub(crate) fn new(handler: Arc<H>, era: Era, state_keys: RequestStateKeys) -> Self {
        Self {
            handler,
            era,
            state_keys,
            run: None,
            noted: CancellationToken::new(),
        }
    }

    /// The same, for a call: what its handler logs names it.
    pub(crate) fn of_run(self, envelope: &RequestEnvelope) -> Self {
        let mut stream = [0; 32];
        envelope.stream.digits(&mut stream);
        let trace_id = envelope.trace.map(|trace| trace.digits().trace_id_bytes());
        Self {
            run: Some(RunIds { stream, trace_id }),
            ..self
        }
    }

    /// Fires when the handler has dealt with a notification.
    pub(crate) fn noted(&self) -> CancellationToken {
        self.noted.clone()
    }
}

impl<H: ServerHandler> Service<RoleServer> for Guard<H> {
    async fn handle_request(
        &self,
        request: ClientRequest,
        mut context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let method = request.method().to_owned();
        let tool = tool_name(&request);
        if let Some(ask) = Ask::within(&request, &context, self.era, &self.state_keys) {
            context.extensions.insert(ask);
        }
        let cancelled = context.ct.clone();
        let span = context.extensions.get::<RunSpan>();
        let span = span.map_or_else(Span::none, |RunSpan(span)| span.clone());
        let handler = self.handler.as_ref();
        // In a box: rmcp's future for all methods is large, and would be moved with each future around it.
        let answer = Service::handle_request(handler, request, context);
        let answer = caught(self.run, Box::pin(answer.instrument(span)));
        tokio::select! {
            answer = answer => answer
                .unwrap_or_else(|panic| Err(panicked(&method, tool, &panic)))
                .map_err(|error| in_words(error, &method)),
            // rmcp drops what comes after a cancel.
            () = parting(&cancelled) => Err(ErrorData::internal_error("cancelled", None)),
        }
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        mut context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        // rmcp 3.11 leaves `_meta` among the extensions and its own place empty.
        if let Some(meta) = context.extensions.get::<NotificationMetaObject>() {
            context.meta = meta.clone();
        }
        let handler = self.handler.as_ref();
        let noting = Service::handle_notification(handler, notification, context);
        let noted = caught(self.run, noting).await;
        self.noted.cancel();
        noted.unwrap_or_else(|panic| Err(panicked("a notification", None, &panic)))
    }

    fn get_info(&self) -> ServerConfig {
        // rmcp wants it once per request and, for a server, makes no use of it: the handler's own
        // would be built in vain.
        ServerConfig::default()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        ServerHandler::supported_protocol_versions(self.handler.as_ref())
    }
}

/// For a method that nobody has, the error of rmcp is no more than its name.
fn in_words(mut error: ErrorData, method: &str) -> ErrorData {
    if error.code == ErrorCode::METHOD_NOT_FOUND && error.message == method {
        error.message = format!("method not found: {method}").into();
    }
    error
}

async fn parting(cancelled: &CancellationToken) {
    cancelled.cancelled().await;
    tokio::time::sleep(PARTING).await;
}

/// Where a handler panicked, if known.
struct Panicked(Option<String>);

async fn caught<F: Future>(run: Option<RunIds>, future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(AssertUnwindSafe(future).catch_unwind());
    poll_fn(|context| {
        IN_HANDLER.set(true);
        let polled = of_run::within(run, || future.as_mut().poll(context));
        IN_HANDLER.set(false);
        polled
    })
    .await
    .map_err(|_payload: Box<dyn Any + Send>| Panicked(PANICKED_AT.take()))
}

fn panicked(method: &str, tool: Option<String>, panic: &Panicked) -> ErrorData {
    let Panicked(at) = panic;
    let source = at.as_deref().unwrap_or("a place that is not known");
    tracing::error!(
        method,
        tool,
        source,
        "the handler panicked; the client gets an error"
    );
    ErrorData::internal_error("the handler panicked while it ran this request", None)
}

fn tool_name(request: &ClientRequest) -> Option<String> {
    match request {
        ClientRequest::CallToolRequest(call) => Some(call.params.name.clone().into_owned()),
        _ => None,
    }
}

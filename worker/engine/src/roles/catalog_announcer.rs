//! Announces what the handler serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::wire::FORMAT;
use prynai_bus::wire::catalog::{CatalogRecord, CatalogTool};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::Era;
use prynai_bus::{Catalog, StateStore};
use prynai_process::outage::Outage;
use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, ClientRequest, GetExtensions, GetMeta,
    Implementation, InitializeRequestParams, JsonRpcMessage, ListPromptsRequest, ListToolsRequest,
    NumberOrString, PaginatedRequestParams, ProtocolVersion, RequestMetaObject, ServerResult, Tool,
};
use rmcp::service::serve_directly;
use rmcp::transport::OneshotTransport;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio::sync::{Notify, watch};

use crate::handler::ask::request_state::RequestStateKeys;
use crate::handler::audited::Audited;
use crate::handler::downstream::Downstream;
use crate::handler::guard::Guard;
use crate::handler::header_params::header_params;
use crate::handler::redelivery::Redelivery;
use crate::handler::state::State;
use crate::handler::task_use::Tasks as TaskHint;

/// Announced again this often, in case the bus has lost everything.
const REPEAT: Duration = Duration::from_secs(60);

/// How long the handler may take for one page of its tools or prompts.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pages of tools, or of prompts, that are asked for at most.
const PAGES: usize = 1_000;

/// What gateways and redelivery know of the tools.
pub(crate) type Tools = Arc<BTreeMap<String, CatalogTool>>;

/// Announces the handler's tools, capabilities and name: at start, every minute, after the bus was
/// away, and when the handler says that its tools changed.
pub(crate) struct CatalogAnnouncer<H> {
    handler: Arc<H>,
    catalog: Arc<dyn Catalog>,
    /// What a handler may look at to say which tools it has.
    store: Arc<dyn StateStore>,
    tools: watch::Sender<Tools>,
    again: Arc<Notify>,
}

impl<H: ServerHandler> CatalogAnnouncer<H> {
    /// An announcer that has announced nothing, and the tools as it will know them.
    pub(crate) fn new(
        handler: Arc<H>,
        catalog: Arc<dyn Catalog>,
        store: Arc<dyn StateStore>,
    ) -> (Self, watch::Receiver<Tools>) {
        let (tools, known_tools) = watch::channel(Tools::default());
        let announcer = Self {
            handler,
            catalog,
            store,
            tools,
            again: Arc::default(),
        };
        (announcer, known_tools)
    }

    /// Makes it announce again.
    pub(crate) fn again(&self) -> Arc<Notify> {
        Arc::clone(&self.again)
    }

    /// Announces for the first time: no request is taken before the gateways know what is served.
    pub(crate) async fn announce_first(&self) {
        self.announce_until_done("it takes no requests until then")
            .await;
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        loop {
            tokio::select! {
                () = self.again.notified() => {}
                () = tokio::time::sleep(REPEAT) => {}
            }
            self.announce_until_done("gateways know the last announcement meanwhile")
                .await;
        }
    }

    /// Tries again and again while the bus is away or the handler refuses.
    async fn announce_until_done(&self, meanwhile: &'static str) {
        let mut outage = Outage::endless();
        while let Err(reason) = self.announce().await {
            if outage.begins() {
                tracing::warn!(
                    reason,
                    "what this worker serves cannot be announced; trying again, and {meanwhile}"
                );
            }
            outage.pause().await;
        }
        if outage.ends() {
            tracing::info!("what this worker serves is announced");
        }
    }

    async fn announce(&self) -> Result<(), String> {
        let record = self.record().await?;
        self.tools.send_replace(Arc::new(record.tools.clone()));
        let announced = self.catalog.announce_catalog(&record).await;
        if announced.map_err(|error| error.to_string())? {
            tracing::info!(tools = record.tools.len(), "announced a changed catalog");
        }
        Ok(())
    }

    async fn record(&self) -> Result<CatalogRecord, String> {
        let info = self.handler.get_info();
        let versions = supported(self.handler.as_ref());
        let tools = match info.capabilities.tools {
            Some(_) => self.list_tools(versions.last()).await?,
            None => BTreeMap::new(),
        };
        let prompts = match info.capabilities.prompts {
            Some(_) => self.list_prompts(versions.last()).await,
            None => BTreeSet::new(),
        };
        let raw = |value: Result<RawJson, serde_json::Error>| value.map_err(|e| e.to_string());
        Ok(CatalogRecord {
            v: FORMAT,
            server_info: raw(RawJson::from_value(&info.server_info))?,
            capabilities: raw(RawJson::from_value(&info.capabilities))?,
            instructions: info.instructions,
            protocol_versions: versions.iter().map(ToString::to_string).collect(),
            tools,
            prompts,
        })
    }

    async fn list_tools(
        &self,
        version: Option<&ProtocolVersion>,
    ) -> Result<BTreeMap<String, CatalogTool>, String> {
        let mut tools = BTreeMap::new();
        let mut cursor = None;
        for _ in 0..PAGES {
            let request = ClientRequest::from(ListToolsRequest {
                params: at(cursor),
                ..ListToolsRequest::default()
            });
            let page = tokio::time::timeout(PATIENCE, self.page(request, version))
                .await
                .map_err(|_| {
                    format!("the handler takes longer than {PATIENCE:?} for a page of tools/list")
                })?
                .map_err(|error| format!("the handler refuses tools/list: {}", error.message))?;
            let ServerResult::ListToolsResult(page) = page else {
                return Err("the handler answers tools/list with something else".to_owned());
            };
            tools.extend(page.tools.iter().map(entry));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(tools);
            }
        }
        Err(format!(
            "the handler has more than {PAGES} pages of tools/list"
        ))
    }

    /// The names of the first prompts. Only numbers are told apart by them, so a handler that does not list its prompts
    /// works without.
    async fn list_prompts(&self, version: Option<&ProtocolVersion>) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut cursor = None;
        for _ in 0..PAGES {
            let request = ClientRequest::from(ListPromptsRequest {
                params: at(cursor),
                ..ListPromptsRequest::default()
            });
            let page = tokio::time::timeout(PATIENCE, self.page(request, version)).await;
            let Ok(Ok(ServerResult::ListPromptsResult(page))) = page else {
                tracing::debug!(
                    "the handler does not list its prompts, so they are counted without their names"
                );
                break;
            };
            let room = CatalogRecord::MOST_PROMPTS.saturating_sub(names.len());
            names.extend(
                page.prompts
                    .into_iter()
                    .map(|prompt| prompt.name)
                    .take(room),
            );
            cursor = page.next_cursor;
            if cursor.is_none() || names.len() >= CatalogRecord::MOST_PROMPTS {
                break;
            }
        }
        names
    }

    /// Asks the handler for a page of a list as a client would.
    async fn page(
        &self,
        mut request: ClientRequest,
        version: Option<&ProtocolVersion>,
    ) -> Result<ServerResult, ErrorData> {
        let version = version.cloned().unwrap_or_default();
        let client = Implementation::new("prynai-worker", env!("CARGO_PKG_VERSION"));
        let nothing = ClientCapabilities::default();
        let principal = Principal::named("prynai-worker");
        let state = State::new(self.store.clone(), &principal, None);
        request.extensions_mut().insert(state);
        request.extensions_mut().insert(principal);
        let (era, session) = if version.has_initialize() {
            let session = InitializeRequestParams::new(nothing, client);
            (Era::Legacy, Some(session.with_protocol_version(version)))
        } else {
            *request.get_meta_mut() =
                RequestMetaObject::with_client_context(version, client, nothing);
            (Era::Modern, None)
        };
        let message = ClientJsonRpcMessage::request(request, NumberOrString::Number(1));
        let (transport, mut messages) = OneshotTransport::<RoleServer>::new(message);
        let guard = Guard::new(Arc::clone(&self.handler), era, RequestStateKeys::default());
        let _service = serve_directly(guard, transport, session);
        while let Some(message) = messages.recv().await {
            match message {
                JsonRpcMessage::Response(response) => return Ok(response.result),
                JsonRpcMessage::Error(refusal) => return Err(refusal.error),
                JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
            }
        }
        Err(ErrorData::internal_error(
            "it ended without a response",
            None,
        ))
    }
}

/// The parameters of the page behind a cursor, or of the first one.
fn at(cursor: Option<String>) -> Option<PaginatedRequestParams> {
    cursor.map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)))
}

/// The revisions of a handler, newest last.
fn supported(handler: &impl ServerHandler) -> Vec<ProtocolVersion> {
    let mut versions = handler.supported_protocol_versions().into_owned();
    versions.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    versions
}

fn entry(tool: &Tool) -> (String, CatalogTool) {
    let header_params = header_params(&tool.input_schema).unwrap_or_else(|| {
        tracing::warn!(
            tool = %tool.name,
            "the x-mcp-header annotations of this tool break the rules of 2026-07-28, whose clients will not list it; \
             correct its input schema"
        );
        BTreeMap::new()
    });
    let hints = tool.annotations.as_ref();
    let entry = CatalogTool {
        repeatable: Redelivery::of(tool) == Redelivery::RunAgain,
        read_only: hints.is_some_and(|hints| hints.read_only_hint == Some(true)),
        header_params,
        audit: Audited::of(tool),
        downstream: Downstream::of(tool),
        tasks: TaskHint::of(tool),
    };
    (tool.name.clone().into_owned(), entry)
}

//! A handler whose calls tests can watch and hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::session::Session;
use prynai_worker_engine::State;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio::sync::{Semaphore, mpsc};

/// What a test sees of the calls.
pub(crate) struct Watch {
    pub(crate) begun: mpsc::UnboundedReceiver<String>,
    pub(crate) ended: mpsc::UnboundedReceiver<&'static str>,
    pub(crate) most_at_once: Arc<AtomicUsize>,
    /// One permit lets one call of `hold` end.
    pub(crate) release: Arc<Semaphore>,
}

pub(crate) struct Probe {
    begun: mpsc::UnboundedSender<String>,
    ended: mpsc::UnboundedSender<&'static str>,
    at_once: AtomicUsize,
    most_at_once: Arc<AtomicUsize>,
    release: Arc<Semaphore>,
}

/// Tells that a handler's future was dropped.
struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        // The test may have ended.
        let _ = self.0.send("dropped");
    }
}

pub(crate) fn probe() -> (Probe, Watch) {
    let (begun, sees_begun) = mpsc::unbounded_channel();
    let (ended, sees_ended) = mpsc::unbounded_channel();
    let most_at_once = Arc::new(AtomicUsize::new(0));
    let release = Arc::new(Semaphore::new(0));
    let probe = Probe {
        begun,
        ended,
        at_once: AtomicUsize::new(0),
        most_at_once: most_at_once.clone(),
        release: release.clone(),
    };
    let watch = Watch {
        begun: sees_begun,
        ended: sees_ended,
        most_at_once,
        release,
    };
    (probe, watch)
}

impl Probe {
    async fn run(&self, tool: &str, context: RequestContext<RoleServer>) -> String {
        match tool {
            "panic" => panic!("as asked"),
            "polite" => {
                context.ct.cancelled().await;
                let _ = self.ended.send("polite");
                // What is sent after the cancel must reach nobody.
                let _ = context.peer.notify_tool_list_changed().await;
                "too late".to_owned()
            }
            "stubborn" => {
                let _dropped = Dropped(self.ended.clone());
                std::future::pending().await
            }
            "hold" => self.hold().await,
            "ask, then hold" => {
                #[expect(
                    deprecated,
                    reason = "SEP-2577; served for as long as clients speak it"
                )]
                let _roots = context.peer.list_roots().await;
                self.hold().await
            }
            "who" => who(&context),
            "count mine" => count_mine(&context).await,
            _ => "done".to_owned(),
        }
    }
}

impl Probe {
    async fn hold(&self) -> String {
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        self.release.acquire().await.expect("open").forget();
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        "released".to_owned()
    }
}

fn who(context: &RequestContext<RoleServer>) -> String {
    let extensions = &context.extensions;
    let principal = extensions.get::<Principal>().expect("a principal");
    let session = extensions
        .get::<Session>()
        .map(|s| s.protocol_version.clone());
    let parts = extensions.get::<http::request::Parts>().expect("parts");
    let client = context.client_info().map(|client| client.name);
    format!(
        "{} {:?} {} {} {:?} {:?}",
        principal.subject, session, parts.method, parts.uri, parts.headers["x-request-id"], client
    )
}

async fn count_mine(context: &RequestContext<RoleServer>) -> String {
    let state = context.extensions.get::<State>().expect("a state");
    let count = state.principal().increment("count", 1, None).await;
    count.expect("counts").to_string()
}

impl ServerHandler for Probe {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = Arc::new(serde_json::Map::new());
        Ok(ListToolsResult::with_all_items(vec![Tool::new(
            "hold", "", schema,
        )]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let _ = self.begun.send(request.name.to_string());
        let answer = self.run(&request.name, context).await;
        Ok(CallToolResult::success(vec![ContentBlock::text(answer)]).into())
    }
}

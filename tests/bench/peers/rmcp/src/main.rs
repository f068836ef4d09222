//! The peer that `scripts/bench` measures the fleet against: rmcp's own Streamable HTTP service in one process, with
//! the handler that our workers run. Its router is kept in the handler, so only what carries the messages differs.
//!
//! ```text
//! prynai-bench-rmcp stateless | sessions
//! ```
//!
//! `stateless` answers plain requests as JSON, as a gateway does; `sessions` is rmcp's default, for the legacy era.
//! Listens on a free port, and prints the address.

use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use axum::Router;
use axum::serve::ListenerExt;
use prynai_everything::Everything;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let sessions = match std::env::args().nth(1).as_deref() {
        Some("stateless") => false,
        Some("sessions") => true,
        _ => bail!("usage: prynai-bench-rmcp stateless | sessions"),
    };
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(sessions)
        .with_json_response(!sessions);
    // One handler for all requests: rmcp serves an `Arc` of a handler as well.
    let handler = Arc::new(Everything::new());
    let service = StreamableHttpService::new(
        move || Ok(handler.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on {address}")?;
    out.flush()?;
    // Without it a stream of several small events waits for the client's acknowledgements.
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    axum::serve(listener, Router::new().nest_service("/mcp", service)).await?;
    Ok(())
}

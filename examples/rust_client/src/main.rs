//! Signs a person in where the server says, or a service with its secret, and calls a tool.
//!
//! ```sh
//! cargo run -p rust-client -- http://127.0.0.1:8000/mcp
//! cargo run -p rust-client -- http://127.0.0.1:8000/mcp --client-id CLIENT_ID
//! CLIENT_SECRET=… cargo run -p rust-client -- https://mcp.example.com/mcp --client-id CLIENT_ID \
//!     --scope https://mcp.example.com/mcp/.default --call add --arguments '{"a": 2, "b": 40}'
//! ```

mod loopback;

use anyhow::{Context, ensure};
use clap::Parser;
use rmcp::model::{CallToolRequestParams, ClientConfig, JsonObject, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{
    AuthClient, AuthorizationManager, AuthorizationRequest, AuthorizationSession,
    ClientCredentialsConfig,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

use loopback::Loopback;

#[derive(Parser)]
struct Options {
    /// Endpoint of the server, such as https://mcp.example.com/mcp.
    url: String,
    /// Client id under which this program is registered where its users sign in [default: it registers by itself].
    #[arg(long)]
    client_id: Option<String>,
    /// Secret of a service, which signs in by itself. Read from the environment only: other users of the machine can
    /// see arguments.
    #[arg(skip = std::env::var("CLIENT_SECRET").ok())]
    client_secret: Option<String>,
    /// Scope to ask for [default: what the server says]. For a service at Entra it is URL/.default.
    #[arg(long)]
    scope: Vec<String>,
    /// Tool to call [default: none, the tools are listed].
    #[arg(long, value_name = "TOOL")]
    call: Option<String>,
    /// Arguments of the call.
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = object)]
    arguments: JsonObject,
    /// Call once for each line of standard input, which has the arguments.
    #[arg(long, requires = "call", conflicts_with = "arguments")]
    lines: bool,
}

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "what the server says is what was asked for"
)]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // rmcp leaves the choice of cryptography to us.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let mut manager = AuthorizationManager::new(&options.url).await?;
    let found = manager.resolve_metadata().await?;
    ensure!(
        found.source.is_discovered(),
        "{} does not say where to sign in",
        options.url
    );
    manager.set_metadata(found.metadata);
    let manager = match &options.client_secret {
        Some(secret) => as_service(manager, &options, secret).await?,
        None => as_person(manager, &options).await?,
    };

    // Sends the token with each request. A person's is refreshed when it has expired; a service signs in again.
    let http = AuthClient::new(reqwest::Client::new(), manager);
    let config = StreamableHttpClientTransportConfig::with_uri(options.url.as_str());
    let transport = StreamableHttpClientTransport::with_client(http, config);
    let mode = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let client = ClientConfig::default()
        .serve_with_lifecycle(transport, mode)
        .await?;
    match options.call {
        None => {
            for tool in client.list_all_tools().await? {
                println!("{}", tool.name);
            }
        }
        Some(tool) if options.lines => {
            // What the client does beside calls, it does in threads of its own.
            for line in std::io::stdin().lines() {
                println!("{}", call(&client, &tool, object(&line?)?).await?);
            }
        }
        Some(tool) => println!("{}", call(&client, &tool, options.arguments).await?),
    }
    client.cancel().await?;
    Ok(())
}

/// The result as JSON.
async fn call(
    client: &RunningService<RoleClient, ClientConfig>,
    tool: &str,
    arguments: JsonObject,
) -> anyhow::Result<String> {
    let call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
    Ok(serde_json::to_string(&client.call_tool(call).await?)?)
}

/// Authorization code and PKCE, in the browser (RFC 8252).
async fn as_person(
    manager: AuthorizationManager,
    options: &Options,
) -> anyhow::Result<AuthorizationManager> {
    let loopback = Loopback::listen().await?;
    let request = AuthorizationRequest::new(loopback.redirect_uri()).with_scopes(&options.scope);
    let request = match &options.client_id {
        Some(id) => request.with_preregistered_client(id),
        None => request.with_client_name(env!("CARGO_PKG_NAME")),
    };
    let session = AuthorizationSession::new(manager, request).await;
    let session = session.map_err(|(_, error)| error)?;
    eprintln!("Sign in at {}", session.get_authorization_url());
    let answer = loopback.answer().await?;
    session
        .handle_callback_url(&answer)
        .await
        .context("the sign-in failed")?;
    Ok(session.auth_manager)
}

/// Client credentials (RFC 6749, section 4.4).
async fn as_service(
    mut manager: AuthorizationManager,
    options: &Options,
    secret: &str,
) -> anyhow::Result<AuthorizationManager> {
    let client_id = options.client_id.clone();
    let config = ClientCredentialsConfig::ClientSecret {
        client_id: client_id.context("a service needs --client-id")?,
        client_secret: secret.to_owned(),
        scopes: options.scope.clone(),
        resource: Some(options.url.clone()),
    };
    manager.configure_client_credentials(&config)?;
    manager.exchange_client_credentials(&config).await?;
    Ok(manager)
}

fn object(text: &str) -> serde_json::Result<JsonObject> {
    serde_json::from_str(text)
}

//! The tool that shows whom the server takes its caller for.

use rmcp::handler::server::common::Extension;
use rmcp::handler::server::wrapper::Json;
use rmcp::{schemars, tool, tool_router};
use serde::Serialize;

use super::Everything;
use prynai_worker::{CallerKind, Principal};

/// Result of `whoami`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Caller {
    /// Names the caller among all callers.
    subject: String,
    /// `user` for a person, `app` for an application by itself; absent on a server that asks nobody who they are.
    kind: Option<&'static str>,
    /// The application that calls.
    client: Option<String>,
    /// What the person allowed the application to do.
    scopes: Vec<String>,
    /// The app roles that the caller has.
    roles: Vec<String>,
}

#[tool_router(router = caller_tools, vis = "pub(super)")]
impl Everything {
    #[tool(
        title = "Who am I",
        description = "Tells whom this server takes its caller for",
        annotations(read_only_hint = true, idempotent_hint = true, open_world_hint = false)
    )]
    fn whoami(&self, Extension(principal): Extension<Principal>) -> Json<Caller> {
        let identity = principal.identity.as_deref();
        let kind = identity.map(|identity| match identity.kind {
            CallerKind::User => "user",
            CallerKind::App => "app",
        });
        Json(Caller {
            kind,
            client: identity.and_then(|identity| identity.client.clone()),
            scopes: identity.map_or_else(Vec::new, |identity| {
                identity.scopes.iter().cloned().collect()
            }),
            roles: identity.map_or_else(Vec::new, |identity| {
                identity.roles.iter().cloned().collect()
            }),
            subject: principal.subject,
        })
    }
}

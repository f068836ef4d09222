//! How to try what has just been started.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use prynai_gateway_engine::AuthKind;

/// The endpoint as this machine reaches it.
pub(crate) fn url(listens_on: SocketAddr, has_tls: bool) -> String {
    let scheme = if has_tls { "https" } else { "http" };
    format!("{scheme}://{}/mcp", from_here(listens_on))
}

fn from_here(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// For a person who has just typed `cargo run`; on standard error, apart from the log. Nobody need read it.
pub(crate) fn say_how_to_try(url: &str, auth: AuthKind, console: Option<&str>) {
    let token = match auth {
        AuthKind::None => "",
        AuthKind::Entra | AuthKind::Oidc => " -H \"Authorization: Bearer $TOKEN\"",
    };
    // The certificate may be of a name that leads elsewhere from here.
    let unchecked = if url.starts_with("https:") { "k" } else { "" };
    let console = match console {
        Some(console) => format!("Console for operators on {console}\n"),
        None => "Console for operators: give --admin-listen 127.0.0.1:9464\n".to_owned(),
    };
    let text = format!(
        "MCP server on {url}\n\
         {console}\
         Try: curl -s{unchecked} {url}{token} -H 'Content-Type: application/json' \
         -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: echo' \
         -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\
         \"params\":{{\"name\":\"echo\",\"arguments\":{{\"text\":\"hello\"}},\"_meta\":{{\
         \"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
         \"io.modelcontextprotocol/clientCapabilities\":{{}}}}}}}}'\n"
    );
    // A thread of its own, which is not waited for: standard error may be a pipe that nobody reads, or closed.
    std::thread::spawn(move || std::io::stderr().write_all(text.as_bytes()));
}

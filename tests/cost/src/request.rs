//! What is asked.

use serde_json::{Value, json};

/// The legacy revision that is spoken.
pub(crate) const LEGACY: &str = "2025-11-25";

/// The modern revision.
pub(crate) const MODERN: &str = "2026-07-28";

/// The id of the first request; as many digits as all others have.
pub(crate) const FIRST_ID: u32 = 100_000;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    ModernCall,
    LegacyCall,
    List,
    Progress,
}

impl Request {
    /// The message with the first id.
    pub(crate) fn message(self) -> Value {
        let mut params = match self {
            Self::ModernCall | Self::LegacyCall => {
                json!({ "name": "echo", "arguments": { "text": "hello" } })
            }
            Self::List => json!({}),
            Self::Progress => json!({ "name": "ten_steps", "arguments": {} }),
        };
        if !self.is_legacy() {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": { "name": "cost", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        if self == Self::Progress {
            params["_meta"]["progressToken"] = json!("p");
        }
        json!({ "jsonrpc": "2.0", "id": FIRST_ID, "method": self.method(), "params": params })
    }

    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::List => "tools/list",
            _ => "tools/call",
        }
    }

    /// The name of the tool.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::ModernCall | Self::LegacyCall => Some("echo"),
            Self::List => None,
            Self::Progress => Some("ten_steps"),
        }
    }

    pub(crate) fn is_legacy(self) -> bool {
        self == Self::LegacyCall
    }
}

//! Enterprise-managed authorization: a client shows an identity assertion (ID-JAG) of its enterprise's identity
//! provider, and gets an access token of the façade itself, without anybody being asked.
//!
//! Sources: modelcontextprotocol/ext-auth:specification/draft/enterprise-managed-authorization.mdx;
//! draft-ietf-oauth-identity-assertion-authz-grant; RFC 7523; RFC 7521, section 5.2.

pub(crate) mod assertion;
pub(crate) mod client;

use async_trait::async_trait;
use serde_json::{Map, Value};

/// The grant (RFC 7523, section 2.1).
pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What metadata say of it (draft-ietf-oauth-identity-assertion-authz-grant, section 7.2).
pub(crate) const PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

/// The type of an identity assertion, by which it cannot be taken for another token, nor another for it.
pub const ASSERTION_TYPE: &str = "oauth-id-jag+jwt";

/// Reads what the identity providers of enterprises signed.
#[async_trait]
pub trait Assertions: Send + Sync {
    /// The claims of an identity assertion: of the type [`ASSERTION_TYPE`], signed by an issuer on the list, which
    /// `iss` names, and good now by `exp` and `nbf`. Nothing else is checked.
    ///
    /// # Errors
    ///
    /// Why they cannot be had.
    async fn read(&self, assertion: &str) -> Result<Map<String, Value>, Unread>;
}

/// Why an assertion cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is no good, for this reason.
    Bad(&'static str),
    /// Its issuer has not told its keys yet.
    NoKeys,
}

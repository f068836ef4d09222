//! What clients ask the issuer.
//!
//! `discovery`; `authorize` and its `page`; `exchange`, which gives tokens: `client_login`, `assertion`, `scope`,
//! `grants`; `managed_identity`, which gives them to programs on Azure. `error`: how each of them refuses.

mod assertion;
pub(crate) mod authorize;
mod client_login;
pub(crate) mod discovery;
pub(crate) mod downstream;
pub(crate) mod error;
pub(crate) mod exchange;
mod external;
pub(crate) mod grants;
pub(crate) mod managed_identity;
mod page;
mod scope;

//! What clients ask the issuer.
//!
//! `discovery`; `authorize` and its `page`; `exchange`, which gives tokens: `client_login`, `scope`, `grants`. `error`:
//! how each of them refuses.

pub(crate) mod authorize;
mod client_login;
pub(crate) mod discovery;
pub(crate) mod error;
pub(crate) mod exchange;
pub(crate) mod grants;
mod page;
mod scope;

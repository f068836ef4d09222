//! Who issues tokens: its [`keys`], kept up to date by a task, which a [`client`] fetches as a set ([`jwks`]).

pub(crate) mod client;
pub(crate) mod jwks;
pub(crate) mod keys;

//! Which Redis is talked to: its address, whom it is trusted by, how we sign in, and what it says of itself.

pub(crate) mod address;
pub(crate) mod demoted_master;
pub(crate) mod entra;
pub(crate) mod info;
pub(crate) mod peer;
pub(crate) mod stream;
pub(crate) mod tls;

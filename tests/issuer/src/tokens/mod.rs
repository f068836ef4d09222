//! Tokens, right ones and wrong ones.
//!
//! `claims`: what Entra puts into a token; `token`: tokens to order; `twist`: what may be wrong with one; `keys`: what
//! signs them; `jwt`: tokens that clients show; `certificate`: what clients sign theirs with.

pub(crate) mod certificate;
pub(crate) mod claims;
pub(crate) mod jwt;
pub(crate) mod keys;
pub(crate) mod token;
pub(crate) mod twist;

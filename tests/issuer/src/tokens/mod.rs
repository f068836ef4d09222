//! Tokens, right ones and wrong ones.
//!
//! `claims`: what Entra puts into a token; `token`: tokens to order; `twist`: what may be wrong with one; `keys`: what
//! signs them.

pub(crate) mod claims;
pub(crate) mod keys;
pub(crate) mod token;
pub(crate) mod twist;

//! A request's access token: taken out of the request ([`bearer`]), [`verify`]-ed once with the [`signature`] of its
//! issuer, kept for the next request that has it ([`cache`]); its [`claims`] become a principal.

pub(crate) mod bearer;
pub(crate) mod cache;
pub(crate) mod claims;
pub(crate) mod header;
pub(crate) mod signature;
pub(crate) mod verify;

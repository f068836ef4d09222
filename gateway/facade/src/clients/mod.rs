//! Who asks: a client that registered itself, whose id is a sealed record of what it said; one whose id is the URL of a
//! document that says it; or one that the settings name.

pub(crate) mod client;
pub(crate) mod directory;
pub(crate) mod document;
pub(crate) mod redirects;
pub(crate) mod registration;
pub(crate) mod service;

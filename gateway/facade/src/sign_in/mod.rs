//! How a person signs in for a client: a request for a code ([`authorize`]), the [`page`] that asks whether the person
//! wants that and its answer ([`consent`]), the way to the issuer ([`upstream`]), and the way back ([`callback`]). What
//! the steps leave for each other lies in [`cookies`] of the browser, sealed, so that no other browser can go on.

pub(crate) mod authorize;
pub(crate) mod browser;
pub(crate) mod callback;
pub(crate) mod consent;
pub(crate) mod cookies;
pub(crate) mod grant;
mod page;
mod request;
mod upstream;

//! An OAuth authorization server for MCP clients, in front of an issuer that lacks what they need.
//!
//! Clients register, sign people in and get tokens here. People sign in at the issuer behind it (`upstream`), with the
//! one registration that the façade has there, and the access tokens are the issuer's own. Any gateway serves any step:
//! what travels is sealed (`sealed`), and what may happen only once is written to the bus.
//!
//! Read in this order:
//!
//! 1. [`FacadeSettings`], [`Place`], [`Facade`]: what it is made of; `router`: its routes
//! 2. `metadata`: what clients read first
//! 3. `clients`: who asks, by a sealed record, a document or the settings, and where codes may be sent
//! 4. `sign_in`: a request for a code, the page that asks the person, the way to the issuer and back
//! 5. `tokens`: codes and refresh tokens for tokens, and how they are taken back
//! 6. `upstream`: the issuer, and how the façade proves itself there
//! 7. `enterprise`: assertions of enterprises, for tokens of the façade's own (`own`)
//! 8. `on_behalf`: tokens for other APIs, also without a façade
//! 9. `parameters`, `scopes`, `refusal`, `rates`, `signing`: what all of these use

mod clients;
mod enterprise;
mod metadata;
mod on_behalf;
mod own;
mod parameters;
mod rates;
mod refusal;
mod router;
mod scopes;
mod sealed;
mod settings;
mod sign_in;
mod signing;
mod state;
mod tokens;
mod upstream;

pub use clients::directory::FixedClient;
pub use clients::redirects::RedirectRule;
pub use clients::service::ServiceKeys;
pub use enterprise::{ASSERTION_TYPE, Assertions, Unread};
pub use on_behalf::{Given, NotGiven, OnBehalf, OnBehalfSettings};
pub use rates::Peer;
pub use settings::FacadeSettings;
pub use signing::{PublicKey, SigningKey};
pub use state::{Facade, Place, issuer_of};
pub use upstream::certificate::Certificate;

// The scene of `tests/it` serves the tests of this crate, too; it names the crate as users do.
#[cfg(test)]
extern crate self as prynai_oauth_facade;

#[cfg(test)]
#[path = "../tests/it/scene.rs"]
#[expect(dead_code, reason = "most of it is for tests/it")]
mod scene;

#[cfg(test)]
mod tests;

//! The gateway, but for its bus: ends client connections and puts their requests on the bus that it is given.
//!
//! The path of a request: [`listen`](mod@listen) accepts the connection, [`serve`](mod@serve) leads it on, [`origin`]
//! checks where it comes from and lets web pages in, [`auth`] who sent it, [`streamable_http`] reads the [`message`],
//! decides the era, asks the [`policy`] whether its caller may send it, answers what needs no worker and queues
//! everything else, as far as there is room ([`admission`]), with the tokens for other APIs that its tool wants
//! ([`downstream`]). Meanwhile [`streams`] hold what comes back for the client, and the [`operation`] notes how it
//! ended. All [`changes`] come from one feed, and [`notifications`] tell clients of them. What is refused on the way is
//! a [`refusal`]. The [`metrics`] count and measure all of it.
//!
//! The [`settings`] gather those of each concern, which lie beside it; what all requests share is the [`state`]; the
//! revisions of the protocol are [`versions`]; whether workers are there is in [`worker_watch`],
//! and how requests wait for the first one in [`first_worker`].
//!
//! Each imports only what stands to the right of it: `serve`, `streamable_http`, `notifications`, `state`, `settings`,
//! `listen`, `origin`, `auth`, `policy`, `downstream`, `first_worker`, `changes`, `streams`, `message`, `admission`,
//! `audit`, `operation`, `refusal`, `metrics`, `versions`, `worker_watch`.
//!
//! It never imports rmcp and knows no tool: it reads the JSON-RPC envelope and passes messages on as they are.

mod admission;
mod audit;
mod auth;
mod changes;
mod downstream;
mod first_worker;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod listen;
mod message;
mod metrics;
mod notifications;
mod operation;
mod origin;
mod policy;
mod refusal;
mod serve;
mod settings;
mod state;
mod streamable_http;
mod streams;
mod versions;
mod worker_watch;

pub use admission::limits::LimitSettings;
pub use auth::{AuthKind, AuthSettings, CallersAllowed, IssuerUrl, Roots, TenantId, TokenVersion};
pub use listen::accept::listen;
pub use listen::tls::{CertificateError, TlsSettings};
pub use metrics::{look_at_queue, register as register_metrics};
pub use origin::{HostPattern, OriginPattern, OriginSettings};
pub use policy::{Change, PolicyFile, Rehearsal};
pub use serve::{ServeError, serve, wait_for_bus};
pub use settings::GatewaySettings;

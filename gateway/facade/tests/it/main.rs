//! The façade from outside: real HTTP, in front of the dev issuer, with two gateways that share a bus.

mod attacks;
mod credentials;
mod limits;
mod metadata;
mod registration;
mod scene;
mod services;
mod sign_in;
mod tokens;

//! What operators set up and see: settings, logs, metrics, certificates, balancers, Redis, and stopping in order.

mod audit;
mod autoscaling;
mod balancer;
mod console;
mod first_worker;
mod fleet;
mod health;
mod logs;
mod metrics;
mod ops;
mod redis_setup;
mod request_lines;
mod rolling_restart;
mod settings;
mod shutdown;
mod standalone;
mod tls;
mod traces;
mod walk;

/// An issuer that cannot be reached; what is no JWT is refused without asking it.
pub(super) const GUARDED: [&str; 6] = [
    "--auth",
    "oidc",
    "--auth-issuer",
    "http://127.0.0.1:9",
    "--auth-audience",
    "us",
];

//! What operators set up and see: settings, logs, certificates, balancers, Redis, and stopping in order.

mod balancer;
mod logs;
mod redis_setup;
mod settings;
mod shutdown;
mod standalone;
mod tls;

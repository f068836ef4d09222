//! The tests that need more than one process or a real Redis: one binary, one module per story.

mod auth;
mod bad_input;
mod bad_peers;
mod batches;
mod bus_contract;
mod calls;
mod cancel;
mod chaos;
mod client_responses;
mod hostile;
mod idempotency;
mod issuer;
mod outage;
mod overload;
mod policy;
mod resume;
mod rmcp_client;
mod sessions;
mod settings;
mod shutdown;
mod standalone;
mod strangers;
mod subscriptions;
mod tls;
mod unchanged;
mod wire_golden;

//! What a handler runs in, and what it is given.
//!
//! 1. `guard` stands between rmcp and the handler
//! 2. `context`: what a handler finds in the extensions of its request, such as `state`, `raw_message`, `become_task`
//!    and `close_stream`; `extract`: how a tool names it as a parameter
//! 3. `ask`: questions to the client
//! 4. what a tool's author says in its description: `redelivery`, about calls whose worker was lost; `task_use`,
//!    about calls that take long; `downstream`, about other APIs; `header_params`, which arguments clients repeat in
//!    headers

pub(crate) mod ask;
pub(crate) mod audited;
pub(crate) mod become_task;
pub(crate) mod close_stream;
pub(crate) mod context;
pub(crate) mod downstream;
pub(crate) mod guard;
pub(crate) mod header_params;
pub(crate) mod raw_message;
pub(crate) mod redelivery;
pub(crate) mod state;
pub(crate) mod task_use;

mod extract;

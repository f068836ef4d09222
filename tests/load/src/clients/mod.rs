//! The clients.
//!
//! 1. [`wording`]: what they say; [`token`]: who they are
//! 2. [`pace`]: when each of them calls
//! 3. [`modern`], [`session`] with its [`session_stream`] and the [`session_state`] of both: how they call
//! 4. [`answer`]: what they hear; [`surroundings`]: what they share
//! 5. [`client`]: any of them, from its beginning to its end

pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod modern;
pub(crate) mod pace;
pub(crate) mod session;
mod session_state;
mod session_stream;
pub(crate) mod surroundings;
pub(crate) mod token;
pub(crate) mod wording;

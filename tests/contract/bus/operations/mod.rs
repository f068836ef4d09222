//! What operators see, and what they change.

mod calls;
mod entries;
mod fleet;
mod letters;
mod repairs;
mod tasks;

//! Gateway, worker and bus in one process: for a laptop, and for trying a handler.
//!
//! 1. `settings`: what the command line says, and what is refused
//! 2. `run`: the process, with an in-memory bus or a Redis
//! 3. `hint`: what a person sees who has just typed `cargo run`

mod hint;
#[cfg(test)]
mod metrics_page;
mod run;
mod settings;

pub use run::run;
pub use settings::StandaloneSettings;

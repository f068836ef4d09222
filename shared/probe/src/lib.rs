//! Asks a process of this machine whether it is ready. Every program of a fleet has this as its subcommand `health`, so
//! that an image needs no shell and no HTTP client for its health check.
//!
//! 1. [`Probe`]: whom to ask, and what is said of the answer
//! 2. `any_certificate`: why the certificate of a process is not looked at

mod any_certificate;
mod ask;

use clap::Subcommand;

pub use ask::{Probe, Unready};

/// What a program can do in place of serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Asks the process on this machine that has the same settings whether it is ready: for the health check of a
    /// container. Reads the same variables; options come before the word, as in --listen 127.0.0.1:8000 health. Says
    /// why not if it is not, and ends with exit code 0 if it is ready, else 1; 64 if it cannot know whom to ask.
    Health,
}

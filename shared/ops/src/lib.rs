//! What operators do with a fleet: see it, and follow one call through it. The program `prynai-ops` shows it on a
//! terminal; whatever else shows it takes the same parts.
//!
//! Read in this order:
//!
//! 1. [`settings`]: what the program is asked for, and how it ends
//! 2. [`look`]: one file for each question, and [`explain`]: why a call is where it is
//! 3. [`show`]: tables, numbers, and text that cannot harm a terminal

pub mod explain;
pub mod look;
pub mod settings;
pub mod show;

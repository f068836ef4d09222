//! What operators do with a fleet: see it, follow one call through it, and repair it. The program `prynai-ops` does it
//! on a terminal; whatever else shows it takes the same parts.
//!
//! Read in this order:
//!
//! 1. [`settings`]: what the program is asked for, and how it ends; [`answer`]: who answers that
//! 2. [`look`]: one file for each question, and [`explain`]: why a call is where it is
//! 3. [`mend`]: what changes something
//! 4. [`show`]: tables, numbers, and text that cannot harm a terminal

pub mod answer;
pub mod explain;
pub mod look;
pub mod mend;
pub mod settings;
pub mod show;

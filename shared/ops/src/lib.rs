//! The program `prynai-ops`: what operators do with a fleet, on a terminal. What it looks at and mends is from
//! `prynai_operations`; here it is asked for and put into words and tables.
//!
//! Read in this order:
//!
//! 1. [`settings`]: what the program is asked for, and how it ends; [`answer`]: who answers that
//! 2. [`look`]: one file for each question
//! 3. [`mend`]: what changes something; it asks before it does so
//! 4. [`screen`]: the live screen
//! 5. [`show`]: tables, and sentences under each other

pub mod answer;
pub mod look;
pub mod mend;
pub mod screen;
pub mod settings;
pub mod show;
mod signals;

//! What operators do with a fleet, whatever shows it: `prynai-ops` on a terminal, the console in a browser. It knows
//! neither of them, nor which bus there is.
//!
//! Read in this order:
//!
//! 1. [`look`]: one file for each question
//! 2. [`explain`]: what needs attention, and why a call is where it is
//! 3. [`lost`]: requests whose worker is gone
//! 4. `takers`: which workers could take what waits
//! 5. [`mend`]: what changes something. Whoever calls it has asked before
//! 6. [`text`]: numbers and names in words, and text that does no harm where it is shown
//! 7. [`Failed`]: why there is nothing to show

pub mod explain;
mod failed;
pub mod look;
pub mod lost;
pub mod mend;
mod takers;
pub mod text;

pub use failed::Failed;

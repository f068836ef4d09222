//! What changes something. Nothing here asks whether it shall: whoever calls it has asked.

pub mod cancel;
pub mod drain;
pub mod letters;
pub mod replay;

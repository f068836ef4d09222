//! What changes something. A page asks first; only its form has the proof without which nothing is done.

mod act;
mod proof;

#[cfg(test)]
pub(crate) use act::MOST_DEEDS;
pub(crate) use act::{Act, Write};

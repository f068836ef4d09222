//! What operators do with a fleet, as pages for a browser. It knows neither HTTP nor who may read (`prynai_admin`
//! does), nor which bus there is.
//!
//! Read in this order:
//!
//! 1. [`console`](Console): what is asked for, and what is answered; `address`: where pages are
//! 2. `fresh`: one page is made at a time, and shown to all who ask for it within a second
//! 3. `pages`: one file for each page; each reads a bounded number of rows
//! 4. `write`: what changes something: a question first, then a form that only the answer to it can have
//! 5. `frame`, `parts`: what all pages have in common. All text goes through `parts::said`, so nothing in it acts

mod address;
mod answer;
mod console;
mod frame;
mod fresh;
mod pages;
mod parts;
mod write;

pub use answer::Answer;
pub use console::{Connect, Console};
pub use frame::About;

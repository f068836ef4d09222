//! What a browser is sent.

use bytes::Bytes;

/// What a browser is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A page.
    Page {
        /// Its status in HTTP.
        status: u16,
        /// Its text in HTML.
        body: Bytes,
    },
    /// It is to ask for this path instead.
    SeeOther(String),
}

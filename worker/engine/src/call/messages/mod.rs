//! Between the client's JSON text and rmcp's types.

pub(crate) mod inbound;
pub(crate) mod outbound;
pub(crate) mod response;
pub(crate) mod visibility_filter;

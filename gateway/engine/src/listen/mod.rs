//! From a port to HTTP requests: [`accept`]ed connections, one [`connection`] each in its [`http_version`], which may
//! be neither [`idle`] for long nor [`stall`] an answer, with [`tls`] below them if there is a certificate.

pub(crate) mod accept;
pub(crate) mod connection;
mod http_version;
mod idle;
pub(crate) mod stall;
pub(crate) mod tls;

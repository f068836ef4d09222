//! How often the endpoints may be asked from one place. The bound is generous: behind a proxy all come from there. What
//! is asked costs little, but for a request to the issuer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use prynai_bus::{Bucket, RateLimiter};

use crate::refusal::Refusal;

/// Requests in a row.
const BURST: u32 = 600;

/// Time until one more is allowed.
const PERIOD: Duration = Duration::from_millis(20);

/// The other end of the connection, which the server puts into the extensions of a request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let unknown = Self(IpAddr::from([0, 0, 0, 0]));
        Ok(parts.extensions.get().copied().unwrap_or(unknown))
    }
}

/// Counts requests.
pub(crate) struct Rates(Arc<dyn RateLimiter>);

impl Rates {
    pub(crate) fn new(limiter: Arc<dyn RateLimiter>) -> Self {
        Self(limiter)
    }

    /// Counts a request.
    ///
    /// # Errors
    ///
    /// When there were too many.
    pub(crate) async fn take(&self, endpoint: &str, Peer(peer): Peer) -> Result<(), Refusal> {
        let bucket = Bucket {
            name: format!("oauth:{endpoint}:{}", network(peer)),
            period: PERIOD,
            burst: BURST,
        };
        match self.0.take(&bucket, 1).await {
            Ok(taken) if taken.tokens == 0 => Err(Refusal::too_many(taken.next.as_secs())),
            // Whoever cannot be counted now is served: what needs the bus says so itself.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// Of IPv6 the part that one site has.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::")
        }
    }
}

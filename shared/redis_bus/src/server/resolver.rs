//! Looking names up, anew for every connection.

use std::io;
use std::net::SocketAddr;

use redis::io::AsyncDNSResolver;
use redis::{RedisError, RedisFuture};

/// Asks the system, and says which name it does not know: the library's error does not.
pub(crate) struct Resolver;

impl AsyncDNSResolver for Resolver {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, port)).await;
            let unknown = |error| io::Error::other(format!("no address for the name: {error}"));
            let addresses: Vec<_> = found.map_err(unknown).map_err(RedisError::from)?.collect();
            Ok(Box::new(addresses.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

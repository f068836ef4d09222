//! Bytes on a connection, for what no HTTP client would send.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// What the other side says until it closes the connection.
///
/// # Errors
///
/// When it has not closed it in time.
pub async fn until_closed(stream: &mut TcpStream, within: Duration) -> Result<Vec<u8>, Elapsed> {
    let mut said = Vec::new();
    // A reset is as good an end as any.
    let _ = timeout(within, stream.read_to_end(&mut said)).await?;
    Ok(said)
}

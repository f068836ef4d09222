//! Which version of HTTP a client speaks, read from the first bytes of its connection.
//!
//! hyper-util would find it out too, but hands hyper these bytes by themselves. hyper then reads the rest of the head
//! into a buffer of twice the size, which the connection keeps for as long as it is open, as it keeps room for either
//! version.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// How a connection of HTTP/2 begins (RFC 9113, section 3.4).
const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A version of HTTP, as far as connections differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HttpVersion {
    Http1,
    Http2,
}

/// A stream that begins with bytes which were read from it.
pub(super) struct Begun<S> {
    first: [u8; PREFACE.len()],
    /// Where in `first` those begin and end that are to be read again.
    unread: (usize, usize),
    inner: S,
}

/// Reads from a stream until it is clear what is spoken there.
///
/// # Errors
///
/// Those of the stream.
pub(super) async fn read<S: AsyncRead + Unpin>(
    mut inner: S,
) -> io::Result<(HttpVersion, Begun<S>)> {
    let mut first = [0; PREFACE.len()];
    let mut read = 0;
    while read < first.len() && PREFACE.starts_with(&first[..read]) {
        match inner.read(&mut first[read..]).await? {
            0 => break,
            more => read += more,
        }
    }
    let version = if read == first.len() && first == PREFACE {
        HttpVersion::Http2
    } else {
        HttpVersion::Http1
    };
    let unread = (0, read);
    Ok((
        version,
        Begun {
            first,
            unread,
            inner,
        },
    ))
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (begin, end) = self.unread;
        if begin == end {
            return Pin::new(&mut self.inner).poll_read(cx, buffer);
        }
        let taken = buffer.remaining().min(end - begin);
        buffer.put_slice(&self.first[begin..begin + taken]);
        self.unread.0 += taken;
        // What follows belongs into the same buffer, as far as it is there.
        if buffer.remaining() > 0
            && let Poll::Ready(Err(error)) = Pin::new(&mut self.inner).poll_read(cx, buffer)
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    writes_to!(inner);
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::AsyncWriteExt;

    async fn read_of(pieces: &[&[u8]]) -> (HttpVersion, Vec<u8>) {
        let (mut client, server) = tokio::io::duplex(1024);
        let send = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(client);
        };
        let receive = async {
            let (version, mut begun) = read(server).await.unwrap();
            let mut all = Vec::new();
            begun.read_to_end(&mut all).await.unwrap();
            (version, all)
        };
        tokio::join!(send, receive).1
    }

    #[tokio::test]
    async fn the_preface_tells_http_2_and_nothing_is_lost() {
        let request: &[u8] = b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let settings = [&PREFACE[..], b"\0\0\0\x04\0\0\0\0\0"].concat();
        let (begin, rest) = settings.split_at(7);
        for (pieces, version) in [
            (vec![request], HttpVersion::Http1),
            (vec![b"G", &request[1..]], HttpVersion::Http1),
            (vec![&settings[..]], HttpVersion::Http2),
            (vec![begin, rest], HttpVersion::Http2),
            (vec![begin, request], HttpVersion::Http1),
            (vec![begin], HttpVersion::Http1),
            (vec![], HttpVersion::Http1),
        ] {
            assert_eq!(read_of(&pieces).await, (version, pieces.concat()));
        }
    }

    #[tokio::test]
    async fn what_is_there_already_comes_with_the_first_bytes() {
        let (mut client, server) = tokio::io::duplex(1024);
        let request = [b'x'; 200];
        client.write_all(&request).await.unwrap();
        let (_, mut begun) = read(server).await.unwrap();
        let mut buffer = [0; 512];
        assert_eq!(begun.read(&mut buffer).await.unwrap(), request.len());
    }
}

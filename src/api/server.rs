//! The listening side of the API: accepts connections, bounded in number and in idle time.
//!
//! The HTTP library closes neither a connection that never finishes its request head nor one that
//! is kept alive for ever, so a few hundred silent peers could use up the process's file handles.
//! Both are closed here, below HTTP, by one rule: a connection that moves no byte for
//! [`CONNECTION_IDLE_MAX`] ends.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tracing::warn;

use super::layers::REQUEST_TIME_MAX;
use super::tls::Tls;

/// Connections served at once; further ones wait in the kernel's queue. Far more than the tools
/// that drive a worker open, far fewer than the usual limit of 1,024 file handles.
pub const CONNECTIONS_MAX: usize = 256;

/// How long a connection may move no byte. Longer than a request may take to be answered, so that
/// it only ever ends connections that nobody waits for.
pub const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(REQUEST_TIME_MAX.as_secs() + 30);

/// How long open requests may take to end once the worker stops.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Serves the API, by TLS where asked for, until `stop` completes; then accepts nothing more and lets open requests end, for
/// [`DRAIN_MAX`] at most.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let bounded = BoundedListener {
        listener,
        tls,
        free: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
    };
    let (stopping, mut stopped) = tokio::sync::watch::channel(false);
    let signal = async move {
        stop.await;
        stopping.send_replace(true);
    };
    let server = axum::serve(bounded, router).with_graceful_shutdown(signal);
    let drain_over = async move {
        // An error means that the signal's task is gone, and with it the server.
        if stopped.wait_for(|stopping| *stopping).await.is_ok() {
            sleep(DRAIN_MAX).await;
        }
    };
    tokio::select! {
        served = server.into_future() => {
            if let Err(error) = served {
                warn!(error = %error, "rest api ended with an error");
            }
        }
        () = drain_over => warn!("rest api closed with requests still open"),
    }
}

struct BoundedListener {
    listener: TcpListener,
    tls: Option<Tls>,
    free: Arc<Semaphore>,
}

impl Listener for BoundedListener {
    type Io = BoundedConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok(permit) = Arc::clone(&self.free).acquire_owned().await else {
                // The semaphore is never closed; without it there is nothing to accept.
                return std::future::pending().await;
            };
            // The library's accept logs and waits out errors such as too many open files.
            let (stream, peer) = Listener::accept(&mut self.listener).await;
            // Answers are small: sent at once, not held back for an acknowledgement.
            if let Err(error) = stream.set_nodelay(true) {
                warn!(error = %error, "connection was lost as it was accepted");
                continue;
            }
            let stream: Box<dyn Transport> = match &self.tls {
                None => Box::new(stream),
                Some(tls) => match tls.wrap(stream) {
                    Ok(stream) => Box::new(stream),
                    Err(error) => {
                        warn!(error = %error, "tls cannot be begun on a connection");
                        continue;
                    }
                },
            };
            let connection = BoundedConnection {
                stream,
                idle: Box::pin(sleep(CONNECTION_IDLE_MAX)),
                _permit: permit,
            };
            return (connection, peer);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Bytes in both directions, plain or by TLS.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection that fails when it has been idle too long, and gives its place back when dropped.
struct BoundedConnection {
    stream: Box<dyn Transport>,
    idle: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl BoundedConnection {
    fn watch_progress<T>(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            let limit = Instant::now() + CONNECTION_IDLE_MAX;
            self.idle.as_mut().reset(limit);
            return progress;
        }
        if self.idle.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncRead for BoundedConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watch_progress(context, progress)
    }
}

impl AsyncWrite for BoundedConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch_progress(context, progress)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch_progress(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use openssl::pkey::{PKey, Private};
    use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
    use openssl::x509::X509;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::super::tls::tests::{identity, settings};
    use super::*;
    use crate::config::worker::{ClientAuth, HttpsSettings};

    type Identity = (X509, PKey<Private>);

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, None, Router::new(), async {
            stopped.await.unwrap();
        }));

        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let mut answer = Vec::new();
        let begun = Instant::now();
        silent.read_to_end(&mut answer).await.unwrap();
        assert!(begun.elapsed() <= CONNECTION_IDLE_MAX + Duration::from_secs(1));
        assert!(answer.is_empty());

        stop.send(()).unwrap();
        timeout(DRAIN_MAX * 2, server).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_for_a_free_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, None, Router::new(), std::future::pending()));
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        let mut waiting = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: w\r\n\r\n";
        waiting.write_all(request).await.unwrap();
        let mut answer = [0; 12];
        let early = timeout(Duration::from_millis(200), waiting.read_exact(&mut answer));
        assert!(early.await.is_err(), "answered beyond the limit");

        held.pop();
        let served = timeout(DRAIN_MAX, waiting.read_exact(&mut answer)).await;
        served.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404");
        server.abort();
    }

    /// HTTPS with a certificate of its own. Of clients it asks what `more` says.
    async fn serve_https(more: impl FnOnce(&mut HttpsSettings)) -> (SocketAddr, JoinHandle<()>) {
        let (certificate, key) = identity();
        let pem = String::from_utf8(certificate.to_pem().unwrap()).unwrap();
        let key = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        let mut settings = settings(&[("ssl.certificate.pem", &pem), ("ssl.key.pem", &key)]);
        more(&mut settings);
        let tls = Tls::new(&settings).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let never = std::future::pending();
        let server = tokio::spawn(serve(listener, Some(tls), Router::new(), never));
        (address, server)
    }

    /// Asks over HTTPS, and shows this certificate if it is asked for one.
    async fn ask(address: SocketAddr, shown: Option<&Identity>) -> io::Result<[u8; 12]> {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        if let Some((certificate, key)) = shown {
            connector.set_certificate(certificate).unwrap();
            connector.set_private_key(key).unwrap();
        }
        let ssl = connector.build().configure().unwrap();
        let ssl = ssl.into_ssl("localhost").unwrap();
        let stream = TcpStream::connect(address).await?;
        let mut stream = tokio_openssl::SslStream::new(ssl, stream).unwrap();
        let handshake = Pin::new(&mut stream).connect().await;
        handshake.map_err(io::Error::other)?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: w\r\n\r\n")
            .await?;
        let mut answer = [0; 12];
        let read = timeout(DRAIN_MAX, stream.read_exact(&mut answer)).await;
        read.expect("an answer, or the end")?;
        Ok(answer)
    }

    const NOT_FOUND: &[u8; 12] = b"HTTP/1.1 404";

    /// A peer that never finishes its handshake holds up nobody else.
    #[tokio::test]
    async fn https_is_served() {
        let (address, server) = serve_https(|_| {}).await;
        let _silent = TcpStream::connect(address).await.unwrap();
        assert_eq!(&ask(address, None).await.unwrap(), NOT_FOUND);
        server.abort();
    }

    /// Whoever shows a certificate that is trusted is answered, and nobody else.
    #[tokio::test]
    async fn certificates_can_be_required() {
        let (client, stranger) = (identity(), identity());
        let trusted = String::from_utf8(client.0.to_pem().unwrap()).unwrap();
        let (address, server) = serve_https(|settings| {
            settings.client_auth = ClientAuth::Required;
            settings.properties.push(("ssl.ca.pem".to_owned(), trusted));
        })
        .await;
        for refused in [None, Some(&stranger)] {
            let answer = ask(address, refused).await;
            assert!(answer.is_err(), "{answer:?}");
        }
        assert_eq!(&ask(address, Some(&client)).await.unwrap(), NOT_FOUND);
        server.abort();
    }
}

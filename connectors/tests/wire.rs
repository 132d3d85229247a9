//! A proxy between a session and its server, which hears what the session says and can stop passing
//! answers on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// The proxy; connections through it are in clear text.
pub(crate) struct Wire {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// From here on: the words behind which no answer passes.
    loses_answers_to: Mutex<Option<&'static [u8]>>,
    /// The words have passed.
    has_lost: AtomicBool,
    /// All that sessions have said, connection by connection.
    said: Mutex<Vec<Vec<u8>>>,
}

impl Wire {
    /// A proxy in front of the server at `host:port`.
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = listener.local_addr().expect("address").to_string();
        let shared = Arc::<Shared>::default();
        let (server, of_proxy) = (server.to_owned(), Arc::clone(&shared));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("server");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let number = of_proxy.connection();
                let hearing = Arc::clone(&of_proxy);
                tokio::spawn(pass(from_client, to_server, move |bytes| {
                    hearing.hear(number, bytes);
                    true
                }));
                let answering = Arc::clone(&of_proxy);
                tokio::spawn(pass(from_server, to_client, move |_| {
                    !answering.has_lost.load(Ordering::SeqCst)
                }));
            }
        });
        Self { address, shared }
    }

    /// No answer passes once a session has said this.
    pub(crate) fn lose_answers_to(&self, words: &'static [u8]) {
        *self.shared.loses_answers_to.lock().unwrap() = Some(words);
    }

    pub(crate) fn has_lost(&self) -> bool {
        self.shared.has_lost.load(Ordering::SeqCst)
    }

    /// What the first connection has said so far, from its first byte.
    pub(crate) fn said(&self) -> Vec<u8> {
        let said = self.shared.said.lock().unwrap();
        said.first().cloned().unwrap_or_default()
    }
}

impl Shared {
    fn connection(&self) -> usize {
        let mut said = self.said.lock().unwrap();
        said.push(Vec::new());
        said.len() - 1
    }

    fn hear(&self, connection: usize, bytes: &[u8]) {
        self.said.lock().unwrap()[connection].extend_from_slice(bytes);
        let words = *self.loses_answers_to.lock().unwrap();
        if let Some(words) = words
            && bytes.windows(words.len()).any(|part| part == words)
        {
            self.has_lost.store(true, Ordering::SeqCst);
        }
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut passes: impl FnMut(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if passes(&buffer[..length]) && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

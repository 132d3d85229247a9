//! A proxy between a session and its server, which hears what the session says and can stop passing
//! answers on.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const BUFFER_BYTES: usize = 64 * 1024;

/// The proxy; connections through it are in clear text.
pub(crate) struct Wire {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// Once a session has said these words, this becomes of all answers.
    from_here_on: Mutex<Option<(&'static [u8], Answers)>>,
    answers: watch::Sender<Answers>,
    /// What the server hears instead of these words.
    instead: Mutex<Option<(&'static [u8], &'static [u8])>>,
    /// All that sessions have said, connection by connection.
    said: Mutex<Vec<Vec<u8>>>,
}

/// What becomes of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    Pass,
    Held,
    Lost,
}

impl Wire {
    /// A proxy in front of the server at `host:port`.
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = listener.local_addr().expect("address").to_string();
        let shared = Arc::new(Shared {
            from_here_on: Mutex::default(),
            answers: watch::Sender::new(Answers::Pass),
            instead: Mutex::default(),
            said: Mutex::default(),
        });
        let (server, of_proxy) = (server.to_owned(), Arc::clone(&shared));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("server");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let answers = of_proxy.answers.subscribe();
                let (number, hearing) = (of_proxy.connection(), Arc::clone(&of_proxy));
                let hear = move |bytes: &mut [u8]| {
                    hearing.hear(number, bytes);
                    hearing.replace(bytes);
                };
                tokio::spawn(pass_words(from_client, to_server, hear));
                tokio::spawn(pass_answers(from_server, to_client, answers));
            }
        });
        Self { address, shared }
    }

    /// No answer passes once a session has said this.
    pub(crate) fn lose_answers_to(&self, words: &'static [u8]) {
        *self.shared.from_here_on.lock().unwrap() = Some((words, Answers::Lost));
    }

    pub(crate) fn has_lost(&self) -> bool {
        *self.shared.answers.borrow() == Answers::Lost
    }

    /// The server hears these other words, as many bytes, where a session says this in one piece.
    pub(crate) fn say_instead_of(&self, words: &'static [u8], other: &'static [u8]) {
        assert_eq!(words.len(), other.len());
        *self.shared.instead.lock().unwrap() = Some((words, other));
    }

    /// Answers wait once a session has said this.
    pub(crate) fn hold_answers_to(&self, words: &'static [u8]) {
        *self.shared.from_here_on.lock().unwrap() = Some((words, Answers::Held));
    }

    /// Answers pass, those that have waited first.
    pub(crate) fn let_answers_pass(&self) {
        *self.shared.from_here_on.lock().unwrap() = None;
        self.shared.answers.send_replace(Answers::Pass);
    }

    /// What the first connection has said so far, from its first byte.
    pub(crate) fn said(&self) -> Vec<u8> {
        let said = self.shared.said.lock().unwrap();
        said.first().cloned().unwrap_or_default()
    }

    /// The same of each connection.
    pub(crate) fn said_by_each(&self) -> Vec<Vec<u8>> {
        self.shared.said.lock().unwrap().clone()
    }

    /// How often all of them have said this.
    pub(crate) fn times_said(&self, words: &[u8]) -> usize {
        let said = self.shared.said.lock().unwrap();
        said.iter().map(|bytes| times(words, bytes)).sum()
    }
}

/// How a server that dies leaves its clients.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Closed,
    Reset,
}

/// The address of a server that greets its clients, consents to TLS, and dies once they begin with it.
pub(crate) async fn dying_amid_handshakes(
    greeting: Vec<u8>,
    consent: &'static [u8],
    end: End,
) -> String {
    const HANDSHAKE: &[u8] = &[0x16, 0x03];
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address").to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            client.write_all(&greeting).await.expect("a client");
            let (mut said, mut buffer) = (Vec::new(), vec![0; BUFFER_BYTES]);
            while times(HANDSHAKE, &said) == 0 {
                let is_first = said.is_empty();
                let length = client.read(&mut buffer).await.expect("a client");
                assert_ne!(length, 0, "a client that goes before its handshake");
                said.extend_from_slice(&buffer[..length]);
                if is_first {
                    client.write_all(consent).await.expect("a client");
                }
            }
            if matches!(end, End::Reset) {
                client.set_zero_linger().expect("a socket");
            }
        }
    });
    address
}

impl Shared {
    fn connection(&self) -> usize {
        let mut said = self.said.lock().unwrap();
        said.push(Vec::new());
        said.len() - 1
    }

    fn hear(&self, connection: usize, bytes: &[u8]) {
        let mut said = self.said.lock().unwrap();
        let said = &mut said[connection];
        said.extend_from_slice(bytes);
        let Some((words, answers)) = *self.from_here_on.lock().unwrap() else {
            return;
        };
        // A part of the words may have come before.
        let new = said.len().saturating_sub(bytes.len() + words.len() - 1);
        if times(words, &said[new..]) > 0 {
            self.answers.send_replace(answers);
        }
    }

    fn replace(&self, bytes: &mut [u8]) {
        let Some((words, other)) = *self.instead.lock().unwrap() else {
            return;
        };
        let place = bytes.windows(words.len()).position(|part| part == words);
        if let Some(place) = place {
            bytes[place..place + words.len()].copy_from_slice(other);
        }
    }
}

fn times(words: &[u8], bytes: &[u8]) -> usize {
    let places = bytes.windows(words.len());
    places.filter(|part| *part == words).count()
}

async fn pass_words(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, hear: impl Fn(&mut [u8])) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        hear(&mut buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn pass_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut answers: watch::Receiver<Answers>,
) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let decided = answers.wait_for(|now| *now != Answers::Held).await;
        let passes = decided.is_ok_and(|now| *now == Answers::Pass);
        if passes && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

//! A TCP proxy between a worker and a service, which cuts, stalls or loses what passes.
//!
//! For Kafka it also replaces the broker's address in what the broker says, by its own: a client
//! takes addresses from the broker's metadata and would otherwise go round the proxy. The two
//! addresses have one length, so nothing else in a response changes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::services::{host_and_port, services};
use super::wait::{check, eventually};

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// Everything passes.
    Whole,
    /// Connections are closed, new ones too.
    Cut,
    /// Connections stand, nothing passes in either direction; later it all arrives.
    Stalled,
    /// Half-open: what the client says arrives, the answers are lost.
    RepliesLost,
    /// As over a bad line: everything arrives, a moment later, and one piece in five much later,
    /// as TCP makes of a lost packet.
    Lossy,
}

/// A proxy; closed with its connections when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    network: watch::Sender<Network>,
    /// Connections end when this changes.
    cuts: watch::Sender<u32>,
    trap: Mutex<Option<Trap>>,
    sprung: watch::Sender<u32>,
    caught: Mutex<Vec<Arc<OwnNetwork>>>,
    upstream_ports: Mutex<BTreeSet<u16>>,
    /// Pieces that were lost at first.
    late: AtomicUsize,
    replacements: Vec<Replacement>,
}

/// How late everything arrives over a bad line, and how late what was lost at first.
const LATENCY: Duration = Duration::from_millis(100);
const SENT_AGAIN_AFTER: Duration = Duration::from_millis(600);
const LOST_OF_FIVE: u8 = 1;

/// The way of one worker to all brokers of a cluster.
#[derive(Debug)]
pub(crate) struct BrokerPaths {
    proxies: Vec<Proxy>,
}

impl BrokerPaths {
    /// A proxy in front of each broker that the services have.
    pub(crate) async fn to_brokers() -> Self {
        let targets: Vec<SocketAddr> = services()
            .kafka
            .split(',')
            .map(|broker| broker.parse().expect("a broker's address"))
            .collect();
        let mut listeners = Vec::new();
        for _ in &targets {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let pairs = targets.iter().zip(&listeners);
        let replacements: Vec<Replacement> = pairs
            .map(|(target, listener)| Replacement {
                from: kafka_address(*target),
                to: kafka_address(listener.local_addr().unwrap()),
            })
            .collect();
        let proxies = targets.into_iter().zip(listeners);
        let proxies = proxies
            .map(|(target, listener)| Proxy::serve(listener, target, replacements.clone()))
            .collect();
        Self { proxies }
    }

    /// Where the worker is to look for Kafka.
    pub(crate) fn addresses(&self) -> String {
        let addresses = self.proxies.iter().map(|proxy| proxy.address.to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    /// Changes what happens to all connections, now and later.
    pub(crate) fn set(&self, network: Network) {
        self.proxies.iter().for_each(|proxy| proxy.set(network));
    }

    /// How many pieces a bad line has lost at first.
    pub(crate) fn late_pieces(&self) -> usize {
        self.proxies.iter().map(Proxy::late_pieces).sum()
    }

    /// How many connections pass.
    pub(crate) fn connections(&self) -> usize {
        let ports = self.proxies.iter().map(Proxy::upstream_ports);
        ports.map(|ports| ports.len()).sum()
    }
}

/// The network of a single connection, when it has one.
type OwnNetwork = watch::Sender<Option<Network>>;

/// Waits for words of the client; then the connection that said them gets a network of its own.
#[derive(Debug)]
struct Trap {
    words: Vec<u8>,
    skip: u32,
    network: Network,
}

#[derive(Debug, Clone)]
struct Replacement {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Proxy {
    /// A proxy in front of the Kafka broker.
    pub(crate) async fn to_kafka() -> Self {
        let target = services().kafka.parse().expect("Kafka's address");
        Self::start(target, true, Vec::new()).await
    }

    /// The same, which harms what passes: in what the broker says, these words become others of their
    /// length.
    pub(crate) async fn to_kafka_harming(words: &str, others: &str) -> Self {
        assert_eq!(words.len(), others.len());
        let target = services().kafka.parse().expect("Kafka's address");
        let harmed = Replacement {
            from: words.into(),
            to: others.into(),
        };
        Self::start(target, true, vec![harmed]).await
    }

    /// A proxy in front of the database server of this URL.
    pub(crate) async fn to_database(url: &str) -> Self {
        let target = host_and_port(url).parse().expect("the database's address");
        Self::start(target, false, Vec::new()).await
    }

    async fn start(
        target: SocketAddr,
        speaks_kafka: bool,
        mut replacements: Vec<Replacement>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        replacements.extend(speaks_kafka.then(|| Replacement {
            from: kafka_address(target),
            to: kafka_address(address),
        }));
        Self::serve(listener, target, replacements)
    }

    fn serve(listener: TcpListener, target: SocketAddr, replacements: Vec<Replacement>) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target,
            network: watch::Sender::new(Network::Whole),
            cuts: watch::Sender::new(0),
            trap: Mutex::new(None),
            sprung: watch::Sender::new(0),
            caught: Mutex::new(Vec::new()),
            upstream_ports: Mutex::new(BTreeSet::new()),
            late: AtomicUsize::new(0),
            replacements,
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens to all connections, now and later.
    pub(crate) fn set(&self, network: Network) {
        self.shared.network.send_replace(network);
    }

    /// Closes the connections that there are; new ones are free to come.
    pub(crate) fn cut_connections(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// The connection whose client says `words`, after `skip` times, gets `network` from then on,
    /// whatever becomes of the others, until [`release`](Self::release). The words themselves still
    /// arrive, unless the connection is stalled by them.
    pub(crate) fn trap(&self, words: &str, skip: u32, network: Network) {
        *self.shared.trap.lock().unwrap() = Some(Trap {
            words: words.as_bytes().to_vec(),
            skip,
            network,
        });
    }

    /// Connections that were caught in a trap are like all others again.
    pub(crate) fn release(&self) {
        for own in self.shared.caught.lock().unwrap().drain(..) {
            own.send_replace(None);
        }
    }

    /// Waits until traps have sprung `times` in all.
    pub(crate) async fn sprung(&self, times: u32, deadline: Duration) {
        eventually("the proxy's trap", deadline, || async {
            let sprung = *self.shared.sprung.borrow();
            check(sprung >= times, || format!("sprung {sprung} times"))
        })
        .await;
    }

    /// How many pieces a bad line has lost at first.
    pub(crate) fn late_pieces(&self) -> usize {
        self.shared.late.load(Ordering::Relaxed)
    }

    /// The local ports of the proxy's open connections to the target: how the target's list of
    /// sessions names those of one worker.
    pub(crate) fn upstream_ports(&self) -> Vec<i32> {
        let ports = self.shared.upstream_ports.lock().unwrap();
        ports.iter().copied().map(i32::from).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(Network::Cut);
    }
}

/// An address as Kafka's responses carry it: the host, then the port in four bytes.
fn kafka_address(address: SocketAddr) -> Vec<u8> {
    let mut bytes = address.ip().to_string().into_bytes();
    bytes.extend(u32::from(address.port()).to_be_bytes());
    bytes
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            return;
        };
        if *shared.network.borrow() == Network::Cut {
            continue;
        }
        tokio::spawn(connect(client, Arc::clone(&shared)));
    }
}

async fn connect(client: TcpStream, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(shared.target).await else {
        return;
    };
    let port = server.local_addr().map_or(0, |address| address.port());
    let nodelay = client.set_nodelay(true).and(server.set_nodelay(true));
    if nodelay.is_err() {
        return;
    }
    shared.upstream_ports.lock().unwrap().insert(port);
    let own = Arc::new(OwnNetwork::new(None));
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    let modes = Modes::new(&shared, &own);
    let mut network = modes.clone();
    let mut cuts = shared.cuts.subscribe();
    tokio::select! {
        () = send_requests(client_reads, server_writes, modes.clone(), &shared, &own) => {}
        () = send_replies(server_reads, client_writes, modes, &shared) => {}
        () = network.until(|network| network == Network::Cut) => {}
        _ = cuts.changed() => {}
    }
    shared.upstream_ports.lock().unwrap().remove(&port);
}

/// The network of one connection: its own when a trap gave it one, else everybody's.
#[derive(Clone)]
struct Modes {
    all: watch::Receiver<Network>,
    own: watch::Receiver<Option<Network>>,
}

impl Modes {
    fn new(shared: &Shared, own: &OwnNetwork) -> Self {
        Self {
            all: shared.network.subscribe(),
            own: own.subscribe(),
        }
    }

    fn now(&self) -> Network {
        let all = *self.all.borrow();
        // A cut spares nobody.
        if all == Network::Cut {
            return all;
        }
        self.own.borrow().unwrap_or(all)
    }

    /// What a bad line costs.
    async fn delay(&self, shared: &Shared) {
        if self.now() != Network::Lossy {
            return;
        }
        let is_lost = fastrand::u8(0..5) < LOST_OF_FIVE;
        let late = if is_lost {
            shared.late.fetch_add(1, Ordering::Relaxed);
            SENT_AGAIN_AFTER
        } else {
            Duration::ZERO
        };
        tokio::time::sleep(LATENCY.mul_f64(0.5 + fastrand::f64()) + late).await;
    }

    async fn until(&mut self, wanted: impl Fn(Network) -> bool) {
        while !wanted(self.now()) {
            let ended = tokio::select! {
                changed = self.all.changed() => changed.is_err(),
                changed = self.own.changed() => changed.is_err(),
            };
            if ended {
                return;
            }
        }
    }
}

async fn send_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: Modes,
    shared: &Shared,
    own: &Arc<OwnNetwork>,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut tail = Vec::new();
    loop {
        modes.until(|network| network != Network::Stalled).await;
        let Ok(count @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let bytes = &buffer[..count];
        modes.delay(shared).await;
        if let Some(network) = shared.hear(&mut tail, bytes) {
            own.send_replace(Some(network));
            shared.caught.lock().unwrap().push(Arc::clone(own));
            shared.sprung.send_modify(|times| *times += 1);
        }
        modes.until(|network| network != Network::Stalled).await;
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

async fn send_replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: Modes,
    shared: &Shared,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut frames = Vec::new();
    loop {
        modes.until(|network| network != Network::Stalled).await;
        let Ok(count @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        modes.delay(shared).await;
        modes.until(|network| network != Network::Stalled).await;
        if modes.now() == Network::RepliesLost {
            continue;
        }
        let sent = if shared.replacements.is_empty() {
            to.write_all(&buffer[..count]).await
        } else {
            frames.extend_from_slice(&buffer[..count]);
            let mut whole = whole_frames(&mut frames);
            for replacement in &shared.replacements {
                replacement.apply(&mut whole);
            }
            to.write_all(&whole).await
        };
        if sent.is_err() {
            return;
        }
    }
}

impl Shared {
    /// Looks for the trap's words in what the client says, also across two reads.
    fn hear(&self, tail: &mut Vec<u8>, bytes: &[u8]) -> Option<Network> {
        let mut guard = self.trap.lock().unwrap();
        let trap = guard.as_mut()?;
        tail.extend_from_slice(bytes);
        while let Some(at) = find(tail, &trap.words) {
            tail.drain(..at + trap.words.len());
            if trap.skip == 0 {
                let network = trap.network;
                *guard = None;
                return Some(network);
            }
            trap.skip -= 1;
        }
        let keep = tail.len().min(trap.words.len().saturating_sub(1));
        tail.drain(..tail.len() - keep);
        None
    }
}

/// Takes the complete responses out of `buffered` (each has its length in front). An incomplete one
/// stays.
fn whole_frames(buffered: &mut Vec<u8>) -> Vec<u8> {
    let mut end = 0;
    while let Some(prefix) = buffered[end..].first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap();
        if buffered.len() < end + 4 + length {
            break;
        }
        end += 4 + length;
    }
    buffered.drain(..end).collect()
}

impl Replacement {
    /// Replaces the address wherever it stands.
    fn apply(&self, frames: &mut [u8]) {
        let mut start = 0;
        while let Some(at) = find(&frames[start..], &self.from) {
            let place = start + at..start + at + self.from.len();
            start = place.end;
            frames[place].copy_from_slice(&self.to);
        }
    }
}

fn find(bytes: &[u8], words: &[u8]) -> Option<usize> {
    bytes
        .windows(words.len())
        .position(|window| window == words)
}

#[test]
fn replies_keep_their_length_and_lose_the_broker_s_address() {
    let broker = "127.0.0.1:9092".parse().unwrap();
    let proxy = "127.0.0.1:40000".parse().unwrap();
    let replacement = Replacement {
        from: kafka_address(broker),
        to: kafka_address(proxy),
    };
    let mut body = vec![0, 0, 0, 1, 9];
    body.extend(kafka_address(broker));
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(&body);
    let (first, second) = frame.split_at(9);
    let mut buffered = first.to_vec();
    assert_eq!(whole_frames(&mut buffered), Vec::<u8>::new());
    buffered.extend_from_slice(second);
    let mut passed = whole_frames(&mut buffered);
    replacement.apply(&mut passed);
    assert_eq!(passed.len(), frame.len());
    assert!(buffered.is_empty());
    assert!(find(&passed, &kafka_address(broker)).is_none());
    assert!(find(&passed, &kafka_address(proxy)).is_some());
}

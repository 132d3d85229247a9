//! Logins to Kafka by OAUTHBEARER: every client of the worker has its token from the endpoint of the
//! settings, and a new one before it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::cluster::until_healthy;
use crate::support::kafka;
use crate::support::orders::Orders;
use crate::support::producer::{Draft, Poison};
use crate::support::services::services;
use crate::support::stage::Stage;
use crate::support::wait::{check, eventually, seconds};
use crate::support::worker::Launch;

/// Life of a token. The broker cuts off who has not logged in again by then.
const LIFE_SECONDS: u64 = 8;

/// For how many of them the worker goes on: a token's first use may be soon before its end.
const LIVES: u32 = 2;

/// Who may do anything in the tests' Kafka.
const CLIENT: &str = "shop";
pub(crate) const SECRET: &str = "s3cret";

/// A token endpoint; answers for as long as the test's process runs. It knows one client, and refuses
/// anybody else.
pub(crate) struct Endpoint {
    url: String,
    client: &'static str,
    given: Arc<AtomicUsize>,
}

impl Endpoint {
    pub(crate) fn start(client: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let given = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&given);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                while !head.ends_with("\r\n\r\n") {
                    let from = head.len();
                    if reader.read_line(&mut head).unwrap_or(0) == 0 {
                        break;
                    }
                    let line = head[from..].to_ascii_lowercase();
                    if let Some(given) = line.strip_prefix("content-length:") {
                        length = given.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let answer = answer(client, &head, &body);
                if answer.starts_with("HTTP/1.1 200") {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                let mut stream = stream;
                // A client that has gone is no matter of the endpoint's.
                stream.write_all(answer.as_bytes()).ok();
            }
        });
        Self { url, client, given }
    }

    fn given(&self) -> usize {
        self.given.load(Ordering::Relaxed)
    }
}

fn answer(client: &str, head: &str, body: &[u8]) -> String {
    let credentials = STANDARD.encode(format!("{client}:{SECRET}"));
    let knows = head.contains(&format!("Basic {credentials}"));
    let asks = String::from_utf8_lossy(body).contains("grant_type=client_credentials");
    let (status, body) = match knows && asks {
        true => ("200 OK", token(client)),
        false => (
            "401 Unauthorized",
            r#"{"error":"invalid_client"}"#.to_owned(),
        ),
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A token that is not signed, as the broker of the tests takes it.
fn token(client: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let claims = format!(
        r#"{{"sub":"{client}","iat":{now},"exp":{}}}"#,
        now + LIFE_SECONDS
    );
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let token = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims));
    format!(r#"{{"access_token":"{token}","token_type":"bearer","expires_in":{LIFE_SECONDS}}}"#)
}

/// A worker that logs in with tokens of this endpoint.
pub(crate) fn launch(endpoint: &Endpoint, secret: &str) -> Launch<'static> {
    let client = endpoint.client;
    let door = services().kafka_tokens.as_deref();
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
    Launch::new("worker")
        .setting("bootstrap.servers", door.expect("a broker of the tests"))
        .setting("security.protocol", "SASL_PLAINTEXT")
        .setting("sasl.mechanism", "OAUTHBEARER")
        .setting("sasl.oauthbearer.token.endpoint.url", &endpoint.url)
        .setting(
            "sasl.jaas.config",
            &format!("{module} required clientId=\"{client}\" clientSecret=\"{secret}\";"),
        )
}

/// A worker of a cluster, so that every kind of client takes part: those of the cluster's topics and
/// its members, a task's consumer, the producer of dead letters and the client that makes their topic.
#[tokio::test(flavor = "multi_thread")]
async fn every_client_logs_in_and_again() {
    let stage = Stage::begin("tokens", 1).await;
    let mut orders = Orders::prepare(&stage, 2).await;
    let letters = stage.named_topic("letters", 1);
    orders.connector = orders.connector.dead_letters(&letters);
    let endpoint = Endpoint::start(CLIENT);
    stage.named_topic("configs", 1);
    stage.named_topic("statuses", 5);
    let launch = launch(&endpoint, SECRET).of_cluster(&stage);
    let worker = launch.start(&stage, &[]).await;
    until_healthy(&worker).await;
    let document = orders.connector.document(&stage.database.url(None));
    let created = worker.rest.post("/connectors", Some(document)).await;
    assert_eq!(created.code, 201, "{}", created.body);
    let load = orders.load(&stage, 20);
    orders.until_flowing(&stage, seconds(60)).await;
    let first = endpoint.given();
    assert!(first >= 4, "{first} tokens for all clients");

    // Whoever has not logged in again by then has been cut off by the broker.
    let since = Instant::now();
    eventually("every first token to end", seconds(120), || async {
        let ended = since.elapsed() > LIVES * seconds(LIFE_SECONDS);
        let given = endpoint.given();
        check(ended && given >= first + 4, || {
            format!("{given} tokens, {first} at first")
        })
    })
    .await;
    load.finish().await;
    let writer = orders.writer(&stage, 7);
    writer
        .send_all([Draft::good(0, 1).poisoned(Poison::Malformed)])
        .await;
    orders.judged(&stage).healed(&[&worker], seconds(60)).await;
    assert_eq!(kafka::read_topic(&letters.name, 1).await.len(), 1);
    assert_eq!(worker.logged(&["no token"]), Vec::<String>::new());
    stage.tell(format_args!("{} tokens given", endpoint.given()));
    assert!(!worker.log().contains(SECRET));
}

/// What is wrong is told, without the secret; the worker waits for it to be mended.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_is_told() {
    let stage = Stage::begin("tokens_refused", 1).await;
    let endpoint = Endpoint::start(CLIENT);
    let worker = launch(&endpoint, "wr0ng").start(&stage, &[]).await;
    let told = worker
        .until_logged(&["no token", "OAUTHBEARER", "status 401"], seconds(60))
        .await;
    assert!(told.contains(&endpoint.url), "{told}");
    assert!(!worker.log().contains("wr0ng"));
    assert_eq!(endpoint.given(), 0);
}

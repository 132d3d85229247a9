//! The client in front of a server that answers as it is told: late, wrongly, or not at all.

mod tls;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use secrecy::SecretString;

use super::*;
use crate::config::converter::{IdFraming, RegistryAuth, RegistryTls};

const SCHEMA: &str = r#"{"schema":"\"int\""}"#;
const UNKNOWN: &str = r#"{"error_code":40403,"message":"Schema not found"}"#;

/// One answer of the server.
#[derive(Clone, Copy)]
enum Reply {
    /// Status and body.
    Says(u16, &'static str),
    /// Takes the request and says nothing.
    Hangs,
}

/// Answers one request after the other; the last answer is repeated.
struct Server {
    url: String,
    requests: mpsc::Receiver<String>,
}

fn serve(replies: &[Reply]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/base/", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::channel();
    let replies = replies.to_vec();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut replies = replies.iter().copied().peekable();
        let mut reply = Reply::Hangs;
        for stream in listener.incoming() {
            reply = replies.next().unwrap_or(reply);
            let Ok(mut stream) = stream else { return };
            if asked.send(request(&mut stream)).is_err() {
                return;
            }
            match reply {
                Reply::Hangs => kept.push(stream),
                Reply::Says(status, body) => {
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                    );
                    // A client that has gone needs no answer.
                    drop(stream.write_all(format!("{head}{body}").as_bytes()));
                }
            }
        }
    });
    Server { url, requests }
}

fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

fn options(urls: &[&str]) -> RegistryOptions {
    RegistryOptions {
        urls: urls.iter().map(|&url| url.to_owned()).collect(),
        auth: RegistryAuth::None,
        tls: RegistryTls::default(),
        ids: IdFraming::Confluent,
        by_global_id: false,
        connect_timeout: Duration::from_secs(2),
        pause_max: Duration::from_secs(2),
        read_timeout: Duration::from_millis(200),
        default_for_null: true,
    }
}

/// A registry, and what its listener hears.
fn start(options: &RegistryOptions) -> (Registry, mpsc::Receiver<Event>) {
    let (told, heard) = mpsc::channel();
    let listener = move |event| drop(told.send(event));
    (Registry::start(options, listener).unwrap(), heard)
}

fn until_arrived(heard: &mpsc::Receiver<Event>) -> Vec<Event> {
    let mut events = Vec::new();
    while let Ok(event) = heard.recv_timeout(Duration::from_secs(20)) {
        let arrived = event == Event::Arrived;
        events.push(event);
        if arrived {
            return events;
        }
    }
    panic!("no schema arrived: {events:?}");
}

const SEVEN: SchemaId = SchemaId::Number(7);

#[test]
fn a_schema_is_fetched_once_and_kept() {
    let server = serve(&[Reply::Says(200, SCHEMA)]);
    let (registry, heard) = start(&options(&[&server.url]));
    assert_eq!(registry.lookup(SEVEN), Lookup::Pending);
    assert_eq!(registry.lookup(SEVEN), Lookup::Pending);
    assert_eq!(until_arrived(&heard), [Event::Arrived]);
    for _ in 0..2 {
        let Lookup::Known(schema) = registry.lookup(SEVEN) else {
            panic!("must be known");
        };
        assert_eq!(schema.text, "\"int\"");
        assert_eq!(schema.kind.as_deref(), Some("AVRO"));
    }
    let requests: Vec<String> = server.requests.try_iter().collect();
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0].starts_with("GET /base/schemas/ids/7 "),
        "{requests:?}"
    );
}

#[test]
fn what_does_not_answer_is_asked_again_and_told() {
    let not_a_registry = Reply::Says(404, "<html>");
    let server = serve(&[
        Reply::Says(500, ""),
        Reply::Says(429, ""),
        Reply::Hangs,
        not_a_registry,
        Reply::Says(200, "no JSON"),
        Reply::Says(401, ""),
        Reply::Says(200, SCHEMA),
    ]);
    let (registry, heard) = start(&options(&[&server.url]));
    assert_eq!(registry.lookup(SEVEN), Lookup::Pending);
    let events = until_arrived(&heard);
    let told = |part: &str| {
        let found = |event: &Event| matches!(event, Event::Trouble(text) if text.contains(part));
        assert!(events.iter().any(found), "{part}: {events:?}");
    };
    told("status 500");
    told("status 429");
    told("cannot be reached");
    told("base path");
    told("check the credentials");
    assert_eq!(
        events[events.len() - 2..],
        [Event::Recovered, Event::Arrived]
    );
    assert!(matches!(registry.lookup(SEVEN), Lookup::Known(_)));
}

#[test]
fn an_unknown_schema_is_believed_when_it_was_said_thrice() {
    let unknown = Reply::Says(404, UNKNOWN);
    let server = serve(&[unknown, Reply::Says(200, SCHEMA)]);
    let (registry, heard) = start(&options(&[&server.url]));
    registry.lookup(SEVEN);
    until_arrived(&heard);
    assert!(matches!(registry.lookup(SEVEN), Lookup::Known(_)));

    let server = serve(&[unknown]);
    let (registry, heard) = start(&options(&[&server.url]));
    registry.lookup(SEVEN);
    assert_eq!(until_arrived(&heard), [Event::Arrived]);
    assert_eq!(
        registry.lookup(SEVEN),
        Lookup::Refused("the schema registry has no schema 7".to_owned())
    );
}

#[test]
fn the_next_address_is_asked_when_one_fails() {
    let broken = serve(&[Reply::Says(503, "")]);
    let working = serve(&[Reply::Says(200, SCHEMA)]);
    let closed = "http://127.0.0.1:1";
    let (registry, heard) = start(&options(&[closed, &broken.url, &working.url]));
    registry.lookup(SEVEN);
    assert_eq!(
        until_arrived(&heard),
        [Event::Arrived],
        "no trouble to tell of"
    );
    registry.lookup(SchemaId::Number(8));
    until_arrived(&heard);
    assert_eq!(
        broken.requests.try_iter().count(),
        1,
        "the one that answered comes first"
    );
}

#[test]
fn references_are_fetched_before_what_names_them() {
    let server = serve(&[
        Reply::Says(
            200,
            r#"{"schema":"A","references":[{"name":"b","subject":"s/b","version":2},{"name":"c","subject":"c","version":1}]}"#,
        ),
        Reply::Says(
            200,
            r#"{"schema":"B","references":[{"name":"c","subject":"c","version":1}]}"#,
        ),
        Reply::Says(200, r#"{"schema":"C"}"#),
    ]);
    let (registry, heard) = start(&options(&[&server.url]));
    registry.lookup(SEVEN);
    until_arrived(&heard);
    let Lookup::Known(schema) = registry.lookup(SEVEN) else {
        panic!("must be known");
    };
    let texts: Vec<&str> = schema
        .references
        .iter()
        .map(|known| known.text.as_str())
        .collect();
    assert_eq!(texts, ["C", "B"]);
    let requests: Vec<String> = server.requests.try_iter().collect();
    assert!(
        requests[1].starts_with("GET /base/subjects/s%2Fb/versions/2?deleted=true "),
        "{requests:?}"
    );
}

#[test]
fn credentials_and_guids_are_sent() {
    let ask = |auth: RegistryAuth, id: SchemaId| {
        let server = serve(&[Reply::Says(200, SCHEMA)]);
        let (registry, heard) = start(&RegistryOptions {
            auth,
            ..options(&[&server.url])
        });
        registry.lookup(id);
        until_arrived(&heard);
        server.requests.recv().unwrap().to_ascii_lowercase()
    };
    let basic = ask(RegistryAuth::Basic(SecretString::from("ann:s3cret")), SEVEN);
    assert!(
        basic.contains("authorization: basic yw5uonmzy3jlda=="),
        "{basic}"
    );
    let guid = SchemaId::Guid([0x11; 16]);
    let bearer = ask(RegistryAuth::Bearer(SecretString::from("t0ken")), guid);
    assert!(bearer.contains("authorization: bearer t0ken"), "{bearer}");
    assert!(
        bearer.contains("/schemas/guids/11111111-1111-1111-1111-111111111111 "),
        "{bearer}"
    );
}

#[test]
fn the_thread_ends_with_the_last_copy() {
    let server = serve(&[Reply::Says(500, "")]);
    let (registry, heard) = start(&options(&[&server.url]));
    registry.lookup(SEVEN);
    assert!(matches!(heard.recv(), Ok(Event::Trouble(_))));
    drop(registry);
    // The listener goes with the thread.
    while heard.recv_timeout(Duration::from_secs(10)).is_ok() {}
    assert_eq!(heard.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

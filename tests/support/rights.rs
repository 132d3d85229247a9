//! Rights in Kafka, given and taken as an administrator does. The Kafka client of the tests has no call for
//! that, so the request is written by hand (Kafka's protocol guide: CreateAcls and
//! DeleteAcls, version 1).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::services::services;

const CREATE_ACLS: i16 = 30;
const DELETE_ACLS: i16 = 31;
const VERSION: i16 = 1;
const LITERAL: u8 = 3;
const ALLOW: u8 = 3;

/// What a right is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
    TransactionalId(&'a str),
    Cluster,
}

/// What may be done with it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Right {
    Read = 3,
    Write = 4,
    Create = 5,
    Describe = 8,
    DescribeConfigs = 10,
}

/// Gives these rights to somebody.
pub(crate) fn give(somebody: &str, rights: &[(Resource<'_>, &[Right])]) {
    let each = rights.iter().flat_map(|(resource, rights)| {
        let of_resource = move |right: &Right| (*resource, *right);
        rights.iter().map(of_resource)
    });
    let each: Vec<(Resource<'_>, Right)> = each.collect();
    let mut body = Vec::new();
    body.extend(i32::try_from(each.len()).unwrap().to_be_bytes());
    for (resource, right) in &each {
        put_entry(&mut body, somebody, resource, *right);
    }
    let answer = ask(CREATE_ACLS, &body);
    // The correlation, the throttling, the number of results; each result is an error's code and its
    // words, of which there are none without an error.
    let results = &answer[12..];
    let is_fine = |result: &[u8]| matches!(result, [0, 0, 0, 0] | [0, 0, 0xff, 0xff]);
    assert!(
        results.len() == 4 * each.len() && results.chunks(4).all(is_fine),
        "{}",
        String::from_utf8_lossy(results)
    );
}

/// Takes a right away that was given.
pub(crate) fn take(somebody: &str, resource: Resource<'_>, right: Right) {
    let mut body = 1_i32.to_be_bytes().to_vec();
    put_entry(&mut body, somebody, &resource, right);
    let answer = ask(DELETE_ACLS, &body);
    // As above, and behind the words how many entries are gone.
    let is_taken = matches!(
        &answer[12..],
        [0, 0, 0, 0, 0, 0, 0, 1, ..] | [0, 0, 0xff, 0xff, 0, 0, 0, 1, ..]
    );
    assert!(is_taken, "{}", String::from_utf8_lossy(&answer));
}

fn put_entry(body: &mut Vec<u8>, somebody: &str, resource: &Resource<'_>, right: Right) {
    let (kind, name) = match resource {
        Resource::Topic(name) => (2, *name),
        Resource::Group(name) => (3, *name),
        Resource::Cluster => (4, "kafka-cluster"),
        Resource::TransactionalId(name) => (5, *name),
    };
    body.push(kind);
    put_text(body, name);
    body.push(LITERAL);
    put_text(body, &format!("User:{somebody}"));
    put_text(body, "*");
    body.extend([right as u8, ALLOW]);
}

fn ask(what: i16, body: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    request.extend(what.to_be_bytes());
    request.extend(VERSION.to_be_bytes());
    request.extend(7_i32.to_be_bytes());
    put_text(&mut request, "tests");
    request.extend(body);
    let mut stream = TcpStream::connect(&services().kafka).expect("Kafka");
    let length = i32::try_from(request.len()).unwrap();
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut answer).unwrap();
    answer
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    to.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
    to.extend(text.as_bytes());
}

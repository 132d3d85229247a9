//! A dead letter, read back from the topic or from the table: the record as it was, where it stood,
//! and why it was refused. Pure.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rowdock_connectors::StoredLetter;
use serde::Deserialize;

use super::topic::{ENDED_TASK, HEADER_PREFIX};
use crate::record::{RawHeader, RawRecord};

/// A record that could not be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The topic that it was read from.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Which stage refused it, as [`Stage`](crate::record::Stage) is written.
    pub stage: String,
    /// Why.
    pub reason: String,
    /// The record's time in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// Key bytes.
    pub key: Option<Vec<u8>>,
    /// Value bytes.
    pub value: Option<Vec<u8>>,
    /// Its own headers, without those that tell of the error.
    pub headers: Vec<RawHeader>,
    /// The task ended at it: its position stayed before the record, which is read again.
    pub ended_task: bool,
}

/// What a record of a dead letter topic is.
#[derive(Debug, PartialEq, Eq)]
pub enum FromTopic {
    /// A dead letter of the connector.
    Letter(Box<Letter>),
    /// Of another connector.
    OfAnother,
    /// It does not tell where the record stood: why.
    Unknown(String),
}

impl Letter {
    /// Reads a record of a dead letter topic. The headers that tell of the error were appended to
    /// the record's own, so of several with one name the last one counts; they are Kafka Connect's,
    /// whose dead letters can be read as well.
    pub fn from_topic(
        connector: &str,
        timestamp_ms: Option<i64>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        mut headers: Vec<RawHeader>,
    ) -> FromTopic {
        let mut take = |name: &str| take_last(&mut headers, name);
        let (topic, partition, offset) = (take("topic"), take("partition"), take("offset"));
        let of = take("connector.name");
        let (stage, reason) = (take("stage"), take("exception.message"));
        let ended_task = take(ENDED_TASK).is_some();
        for other in [
            "task.id",
            "class.name",
            "exception.class.name",
            "exception.stacktrace",
        ] {
            take(other);
        }
        if of.as_deref().is_some_and(|name| name != connector) {
            return FromTopic::OfAnother;
        }
        let partition = partition.and_then(|number| number.parse().ok());
        let offset = offset.and_then(|number| number.parse().ok());
        let (Some(topic), Some(partition), Some(offset), Some(_)) = (topic, partition, offset, of)
        else {
            return FromTopic::Unknown(
                "it has no headers that tell connector, topic, partition and offset of its record; \
                 errors.deadletterqueue.context.headers.enable writes them"
                    .to_owned(),
            );
        };
        FromTopic::Letter(Box::new(Self {
            topic: topic.into(),
            partition,
            offset,
            stage: stage.unwrap_or_default(),
            reason: reason.unwrap_or_default(),
            timestamp_ms,
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            headers,
            ended_task,
        }))
    }

    /// Reads a row of a dead letter table.
    ///
    /// # Errors
    /// When the headers are not as they are written.
    pub fn from_row(row: StoredLetter) -> Result<Self, String> {
        let headers = match &row.record_headers {
            Some(text) => headers(text)?,
            None => Vec::new(),
        };
        Ok(Self {
            topic: row.key.topic.into(),
            partition: row.key.partition,
            offset: row.key.offset,
            stage: row.stage,
            reason: row.reason,
            timestamp_ms: row.time_ms,
            key: row.record_key,
            value: row.record_value,
            headers,
            ended_task: false,
        })
    }

    /// The record as it was read first.
    pub fn record(&self) -> RawRecord<'_> {
        RawRecord {
            topic: &self.topic,
            partition: self.partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        length(&self.key) + length(&self.value)
    }
}

/// Takes the last header of this name out.
fn take_last(headers: &mut Vec<RawHeader>, name: &str) -> Option<String> {
    let is_named = |(header, _): &RawHeader| header.strip_prefix(HEADER_PREFIX) == Some(name);
    let (_, value) = headers.remove(headers.iter().rposition(is_named)?);
    String::from_utf8(value?).ok()
}

/// A header as the table keeps it.
#[derive(Deserialize)]
struct KeptHeader {
    name: String,
    text: Option<String>,
    base64: Option<String>,
}

fn headers(text: &str) -> Result<Vec<RawHeader>, String> {
    let unreadable = || "its record_headers are not as they are written".to_owned();
    let kept: Vec<KeptHeader> = serde_json::from_str(text).map_err(|_| unreadable())?;
    let header = |kept: KeptHeader| {
        let value = match (kept.text, kept.base64) {
            (Some(text), _) => Some(text.into_bytes()),
            (None, Some(encoded)) => Some(BASE64.decode(encoded).map_err(|_| unreadable())?),
            (None, None) => None,
        };
        Ok((kept.name, value))
    };
    kept.into_iter().map(header).collect()
}

#[cfg(test)]
mod tests {
    use rowdock_connectors::LetterKey;

    use super::*;

    fn header(name: &str, value: &str) -> RawHeader {
        (format!("{HEADER_PREFIX}{name}"), Some(value.into()))
    }

    fn told(coordinates: [&str; 4]) -> Vec<RawHeader> {
        let [connector, topic, partition, offset] = coordinates;
        vec![
            header("connector.name", connector),
            header("topic", topic),
            header("partition", partition),
            header("offset", offset),
            header("stage", "TASK_PUT"),
            header("class.name", "C"),
            ("__connect.errors.exception.message".to_owned(), None),
        ]
    }

    fn read(headers: Vec<RawHeader>) -> FromTopic {
        Letter::from_topic("orders", Some(7), None, Some(b"v"), headers)
    }

    #[test]
    fn a_letter_of_the_topic_is_the_record_again() {
        let mut headers = vec![("own".to_owned(), None), header("topic", "older")];
        headers.extend(told(["orders", "t", "3", "17"]));
        let FromTopic::Letter(letter) = read(headers) else {
            panic!("no letter");
        };
        assert_eq!(
            (&*letter.topic, letter.partition, letter.offset),
            ("t", 3, 17)
        );
        assert_eq!((&*letter.stage, &*letter.reason), ("TASK_PUT", ""));
        assert_eq!(letter.timestamp_ms, Some(7));
        assert_eq!(
            (letter.key, letter.value.as_deref()),
            (None, Some(&b"v"[..]))
        );
        // A record of a dead letter topic may become a dead letter in turn.
        let own = [("own".to_owned(), None), header("topic", "older")];
        assert_eq!(letter.headers, own);
    }

    #[test]
    fn a_letter_tells_whether_its_task_ended() {
        for (name, expected) in [(ENDED_TASK, true), ("task.id", false)] {
            let mut headers = told(["orders", "t", "3", "17"]);
            headers.push(header(name, "0"));
            let FromTopic::Letter(letter) = read(headers) else {
                panic!("no letter");
            };
            assert_eq!(letter.ended_task, expected);
            assert!(letter.headers.is_empty(), "{:?}", letter.headers);
        }
    }

    #[test]
    fn letters_of_others_and_of_nobody_are_told_apart() {
        assert_eq!(read(told(["other", "t", "3", "17"])), FromTopic::OfAnother);
        let check = |headers: Vec<RawHeader>| {
            assert!(matches!(read(headers), FromTopic::Unknown(_)));
        };
        check(Vec::new());
        check(told(["orders", "t", "3", "x"]));
        check(told(["orders", "t", "2147483648", "17"]));
        check(told(["orders", "t", "3", "17"])[1..].to_vec());
    }

    #[test]
    fn a_letter_of_the_table_is_the_record_again() {
        let mut row = StoredLetter {
            key: LetterKey {
                topic: "t".to_owned(),
                partition: 3,
                offset: 17,
            },
            stage: "TASK_PUT".to_owned(),
            reason: "r".to_owned(),
            time_ms: Some(7),
            record_key: Some(b"k".to_vec()),
            record_value: None,
            record_headers: Some(
                r#"[{"name":"a","text":"b"},{"base64":"/w==","name":"a"},{"name":"c"}]"#.to_owned(),
            ),
        };
        let letter = Letter::from_row(row.clone()).unwrap();
        let expected = [
            ("a".to_owned(), Some(b"b".to_vec())),
            ("a".to_owned(), Some(vec![0xff])),
            ("c".to_owned(), None),
        ];
        assert_eq!(letter.headers, expected);
        assert_eq!(letter.record().key, Some(&b"k"[..]));
        assert_eq!(letter.bytes(), 1);
        for bad in [
            "{",
            "{}",
            r#"[{"name":"a","base64":"?"}]"#,
            r#"[{"text":"a"}]"#,
        ] {
            row.record_headers = Some(bad.to_owned());
            assert!(Letter::from_row(row.clone()).is_err(), "{bad}");
        }
    }
}

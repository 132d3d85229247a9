//! A Kafka that does as it is told, one delivery at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use super::Node;
use crate::cluster::distributed::Event;
use crate::cluster::distributed::links::Links;
use crate::cluster::format::{ConfigRecord, Decoded, Encoded};
use crate::cluster::log::tail::{TailRecord, Tailed};
use crate::cluster::log::writer::{ToWriterThread, WriterAnswer};
use crate::cluster::members::Heard;
use crate::cluster::registry::Registry;
use crate::config::RawConfig;

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    LostAfterCommit,
    LostBeforeCommit,
    /// Nothing was written, and that is known.
    Failed,
    /// Nothing was written, and never will be.
    Refused,
}

/// What is said in the status topic, and the request that asked for it, if one did.
pub(super) type Word = (Encoded, Option<String>);

/// What all workers share.
pub(super) struct Kafka {
    /// Records and their requests; none where compaction has left nothing.
    pub(super) config: Vec<Option<(Encoded, String)>>,
    pub(super) statuses: Vec<Word>,
    /// Members of the group: names, and which process each is.
    pub(super) group: Vec<(String, usize)>,
    /// Others in the group.
    pub(super) strangers: Vec<String>,
    /// Who initialised the transactional id last.
    pub(super) writer: u64,
    /// What the log says, and which requests have written to it.
    pub(super) truth: Registry,
    pub(super) requests: BTreeSet<String>,
}

/// What one worker has asked of Kafka.
#[derive(Default)]
pub(super) struct Line {
    pub(super) orders: VecDeque<ToWriterThread>,
    pub(super) end_asked: bool,
    pub(super) said: VecDeque<Word>,
}

pub(super) struct FakeLinks(pub(super) Arc<Mutex<Line>>);

impl FakeLinks {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap()
    }
}

impl Links for FakeLinks {
    fn order(&self, order: ToWriterThread) -> bool {
        self.lock().orders.push_back(order);
        true
    }

    fn ask_for_end(&self) {
        self.lock().end_asked = true;
    }

    fn say(&self, encoded: &Encoded, request_id: Option<&str>) {
        let word = (encoded.clone(), request_id.map(str::to_owned));
        self.lock().said.push_back(word);
    }

    fn join_anew(&mut self) {}

    fn say_goodbye(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(ready(()))
    }
}

impl Kafka {
    pub(super) fn truth_shown(&self) -> BTreeMap<String, RawConfig> {
        let all = self.truth.iter();
        all.map(|(name, definition)| (name.clone(), RawConfig::clone(&definition.raw)))
            .collect()
    }

    /// Keeps the last record of each key up to there, and none that deletes.
    pub(super) fn compact(&mut self, until: usize) {
        let mut last = BTreeSet::new();
        for kept in self.config[..until].iter_mut().rev() {
            let mut is_kept = |(encoded, _): &mut (Encoded, String)| {
                last.insert(encoded.key.clone()) && encoded.value.is_some()
            };
            kept.take_if(|record| !is_kept(record));
        }
    }

    /// Appends what was planned, if it was planned against all that is there.
    fn append(&mut self, records: &[ConfigRecord], request_id: &str) {
        let is_first = self.requests.insert(request_id.to_owned());
        assert!(is_first, "a request is carried out twice");
        let mut is_told = false;
        for encoded in records.iter().map(ConfigRecord::encode) {
            let decoded =
                ConfigRecord::decode(Some(encoded.key.as_bytes()), encoded.value.as_deref());
            let Ok(Decoded::Known(known)) = decoded else {
                panic!("a record that cannot be read: {encoded:?}");
            };
            match &known {
                // A creation tells the target first.
                ConfigRecord::Target { .. } => is_told = true,
                ConfigRecord::Connector { name, config } => {
                    let exists = self.truth.get(name).is_some();
                    let is_creation = config.is_some() && is_told;
                    assert_ne!(is_creation, exists, "{name}: {encoded:?}");
                }
                ConfigRecord::Placement { name, owners } => {
                    let exists = self.truth.get(name).is_some();
                    assert!(exists || owners.is_none(), "{name} is placed and not there");
                }
                _ => {}
            }
            self.config.push(Some((encoded, request_id.to_owned())));
            let version = u64::try_from(self.config.len()).unwrap();
            self.truth.apply(version, known);
        }
    }
}

pub(super) fn read_config(kafka: &mut Kafka, node: &mut Node, records: usize) {
    let until = kafka
        .config
        .len()
        .min(node.config_read.saturating_add(records));
    let fresh = &kafka.config[node.config_read..until];
    let fresh = fresh.iter().zip(node.config_read + 1..);
    let records = fresh.filter_map(|(kept, version)| {
        let (encoded, request) = kept.as_ref()?;
        Some(TailRecord {
            version: u64::try_from(version).unwrap(),
            key: Some(encoded.key.clone().into_bytes()),
            value: encoded.value.clone(),
            request_id: Some(request.clone()),
        })
    });
    let tailed = Tailed {
        records: records.collect(),
        position: i64::try_from(until).unwrap(),
        caught_up: until == kafka.config.len() || node.control.caught_up.0,
        went_back: false,
        refused: None,
    };
    node.config_read = until;
    node.control.hear(Event::Config(tailed));
}

pub(super) fn read_statuses(kafka: &mut Kafka, node: &mut Node, records: usize) {
    let until = kafka
        .statuses
        .len()
        .min(node.statuses_read.saturating_add(records));
    let fresh = kafka.statuses[node.statuses_read..until].iter();
    let records = fresh.map(|(encoded, request_id)| TailRecord {
        version: 1,
        key: Some(encoded.key.clone().into_bytes()),
        value: encoded.value.clone(),
        request_id: request_id.clone(),
    });
    let tailed = Tailed {
        records: records.collect(),
        position: i64::try_from(until).unwrap(),
        caught_up: until == kafka.statuses.len() || node.control.caught_up.1,
        went_back: false,
        refused: None,
    };
    node.statuses_read = until;
    node.control.hear(Event::Status(tailed));
}

pub(super) fn write(kafka: &mut Kafka, node: &mut Node, outcome: Outcome) {
    let order = node.line.lock().unwrap().orders.pop_front();
    let answer = match order {
        None => return,
        Some(ToWriterThread::Reset) => {
            node.writer = None;
            return;
        }
        Some(ToWriterThread::Prepare) => {
            let fresh = node.writer.is_none();
            if fresh && outcome == Outcome::Failed {
                WriterAnswer::Failed("away".to_owned())
            } else {
                if fresh {
                    kafka.writer += 1;
                    node.writer = Some(kafka.writer);
                }
                WriterAnswer::Ready { fresh }
            }
        }
        Some(ToWriterThread::Commit {
            records,
            request_id,
        }) => {
            let is_writer = node.writer.take() == Some(kafka.writer);
            if !is_writer {
                WriterAnswer::Fenced
            } else if outcome == Outcome::Failed {
                WriterAnswer::Failed("away".to_owned())
            } else if outcome == Outcome::Refused {
                WriterAnswer::Refused("too large".to_owned())
            } else if outcome == Outcome::LostBeforeCommit {
                WriterAnswer::Unknown("lost".to_owned())
            } else {
                kafka.append(&records, &request_id);
                if outcome == Outcome::LostAfterCommit {
                    WriterAnswer::Unknown("lost".to_owned())
                } else {
                    node.writer = Some(kafka.writer);
                    WriterAnswer::Committed
                }
            }
        }
    };
    node.control.hear(Event::Writer(answer));
}

pub(super) fn tell_end(kafka: &mut Kafka, node: &mut Node, is_known: bool) {
    let is_asked = std::mem::take(&mut node.line.lock().unwrap().end_asked);
    if is_asked {
        let end = i64::try_from(kafka.config.len()).unwrap();
        let end = if is_known {
            Ok(end)
        } else {
            Err("away".to_owned())
        };
        node.control.hear(Event::End(end));
    }
}

pub(super) fn say(kafka: &mut Kafka, node: &mut Node) {
    kafka
        .statuses
        .extend(node.line.lock().unwrap().said.drain(..));
}

pub(super) fn tell_members(kafka: &mut Kafka, node: &mut Node) {
    let members = kafka.group.iter().map(|(name, _)| name);
    let members = members.chain(&kafka.strangers);
    let members = members.map(|name| (name.clone(), "/127.0.0.1".to_owned()));
    node.control
        .hear(Event::Group(Heard::Members(members.collect())));
}

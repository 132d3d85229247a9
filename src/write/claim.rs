//! From an assignment to reading.
//!
//! Claim the partitions in the database; write the first starts of a topic that has none, for all
//! its partitions at once; check that Kafka still has what the positions ask for; make the
//! topics' tables known; then tell the consumer's thread to begin. Every step may be repeated:
//! a claim is only ever replaced by a newer one, and starts are only written where there are none.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rowdock_connectors::{ClaimAnswer, ClaimRequest, PartitionKey, SinkError, StartRows};
use tokio::time::Instant;
use uuid::Uuid;

use super::facts::KafkaFacts;
use super::start::{StartRefusal, check_position, check_topic, first_position};
use super::{Halt, Held, WriteLoop};
use crate::batch::AssignmentTag;
use crate::config::connector::Delivery;
use crate::handover::{Beginning, ToConsumer};

/// A claim, or the partition's next step towards one.
struct Claims {
    claimed: Vec<Claimed>,
    unknown_topics: BTreeSet<Arc<str>>,
    unknown_partitions: Vec<PartitionKey>,
    yielded: Vec<(PartitionKey, AssignmentTag)>,
}

struct Claimed {
    key: PartitionKey,
    held: Held,
    /// Leader epoch of the last record written, when it may still be in the log.
    written_epoch: Option<i32>,
}

impl WriteLoop {
    /// Takes assigned partitions over and begins to read them.
    pub(super) async fn take_over(
        &mut self,
        generation: i32,
        partitions: Vec<(PartitionKey, AssignmentTag)>,
    ) -> Result<(), Halt> {
        self.claim_and_begin(generation, partitions, false).await
    }

    /// Claims partitions that a newer generation held, when we still have them after a session
    /// time-out: a real newer generation would have thrown us out by then.
    pub(super) async fn claim_yielded(&mut self) -> Result<(), Halt> {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.state.yielded)
            .into_iter()
            .partition(|(_, _, at)| *at <= now);
        self.state.yielded = later;
        let due: Vec<_> = due.into_iter().map(|(key, tag, _)| (key, tag)).collect();
        self.claim_and_begin(-1, due, true).await
    }

    async fn claim_and_begin(
        &mut self,
        generation: i32,
        mut wanted: Vec<(PartitionKey, AssignmentTag)>,
        force: bool,
    ) -> Result<(), Halt> {
        loop {
            wanted.retain(|(key, tag)| self.board.is_current(key, *tag));
            if wanted.is_empty() {
                return Ok(());
            }
            let begun = match self.config.delivery {
                Delivery::ExactlyOnce => self.try_claims(generation, &wanted, force).await,
                Delivery::AtLeastOnce => match self.group_offsets(&wanted).await {
                    Ok(claimed) => self.begin(claimed).await.map(|()| true),
                    // Only Kafka was asked: the database may well be there.
                    Err(ClaimError::Sink(error)) => {
                        self.pause_after(&error).await?;
                        continue;
                    }
                    Err(halt) => Err(halt),
                },
            };
            match begun {
                Ok(true) => {
                    self.recovered();
                    return Ok(());
                }
                Ok(false) => {}
                Err(ClaimError::Halt(halt)) => return Err(halt),
                Err(ClaimError::Sink(error)) => self.pause_or_give_up(&error).await?,
            }
        }
    }

    /// One attempt. `Ok(false)`: starts were written, claim again.
    async fn try_claims(
        &mut self,
        generation: i32,
        wanted: &[(PartitionKey, AssignmentTag)],
        force: bool,
    ) -> Result<bool, ClaimError> {
        self.ready_session().await?;
        let request = ClaimRequest {
            claim_id: Uuid::new_v4(),
            generation,
            force,
            owner: self.owner.clone(),
            partitions: wanted.iter().map(|(key, _)| key.clone()).collect(),
            compacted: match self.sink.needs_record_times() {
                true => compacted_topics(&self.facts, wanted).await?,
                false => BTreeSet::new(),
            },
        };
        let Some(session) = self.state.session.as_mut() else {
            return Ok(false);
        };
        let answers = session.claim(&request).await?;
        let claims = sort_answers(wanted, &request, answers);
        if !claims.unknown_topics.is_empty() || !claims.unknown_partitions.is_empty() {
            for topic in &claims.unknown_topics {
                self.start_topic(topic).await?;
            }
            self.start_partitions(claims.unknown_partitions).await?;
            return Ok(false);
        }
        let retry_at = Instant::now() + self.session_timeout;
        for (key, tag) in claims.yielded {
            tracing::warn!(
                topic = %key.topic, partition = key.partition,
                "partition is held by a newer generation of the group; waiting to be told"
            );
            self.state.yielded.push((key, tag, retry_at));
        }
        let mut claimed = claims.claimed;
        self.check_starts(&mut claimed).await?;
        warn_of_reset(&self.facts, &claimed).await;
        self.begin(claimed).await?;
        Ok(true)
    }

    /// At-least-once: positions are the group's.
    async fn group_offsets(
        &mut self,
        wanted: &[(PartitionKey, AssignmentTag)],
    ) -> Result<Vec<Claimed>, ClaimError> {
        let keys: Vec<PartitionKey> = wanted.iter().map(|(key, _)| key.clone()).collect();
        let committed = self.facts.committed(keys.clone()).await?;
        let marks = self.facts.watermarks(keys).await?;
        let mut claimed = Vec::new();
        for (key, tag) in wanted {
            let Some(marks) = marks.get(key) else {
                return Err(SinkError::retry("kafka left a partition out of its answer").into());
            };
            let committed = committed.get(key).map(|committed| committed.offset);
            let next_offset = first_position(committed, self.config.start, *marks)
                .map_err(|refusal| refused(key, &refusal))?;
            let held = Held {
                tag: *tag,
                claim_id: Uuid::nil(),
                next_offset,
                topic_id: String::new(),
            };
            claimed.push(Claimed {
                key: key.clone(),
                held,
                written_epoch: None,
            });
        }
        Ok(claimed)
    }

    /// The first start of a topic: a number for every partition that exists now.
    async fn start_topic(&mut self, topic: &Arc<str>) -> Result<(), ClaimError> {
        let partitions = self.facts.partitions(Arc::clone(topic)).await?;
        if partitions.is_empty() {
            return Err(SinkError::retry(format!("kafka does not know topic {topic} yet")).into());
        }
        let committed = self.facts.committed(partitions.clone()).await?;
        if committed.values().any(|committed| committed.is_mirror) {
            return Err(ClaimError::Halt(Halt::Failed(format!(
                "PROGRESS_MISSING: the group's committed offsets of topic {topic} are mirrors of \
                 positions in the target database, but the database has none: the progress table \
                 was lost, or the connector points to another database; restore it, or delete \
                 the consumer group to start the topic anew"
            ))));
        }
        let marks = self.facts.watermarks(partitions.clone()).await?;
        let mut offsets = Vec::with_capacity(partitions.len());
        for key in &partitions {
            let Some(marks) = marks.get(key) else {
                return Err(SinkError::retry("kafka left a partition out of its answer").into());
            };
            let committed = committed.get(key).map(|committed| committed.offset);
            let offset = first_position(committed, self.config.start, *marks)
                .map_err(|refusal| refused(key, &refusal))?;
            offsets.push((key.partition, offset));
        }
        self.write_starts(topic, true, offsets).await
    }

    /// Partitions added after the topic was started begin at their beginning, whatever the policy.
    async fn start_partitions(&mut self, partitions: Vec<PartitionKey>) -> Result<(), ClaimError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let marks = self.facts.watermarks(partitions).await?;
        let mut by_topic: HashMap<Arc<str>, Vec<(i32, i64)>> = HashMap::new();
        for (key, marks) in marks {
            by_topic
                .entry(key.topic)
                .or_default()
                .push((key.partition, marks.low));
        }
        for (topic, offsets) in by_topic {
            self.write_starts(&topic, false, offsets).await?;
        }
        Ok(())
    }

    async fn write_starts(
        &mut self,
        topic: &Arc<str>,
        first: bool,
        offsets: Vec<(i32, i64)>,
    ) -> Result<(), ClaimError> {
        let ids = self.facts.topic_ids(vec![Arc::clone(topic)]).await?;
        let starts = StartRows {
            topic: Arc::clone(topic),
            topic_id: id_of(&ids, topic)?.to_owned(),
            first,
            offsets,
        };
        self.ready_session().await?;
        if let Some(session) = self.state.session.as_mut() {
            session.write_starts(&starts).await?;
        }
        Ok(())
    }

    async fn check_starts(&mut self, claimed: &mut [Claimed]) -> Result<(), ClaimError> {
        let topics = topics_of(claimed).into_iter().collect();
        let ids = self.facts.topic_ids(topics).await?;
        let keys = claimed.iter().map(|claimed| claimed.key.clone()).collect();
        let marks = self.facts.watermarks(keys).await?;
        for claimed in claimed {
            let (key, held) = (&claimed.key, &claimed.held);
            let Some(marks) = marks.get(key) else {
                return Err(SinkError::retry("kafka left a partition out of its answer").into());
            };
            let topic_id = id_of(&ids, &key.topic)?;
            check_position(held.next_offset, &held.topic_id, topic_id, *marks)
                .map_err(|refusal| refused(key, &refusal))?;
            if held.next_offset <= marks.low {
                claimed.written_epoch = None;
            }
        }
        Ok(())
    }

    async fn begin(&mut self, claimed: Vec<Claimed>) -> Result<(), ClaimError> {
        let topics = topics_of(&claimed);
        // Where transforms, a mapping or records choose the table, a topic that is read needs none.
        let keys = &self.config.sink;
        let topics_have_tables = !keys.routes_by_record() && keys.mappings.is_empty();
        if self.config.transforms.is_empty() && topics_have_tables {
            for topic in topics {
                self.make_table_known(&topic).await?;
            }
        }
        let mut begun = Vec::with_capacity(claimed.len());
        for Claimed {
            key,
            held,
            written_epoch,
        } in claimed
        {
            begun.push(Beginning {
                key: key.clone(),
                tag: held.tag,
                next_offset: held.next_offset,
                written_epoch,
            });
            self.state.held.insert(key, held);
        }
        tracing::info!(connector = %self.config.name, partitions = begun.len(), "reading");
        self.consumer.send(ToConsumer::Begin(begun));
        Ok(())
    }

    /// Topics that were deleted and made anew under our feet must stop the task. Kafka out of reach
    /// is no news here: the consumer reports it.
    pub(super) async fn check_topics(&mut self) -> Result<(), Halt> {
        fail::fail_point!("write::check_topics", |_| Ok(()));
        match self.try_check_topics().await {
            Err(ClaimError::Halt(halt)) => Err(halt),
            Ok(()) | Err(ClaimError::Sink(_)) => Ok(()),
        }
    }

    /// As [`check_topics`](Self::check_topics), until Kafka has answered: the client has begun to
    /// read another incarnation of some topic, and the batches that follow may hold its records.
    pub(super) async fn confirm_topics(&mut self) -> Result<(), Halt> {
        loop {
            match self.try_check_topics().await {
                Ok(()) => {
                    self.recovered();
                    return Ok(());
                }
                Err(ClaimError::Halt(halt)) => return Err(halt),
                Err(ClaimError::Sink(error)) => self.pause_after(&error).await?,
            }
        }
    }

    async fn try_check_topics(&mut self) -> Result<(), ClaimError> {
        let topics: BTreeSet<Arc<str>> = self
            .state
            .held
            .iter()
            .filter(|(key, held)| self.has_checked_topic(key, held))
            .map(|(key, _)| Arc::clone(&key.topic))
            .collect();
        if topics.is_empty() || self.state.failed {
            return Ok(());
        }
        let ids = self.facts.topic_ids(topics.into_iter().collect()).await?;
        // All partitions of the topic are meant; the lowest is named.
        let mut held: Vec<(&PartitionKey, &Held)> = self.state.held.iter().collect();
        held.retain(|(key, held)| self.has_checked_topic(key, held));
        held.sort_unstable_by_key(|(key, _)| *key);
        let mut missing = None;
        for (key, held) in held {
            match ids.get(&*key.topic) {
                Some(now) => {
                    check_topic(&held.topic_id, now).map_err(|refusal| refused(key, &refusal))?;
                }
                None => missing = Some(&key.topic),
            }
        }
        match missing {
            None => Ok(()),
            Some(topic) => Ok(id_of(&ids, topic).map(|_| ())?),
        }
    }

    /// Of a topic that was deleted the group takes the partitions back; what comes of it is not ours.
    fn has_checked_topic(&self, key: &PartitionKey, held: &Held) -> bool {
        !held.topic_id.is_empty() && self.board.is_current(key, held.tag)
    }

    /// The log holds something else before the position than what was written from there.
    pub(super) fn refilled(
        &self,
        key: &PartitionKey,
        offset: i64,
        (written, now): (i32, i32),
    ) -> Halt {
        let next = self.state.held.get(key).map(|held| held.next_offset);
        let refusal = StartRefusal::Refilled {
            next: next.unwrap_or(offset + 1),
            offset,
            now,
            written,
        };
        Halt::Failed(refusal_trace(key, &refusal))
    }

    /// The broker refuses the position: says why, as precisely as it can be known.
    pub(super) async fn out_of_range(&mut self, key: &PartitionKey) -> Halt {
        // Of another topic all partitions are, whichever happens to be shorter.
        if let Err(ClaimError::Halt(halt)) = self.try_check_topics().await {
            return halt;
        }
        let next = self.state.held.get(key).map_or(-1, |held| held.next_offset);
        let refusal = match self.facts.watermarks(vec![key.clone()]).await {
            Ok(marks) => marks
                .get(key)
                .and_then(|marks| check_position(next, "", "", *marks).err()),
            Err(_) => None,
        };
        Halt::Failed(match refusal {
            Some(refusal) => refusal_trace(key, &refusal),
            None => format!(
                "topic {}, partition {}: Kafka refuses to read on from the position near {next} \
                 (offset out of range); restart the task to check it again",
                key.topic, key.partition
            ),
        })
    }
}

fn topics_of(claimed: &[Claimed]) -> BTreeSet<Arc<str>> {
    let topics = claimed.iter().map(|claimed| &claimed.key.topic);
    topics.map(Arc::clone).collect()
}

/// Those of the topics that may not read the same again.
async fn compacted_topics(
    facts: &KafkaFacts,
    wanted: &[(PartitionKey, AssignmentTag)],
) -> Result<BTreeSet<Arc<str>>, SinkError> {
    let topics = wanted.iter().map(|(key, _)| Arc::clone(&key.topic));
    let topics: BTreeSet<Arc<str>> = topics.collect();
    facts.compacted(topics.into_iter().collect()).await
}

/// A commit that is no mirror was made by someone else, to move the connector perhaps. It is not
/// obeyed, and that must be said. That Kafka does not answer is no reason to wait.
async fn warn_of_reset(facts: &KafkaFacts, claimed: &[Claimed]) {
    let keys = claimed.iter().map(|claimed| claimed.key.clone()).collect();
    let Ok(committed) = facts.committed(keys).await else {
        return;
    };
    for Claimed { key, held, .. } in claimed {
        let foreign = committed
            .get(key)
            .filter(|committed| !committed.is_mirror && committed.offset != held.next_offset);
        if let Some(foreign) = foreign {
            tracing::warn!(
                topic = %key.topic, partition = key.partition,
                group_offset = foreign.offset, next_offset = held.next_offset,
                "the group's offset was set by someone else and is ignored: reading goes on from \
                 the position in the database"
            );
        }
    }
}

/// A topic's id; a position that is stored without it would never notice another incarnation.
fn id_of<'a>(ids: &'a HashMap<String, String>, topic: &str) -> Result<&'a str, SinkError> {
    let id = ids.get(topic).map(String::as_str);
    id.ok_or_else(|| SinkError::retry(format!("kafka has no topic {topic} now")))
}

pub(super) enum ClaimError {
    Sink(SinkError),
    Halt(Halt),
}

impl From<SinkError> for ClaimError {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

impl From<Halt> for ClaimError {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

fn refused(key: &PartitionKey, refusal: &StartRefusal) -> ClaimError {
    ClaimError::Halt(Halt::Failed(refusal_trace(key, refusal)))
}

fn refusal_trace(key: &PartitionKey, refusal: &StartRefusal) -> String {
    format!(
        "topic {}, partition {}: {refusal}",
        key.topic, key.partition
    )
}

fn sort_answers(
    wanted: &[(PartitionKey, AssignmentTag)],
    request: &ClaimRequest,
    answers: Vec<ClaimAnswer>,
) -> Claims {
    let mut claims = Claims {
        claimed: Vec::new(),
        unknown_topics: BTreeSet::new(),
        unknown_partitions: Vec::new(),
        yielded: Vec::new(),
    };
    for ((key, tag), answer) in wanted.iter().zip(answers) {
        match answer {
            ClaimAnswer::Claimed {
                topic_id,
                next_offset,
                leader_epoch,
            } => {
                let held = Held {
                    tag: *tag,
                    claim_id: request.claim_id,
                    next_offset,
                    topic_id,
                };
                claims.claimed.push(Claimed {
                    key: key.clone(),
                    held,
                    written_epoch: Some(leader_epoch).filter(|epoch| *epoch >= 0),
                });
            }
            ClaimAnswer::TopicUnknown => {
                claims.unknown_topics.insert(Arc::clone(&key.topic));
            }
            ClaimAnswer::PartitionUnknown => claims.unknown_partitions.push(key.clone()),
            ClaimAnswer::HeldByNewer { .. } => claims.yielded.push((key.clone(), *tag)),
        }
    }
    claims
}

//! Who is in the cluster: the members of one ordinary consumer group.
//!
//! Kafka's coordinator finds out who has died, so workers need not talk to each other. A member's
//! client id is its worker's advertised `host:port`. The group is subscribed to the config topic
//! because a group must be subscribed to something; nothing is read through it.
//!
//! The group's coordinator is asked who is in it once a second, and at once when it says that the group
//! changes. Which of the members are workers of the same cluster is for the status topic to say: a
//! group takes in whoever names it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::log::{Properties, WorkerContext, client_config};
use crate::consume::native::{FORGETS_COORDINATORS, Group, GroupMember, GroupQuestion};

/// How often the group is asked while nothing happens.
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// How often while it changes: a member that joins is listed before the group has settled.
const ASK_INTERVAL_UNSETTLED: Duration = Duration::from_millis(200);
/// How long an answer is waited for at a time.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
/// How long it may take: a client that has no answer by then may wait for a coordinator that is gone, and
/// another one looks for the one that is there.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(5);
const POLL_MAX: Duration = Duration::from_millis(100);
/// The protocol of Kafka Connect's own workers.
const CONNECT_PROTOCOL: &str = "connect";

/// Where members of a group connect from, by their client ids: those of workers are worker ids.
pub(super) type Members = BTreeMap<String, String>;

/// What is heard of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// These are in it, workers and others.
    Members(Members),
    /// It does not answer, or does not take the worker in.
    Silence(String),
    /// It is Kafka Connect's: these are its workers.
    Foreign(Vec<String>),
}

/// How the worker is a member.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    pub(super) properties: Properties,
    pub(super) group_id: String,
    pub(super) worker_id: String,
    pub(super) topic: String,
    pub(super) session_timeout: Duration,
    pub(super) heartbeat_interval: Duration,
}

/// A membership that lasts until it is left.
#[derive(Debug)]
pub(super) struct Member {
    leave: Arc<AtomicBool>,
    left: oneshot::Receiver<()>,
}

impl Member {
    /// Joins, on a thread of its own.
    ///
    /// # Errors
    /// When the client or its thread cannot be made.
    pub(super) fn join<T: Send + 'static>(
        membership: &Membership,
        listener: UnboundedSender<T>,
        wrap: fn(Heard) -> T,
    ) -> KafkaResult<Self> {
        let session_timeout = membership.session_timeout.as_millis().to_string();
        let heartbeat = membership.heartbeat_interval.as_millis().to_string();
        let own = [
            ("group.id", membership.group_id.as_str()),
            ("client.id", membership.worker_id.as_str()),
            ("session.timeout.ms", session_timeout.as_str()),
            ("heartbeat.interval.ms", heartbeat.as_str()),
            ("partition.assignment.strategy", "range"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("allow.auto.create.topics", "false"),
        ];
        let context = WorkerContext::default();
        let changed = Arc::clone(&context.group_changed);
        let consumer: BaseConsumer<WorkerContext> =
            client_config(&membership.properties, &own).create_with_context(context)?;
        let [age, refresh] = FORGETS_COORDINATORS;
        let onlooker = [("client.id", membership.worker_id.as_str()), age, refresh];
        let onlooker = client_config(&membership.properties, &onlooker);
        let leave = Arc::new(AtomicBool::new(false));
        let (gone, left) = oneshot::channel();
        let thread = MemberThread {
            consumer,
            onlooker: Onlooker::new(onlooker, membership.group_id.clone()),
            group_id: membership.group_id.clone(),
            worker_id: membership.worker_id.clone(),
            refused: None,
            topic: membership.topic.clone(),
            changed,
            leave: Arc::clone(&leave),
            joined: false,
        };
        let spawned = thread::Builder::new()
            .name("group-member".to_owned())
            .spawn(move || {
                thread.run(|heard| listener.send(wrap(heard)).is_ok());
                gone.send(()).ok();
            });
        spawned.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        Ok(Self { leave, left })
    }

    /// Leaves the group as soon as its thread can; nobody waits for it.
    pub(super) fn give_up(self) {
        self.leave.store(true, Ordering::Release);
    }

    /// Leaves the group; waits so long at most.
    pub(super) async fn leave(self, time_max: Duration) {
        self.leave.store(true, Ordering::Release);
        if tokio::time::timeout(time_max, self.left).await.is_err() {
            warn!("the worker's group did not let it go in time; it will be missed there");
        }
    }
}

struct MemberThread {
    consumer: BaseConsumer<WorkerContext>,
    onlooker: Onlooker,
    group_id: String,
    worker_id: String,
    /// What keeps the worker from being a member, until it is one.
    refused: Option<String>,
    topic: String,
    changed: Arc<AtomicBool>,
    leave: Arc<AtomicBool>,
    joined: bool,
}

impl MemberThread {
    fn run(mut self, tell: impl Fn(Heard) -> bool) {
        let mut ask_at = Instant::now();
        while !self.leave.load(Ordering::Acquire) {
            if self.changed.swap(false, Ordering::AcqRel) || ask_at <= Instant::now() {
                let (heard, settled) = self.ask();
                let interval = if settled {
                    ASK_INTERVAL
                } else {
                    ASK_INTERVAL_UNSETTLED
                };
                ask_at = Instant::now() + interval;
                if !self.joined && matches!(heard, Heard::Members(_)) {
                    self.join();
                }
                let heard = self.unless_refused(heard);
                if !tell(heard) {
                    break;
                }
            }
            // Nothing is assigned, so what comes are errors, which the client tells its context.
            if let Some(Err(error)) = self.consumer.poll(POLL_MAX) {
                debug!(%error, "group of workers");
                self.note_refusal(&error);
            }
            self.onlooker.get_tokens();
        }
        // Dropping the consumer leaves the group.
        self.consumer.unsubscribe();
    }

    /// The client tries again for ever, and says so once. Whatever it is keeps the worker out while it is
    /// no member.
    fn note_refusal(&mut self, error: &KafkaError) {
        let Some(reason) = why_kept_out(&self.group_id, error) else {
            return;
        };
        if self.refused.as_ref() != Some(&reason) {
            warn!("{reason}");
        }
        self.refused = Some(reason);
    }

    /// A group that the worker may not join has others in it at best.
    fn unless_refused(&mut self, heard: Heard) -> Heard {
        match heard {
            Heard::Members(members) if members.contains_key(&self.worker_id) => {
                self.refused = None;
                Heard::Members(members)
            }
            Heard::Members(members) => match &self.refused {
                Some(reason) => Heard::Silence(reason.clone()),
                None => Heard::Members(members),
            },
            heard @ (Heard::Silence(_) | Heard::Foreign(_)) => heard,
        }
    }

    fn join(&mut self) {
        match self.consumer.subscribe(&[&self.topic]) {
            Ok(()) => self.joined = true,
            Err(error) => warn!(%error, "cannot join the group of workers"),
        }
    }

    /// Who is in the group, and whether it has settled.
    fn ask(&mut self) -> (Heard, bool) {
        let group = match self.onlooker.ask() {
            Ok(group) => group,
            Err(error) => return (Heard::Silence(self.why_silent(&error)), true),
        };
        let is_connect = group.other_protocol.as_deref() == Some(CONNECT_PROTOCOL);
        let members = group.members.into_iter();
        if is_connect {
            let named = |GroupMember { client_id, host }| format!("{client_id} at {host}");
            return (Heard::Foreign(members.map(named).collect()), true);
        }
        let members = members.map(|member| (member.client_id, member.host));
        (Heard::Members(members.collect()), group.is_stable)
    }

    fn why_silent(&self, error: &KafkaError) -> String {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::GroupAuthorizationFailed) => lacks_rights(&self.group_id),
            _ => error.to_string(),
        }
    }
}

/// Asks who is in the group, one question after the other.
struct Onlooker {
    config: ClientConfig,
    group_id: String,
    /// The question that is on its way, and since when. Goes before the client that it was asked by.
    question: Option<(GroupQuestion, Instant)>,
    client: Option<BaseConsumer<WorkerContext>>,
}

impl Onlooker {
    fn new(config: ClientConfig, group_id: String) -> Self {
        Self {
            config,
            group_id,
            question: None,
            client: None,
        }
    }

    fn ask(&mut self) -> KafkaResult<Group> {
        let client = match self.client.take() {
            Some(client) => client,
            None => self.config.create_with_context(WorkerContext::default())?,
        };
        let client = self.client.insert(client);
        let (question, since) = match self.question.take() {
            Some(asked) => asked,
            None => {
                let question = GroupQuestion::ask(client.client(), &self.group_id)?;
                (question, Instant::now())
            }
        };
        if let Some(answer) = question.answer(client.client(), ANSWER_TIME_MAX) {
            return answer;
        }
        if since.elapsed() < QUESTION_TIME_MAX {
            self.question = Some((question, since));
        } else {
            drop(question);
            self.client = None;
        }
        Err(KafkaError::GroupListFetch(
            RDKafkaErrorCode::OperationTimedOut,
        ))
    }

    /// It has nothing to read; this is how it gets the tokens for its login.
    fn get_tokens(&self) {
        if let Some(client) = &self.client {
            client.poll(Duration::ZERO);
        }
    }
}

/// `None`: a broker is away, which passes.
fn why_kept_out(group_id: &str, error: &KafkaError) -> Option<String> {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::GroupAuthorizationFailed) => Some(lacks_rights(group_id)),
        Some(
            RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve,
        ) => None,
        _ => Some(format!(
            "the worker is not taken into group {group_id} (group.id): {error}"
        )),
    }
}

fn lacks_rights(group_id: &str) -> String {
    format!(
        "the worker may not be a member of group {group_id} (group.id): allow Read and Describe on it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_worker_out_of_its_group_is_told() {
        use RDKafkaErrorCode as Code;
        let check = |code: Code, expected: Option<&str>| {
            let told = why_kept_out("sinks", &KafkaError::MessageConsumption(code));
            let is_so = match (&told, expected) {
                (Some(told), Some(expected)) => told.contains(expected),
                (None, None) => true,
                _ => false,
            };
            assert!(is_so, "{code:?}: {told:?}");
        };
        check(
            Code::GroupAuthorizationFailed,
            Some("allow Read and Describe"),
        );
        check(Code::GroupMaxSizeReached, Some("group sinks (group.id): "));
        check(Code::InvalidSessionTimeout, Some("InvalidSessionTimeout"));
        check(Code::InconsistentGroupProtocol, Some("not taken into"));
        check(Code::AllBrokersDown, None);
        check(Code::BrokerTransportFailure, None);
    }
}

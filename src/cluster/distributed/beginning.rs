//! The start of a worker: topics made and checked, both tailed to their ends, the group joined.
//! Meanwhile the API is there, and says what the start waits for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use uuid::Uuid;

use super::links::{KafkaLinks, Links};
use super::membership::Company;
use super::reads::Reads;
use super::say::{Deletion, Repetition};
use super::{Control, Distributed, Event, Refused};
use crate::cluster::fetch_memory::FetchMemory;
use crate::cluster::handle::ClusterHandle;
use crate::cluster::log::statements::Speech;
use crate::cluster::log::tail::{self, LogEnd};
use crate::cluster::log::topics::{self, InternalTopic, TopicProblem};
use crate::cluster::log::{Properties, writer};
use crate::cluster::members::{Member, Membership};
use crate::cluster::registry::Registry;
use crate::cluster::statuses::Statuses;
use crate::cluster::supervisor::Workshop;
use crate::cluster::tasks::StartTask;
use crate::config::worker::WorkerSettings;
use crate::telemetry::Loggers;

/// How long the start waits before it asks Kafka again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What a worker of a cluster is started from.
#[derive(Debug)]
pub struct ClusterSpec<S> {
    /// The worker's settings.
    pub settings: Arc<WorkerSettings>,
    /// Its advertised `host:port`.
    pub worker_id: String,
    /// librdkafka properties for its own clients.
    pub properties: Properties,
    /// `group.id`.
    pub group_id: String,
    /// `config.storage.topic`.
    pub config_topic: String,
    /// `status.storage.topic`.
    pub status_topic: String,
    /// Starts its tasks.
    pub starter: S,
    /// Levels of the process's loggers.
    pub loggers: Loggers,
}

/// What the start has come to.
pub(super) struct Begun {
    pub(super) links: Box<dyn Links>,
}

impl Distributed {
    /// Starts the worker's control loop, which ends by [`ClusterHandle::stop`].
    pub fn start<S: StartTask>(spec: ClusterSpec<S>) -> Self {
        let (handle, mailbox) = ClusterHandle::new();
        let (events, heard) = mpsc::unbounded_channel();
        let (failure, failed) = oneshot::channel();
        let plan = Start {
            properties: spec.properties,
            group_id: spec.group_id,
            worker_id: spec.worker_id.clone(),
            config_topic: spec.config_topic,
            status_topic: spec.status_topic,
            settings: Arc::clone(&spec.settings),
            events,
        };
        let mut control = Control::new(spec.settings, spec.worker_id, spec.starter, spec.loggers);
        control.failure = Some(failure);
        tokio::spawn(plan.carry_out());
        tokio::spawn(control.run(mailbox, heard));
        Self { handle, failed }
    }
}

impl<S: StartTask> Control<S> {
    /// A loop that knows nothing yet.
    pub(super) fn new(
        settings: Arc<WorkerSettings>,
        worker_id: String,
        starter: S,
        loggers: Loggers,
    ) -> Self {
        Self {
            worker_id: worker_id.clone(),
            incarnation: Uuid::new_v4(),
            started_ms: chrono::Utc::now().timestamp_millis(),
            workshop: Arc::new(Workshop {
                starter,
                worker_id,
                stop_deadline: settings.shutdown_timeout,
                memory: FetchMemory::of(&settings),
                settings: Arc::clone(&settings),
            }),
            failure: None,
            stage: Some("looking for kafka".to_owned()),
            links: None,
            registry: Registry::new(Arc::clone(&settings)),
            settings,
            statuses: Statuses::default(),
            position: 0,
            caught_up: (false, false),
            company: Company::unknown(),
            members: BTreeSet::new(),
            staying: Vec::new(),
            refused: Refused::default(),
            reads: Reads::default(),
            write: None,
            writer_is_current: false,
            jobs: VecDeque::new(),
            supervisors: BTreeMap::new(),
            told: BTreeMap::new(),
            departing: BTreeMap::new(),
            keeping: BTreeMap::new(),
            unplaced_since: None,
            said: BTreeMap::new(),
            repetition: Repetition::none(),
            word_is_due: false,
            looked_at_word: Instant::now(),
            topics_resets: BTreeMap::new(),
            loggers,
            deleted: BTreeMap::new(),
            absent: BTreeMap::new(),
            leaving: None,
        }
    }
}

/// The part of the start that waits.
struct Start {
    properties: Properties,
    group_id: String,
    worker_id: String,
    config_topic: String,
    status_topic: String,
    settings: Arc<WorkerSettings>,
    events: mpsc::UnboundedSender<Event>,
}

impl Start {
    async fn carry_out(self) {
        let cluster = &self.settings.cluster;
        let config = InternalTopic {
            name: self.config_topic.clone(),
            name_key: "config.storage.topic",
            partitions: 1,
            partitions_fixed: true,
            replication: cluster.config_replication,
            replication_key: "config.storage.replication.factor",
        };
        let status = InternalTopic {
            name: self.status_topic.clone(),
            name_key: "status.storage.topic",
            partitions: cluster.status_partitions,
            partitions_fixed: false,
            replication: cluster.status_replication,
            replication_key: "status.storage.replication.factor",
        };
        let Some(_) = self.ensure(&config).await else {
            return;
        };
        let Some(partitions) = self.ensure(&status).await else {
            return;
        };
        self.tell(Event::Stage(
            "reading the config and the status topic".to_owned(),
        ));
        match self.links(partitions) {
            Ok(links) => {
                let links = Box::new(links);
                self.tell(Event::Begun(Box::new(Begun { links })));
            }
            Err(reason) => self.tell(Event::Failed(reason)),
        }
    }

    /// Asks until Kafka answers; `None` when a person must act, or nobody listens any more.
    async fn ensure(&self, topic: &InternalTopic) -> Option<i32> {
        loop {
            match topics::ensure(&self.properties, topic).await {
                Ok(partitions) => return Some(partitions),
                Err(TopicProblem::Refused(reason)) => {
                    self.tell(Event::Failed(reason));
                    return None;
                }
                Err(TopicProblem::Unanswered(reason)) => {
                    warn!(reason, "the cluster's topics are not ready, asking again");
                    self.tell(Event::Stage(format!(
                        "waiting for topic {}: {reason}",
                        topic.name
                    )));
                }
            }
            if self.events.is_closed() {
                return None;
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    fn links(&self, status_partitions: i32) -> Result<KafkaLinks, String> {
        let (events, properties) = (&self.events, &self.properties);
        let no_client = |error: rdkafka::error::KafkaError| {
            format!("a kafka client of the worker cannot be made: {error}")
        };
        let tail = |topic: &str, partitions, wrap| {
            tail::start(
                properties,
                &self.group_id,
                topic,
                partitions,
                events.clone(),
                wrap,
            )
            .map_err(no_client)
        };
        tail(&self.config_topic, 1, Event::Config)?;
        tail(&self.status_topic, status_partitions, Event::Status)?;
        let end = LogEnd::of(properties, &self.group_id, &self.config_topic).map_err(no_client)?;
        let writer = writer::start(
            properties.clone(),
            format!("connect-cluster-{}", self.group_id),
            self.config_topic.clone(),
            events.clone(),
            Event::Writer,
        )
        .map_err(|error| format!("the worker's threads cannot be started: {error}"))?;
        let speech = Speech::new(properties, &self.status_topic, events.clone(), Event::Words)
            .map_err(no_client)?;
        let membership = Membership {
            properties: properties.clone(),
            group_id: self.group_id.clone(),
            worker_id: self.worker_id.clone(),
            topic: self.config_topic.clone(),
            session_timeout: self.settings.cluster.session_timeout,
            heartbeat_interval: self.settings.cluster.heartbeat_interval,
        };
        let member = Member::join(&membership, events.clone(), Event::Group).map_err(no_client)?;
        Ok(KafkaLinks {
            events: events.clone(),
            end,
            writer,
            speech: Arc::new(speech),
            membership,
            member,
        })
    }

    fn tell(&self, event: Event) {
        // Nobody listens: the worker was stopped while it started.
        self.events.send(event).ok();
    }
}

impl<S: StartTask> Control<S> {
    pub(super) fn begun(&mut self, begun: Begun) {
        self.links = Some(begun.links);
        self.finish_start();
    }

    /// Begins to work once all of the log is known and the group knows us.
    pub(super) fn finish_start(&mut self) {
        if self.stage.is_none() || self.links.is_none() {
            return;
        }
        if self.caught_up != (true, true) {
            return;
        }
        if !self.company.group.contains_key(&self.worker_id) {
            self.stage = Some("joining the group of workers".to_owned());
            return;
        }
        self.stage = None;
        // What was deleted while nobody was there to take its words back, or while this worker started: words
        // of that may still be on their way.
        let is_gone = |name: &String| self.registry.get(name).is_none();
        let version = u64::try_from(self.position).unwrap_or_default();
        let gone = self.statuses.names().into_iter().filter(is_gone);
        let gone = gone.map(|name| (name, Deletion::at(version)));
        let read = std::mem::take(&mut self.deleted).into_iter();
        let read = read.filter(|(name, _)| is_gone(name));
        self.deleted = read.chain(gone).collect();
        self.company.heard_at = Instant::now();
        let names: Vec<String> = self.registry.iter().map(|(name, _)| name.clone()).collect();
        info!(connectors = names.len(), members = ?self.members, "worker has started");
        self.count_own_tasks();
        self.doubt_placement();
        for name in names {
            self.follow(&name);
        }
        self.say_what_is();
    }
}

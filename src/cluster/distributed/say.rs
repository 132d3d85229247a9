//! What this worker says in the status topic: of the tasks that are its own, of the connectors that
//! it speaks for, and of itself.
//!
//! Nothing is sent because something happened. What should stand in the topic is compared with what
//! does, and the difference is said; so a word that was lost, or overwritten by a worker that was
//! slow to let go, is said again. The comparison is made when a task, the log or the topic has said
//! something, and every [`SAY_AGAIN_AFTER`]; a worker with hundreds of idle connectors has nothing to
//! compare meanwhile.
//!
//! What the topic has said it may have lost: people delete topics, empty them, and let records go by age.
//! So a worker introduces itself again every [`INTRODUCED_EVERY`], and at once to those who are new, who
//! would else take it for no worker; all the rest it says again when the topic goes back, and for newcomers.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::Control;
use crate::cluster::format::status::{
    ReadUnder, Started, StatusRecord, Told, TopicUse, WorkerRecord,
};
use crate::cluster::placement;
use crate::cluster::tasks::StartTask;
use crate::cluster::view::{ConnectorState, PublishedStatus, PublishedTask, told};
use crate::task::TaskState;

/// How long the topic may take to show what was said before it is said again.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long it is remembered what was said: longer than it takes to be shown.
const SAID_KEPT: Duration = Duration::from_secs(30);
/// How long the statuses of a deleted connector are looked out for.
const DELETED_TIME_MAX: Duration = Duration::from_secs(60);
/// How long what a worker has said of itself outlives it: longer than it is away when it is restarted.
const ABSENT_TIME_MAX: Duration = Duration::from_secs(300);
/// How often a worker says of itself what the topic seems to say.
const INTRODUCED_EVERY: Duration = Duration::from_secs(30);
/// A worker that has not looked at its word for so long stood still, and what it knows may be over.
const STOOD_STILL_AFTER: Duration = Duration::from_secs(5);
/// The plugins' version is the program's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was said last under a key.
pub(super) struct Said {
    record: StatusRecord,
    at: Instant,
}

/// What is to be said though the topic seems to say it.
pub(super) struct Repetition {
    introduced_at: Instant,
    /// Others have come since then.
    pub(super) has_newcomers: bool,
    /// The topic has lost what it said.
    pub(super) is_lost: bool,
}

/// How much of it is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Nothing,
    Itself,
    All,
}

impl Repetition {
    pub(super) fn none() -> Self {
        Self {
            introduced_at: Instant::now(),
            has_newcomers: false,
            is_lost: false,
        }
    }

    /// What is due now, which is taken for said.
    fn take(&mut self, has_stood_still: bool) -> Due {
        if !self.is_lost && self.introduced_at.elapsed() < INTRODUCED_EVERY {
            return Due::Nothing;
        }
        self.introduced_at = Instant::now();
        let is_lost = std::mem::take(&mut self.is_lost);
        if !is_lost && (has_stood_still || !self.has_newcomers) {
            return Due::Itself;
        }
        self.has_newcomers = false;
        Due::All
    }
}

/// A connector that was deleted; another of its name may be there by now.
pub(super) struct Deletion {
    since: Instant,
    /// Of the record that deleted it.
    pub(super) version: u64,
}

impl Deletion {
    /// One that has just been read.
    pub(super) fn at(version: u64) -> Self {
        let since = Instant::now();
        Self { since, version }
    }
}

impl<S: StartTask> Control<S> {
    /// Says what is, when there may be something to say.
    pub(super) fn look_at_word(&mut self) {
        let mut has_news = self.word_is_due || self.looked_at_word.elapsed() >= SAY_AGAIN_AFTER;
        for supervisor in self.supervisors.values_mut() {
            has_news |= supervisor.has_news();
        }
        if has_news {
            self.say_what_is();
        }
    }

    /// Says what is, where the topic says something else.
    pub(super) fn say_what_is(&mut self) {
        self.word_is_due = false;
        let has_stood_still = self.looked_at_word.elapsed() >= STOOD_STILL_AFTER;
        self.looked_at_word = Instant::now();
        self.said.retain(|_, said| said.at.elapsed() < SAID_KEPT);
        let due = self.repetition.take(has_stood_still);
        let itself = self.introduction();
        match due {
            Due::Nothing => self.say(itself),
            Due::Itself | Due::All => self.send_word(itself, None),
        }
        let mut records = self.tasks_as_they_are();
        records.extend(self.tasks_that_cannot_run());
        records.extend(self.connectors_as_they_are());
        for record in records {
            match due {
                Due::Nothing | Due::Itself => self.say(record),
                Due::All => self.send_word(record, None),
            }
        }
        for record in self.word_to_take_back() {
            self.say(record);
        }
    }

    /// Says at once who it is: others have come.
    pub(super) fn introduce_itself(&mut self) {
        let itself = self.introduction();
        self.send_word(itself, None);
    }

    fn introduction(&self) -> StatusRecord {
        StatusRecord::Worker {
            worker_id: self.worker_id.clone(),
            worker: Some(WorkerRecord {
                leaving: self.leaving.is_some(),
                incarnation: self.incarnation.to_string(),
                version: VERSION.to_owned(),
                started_ms: self.started_ms,
                config_topic: self.settings.cluster.config_topic.clone(),
            }),
        }
    }

    /// Says that the tasks which are still this worker's do not run any more.
    pub(super) fn say_goodbye(&mut self) {
        if self.stage.is_some() {
            return;
        }
        let own: Vec<StatusRecord> = self
            .registry
            .iter()
            .flat_map(|(name, definition)| {
                let own = (0..definition.task_count())
                    .filter(|task| definition.owner(*task) == Some(&self.worker_id));
                own.map(|task| self.word_of(name, task, TaskState::Unassigned, None, None))
            })
            .collect();
        for record in own {
            self.say(record);
        }
    }

    fn tasks_as_they_are(&self) -> Vec<StatusRecord> {
        let mut records = Vec::new();
        for (name, supervisor) in &self.supervisors {
            let Some(definition) = self.registry.get(name) else {
                continue;
            };
            let Some(published) = supervisor.published() else {
                continue;
            };
            for task in &published.tasks {
                // Whoever is to have it speaks for it.
                if definition.owner(task.task) != Some(&self.worker_id) {
                    continue;
                }
                let PublishedStatus::Live(status) = &task.status else {
                    continue;
                };
                let (state, trace) = told(status);
                let started = Started {
                    config: task.key.config_version,
                    restart: task.key.restarts,
                    joined: status.borrow().joined,
                };
                records.push(self.word_of(name, task.task, state, trace, Some(started)));
                let resets = self.topics_resets.get(name).copied().unwrap_or_default();
                if published.topics_resets == resets && self.settings.topic_tracking {
                    let status = status.borrow();
                    let topics = status.topics.iter();
                    records.extend(topics.map(|topic| self.use_of(name, task, topic)));
                }
            }
        }
        records
    }

    /// Tasks that are this worker's, of configs that it does not accept.
    fn tasks_that_cannot_run(&self) -> Vec<StatusRecord> {
        let mut records = Vec::new();
        for (name, definition) in self.registry.iter() {
            let Some(unfit) = definition.mendable() else {
                continue;
            };
            let own = (0..definition.task_count())
                .filter(|task| definition.owner(*task) == Some(&self.worker_id));
            records.extend(own.map(|task| {
                let key = definition.key(task);
                let started = Started {
                    config: key.config_version,
                    restart: key.restarts,
                    joined: false,
                };
                let trace = Some(unfit.shown());
                self.word_of(name, task, TaskState::Failed, trace, Some(started))
            }));
        }
        records
    }

    fn use_of(&self, name: &str, task: &PublishedTask, topic: &str) -> StatusRecord {
        let under = ReadUnder {
            config: task.key.config_version,
        };
        let used = |discovered_ms| StatusRecord::Topic {
            topic: topic.to_owned(),
            name: name.to_owned(),
            used: Some(TopicUse {
                name: topic.to_owned(),
                connector: name.to_owned(),
                task: task.task,
                discovered_ms,
                rowdock: Some(under),
            }),
        };
        let now = chrono::Utc::now().timestamp_millis();
        let record = used(now);
        // Said again as it was said, so that it is not said over and over.
        let said = match self.said.get(&record.key()).map(|said| &said.record) {
            Some(StatusRecord::Topic { used, .. }) => used.as_ref(),
            _ => None,
        };
        let mut stand = self.statuses.topics(name);
        let stands = stand.find(|(known, _)| *known == topic);
        let known = said.or(stands.map(|(_, used)| used));
        match known.filter(|known| known.rowdock == Some(under)) {
            Some(known) => used(known.discovered_ms),
            None => record,
        }
    }

    fn word_of(
        &self,
        name: &str,
        task: u32,
        state: TaskState,
        trace: Option<String>,
        rowdock: Option<Started>,
    ) -> StatusRecord {
        StatusRecord::Task {
            name: name.to_owned(),
            task,
            status: Some(Told {
                state: task_state(state).to_owned(),
                trace,
                worker_id: self.worker_id.clone(),
                generation: 0,
                version: Some(VERSION.to_owned()),
                rowdock,
            }),
        }
    }

    /// For Kafka Connect, and other tools that read the topic: workers derive it themselves.
    fn connectors_as_they_are(&self) -> Vec<StatusRecord> {
        let mut records = Vec::new();
        for (name, definition) in self.registry.iter() {
            let speaks = placement::speaker(&self.staying, name) == Some(&self.worker_id);
            if !speaks || definition.accepted.is_err() {
                continue;
            }
            let state = match ConnectorState::of_target(definition.target) {
                ConnectorState::Paused => "PAUSED",
                ConnectorState::Stopped => "STOPPED",
                _ => "RUNNING",
            };
            records.push(StatusRecord::Connector {
                name: name.clone(),
                status: Some(Told {
                    state: state.to_owned(),
                    trace: None,
                    worker_id: self.worker_id.clone(),
                    generation: 0,
                    version: Some(VERSION.to_owned()),
                    rowdock: None,
                }),
            });
            let count = definition.task_count();
            let surplus = self.statuses.tasks(name).filter(|(task, _)| *task >= count);
            records.extend(surplus.map(|(task, _)| StatusRecord::Task {
                name: name.clone(),
                task,
                status: None,
            }));
        }
        records
    }

    /// Statuses of connectors that are gone, and what workers that are long gone have said of
    /// themselves. Taken back by the first of the members; whoever was there after all says it again.
    fn word_to_take_back(&mut self) -> Vec<StatusRecord> {
        self.deleted
            .retain(|_, deletion| deletion.since.elapsed() < DELETED_TIME_MAX);
        self.note_absent();
        if self.staying.first() != Some(&self.worker_id) {
            return Vec::new();
        }
        let statuses = self.deleted.iter().flat_map(|(name, deletion)| {
            let is_before = |used: &TopicUse| used.is_before(deletion.version);
            match self.registry.get(name) {
                None => self.statuses.retraction(name),
                Some(_) => self.statuses.retraction_of_topics(name, is_before),
            }
        });
        let absent = self.absent.iter();
        let workers = absent.filter(|(_, since)| since.elapsed() > ABSENT_TIME_MAX);
        let workers = workers.map(|(worker_id, _)| StatusRecord::Worker {
            worker_id: worker_id.clone(),
            worker: None,
        });
        statuses.chain(workers).collect()
    }

    fn note_absent(&mut self) {
        let is_absent = |worker: &&String| !self.company.group.contains_key(*worker);
        let absent: Vec<String> = self.statuses.workers().filter(is_absent).cloned().collect();
        self.absent.retain(|worker, _| absent.contains(worker));
        for worker in absent {
            self.absent.entry(worker).or_insert_with(Instant::now);
        }
    }

    /// Says it unless the topic says the same, or has had no time to.
    pub(super) fn say(&mut self, record: StatusRecord) {
        if self.stands(&record) {
            return;
        }
        if let Some(said) = self.said.get(&record.key())
            && said.record == record
            && said.at.elapsed() < SAY_AGAIN_AFTER
        {
            return;
        }
        self.send_word(record, None);
    }

    /// Forgets which topics a connector's tasks have read, because somebody has asked for it: the tasks
    /// forget them too. What is taken back of a connector that was deleted, they do not hear.
    pub(super) fn reset_topics(&mut self, name: &str) {
        let request_id = Uuid::new_v4().to_string();
        for record in self.statuses.retraction_of_topics(name, |_| true) {
            self.send_word(record, Some(&request_id));
        }
    }

    fn send_word(&mut self, record: StatusRecord, request_id: Option<&str>) {
        if let Some(links) = &self.links {
            links.say(&record.encode(), request_id);
        }
        let at = Instant::now();
        self.said.insert(record.key(), Said { record, at });
    }

    fn stands(&self, record: &StatusRecord) -> bool {
        match record {
            StatusRecord::Connector { name, status } => {
                self.statuses.connector(name) == status.as_ref()
            }
            StatusRecord::Task { name, task, status } => {
                self.statuses.task(name, *task) == status.as_ref()
            }
            StatusRecord::Topic { topic, name, used } => {
                // Of an earlier connector it is another use, and is there to be taken back.
                match used {
                    Some(_) => self.topics_of(name).any(|known| known == topic),
                    None => self.statuses.topics(name).all(|(known, _)| known != topic),
                }
            }
            StatusRecord::Worker { worker_id, worker } => {
                self.statuses.worker(worker_id) == worker.as_ref()
            }
        }
    }
}

fn task_state(state: TaskState) -> &'static str {
    match state {
        TaskState::Unassigned => "UNASSIGNED",
        TaskState::Running => "RUNNING",
        TaskState::Paused => "PAUSED",
        TaskState::Failed => "FAILED",
    }
}

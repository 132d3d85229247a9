//! Whole control loops against a Kafka that delivers late, in any order, and sometimes not at all:
//! workers join, leave, are killed and stand still while connectors are created, changed and
//! deleted on all of them. Time is simulated, so a case takes milliseconds.
//!
//! What must hold at every commit: the change was planned against all that was committed before it,
//! and no request is carried out twice. What must hold once all has been delivered: every worker
//! shows the same, every task that should run runs exactly once, on the worker that it was placed on,
//! every command was answered, and nothing is said of what was deleted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::beginning::Begun;
use super::links::Links;
use super::{Control, Event, TICK};
use crate::cluster::fake::FakeTasks;
use crate::cluster::format::status::StatusRecord;
use crate::cluster::format::{ConfigRecord, Decoded, Encoded};
use crate::cluster::handle::{Answer, ClusterError, Command, Message, RestartScope};
use crate::cluster::log::tail::{TailRecord, Tailed};
use crate::cluster::log::writer::{ToWriterThread, WriterAnswer};
use crate::cluster::members::Heard;
use crate::cluster::registry::Registry;
use crate::cluster::statuses::Statuses;
use crate::cluster::view::{ConnectorState, ShownTaskState, TargetState};
use crate::config::RawConfig;
use crate::config::worker::{SettingsSources, WorkerSettings};
use crate::task::TaskState;
use crate::telemetry::Loggers;

/// Workers that there may be at a time, and connectors.
const WORKERS: usize = 4;
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Longer than anything in the loop waits.
const SETTLED_AFTER: Duration = Duration::from_secs(75);

/// What happens next. Numbers choose among what there is.
#[derive(Debug, Clone, Copy)]
enum Step {
    Command {
        worker: usize,
        name: usize,
        verb: u8,
    },
    ReadConfig {
        worker: usize,
        records: usize,
    },
    ReadStatuses {
        worker: usize,
        records: usize,
    },
    /// The writer's thread does what it was told first; the answer may be lost.
    Write {
        worker: usize,
        outcome: Outcome,
    },
    TellEnd {
        worker: usize,
        is_known: bool,
    },
    Say {
        worker: usize,
    },
    TellMembers {
        worker: usize,
    },
    /// Everybody who does not stand still looks around.
    Tick,
    Join,
    Leave {
        worker: usize,
    },
    Kill {
        worker: usize,
    },
    /// The group misses those who were killed.
    Expire,
    /// Hears nothing and says nothing, for as long as it stands still.
    Stall {
        worker: usize,
    },
    Wake {
        worker: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered,
    LostAfterCommit,
    LostBeforeCommit,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let worker = 0..WORKERS;
    let outcome = prop_oneof![
        8 => Just(Outcome::Answered),
        1 => Just(Outcome::LostAfterCommit),
        1 => Just(Outcome::LostBeforeCommit),
    ];
    let step = prop_oneof![
        4 => (worker.clone(), 0..NAMES.len(), 0_u8..8)
            .prop_map(|(worker, name, verb)| Step::Command { worker, name, verb }),
        10 => (worker.clone(), 1_usize..12)
            .prop_map(|(worker, records)| Step::ReadConfig { worker, records }),
        8 => (worker.clone(), 1_usize..12)
            .prop_map(|(worker, records)| Step::ReadStatuses { worker, records }),
        12 => (worker.clone(), outcome).prop_map(|(worker, outcome)| Step::Write { worker, outcome }),
        8 => (worker.clone(), prop::bool::weighted(0.9))
            .prop_map(|(worker, is_known)| Step::TellEnd { worker, is_known }),
        6 => worker.clone().prop_map(|worker| Step::Say { worker }),
        6 => worker.clone().prop_map(|worker| Step::TellMembers { worker }),
        12 => Just(Step::Tick),
        2 => Just(Step::Join),
        1 => worker.clone().prop_map(|worker| Step::Leave { worker }),
        1 => worker.clone().prop_map(|worker| Step::Kill { worker }),
        2 => Just(Step::Expire),
        1 => worker.clone().prop_map(|worker| Step::Stall { worker }),
        1 => worker.prop_map(|worker| Step::Wake { worker }),
    ];
    prop::collection::vec(step, 0..250)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn workers_agree_whatever_happens_to_them(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async move {
            let mut world = World::new();
            for step in steps {
                world.take(step).await;
            }
            world.settle().await;
            world.judge();
        });
    }
}

/// What all workers share.
struct Kafka {
    config: Vec<(Encoded, String)>,
    statuses: Vec<Encoded>,
    /// Members of the group: names, and which process each is.
    group: Vec<(String, usize)>,
    /// Who initialised the transactional id last.
    writer: u64,
    /// What the log says, and which requests have written to it.
    truth: Registry,
    requests: BTreeSet<String>,
}

/// What one worker has asked of Kafka.
#[derive(Default)]
struct Line {
    orders: VecDeque<ToWriterThread>,
    end_asked: bool,
    said: VecDeque<Encoded>,
}

struct FakeLinks(Arc<Mutex<Line>>);

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

    fn say(&self, encoded: &Encoded) {
        self.lock().said.push_back(encoded.clone());
    }

    fn say_goodbye(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(ready(()))
    }
}

struct Node {
    process: usize,
    id: String,
    control: Control<FakeTasks>,
    tasks: FakeTasks,
    line: Arc<Mutex<Line>>,
    config_read: usize,
    statuses_read: usize,
    /// The writer that it has been since then, if it is one.
    writer: Option<u64>,
    stands_still: bool,
    answers: Vec<oneshot::Receiver<Result<Answer, ClusterError>>>,
}

struct World {
    kafka: Kafka,
    nodes: Vec<Node>,
    processes: usize,
    settings: Arc<WorkerSettings>,
}

impl World {
    fn new() -> Self {
        let settings = WorkerSettings::load(&SettingsSources::default()).unwrap();
        let settings = Arc::new(settings.settings);
        let mut world = Self {
            kafka: Kafka {
                config: Vec::new(),
                statuses: Vec::new(),
                group: Vec::new(),
                writer: 0,
                truth: Registry::new(Arc::clone(&settings)),
                requests: BTreeSet::new(),
            },
            nodes: Vec::new(),
            processes: 0,
            settings,
        };
        world.join();
        world.join();
        world
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Command { worker, name, verb } => self.command(worker, name, verb),
            Step::ReadConfig { worker, records } => self.at(worker, |kafka, node| {
                read_config(kafka, node, records);
            }),
            Step::ReadStatuses { worker, records } => self.at(worker, |kafka, node| {
                read_statuses(kafka, node, records);
            }),
            Step::Write { worker, outcome } => self.at(worker, |kafka, node| {
                write(kafka, node, outcome);
            }),
            Step::TellEnd { worker, is_known } => self.at(worker, |kafka, node| {
                tell_end(kafka, node, is_known);
            }),
            Step::Say { worker } => self.at(worker, say),
            Step::TellMembers { worker } => self.at(worker, tell_members),
            Step::Tick => self.tick().await,
            Step::Join => self.join(),
            Step::Leave { worker } => self.at(worker, |_, node| {
                if node.control.leaving.is_none() {
                    node.control.begin_to_leave(None);
                }
            }),
            Step::Kill { worker } => {
                if self.nodes.len() > 1 {
                    let index = worker % self.nodes.len();
                    self.nodes.remove(index);
                }
            }
            Step::Expire => self.expire(),
            Step::Stall { worker } => self.at(worker, |_, node| node.stands_still = true),
            Step::Wake { worker } => {
                let index = worker % self.nodes.len();
                self.nodes[index].stands_still = false;
            }
        }
    }

    /// Does something with a worker, unless it stands still.
    fn at(&mut self, worker: usize, act: impl FnOnce(&mut Kafka, &mut Node)) {
        let index = worker % self.nodes.len();
        let node = &mut self.nodes[index];
        if !node.stands_still {
            act(&mut self.kafka, node);
        }
    }

    /// A worker joins, under the first name that no living one has.
    fn join(&mut self) {
        let taken: Vec<&String> = self.nodes.iter().map(|node| &node.id).collect();
        let mut names = (0..WORKERS).map(|number| format!("w{number}:9398"));
        let Some(id) = names.find(|name| !taken.contains(&name)) else {
            return;
        };
        self.processes += 1;
        let tasks = FakeTasks::default();
        let settings = Arc::clone(&self.settings);
        let loggers = Loggers::detached("info");
        let mut control = Control::new(settings, id.clone(), tasks.clone(), loggers);
        control.started_ms += i64::try_from(self.processes).unwrap();
        let line = Arc::new(Mutex::new(Line::default()));
        let links = Box::new(FakeLinks(Arc::clone(&line)));
        control.hear(Event::Begun(Box::new(Begun { links })));
        self.kafka.group.push((id.clone(), self.processes));
        self.nodes.push(Node {
            process: self.processes,
            id,
            control,
            tasks,
            line,
            config_read: 0,
            statuses_read: 0,
            writer: None,
            stands_still: false,
            answers: Vec::new(),
        });
    }

    fn expire(&mut self) {
        let alive: Vec<usize> = self.nodes.iter().map(|node| node.process).collect();
        self.kafka
            .group
            .retain(|(_, process)| alive.contains(process));
    }

    fn command(&mut self, worker: usize, name: usize, verb: u8) {
        let name = NAMES[name].to_owned();
        let target = |target| Command::SetTarget {
            name: name.clone(),
            target,
        };
        let command = match verb {
            0 | 1 => Command::Create {
                name: name.clone(),
                config: config(3),
                target: TargetState::Running,
            },
            2 => Command::Delete { name: name.clone() },
            3 => Command::PutConfig {
                name: name.clone(),
                config: config(2),
            },
            4 => target(TargetState::Stopped),
            5 => target(TargetState::Paused),
            6 => target(TargetState::Running),
            _ => Command::Restart {
                name: name.clone(),
                scope: RestartScope {
                    include_tasks: true,
                    only_failed: false,
                },
            },
        };
        self.at(worker, |_, node| {
            let (reply, answer) = oneshot::channel();
            node.control.receive(Message::Command { command, reply });
            node.answers.push(answer);
        });
    }

    /// Lets time pass, supervisors do what they were told, and everybody look around.
    async fn tick(&mut self) {
        sleep(TICK).await;
        let mut index = 0;
        while index < self.nodes.len() {
            let node = &mut self.nodes[index];
            if !node.stands_still {
                node.control.look_around();
                if node.control.has_left() {
                    self.let_go(index).await;
                    continue;
                }
            }
            index += 1;
        }
    }

    /// A worker that has left says its last words.
    async fn let_go(&mut self, index: usize) {
        let node = self.nodes.remove(index);
        node.control.end().await;
        let mut line = node.line.lock().unwrap();
        self.kafka.statuses.extend(line.said.drain(..));
        self.kafka
            .group
            .retain(|(_, process)| *process != node.process);
        drop(line);
        if self.nodes.is_empty() {
            self.join();
        }
    }

    /// All is well from now on, and everything arrives.
    async fn settle(&mut self) {
        for node in &mut self.nodes {
            node.stands_still = false;
        }
        self.expire();
        let rounds = SETTLED_AFTER.as_millis() / TICK.as_millis();
        for _ in 0..rounds {
            for node in &mut self.nodes {
                let kafka = &mut self.kafka;
                tell_members(kafka, node);
                tell_end(kafka, node, true);
                while !node.line.lock().unwrap().orders.is_empty() {
                    write(kafka, node, Outcome::Answered);
                    tell_end(kafka, node, true);
                    read_config(kafka, node, usize::MAX);
                }
                say(kafka, node);
                read_config(kafka, node, usize::MAX);
                read_statuses(kafka, node, usize::MAX);
            }
            self.tick().await;
        }
    }

    fn judge(&mut self) {
        let expected = self.kafka.truth_shown();
        for node in &mut self.nodes {
            assert_eq!(node.control.stage, None, "{} has begun", node.id);
            for mut answer in node.answers.drain(..) {
                assert!(answer.try_recv().is_ok(), "{} has answered", node.id);
            }
            let shown: BTreeMap<String, RawConfig> = node
                .control
                .registry
                .iter()
                .map(|(name, definition)| (name.clone(), RawConfig::clone(&definition.raw)))
                .collect();
            assert_eq!(shown, expected, "{} shows the truth", node.id);
        }
        for name in NAMES {
            self.judge_connector(name);
        }
    }

    /// Every task that should run runs once, where it was placed, and all workers say so.
    fn judge_connector(&self, name: &str) {
        let definition = self.kafka.truth.get(name);
        let target = definition.map_or(TargetState::Stopped, |known| known.target);
        let count = definition.map_or(0, |known| known.task_count());
        for task in 0..count.max(3) {
            let running = self.nodes.iter().filter(|node| node.tasks.runs(name, task));
            let running: Vec<&str> = running.map(|node| node.id.as_str()).collect();
            let owner = definition.and_then(|known| known.owner(task));
            let wanted: Vec<&str> = (task < count)
                .then_some(owner)
                .flatten()
                .into_iter()
                .collect();
            assert_eq!(running, wanted, "{name}-{task}");
        }
        let mut said = Statuses::default();
        for encoded in &self.kafka.statuses {
            let decoded =
                StatusRecord::decode(Some(encoded.key.as_bytes()), encoded.value.as_deref());
            if let Ok(Decoded::Known(known)) = decoded {
                said.apply(known);
            }
        }
        if definition.is_none() {
            assert!(!said.mentions(name), "words of {name} are left");
        }
        for node in &self.nodes {
            let Some(view) = node.control.view_of(name) else {
                continue;
            };
            assert_eq!(view.state, ConnectorState::of_target(target), "{name}");
            for task in view.tasks {
                let state = match target {
                    TargetState::Paused => TaskState::Paused,
                    _ => TaskState::Running,
                };
                assert_eq!(
                    task.state,
                    ShownTaskState::Told(state),
                    "{name} on {}",
                    node.id
                );
            }
        }
    }
}

impl Kafka {
    fn truth_shown(&self) -> BTreeMap<String, RawConfig> {
        let all = self.truth.iter();
        all.map(|(name, definition)| (name.clone(), RawConfig::clone(&definition.raw)))
            .collect()
    }

    /// Appends what was planned, if it was planned against all that is there.
    fn append(&mut self, records: Vec<Encoded>, request_id: &str) {
        let is_first = self.requests.insert(request_id.to_owned());
        assert!(is_first, "a request is carried out twice");
        let mut is_told = false;
        for encoded in records {
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
            self.config.push((encoded, request_id.to_owned()));
            let version = u64::try_from(self.config.len()).unwrap();
            self.truth.apply(version, known);
        }
    }
}

fn config(tasks: u32) -> RawConfig {
    let pairs = [
        ("connector.class", "SqliteSink"),
        ("topics", "orders"),
        ("tasks.max", &tasks.to_string()),
        ("connection.url", "jdbc:sqlite:orders.db"),
    ];
    let pairs = pairs.into_iter();
    pairs
        .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
        .collect()
}

fn read_config(kafka: &mut Kafka, node: &mut Node, records: usize) {
    let until = kafka
        .config
        .len()
        .min(node.config_read.saturating_add(records));
    let fresh = &kafka.config[node.config_read..until];
    let fresh = fresh.iter().zip(node.config_read + 1..);
    let records = fresh.map(|((encoded, request), version)| TailRecord {
        version: u64::try_from(version).unwrap(),
        key: Some(encoded.key.clone().into_bytes()),
        value: encoded.value.clone(),
        request_id: Some(request.clone()),
    });
    let tailed = Tailed {
        records: records.collect(),
        position: i64::try_from(until).unwrap(),
        caught_up: until == kafka.config.len() || node.control.caught_up.0,
    };
    node.config_read = until;
    node.control.hear(Event::Config(tailed));
}

fn read_statuses(kafka: &mut Kafka, node: &mut Node, records: usize) {
    let until = kafka
        .statuses
        .len()
        .min(node.statuses_read.saturating_add(records));
    let fresh = kafka.statuses[node.statuses_read..until].iter();
    let records = fresh.map(|encoded| TailRecord {
        version: 1,
        key: Some(encoded.key.clone().into_bytes()),
        value: encoded.value.clone(),
        request_id: None,
    });
    let tailed = Tailed {
        records: records.collect(),
        position: i64::try_from(until).unwrap(),
        caught_up: until == kafka.statuses.len() || node.control.caught_up.1,
    };
    node.statuses_read = until;
    node.control.hear(Event::Status(tailed));
}

fn write(kafka: &mut Kafka, node: &mut Node, outcome: Outcome) {
    let order = node.line.lock().unwrap().orders.pop_front();
    let answer = match order {
        None => return,
        Some(ToWriterThread::Reset) => {
            node.writer = None;
            return;
        }
        Some(ToWriterThread::Prepare) => {
            let fresh = node.writer.is_none();
            if fresh {
                kafka.writer += 1;
                node.writer = Some(kafka.writer);
            }
            WriterAnswer::Ready { fresh }
        }
        Some(ToWriterThread::Commit {
            records,
            request_id,
        }) => {
            let is_writer = node.writer.take() == Some(kafka.writer);
            if !is_writer {
                WriterAnswer::Fenced
            } else if outcome == Outcome::LostBeforeCommit {
                WriterAnswer::Unknown("lost".to_owned())
            } else {
                kafka.append(records, &request_id);
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

fn tell_end(kafka: &mut Kafka, node: &mut Node, is_known: bool) {
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

fn say(kafka: &mut Kafka, node: &mut Node) {
    kafka
        .statuses
        .extend(node.line.lock().unwrap().said.drain(..));
}

fn tell_members(kafka: &mut Kafka, node: &mut Node) {
    let members = kafka.group.iter().map(|(name, _)| name.clone());
    node.control
        .hear(Event::Group(Heard::Members(members.collect())));
}

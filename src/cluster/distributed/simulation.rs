//! Whole control loops against a Kafka that delivers late, in any order, and sometimes not at all:
//! workers join, leave, are killed and stand still while connectors are created, changed and
//! deleted on all of them, and the log is compacted behind them. Time is simulated, so a case takes milliseconds.
//!
//! What must hold at every commit: the change was planned against all that was committed before it,
//! and no request is carried out twice. What must hold once all has been delivered: every worker
//! shows the same, every task that should run runs exactly once, on the worker that it was placed on,
//! every command was answered in its time, and nothing is said of what was deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::{ProptestConfig, proptest};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::beginning::Begun;
use super::writes::COMMAND_TIME_MAX;
use super::{Control, Event, TICK};
use crate::cluster::fake::FakeTasks;
use crate::cluster::format::Decoded;
use crate::cluster::format::status::StatusRecord;
use crate::cluster::handle::{Answer, ClusterError, Command, Message, RestartScope};
use crate::cluster::registry::Registry;
use crate::cluster::statuses::Statuses;
use crate::cluster::view::{ConnectorState, ShownTaskState, TargetState};
use crate::config::RawConfig;
use crate::config::worker::{SettingsSources, WorkerSettings};
use crate::task::TaskState;
use crate::telemetry::Loggers;

mod answers;
mod deaf;
mod foreign;
mod kafka;
mod lost;
mod outage;
mod restarts;
mod secrets;
mod steps;
mod topics;

use kafka::{
    FakeLinks, Kafka, Line, Outcome, read_config, read_statuses, say, tell_end, tell_members, write,
};
use steps::{Step, steps};

/// Workers that there may be at a time, and connectors.
const WORKERS: usize = 4;
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Longer than anything in the loop waits.
const SETTLED_AFTER: Duration = Duration::from_secs(75);

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
            world.kafka.strangers.push("a-consumer".to_owned());
            for step in steps {
                world.take(step).await;
            }
            world.settle().await;
            world.judge();
        });
    }
}

/// The worker that wrote last takes its memory for current until a commit tells otherwise, and what is
/// refused has no commit.
#[tokio::test(start_paused = true)]
async fn what_another_worker_has_just_made_is_not_refused_as_unknown() {
    let mut world = World::new();
    world.settle().await;
    let create = |world: &mut World, worker, name| {
        world.command(worker, name, 0);
        world.carry_out(worker);
    };
    create(&mut world, 1, 1);
    assert!(world.answered(1), "the second is the writer");
    create(&mut world, 0, 0);
    assert!(world.answered(0), "the first has taken over");
    const PAUSE: u8 = 5;
    world.command(1, 0, PAUSE);
    world.carry_out(1);
    world.settle().await;
    assert!(world.answered(1), "the second did not know of it yet");
}

/// A restart of a connector's task takes the place of the one before in a log that is compacted, so it is
/// all that a worker which comes later reads of them.
#[tokio::test(start_paused = true)]
async fn restarts_end_for_those_who_come_late() {
    const CREATE: u8 = 0;
    const PUT: u8 = 3;
    const RESTART_TASK: u8 = 7;
    const RESTART_ALL: u8 = 8;
    for last in [RESTART_TASK, PUT] {
        let mut world = World::new();
        world.settle().await;
        for verb in [CREATE, RESTART_ALL, last] {
            world.command(0, 0, verb);
            world.settle().await;
            assert!(world.answered(0), "{verb}");
        }
        world.compact();
        world.join();
        world.join();
        world.settle().await;
        world.judge();
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
    answers: Vec<Awaited>,
}

/// An answer, and when it was asked for.
struct Awaited {
    answer: oneshot::Receiver<Result<Answer, ClusterError>>,
    since: Instant,
}

struct World {
    kafka: Kafka,
    nodes: Vec<Node>,
    processes: usize,
    settings: Arc<WorkerSettings>,
}

impl Node {
    /// Nobody waits for longer than a change may take.
    fn judge_patience(&mut self) {
        let late = |awaited: &Awaited| awaited.since.elapsed() > COMMAND_TIME_MAX + TICK;
        for awaited in self.answers.iter_mut().filter(|awaited| late(awaited)) {
            let is_awaited = awaited.answer.is_empty() && !awaited.answer.is_terminated();
            assert!(!is_awaited, "{} answers in time", self.id);
        }
    }
}

impl World {
    fn new() -> Self {
        Self::with(&SettingsSources::default())
    }

    fn with(sources: &SettingsSources) -> Self {
        let settings = WorkerSettings::load(sources).unwrap();
        let settings = Arc::new(settings.settings);
        let mut world = Self {
            kafka: Kafka {
                config: Vec::new(),
                statuses: Vec::new(),
                group: Vec::new(),
                strangers: Vec::new(),
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
            Step::Wait => {
                sleep(COMMAND_TIME_MAX).await;
                self.tick().await;
            }
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
            Step::Compact => self.compact(),
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

    fn compact(&mut self) {
        let read = self.nodes.iter().map(|node| node.config_read);
        self.kafka.compact(read.min().unwrap_or_default());
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
            7 => Command::RestartTask {
                name: name.clone(),
                task: 1,
            },
            _ => Command::Restart {
                name: name.clone(),
                scope: RestartScope {
                    include_tasks: true,
                    only_failed: false,
                },
            },
        };
        self.give(worker, command);
    }

    fn give(&mut self, worker: usize, command: Command) {
        self.at(worker, |_, node| {
            let (reply, answer) = oneshot::channel();
            node.control.receive(Message::Command { command, reply });
            let since = Instant::now();
            node.answers.push(Awaited { answer, since });
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
                node.judge_patience();
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

    /// A worker's writes, as far as it has got now, with what it reads meanwhile.
    fn carry_out(&mut self, worker: usize) {
        let (kafka, node) = (&mut self.kafka, &mut self.nodes[worker]);
        while !node.line.lock().unwrap().orders.is_empty() {
            write(kafka, node, Outcome::Answered);
            tell_end(kafka, node, true);
            read_config(kafka, node, usize::MAX);
        }
    }

    /// The last command of a worker was carried out.
    fn answered(&mut self, worker: usize) -> bool {
        let awaited = self.nodes[worker].answers.pop();
        awaited.is_some_and(|mut awaited| matches!(awaited.answer.try_recv(), Ok(Ok(_))))
    }

    /// All is well from now on, and everything arrives.
    async fn settle(&mut self) {
        for node in &mut self.nodes {
            node.stands_still = false;
        }
        self.expire();
        let rounds = SETTLED_AFTER.as_millis() / TICK.as_millis();
        for _ in 0..rounds {
            for worker in 0..self.nodes.len() {
                let (kafka, node) = (&mut self.kafka, &mut self.nodes[worker]);
                tell_members(kafka, node);
                tell_end(kafka, node, true);
                self.carry_out(worker);
                let (kafka, node) = (&mut self.kafka, &mut self.nodes[worker]);
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
            for mut awaited in node.answers.drain(..) {
                let is_answered = awaited.answer.try_recv().is_ok();
                assert!(is_answered, "{} has answered", node.id);
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
        for (encoded, _) in &self.kafka.statuses {
            let decoded =
                StatusRecord::decode(Some(encoded.key.as_bytes()), encoded.value.as_deref());
            if let Ok(Decoded::Known(known)) = decoded {
                said.apply(known);
            }
        }
        if definition.is_none() {
            assert!(!said.names().contains(name), "words of {name} are left");
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

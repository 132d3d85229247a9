//! A worker on its own: connectors live in memory, and end with the process.
//!
//! What must survive is elsewhere: positions in the target database, configs in the files on the
//! command line. Several such workers with a connector of one name share its consumer group, and so
//! its partitions, without knowing of each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{info, warn};

use super::fetch_memory::FetchMemory;
use super::handle::{
    Answer, ClusterError, ClusterHandle, Command, Health, Message, Overview, WorkerView,
};
use super::registry::{Definition, Registry};
use super::supervisor::{Desired, SupervisorHandle, Workshop};
use super::tasks::StartTask;
use super::view::{ConnectorView, Published, TargetState, view};
use crate::config::worker::WorkerSettings;
use crate::telemetry::Loggers;

/// How long past the tasks' own deadline the worker waits for supervisors before it drops them.
const STOP_MARGIN: Duration = Duration::from_secs(1);

/// Starts the control loop of a worker on its own. It ends by [`ClusterHandle::stop`], or when the
/// last handle is dropped.
pub fn start_standalone<S: StartTask>(
    settings: Arc<WorkerSettings>,
    worker_id: String,
    starter: S,
    loggers: Loggers,
) -> ClusterHandle {
    let (handle, mailbox) = ClusterHandle::new();
    let workshop = Workshop {
        starter,
        settings: Arc::clone(&settings),
        worker_id,
        stop_deadline: settings.shutdown_timeout,
        memory: FetchMemory::of(&settings),
    };
    let control = ControlLoop {
        registry: Registry::new(settings),
        last_version: 0,
        workshop: Arc::new(workshop),
        supervisors: BTreeMap::new(),
        topics_resets: BTreeMap::new(),
        loggers,
        departing: BTreeMap::new(),
    };
    tokio::spawn(control.run(mailbox));
    handle
}

struct ControlLoop<S> {
    registry: Registry,
    /// Records that the registry has taken in.
    last_version: u64,
    workshop: Arc<Workshop<S>>,
    loggers: Loggers,
    supervisors: BTreeMap<String, SupervisorHandle>,
    topics_resets: BTreeMap<String, u64>,
    /// Supervisors of deleted connectors whose tasks may still be stopping.
    departing: BTreeMap<String, JoinHandle<()>>,
}

impl<S: StartTask> ControlLoop<S> {
    async fn run(mut self, mut mailbox: mpsc::Receiver<Message>) {
        let mut asked_to_stop = None;
        while let Some(message) = mailbox.recv().await {
            // A caller that no longer waits for its answer is none of our business: hence `ok`.
            match message {
                Message::Command { command, reply } => {
                    reply.send(self.carry_out(command)).ok();
                }
                Message::ReadOne { name, reply } => {
                    reply.send(Ok(self.read_one(&name))).ok();
                }
                Message::ReadAll { reply } => {
                    reply.send(Ok(self.read_all())).ok();
                }
                Message::Ping { reply } => {
                    reply.send(Health::Healthy).ok();
                }
                Message::ResetTopics { name, reply } => {
                    *self.topics_resets.entry(name.clone()).or_default() += 1;
                    if let Some(definition) = self.registry.get(&name).cloned() {
                        self.follow(&name, &definition);
                    }
                    reply.send(Ok(())).ok();
                }
                Message::SetLogger { name, level, reply } => {
                    self.loggers.set(&name, level);
                    reply.send(Ok(())).ok();
                }
                Message::Overview { reply } => {
                    reply.send(Ok(self.overview())).ok();
                }
                Message::Stop { reply } => {
                    asked_to_stop = Some(reply);
                    break;
                }
            }
        }
        mailbox.close();
        while let Ok(message) = mailbox.try_recv() {
            message.turn_away();
        }
        self.stop_all().await;
        if let Some(reply) = asked_to_stop {
            reply.send(()).ok();
        }
    }

    /// Plans a command and applies its records at once. The view it is answered with is taken
    /// before the supervisor follows, so that the answer does not depend on how fast that is.
    fn carry_out(&mut self, command: Command) -> Result<Answer, ClusterError> {
        let name = command.name().to_owned();
        let before = self.read_one(&name);
        let records = self.registry.plan(&command, before.as_ref(), &[])?;
        for record in records {
            self.last_version += 1;
            self.registry.apply(self.last_version, record);
        }
        info!(
            connector = name,
            command = command.verb(),
            "command carried out"
        );
        let created = before.is_none();
        let Some(definition) = self.registry.get(&name).cloned() else {
            self.depart(&name);
            let connector = before.ok_or(ClusterError::UnknownConnector { name })?;
            return Ok(Answer { connector, created });
        };
        let connector = self.view_of(&name, &definition);
        self.follow(&name, &definition);
        Ok(Answer { connector, created })
    }

    fn follow(&mut self, name: &str, definition: &Definition) {
        let Ok(accepted) = &definition.accepted else {
            return;
        };
        let all = self.registry.iter();
        let total: u32 = all.map(|(_, definition)| definition.task_count()).sum();
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        self.workshop.memory.expect_tasks(total);
        let tasks = 0..definition.task_count();
        let desired = Desired {
            accepted: Arc::clone(accepted),
            target: definition.target,
            connector_restart: definition.restarts.connector,
            topics_resets: self.topics_resets.get(name).copied().unwrap_or_default(),
            tasks: tasks.map(|task| (task, definition.key(task))).collect(),
        };
        if let Some(supervisor) = self.supervisors.get(name)
            && supervisor.published().is_some()
        {
            supervisor.set(desired);
            return;
        }
        // There is none yet, or it broke down: begin anew.
        let supervisor = SupervisorHandle::start(
            Arc::clone(&self.workshop),
            desired,
            self.departing.remove(name),
        );
        self.supervisors.insert(name.to_owned(), supervisor);
    }

    fn depart(&mut self, name: &str) {
        if let Some(supervisor) = self.supervisors.remove(name) {
            self.departing.retain(|_, ended| !ended.is_finished());
            self.departing.insert(name.to_owned(), supervisor.end());
        }
    }

    fn read_one(&self, name: &str) -> Option<ConnectorView> {
        let definition = self.registry.get(name)?;
        Some(self.view_of(name, definition))
    }

    fn read_all(&self) -> BTreeMap<String, ConnectorView> {
        self.registry
            .iter()
            .map(|(name, definition)| (name.clone(), self.view_of(name, definition)))
            .collect()
    }

    fn view_of(&self, name: &str, definition: &Definition) -> ConnectorView {
        let published = match self.supervisors.get(name) {
            Some(supervisor) => supervisor.published(),
            None => Some(Published::unassigned()),
        };
        view(
            name,
            definition,
            published.as_ref(),
            &self.workshop.worker_id,
        )
    }

    fn overview(&self) -> Overview {
        let connectors = self.registry.iter();
        let tasks = connectors.map(|(name, definition)| (name.clone(), definition.task_count()));
        let me = &self.workshop.worker_id;
        let owners = |(name, tasks): (String, u32)| {
            let tasks = usize::try_from(tasks).unwrap_or_default();
            (name, vec![me.clone(); tasks])
        };
        Overview {
            workers: vec![WorkerView {
                worker_id: me.clone(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                leaving: false,
            }],
            strangers: Vec::new(),
            placement: tasks.map(owners).collect(),
        }
    }

    async fn stop_all(&mut self) {
        let mut ending: Vec<JoinHandle<()>> =
            std::mem::take(&mut self.departing).into_values().collect();
        for supervisor in std::mem::take(&mut self.supervisors).into_values() {
            ending.push(supervisor.end());
        }
        let connectors = ending.len();
        let deadline = self.workshop.stop_deadline + STOP_MARGIN;
        let joined = timeout(deadline, async {
            for ended in &mut ending {
                if let Err(error) = ended.await {
                    warn!(error = %error, "supervisor broke down");
                }
            }
        });
        if joined.await.is_ok() {
            info!(connectors, "all connectors stopped");
            return;
        }
        for ended in &ending {
            ended.abort();
        }
        warn!(
            connectors,
            "some connectors did not stop in time; what they had not committed is read again later"
        );
    }
}

impl From<crate::config::connector_json::InitialState> for TargetState {
    fn from(initial: crate::config::connector_json::InitialState) -> Self {
        use crate::config::connector_json::InitialState;
        match initial {
            InitialState::Running => Self::Running,
            InitialState::Paused => Self::Paused,
            InitialState::Stopped => Self::Stopped,
        }
    }
}

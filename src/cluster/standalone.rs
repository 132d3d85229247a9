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

use super::handle::{Answer, ClusterError, ClusterHandle, Command, Message, RestartScope};
use super::registry::{Definition, Registry};
use super::supervisor::{SupervisorHandle, Workshop};
use super::tasks::StartTask;
use super::view::{ConnectorView, Published, TargetState, view};
use crate::config::worker::WorkerSettings;

/// How long past the tasks' own deadline the worker waits for supervisors before it drops them.
const STOP_MARGIN: Duration = Duration::from_secs(1);

/// Starts the control loop of a worker on its own. It ends by [`ClusterHandle::stop`], or when the
/// last handle is dropped.
pub fn start_standalone<S: StartTask>(
    settings: Arc<WorkerSettings>,
    worker_id: String,
    starter: S,
) -> ClusterHandle {
    let (handle, mailbox) = ClusterHandle::new();
    let workshop = Workshop {
        starter,
        settings: Arc::clone(&settings),
        worker_id,
        stop_deadline: settings.shutdown_timeout,
    };
    let control = ControlLoop {
        registry: Registry::new(settings),
        workshop: Arc::new(workshop),
        supervisors: BTreeMap::new(),
        departing: BTreeMap::new(),
    };
    tokio::spawn(control.run(mailbox));
    handle
}

struct ControlLoop<S> {
    registry: Registry,
    workshop: Arc<Workshop<S>>,
    supervisors: BTreeMap<String, SupervisorHandle>,
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
                    reply.send(self.read_one(&name)).ok();
                }
                Message::ReadAll { reply } => {
                    reply.send(self.read_all()).ok();
                }
                Message::Ping { reply } => {
                    reply.send(()).ok();
                }
                Message::Stop { reply } => {
                    asked_to_stop = Some(reply);
                    break;
                }
            }
        }
        mailbox.close();
        self.stop_all().await;
        if let Some(reply) = asked_to_stop {
            reply.send(()).ok();
        }
    }

    fn carry_out(&mut self, command: Command) -> Result<Answer, ClusterError> {
        match command {
            Command::Create {
                name,
                config,
                target,
            } => {
                let definition = self.registry.create(&name, config, target)?.clone();
                info!(connector = name, target_state = ?target, "connector created");
                Ok(self.answer(&name, &definition, true))
            }
            Command::PutConfig { name, config } => {
                let (definition, created) = self.registry.put_config(&name, config)?;
                let definition = definition.clone();
                info!(connector = name, created, "connector config replaced");
                Ok(self.answer(&name, &definition, created))
            }
            Command::PatchConfig { name, changes } => {
                let definition = self.registry.patch_config(&name, changes)?.clone();
                info!(connector = name, "connector config patched");
                Ok(self.answer(&name, &definition, false))
            }
            Command::Delete { name } => self.delete(&name),
            Command::SetTarget { name, target } => {
                let definition = self.registry.set_target(&name, target)?.clone();
                info!(connector = name, target_state = ?target, "connector target state set");
                Ok(self.answer(&name, &definition, false))
            }
            Command::Restart { name, scope } => self.restart(&name, scope),
            Command::RestartTask { name, task } => self.restart_task(&name, task),
        }
    }

    /// Takes the view a command is answered with, then lets the supervisor follow: in this order,
    /// so that the answer does not depend on how fast the supervisor is.
    fn answer(&mut self, name: &str, definition: &Definition, created: bool) -> Answer {
        let connector = self.view_of(name, definition);
        self.follow(name, definition);
        Answer { connector, created }
    }

    fn follow(&mut self, name: &str, definition: &Definition) {
        if let Some(supervisor) = self.supervisors.get(name)
            && supervisor.published().is_some()
        {
            supervisor.set(definition.desired.clone());
            return;
        }
        // There is none yet, or it broke down: begin anew.
        let supervisor = SupervisorHandle::start(
            Arc::clone(&self.workshop),
            definition.desired.clone(),
            self.departing.remove(name),
        );
        self.supervisors.insert(name.to_owned(), supervisor);
    }

    fn delete(&mut self, name: &str) -> Result<Answer, ClusterError> {
        let definition = self.registry.remove(name)?;
        let connector = self.view_of(name, &definition);
        if let Some(supervisor) = self.supervisors.remove(name) {
            self.departing.retain(|_, ended| !ended.is_finished());
            self.departing.insert(name.to_owned(), supervisor.end());
        }
        info!(connector = name, "connector deleted");
        Ok(Answer {
            connector,
            created: false,
        })
    }

    fn restart(&mut self, name: &str, scope: RestartScope) -> Result<Answer, ClusterError> {
        let now = self.require(name)?;
        let chosen = |failed: bool| failed || !scope.only_failed;
        let connector = chosen(now.is_failed());
        let tasks: Vec<u32> = now
            .tasks
            .iter()
            .filter(|task| scope.include_tasks && chosen(task.is_failed()))
            .map(|task| task.task)
            .collect();
        let definition = self.registry.restart(name, connector, &tasks)?.clone();
        info!(connector = name, ?tasks, "connector restart asked for");
        Ok(self.answer(name, &definition, false))
    }

    fn restart_task(&mut self, name: &str, task: u32) -> Result<Answer, ClusterError> {
        let now = self.require(name)?;
        if !now.tasks.iter().any(|known| known.task == task) {
            return Err(ClusterError::UnknownTask {
                name: name.to_owned(),
                task,
            });
        }
        let definition = self.registry.restart(name, false, &[task])?.clone();
        info!(connector = name, task, "task restart asked for");
        Ok(self.answer(name, &definition, false))
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

    fn require(&self, name: &str) -> Result<ConnectorView, ClusterError> {
        self.read_one(name)
            .ok_or_else(|| ClusterError::UnknownConnector {
                name: name.to_owned(),
            })
    }

    fn view_of(&self, name: &str, definition: &Definition) -> ConnectorView {
        let published = match self.supervisors.get(name) {
            Some(supervisor) => supervisor.published(),
            None => Some(Published::unassigned()),
        };
        view(name, definition, published.as_ref())
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

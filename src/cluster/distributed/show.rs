//! A connector as the API shows it: own tasks by their own word, others' tasks by what their
//! workers say in the status topic, and nothing by the word of a worker that is gone.

use std::sync::Arc;

use super::Control;
use crate::cluster::format::status::Told;
use crate::cluster::placement;
use crate::cluster::registry::{Definition, Unfit};
use crate::cluster::supervisor::{SupervisorHandle, TaskKey};
use crate::cluster::tasks::StartTask;
use crate::cluster::view::{
    ConnectorState, ConnectorView, Kind, Published, ShownTaskState, TargetState, TaskView,
    task_view, view,
};
use crate::task::TaskState;

impl<S: StartTask> Control<S> {
    /// The connector of this name, if there is one.
    pub(super) fn view_of(&self, name: &str) -> Option<ConnectorView> {
        let definition = self.registry.get(name)?;
        if let Err(unfit) = &definition.accepted {
            return Some(self.view_of_unfit(name, definition, unfit));
        }
        let published = match self.supervisors.get(name).map(SupervisorHandle::published) {
            Some(Some(published)) => published,
            // There is a supervisor, and it broke down.
            Some(None) => return Some(view(name, definition, None, &self.worker_id)),
            None => Published::unassigned(),
        };
        Some(ConnectorView {
            name: name.to_owned(),
            config: Arc::clone(&definition.raw),
            kind: Kind::Sink,
            worker_id: self.speaker(name),
            target: definition.target,
            state: ConnectorState::of_target(definition.target),
            trace: None,
            tasks: (0..definition.task_count())
                .map(|task| self.task(name, definition, &published, task))
                .collect(),
            topics: self.topics_of(name).cloned().collect(),
        })
    }

    fn task(
        &self,
        name: &str,
        definition: &Definition,
        published: &Published,
        task: u32,
    ) -> TaskView {
        let own = published.tasks.iter().find(|own| own.task == task);
        if let Some(own) = own
            && definition.owner(task) == Some(&self.worker_id)
        {
            return task_view(own, definition, &self.worker_id);
        }
        let told = self.statuses.task(name, task);
        let is_alive = |told: &&Told| self.members.contains(&told.worker_id);
        let owner = definition.owner(task);
        let unassigned = |worker_id: Option<&str>| TaskView {
            task,
            worker_id: worker_id.unwrap_or_default().to_owned(),
            config: definition.task_config(task),
            state: ShownTaskState::Told(TaskState::Unassigned),
            trace: None,
        };
        let Some(told) = told.filter(is_alive) else {
            return unassigned(owner);
        };
        let Some(started) = told.rowdock else {
            return unassigned(owner);
        };
        if started.config < definition.created {
            // The word of a task of an earlier connector of this name.
            return unassigned(owner);
        }
        let should = definition.key(task);
        let is = TaskKey {
            config_version: started.config,
            restarts: started.restart,
        };
        let stale = is.config_version < should.config_version || is.restarts < should.restarts;
        TaskView {
            worker_id: told.worker_id.clone(),
            state: if stale {
                ShownTaskState::Restarting
            } else {
                ShownTaskState::Told(state(&told.state))
            },
            trace: told.trace.clone(),
            ..unassigned(None)
        }
    }

    /// A connector whose config this worker does not accept. Others may, where it refers to what only
    /// they have: then it is shown as they show it.
    fn view_of_unfit(&self, name: &str, definition: &Definition, unfit: &Unfit) -> ConnectorView {
        let is_foreign = unfit.foreign_class.is_some();
        let task = |task| match is_foreign {
            true => self.task_of_another_program(name, definition, task),
            false => self.task(name, definition, &Published::unassigned(), task),
        };
        let tasks: Vec<TaskView> = (0..definition.task_count()).map(task).collect();
        let runs = |task: &TaskView| {
            matches!(
                task.state,
                ShownTaskState::Told(TaskState::Running | TaskState::Paused)
            )
        };
        let is_accepted = !is_foreign && tasks.iter().any(runs);
        ConnectorView {
            name: name.to_owned(),
            config: Arc::clone(&definition.raw),
            kind: unfit.kind,
            worker_id: self.speaker(name),
            target: definition.target,
            state: match definition.target {
                _ if is_foreign => ConnectorState::Unassigned,
                // Its config is at fault, and can be mended.
                TargetState::Running if !is_accepted => ConnectorState::Failed,
                target => ConnectorState::of_target(target),
            },
            trace: (!is_accepted).then(|| unfit.shown()),
            tasks,
            topics: self.topics_of(name).cloned().collect(),
        }
    }

    fn task_of_another_program(&self, name: &str, definition: &Definition, task: u32) -> TaskView {
        let told = self.statuses.task(name, task);
        let is_alive = |told: &&Told| self.members.contains(&told.worker_id);
        let said = told.filter(is_alive);
        TaskView {
            task,
            worker_id: told.map(|told| told.worker_id.clone()).unwrap_or_default(),
            config: definition.task_config(task),
            state: ShownTaskState::Told(
                said.map_or(TaskState::Unassigned, |told| state(&told.state)),
            ),
            trace: said.and_then(|told| told.trace.clone()),
        }
    }

    /// Topics that the connector's tasks have read; not those of one that was deleted a moment ago,
    /// whose words still stand.
    pub(super) fn topics_of(&self, name: &str) -> impl Iterator<Item = &String> {
        let deletion = self.deleted.get(name).map(|deletion| deletion.version);
        let topics = self.statuses.topics(name);
        topics
            .filter(move |(_, used)| deletion.is_none_or(|version| !used.is_before(version)))
            .map(|(topic, _)| topic)
    }

    /// The worker that speaks for a connector as a whole.
    pub(super) fn speaker(&self, name: &str) -> String {
        let speaker = placement::speaker(&self.staying, name);
        speaker.unwrap_or(&self.worker_id).clone()
    }
}

fn state(text: &str) -> TaskState {
    match text {
        "RUNNING" => TaskState::Running,
        "PAUSED" => TaskState::Paused,
        "FAILED" => TaskState::Failed,
        _ => TaskState::Unassigned,
    }
}

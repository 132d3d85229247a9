//! What Kafka Connect has no words for, under a prefix of its own so that no client trips over it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::body::{connector_state, task_state};
use super::error::{ApiError, ErrorBody};
use super::offsets::positions;
use super::request::Name;
use crate::cluster::{ConnectorView, ShownTaskState, TargetState, TaskView};
use crate::offsets::Progress;
use crate::task::TaskState;

/// `GET /rowdock/cluster`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cluster {
    workers: Vec<Worker>,
    /// Worker ids by connector, in the order of its tasks.
    placement: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Worker {
    worker_id: String,
    /// Null when it has not told yet.
    version: Option<String>,
    /// `active`, or `leaving` while it hands its tasks over.
    state: &'static str,
    /// How many tasks it is to have.
    tasks: usize,
}

/// `GET /rowdock/connectors/{name}/progress`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectorProgress {
    /// `FAILED`, `stuck`, `retrying` or `well`: the worst that is said of a partition or a task; the
    /// connector's state when it is not to run; `unknown` when nothing bad is said and positions are
    /// not known.
    health: &'static str,
    /// Records that are there and not stored; null when positions are not known.
    lag_records: Option<i64>,
    /// Why positions are not known: Kafka or the database does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Empty when positions are not known.
    partitions: Vec<PartitionProgress>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PartitionProgress {
    topic: String,
    partition: i32,
    /// Next offset to store.
    position: i64,
    /// End of the partition; null when the topic is gone.
    end_offset: Option<i64>,
    lag_records: Option<i64>,
    /// How long ago the first of them was produced; null when it could not be read in time.
    lag_seconds: Option<i64>,
    /// Worker and task that claimed it last. This and the next two are null where positions are the
    /// consumer group's, as with at-least-once delivery.
    owner: Option<String>,
    /// When its position was changed last, in milliseconds since the epoch.
    last_write_ms: Option<i64>,
    /// How often its position was set by hand.
    resets: Option<i64>,
    /// State of the task that claimed it last; null when there is none any more.
    task_state: Option<&'static str>,
    /// What that task failed with, or is retrying.
    error: Option<String>,
    /// `well`, `retrying`, `stuck`, or the state of the task, or of the connector, when it does not run;
    /// `unknown` when nothing tells whose it is and records wait.
    health: &'static str,
}

/// A position that does not move for so long while records wait is stuck. Longer than any pause of
/// a rebalance or of a retry.
const STUCK_AFTER_MS: i64 = 60_000;

/// The workers of the cluster, and which of them has which task.
#[utoipa::path(
    get, path = "/rowdock/cluster", tag = "rowdock",
    responses((status = 200, body = Cluster))
)]
pub(super) async fn cluster(State(state): State<ApiState>) -> Result<Json<Cluster>, ApiError> {
    let overview = state.cluster.overview().await?;
    let tasks = |worker_id: &String| {
        let all = overview.placement.values().flatten();
        all.filter(|owner| *owner == worker_id).count()
    };
    let workers = overview.workers.iter().map(|worker| Worker {
        worker_id: worker.worker_id.clone(),
        version: worker.version.clone(),
        state: if worker.leaving { "leaving" } else { "active" },
        tasks: tasks(&worker.worker_id),
    });
    Ok(Json(Cluster {
        workers: workers.collect(),
        placement: overview.placement.clone(),
    }))
}

/// Where each partition of a connector stands, as its database and Kafka say now. While one of them
/// does not answer, what the tasks say is shown nevertheless: that is when they retry.
#[utoipa::path(
    get, path = "/rowdock/connectors/{name}/progress", tag = "rowdock",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = ConnectorProgress),
        (status = 404, body = ErrorBody),
    )
)]
pub(super) async fn progress(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<Json<ConnectorProgress>, ApiError> {
    let connector = state.cluster.connector(&name).await?;
    let connector =
        connector.ok_or_else(|| ApiError::not_found(format!("Connector {name} not found")))?;
    let (progress, error) = match positions(&state, &connector)?.progress().await {
        Ok(progress) => (progress, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let now_ms = chrono::Utc::now().timestamp_millis();
    let partitions: Vec<PartitionProgress> = progress
        .iter()
        .map(|progress| partition(progress, &connector, now_ms))
        .collect();
    let of_partitions = partitions.iter().map(|partition| partition.health);
    let lag = partitions
        .iter()
        .filter_map(|partition| partition.lag_records);
    Ok(Json(ConnectorProgress {
        health: overall(&connector, of_partitions, error.is_none()),
        lag_records: error.is_none().then(|| lag.sum()),
        error,
        partitions,
    }))
}

/// The worst that is said of a partition or a task.
fn overall<'a>(
    connector: &ConnectorView,
    of_partitions: impl Iterator<Item = &'a str>,
    is_known: bool,
) -> &'static str {
    let of_tasks = connector.tasks.iter();
    let of_tasks = of_tasks.map(|task| health(connector, Some(task), false));
    let all: Vec<&str> = of_partitions.chain(of_tasks).collect();
    let worst = ["FAILED", "stuck", "retrying"];
    let worst = worst.into_iter().find(|health| all.contains(health));
    match worst {
        Some(worst) => worst,
        None if connector.target != TargetState::Running => connector_state(connector.state),
        None if !is_known => "unknown",
        None => "well",
    }
}

fn partition(progress: &Progress, connector: &ConnectorView, now_ms: i64) -> PartitionProgress {
    let stored = progress.stored.as_ref();
    let lag = progress.lag();
    let waits_ms = progress.waits_since_ms.map(|since| (now_ms - since).max(0));
    let task = stored.and_then(|stored| owner_task(&stored.owner, connector));
    PartitionProgress {
        topic: progress.key.topic.to_string(),
        partition: progress.key.partition,
        position: progress.next_offset,
        end_offset: progress.marks.map(|marks| marks.high),
        lag_records: lag,
        lag_seconds: match lag {
            Some(0) => Some(0),
            _ => waits_ms.map(|waits_ms| waits_ms / 1000),
        },
        owner: stored.map(|stored| stored.owner.clone()),
        last_write_ms: stored.map(|stored| stored.updated_ms),
        resets: stored.map(|stored| stored.reset_count),
        task_state: task.map(|task| task_state(task.state)),
        error: task.and_then(|task| task.trace.clone()),
        health: match stored {
            Some(stored) => {
                let is_late = is_late(lag.unwrap_or_default(), now_ms - stored.updated_ms);
                health(connector, task, is_late)
            }
            None if connector.target != TargetState::Running => connector_state(connector.state),
            None if lag == Some(0) => "well",
            None => "unknown",
        },
    }
}

/// The task that a claim's owner names: `<worker id>/<connector>-<task>`.
fn owner_task<'a>(owner: &str, connector: &'a ConnectorView) -> Option<&'a TaskView> {
    let (_, number) = owner.rsplit_once('-')?;
    let number: u32 = number.parse().ok()?;
    connector.tasks.iter().find(|task| task.task == number)
}

/// Whether records wait and none has been stored for longer than any pause.
fn is_late(lag: i64, idle_ms: i64) -> bool {
    lag > 0 && idle_ms > STUCK_AFTER_MS
}

fn health(connector: &ConnectorView, task: Option<&TaskView>, is_late: bool) -> &'static str {
    match task {
        Some(task) if task.state == ShownTaskState::Told(TaskState::Running) => match &task.trace {
            Some(_) => "retrying",
            None if is_late => "stuck",
            None => "well",
        },
        Some(task) => task_state(task.state),
        None if connector.target != TargetState::Running => connector_state(connector.state),
        None if is_late => "stuck",
        None => "UNASSIGNED",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{ConnectorState, Kind};

    fn task(state: TaskState, trace: Option<&str>) -> TaskView {
        TaskView {
            task: 0,
            worker_id: "w".to_owned(),
            config: Arc::default(),
            state: ShownTaskState::Told(state),
            trace: trace.map(str::to_owned),
        }
    }

    fn connector(target: TargetState, state: ConnectorState, tasks: &[&TaskView]) -> ConnectorView {
        ConnectorView {
            name: "pg".to_owned(),
            config: Arc::default(),
            kind: Kind::Sink,
            worker_id: "w".to_owned(),
            target,
            state,
            trace: None,
            tasks: tasks.iter().map(|task| (*task).clone()).collect(),
            topics: BTreeSet::new(),
        }
    }

    #[test]
    fn running_tasks_are_told_apart() {
        let running = connector(TargetState::Running, ConnectorState::Running, &[]);
        let stopped = connector(TargetState::Stopped, ConnectorState::Stopped, &[]);
        let check = |connector, task: Option<&TaskView>, lag, idle_ms, expected: &str| {
            let told = health(connector, task, is_late(lag, idle_ms));
            assert_eq!(told, expected, "{task:?} {lag} {idle_ms}");
        };
        let works = task(TaskState::Running, None);
        check(&running, Some(&works), 0, 1_000_000, "well");
        check(&running, Some(&works), 5, 1_000, "well");
        check(&running, Some(&works), 5, 61_000, "stuck");
        let retries = task(TaskState::Running, Some("retrying: refused"));
        check(&running, Some(&retries), 5, 61_000, "retrying");
        let failed = task(TaskState::Failed, None);
        check(&running, Some(&failed), 5, 61_000, "FAILED");
        let paused = task(TaskState::Paused, None);
        check(&running, Some(&paused), 5, 61_000, "PAUSED");
        check(&running, None, 5, 61_000, "stuck");
        check(&running, None, 0, 0, "UNASSIGNED");
        check(&stopped, None, 5, 61_000, "STOPPED");
    }

    /// A task that retries is told of while its positions cannot be read, and before it has any.
    #[test]
    fn the_worst_of_partitions_and_tasks_counts() {
        use ConnectorState as State;
        use TargetState as Target;
        let check = |connector: &ConnectorView, partitions: &[&str], is_known, expected: &str| {
            let told = overall(connector, partitions.iter().copied(), is_known);
            assert_eq!(told, expected, "{connector:?} {partitions:?} {is_known}");
        };
        let works = task(TaskState::Running, None);
        let retries = task(TaskState::Running, Some("retrying: refused"));
        let failed = task(TaskState::Failed, Some("no such table"));
        let running = |tasks: &[&TaskView]| connector(Target::Running, State::Running, tasks);
        check(&running(&[&works]), &["well", "well"], true, "well");
        check(&running(&[&works]), &["well", "stuck"], true, "stuck");
        check(&running(&[&works]), &[], false, "unknown");
        check(&running(&[&works, &retries]), &[], false, "retrying");
        check(&running(&[&works, &retries]), &[], true, "retrying");
        check(&running(&[&retries, &failed]), &["stuck"], true, "FAILED");
        let stopped = connector(Target::Stopped, State::Stopped, &[]);
        check(&stopped, &["STOPPED"], true, "STOPPED");
        check(&stopped, &[], false, "STOPPED");
        let paused = connector(Target::Paused, State::Paused, &[&failed]);
        check(&paused, &["FAILED"], true, "FAILED");
    }
}

//! Finds a task that is RUNNING and does not run: its thread does not turn, or a batch that was
//! handed over is neither written nor retried.
//!
//! Neither should happen, since every wait has a deadline. If it does, nobody else would notice: the
//! client's own thread goes on telling the group that the consumer lives. So the task is declared
//! lost, and its supervisor starts it anew; claims fence off what may still wake up of it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::handover::Board;
use crate::status::{TaskState, TaskStatus};

/// What hundreds of idle tasks do must be rare.
const LOOK_INTERVAL: Duration = Duration::from_secs(15);
/// The thread turns every three seconds at least.
const TURN_TIME_MAX: Duration = Duration::from_secs(60);
/// Longer than the deadlines of all statements of a batch. A search for its bad rows that takes long says
/// so in the status, as whoever tries again does.
const BATCH_TIME_MAX: Duration = Duration::from_secs(600);

/// What was seen last, and when it changed.
struct Seen {
    count: u64,
    since: Instant,
}

impl Seen {
    /// Takes note of a count. Returns for how long it has not changed.
    fn note(&mut self, count: u64) -> Duration {
        if self.count != count {
            self.count = count;
            self.since = Instant::now();
        }
        self.since.elapsed()
    }
}

/// Watches until the task is gone.
pub(super) async fn watch(board: Weak<Board>, status: Arc<watch::Sender<TaskStatus>>) {
    let seen = || Seen {
        count: 0,
        since: Instant::now(),
    };
    let (mut turns, mut settled) = (seen(), seen());
    loop {
        sleep(LOOK_INTERVAL).await;
        let Some(board) = board.upgrade() else {
            return;
        };
        let told = status.borrow().clone();
        if told.state != TaskState::Running || told.retrying.is_some() || board.in_flight() == 0 {
            settled.since = Instant::now();
        }
        let still = turns.note(board.turns());
        let unsettled = settled.note(board.settled());
        if told.state != TaskState::Running {
            continue;
        }
        let trace = if still > TURN_TIME_MAX {
            format!(
                "stuck: the consumer's thread has not turned for {} s",
                still.as_secs()
            )
        } else if unsettled > BATCH_TIME_MAX {
            format!(
                "stuck: a batch has been on its way for {} s",
                unsettled.as_secs()
            )
        } else {
            continue;
        };
        tracing::error!(trace, "task is lost");
        status.send_modify(|status| {
            status.state = TaskState::Failed;
            status.trace = Some(trace);
            status.restartable = true;
        });
        return;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::timeout;

    use super::*;

    fn status() -> Arc<watch::Sender<TaskStatus>> {
        let (status, _) = watch::channel(TaskStatus::new(TaskState::Running));
        Arc::new(status)
    }

    async fn turn_for(board: &Board, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            board.turn();
            sleep(Duration::from_secs(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_does_not_turn_is_found() {
        let (board, status) = (Arc::new(Board::default()), status());
        let watching = tokio::spawn(watch(Arc::downgrade(&board), Arc::clone(&status)));
        turn_for(&board, TURN_TIME_MAX * 3).await;
        assert_eq!(status.borrow().state, TaskState::Running);
        timeout(TURN_TIME_MAX * 2, watching).await.unwrap().unwrap();
        let told = status.borrow().clone();
        assert_eq!((told.state, told.restartable), (TaskState::Failed, true));
        assert!(
            told.trace
                .unwrap()
                .starts_with("stuck: the consumer's thread")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_is_never_settled_is_found_unless_it_is_retried() {
        let (board, status) = (Arc::new(Board::default()), status());
        let (writer, _kept) = unbounded_channel();
        board.send_batch(&writer, crate::batch::ReadBatch::default());
        let watching = tokio::spawn(watch(Arc::downgrade(&board), Arc::clone(&status)));
        status.send_modify(|status| status.retrying = Some("refused".to_owned()));
        turn_for(&board, BATCH_TIME_MAX * 2).await;
        assert_eq!(status.borrow().state, TaskState::Running);
        status.send_modify(|status| status.retrying = None);
        turn_for(&board, BATCH_TIME_MAX + Duration::from_secs(60)).await;
        watching.await.unwrap();
        let told = status.borrow().clone();
        assert!(told.trace.unwrap().starts_with("stuck: a batch"));
    }
}

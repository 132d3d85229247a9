//! What tasks ask Kafka before they start, so many at a time. Brokers that are away let each question wait
//! for its time-out on a thread of the runtime's pool, which everything else that blocks shares; hundreds of
//! tasks that ask over and over would take all of it.

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::{JoinError, spawn_blocking};

/// Half of the threads that the runtime has for what blocks.
const QUESTIONS_MAX: usize = 256;

/// Those of all tasks.
pub(super) static QUESTIONS: Questions = Questions(Semaphore::const_new(QUESTIONS_MAX));

/// Questions that may be asked at a time.
pub(super) struct Questions(Semaphore);

impl Questions {
    /// Asks on a thread that may block, when it is this question's turn. `None`: the task was stopped
    /// before.
    pub(super) async fn ask<T: Send + 'static>(
        &'static self,
        stopping: &watch::Receiver<bool>,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Result<T, JoinError>> {
        let turn = self.turn(stopping).await?;
        let asked = spawn_blocking(move || {
            // Held by the thread: whoever waits for the answer may be gone.
            let _turn = turn;
            question()
        });
        Some(asked.await)
    }

    async fn turn(
        &'static self,
        stopping: &watch::Receiver<bool>,
    ) -> Option<SemaphorePermit<'static>> {
        let mut stopping = stopping.clone();
        tokio::select! {
            turn = self.0.acquire() => turn.ok(),
            _ = stopping.wait_for(|stopping| *stopping) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::task::yield_now;

    use super::*;

    /// More wait for their turn, and for nothing else; one whose asker is gone still takes a thread.
    #[tokio::test]
    async fn so_many_are_asked_at_a_time() {
        static TWO: Questions = Questions(Semaphore::const_new(2));
        let (stop, stopping) = watch::channel(false);
        let (begun, begins) = mpsc::channel();
        let ask = |number: u32| {
            let (end, may_end) = mpsc::channel::<()>();
            let (begun, stopping) = (begun.clone(), stopping.clone());
            let asked = tokio::spawn(async move {
                let question = move || {
                    begun.send(number).unwrap();
                    may_end.recv().ok();
                    number
                };
                TWO.ask(&stopping, question).await.map(Result::unwrap)
            });
            (asked, end)
        };
        let (first, end_first) = ask(1);
        yield_now().await;
        let (second, end_second) = ask(2);
        yield_now().await;
        let mut both = [begins.recv().unwrap(), begins.recv().unwrap()];
        both.sort_unstable();
        assert_eq!(both, [1, 2]);
        first.abort();
        assert!(first.await.is_err());
        let (third, end_third) = ask(3);
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(TWO.0.available_permits(), 0);
        assert!(begins.try_recv().is_err());
        drop(end_first);
        assert!(!third.is_finished());
        drop((end_second, end_third));
        assert_eq!(
            (second.await.unwrap(), third.await.unwrap()),
            (Some(2), Some(3))
        );

        let (_, end) = ask(4);
        let (_, other_end) = ask(5);
        yield_now().await;
        let waiting = ask(6).0;
        yield_now().await;
        stop.send_replace(true);
        assert_eq!(waiting.await.unwrap(), None, "stopped");
        drop((end, other_end));
    }
}

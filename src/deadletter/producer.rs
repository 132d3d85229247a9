//! The producer of a task's dead letters, for as long as there are some.
//!
//! It has a thread that looks around ten times a second. Most tasks have a dead letter now and then at
//! most, so it is let go of when none has come for a while; the next one gets a new producer.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::producer::FutureProducer;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::login::LoginContext;

/// How long it is kept without a dead letter: longer than any delivery takes, and so long that those
/// which come every few minutes do not connect anew each time.
const IDLE_TIME_MAX: Duration = Duration::from_secs(300);

/// A producer that is there while it is used.
pub(super) struct Kept {
    producer: Weak<FutureProducer<LoginContext>>,
    /// Dropped with the task, which lets go of the producer too.
    uses: watch::Sender<()>,
}

impl Kept {
    pub(super) fn new(producer: FutureProducer<LoginContext>) -> Self {
        let producer = Arc::new(producer);
        let (uses, seen) = watch::channel(());
        let kept = Self {
            producer: Arc::downgrade(&producer),
            uses,
        };
        tokio::spawn(let_go_when_idle(producer, seen));
        kept
    }

    /// The producer, which is used now; `None` when it has been let go of.
    pub(super) fn get(&self) -> Option<Arc<FutureProducer<LoginContext>>> {
        self.uses.send_replace(());
        self.producer.upgrade()
    }
}

async fn let_go_when_idle(
    producer: Arc<FutureProducer<LoginContext>>,
    mut uses: watch::Receiver<()>,
) {
    while let Ok(Ok(())) = timeout(IDLE_TIME_MAX, uses.changed()).await {}
    // It waits for its thread. It does not panic.
    tokio::task::spawn_blocking(move || drop(producer))
        .await
        .ok();
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use tokio::time::sleep;

    use super::*;

    fn kept() -> Kept {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", "127.0.0.1:1")
            .create_with_context(LoginContext);
        Kept::new(producer.unwrap())
    }

    async fn until_gone(producer: &Weak<FutureProducer<LoginContext>>) {
        let gone = timeout(Duration::from_secs(60), async {
            while producer.strong_count() > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        });
        gone.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_let_go_of_when_no_letter_comes() {
        let kept = kept();
        for _ in 0..3 {
            sleep(IDLE_TIME_MAX - Duration::from_secs(1)).await;
            assert!(kept.get().is_some());
        }
        sleep(IDLE_TIME_MAX + Duration::from_secs(1)).await;
        until_gone(&kept.producer).await;
        assert!(kept.get().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_with_its_task() {
        let kept = kept();
        let producer = Weak::clone(&kept.producer);
        drop(kept);
        until_gone(&producer).await;
    }
}

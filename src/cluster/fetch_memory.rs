//! The worker's memory for what its tasks fetch ahead (`tasks.fetch.memory.bytes`), shared out.
//!
//! The Kafka client takes its bound when a consumer is made and keeps it, so a task gets its share when
//! it starts and gives it back when it is gone. Its share is an even one among the tasks that are known
//! to come, and a part of what is left at most: where connectors are created one after the other, the
//! first leave something to the later. What a task cannot do without it gets in any case, so the budget
//! is exceeded only where it has less than that for each task.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::worker::WorkerSettings;

/// Kibibytes of one task: enough for one large record, and enough to read at full speed.
const SHARE_KIB_MIN: u64 = 1024;
const SHARE_KIB_MAX: u64 = 8 * 1024;
/// Of what is left a task takes one of so many parts. With more, fewer tasks have enough for full speed;
/// with fewer, those after them have the minimum only.
const PARTS: u64 = 16;
/// What is in the queue of a consumer, and what one answer of a broker may add to it.
const QUEUE: &str = "queued.max.messages.kbytes";
const ANSWER: &str = "fetch.max.bytes";
/// An answer as the consumer's own defaults bound it.
const ANSWER_KIB_MAX: u64 = 4 * 1024;

/// What is left of it.
#[derive(Debug)]
pub(super) struct FetchMemory {
    budget_kib: u64,
    given: Mutex<Given>,
    /// How many tasks the worker is to have.
    expected: AtomicUsize,
}

#[derive(Debug, Default)]
struct Given {
    kib: u64,
    tasks: usize,
}

/// A task's part of it, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    memory: Arc<FetchMemory>,
    kib: u64,
}

impl FetchMemory {
    /// All of the worker's.
    pub(super) fn of(settings: &WorkerSettings) -> Arc<Self> {
        Arc::new(Self {
            budget_kib: settings.fetch_memory_bytes / 1024,
            given: Mutex::default(),
            expected: AtomicUsize::new(0),
        })
    }

    /// Says how many tasks the worker is to have from now on.
    pub(super) fn expect_tasks(&self, tasks: usize) {
        self.expected.store(tasks, Ordering::Relaxed);
    }

    /// Bounds what a consumer with these properties fetches ahead to a share of its own; `None` when
    /// its connector says how much.
    pub(super) fn share(self: &Arc<Self>, properties: &mut Vec<(String, String)>) -> Option<Share> {
        let is_set = |wanted| properties.iter().any(|(key, _)| key == wanted);
        if is_set(QUEUE) {
            return None;
        }
        let bounds_answers = is_set(ANSWER);
        let kib = self.take();
        properties.push((QUEUE.to_owned(), kib.to_string()));
        if kib < ANSWER_KIB_MAX && !bounds_answers {
            properties.push((ANSWER.to_owned(), (kib * 1024).to_string()));
        }
        let memory = Arc::clone(self);
        Some(Share { memory, kib })
    }

    fn take(&self) -> u64 {
        let mut given = self.given();
        let expected = self.expected.load(Ordering::Relaxed);
        let to_come = u64::try_from(expected.saturating_sub(given.tasks)).unwrap_or(u64::MAX);
        let kib = share_kib(self.budget_kib.saturating_sub(given.kib), to_come);
        given.kib += kib;
        given.tasks += 1;
        kib
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        // Two numbers that are changed together: they are whole whoever panicked.
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut given = self.memory.given();
        given.kib = given.kib.saturating_sub(self.kib);
        given.tasks = given.tasks.saturating_sub(1);
    }
}

/// The next task's share of what is left, with so many to come, itself among them.
fn share_kib(left_kib: u64, to_come: u64) -> u64 {
    let share = left_kib / to_come.max(PARTS);
    share.clamp(SHARE_KIB_MIN, SHARE_KIB_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::cluster::fake::FakeTasks;
    use crate::cluster::{Command, TargetState, start_standalone};
    use crate::config::worker::SettingsSources;
    use crate::telemetry::Loggers;

    #[test]
    fn shares_have_bounds() {
        let check = |left_mib: u64, to_come: u64, expected_kib: u64| {
            assert_eq!(share_kib(left_mib * 1024, to_come), expected_kib);
        };
        check(512, 1, 8 * 1024);
        check(512, 64, 8 * 1024);
        check(512, 200, 2621);
        check(512, 5000, 1024);
        check(128, 1, 8 * 1024);
        check(64, 1, 4 * 1024);
        check(0, 1, 1024);
    }

    fn property(spec: &crate::task::TaskSpec, wanted: &str) -> Option<u64> {
        let found = spec
            .consumer_properties
            .iter()
            .find(|(key, _)| key == wanted);
        found.map(|(_, value)| value.parse().unwrap())
    }

    /// Kibibytes that the running tasks of these connectors were started with.
    fn sum_kib(tasks: &FakeTasks, names: &[String]) -> u64 {
        let running = names.iter().filter(|name| tasks.runs(name, 0));
        let specs = running.filter_map(|name| tasks.specs(name, 0).pop());
        specs.filter_map(|spec| property(&spec, QUEUE)).sum()
    }

    /// However many are created one after the other, and whichever of them go again.
    #[tokio::test(start_paused = true)]
    async fn the_budget_holds_for_connectors_that_come_one_by_one() {
        const BUDGET_KIB: u64 = 512 * 1024;
        let settings = WorkerSettings::load(&SettingsSources::default()).unwrap();
        let settings = Arc::new(settings.settings);
        assert_eq!(settings.fetch_memory_bytes, BUDGET_KIB * 1024);
        let tasks = FakeTasks::default();
        let loggers = Loggers::detached("info");
        let handle = start_standalone(settings, "w:1".to_owned(), tasks.clone(), loggers);
        let names: Vec<String> = (0..96).map(|number| format!("c{number}")).collect();
        let pairs = [
            ("connector.class", "SqliteSink"),
            ("topics", "orders"),
            ("connection.url", "jdbc:sqlite:orders.db"),
        ];
        let pairs = pairs.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
        let config: BTreeMap<_, _> = pairs.into_iter().collect();
        let create = async |name: &String| {
            let command = Command::Create {
                name: name.clone(),
                config: config.clone(),
                target: TargetState::Running,
            };
            handle.command(command).await.unwrap();
            while !tasks.runs(name, 0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        for name in &names {
            create(name).await;
        }
        let first = tasks.specs(&names[0], 0).pop().unwrap();
        let last = tasks.specs(&names[95], 0).pop().unwrap();
        let bounds = [&first, &last].map(|spec| (property(spec, QUEUE), property(spec, ANSWER)));
        let full_speed = (Some(SHARE_KIB_MAX), None);
        assert_eq!(bounds, [full_speed, (Some(1024), Some(1024 * 1024))]);
        let sum = sum_kib(&tasks, &names);
        assert!(sum <= BUDGET_KIB, "{sum}");
        assert!(sum >= BUDGET_KIB * 9 / 10, "{sum}");

        // What those that are gone had is there for others.
        for name in &names[..48] {
            let name = name.clone();
            handle.command(Command::Delete { name }).await.unwrap();
        }
        while names[..48].iter().any(|name| tasks.runs(name, 0)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for name in &names[..48] {
            create(name).await;
        }
        let sum = sum_kib(&tasks, &names);
        assert!((BUDGET_KIB * 9 / 10..=BUDGET_KIB).contains(&sum), "{sum}");
        let again = tasks.specs(&names[0], 0).pop().unwrap();
        assert_eq!(property(&again, QUEUE), Some(SHARE_KIB_MAX));
    }

    /// What a connector says itself is its own matter.
    #[test]
    fn a_connector_s_own_bound_is_left_alone() {
        let settings = WorkerSettings::load(&SettingsSources::default()).unwrap();
        let memory = FetchMemory::of(&settings.settings);
        let own = vec![(QUEUE.to_owned(), "65536".to_owned())];
        let mut properties = own.clone();
        assert!(memory.share(&mut properties).is_none());
        assert_eq!(properties, own);
    }
}

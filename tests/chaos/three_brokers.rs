//! The three brokers of these tests, as processes that are killed, frozen and started again.

use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::support::kafka;
use crate::support::proc::send_signal;
use crate::support::services::{environment_file, parse, service, workspace};
use crate::support::wait::{PATIENCE, check, eventually, seconds};

/// The brokers, as processes.
pub(crate) struct Brokers;

impl Brokers {
    pub(crate) const IDS: [i32; 3] = [1, 2, 3];

    /// SIGKILL.
    pub(crate) async fn kill(id: i32) {
        broker("kill", id).await;
    }

    /// The same broker again, once it answers.
    pub(crate) async fn start(id: i32) {
        broker("start", id).await;
    }

    /// SIGSTOP.
    pub(crate) fn freeze(id: i32) {
        assert!(signal("STOP", id), "broker {id} cannot be frozen");
    }

    /// SIGCONT.
    pub(crate) fn thaw(id: i32) {
        assert!(signal("CONT", id), "broker {id} cannot be thawed");
    }

    /// Lets all of them work, whatever a test that has failed has done to them.
    pub(super) async fn revive() {
        join_all(Self::IDS.map(|id| async move {
            // One that was killed cannot be thawed.
            signal("CONT", id);
            Self::start(id).await;
        }))
        .await;
    }

    /// Waits until every partition of the topic has all of its replicas in sync.
    pub(crate) async fn until_in_sync(topic: &str) {
        eventually("all replicas in sync", 2 * PATIENCE, || async {
            let name = topic.to_owned();
            let behind = kafka::with_onlooker(move |consumer| replicas_behind(consumer, &name));
            let behind = behind.await?;
            check(behind == 0, || format!("{behind} replicas are behind"))
        })
        .await;
    }

    /// The broker that coordinates this group: the leader of its partition of the offsets' topic.
    pub(crate) async fn coordinator(group: &str) -> i32 {
        let hash = group.encode_utf16().fold(0_i32, |hash, unit| {
            hash.wrapping_mul(31).wrapping_add(i32::from(unit))
        }) & i32::MAX;
        let leaders = Self::leaders("__consumer_offsets").await;
        let count = i32::try_from(leaders.len()).unwrap();
        leaders[usize::try_from(hash % count).unwrap()]
    }

    /// The brokers that lead the partitions of this topic.
    pub(crate) async fn leaders(topic: &str) -> Vec<i32> {
        let topic = topic.to_owned();
        kafka::with_onlooker(move |consumer| {
            let metadata = consumer.fetch_metadata(Some(&topic), seconds(15));
            let metadata = metadata.expect("metadata of a topic");
            let partitions = metadata.topics()[0].partitions();
            let mut leaders: Vec<(i32, i32)> = partitions
                .iter()
                .map(|one| (one.id(), one.leader()))
                .collect();
            leaders.sort_unstable();
            leaders.into_iter().map(|(_, leader)| leader).collect()
        })
        .await
    }
}

fn replicas_behind(consumer: &BaseConsumer, topic: &str) -> Result<usize, String> {
    let metadata = consumer.fetch_metadata(Some(topic), seconds(5));
    let metadata = metadata.map_err(|error| error.to_string())?;
    let partitions = metadata.topics()[0].partitions();
    let behind = partitions
        .iter()
        .map(|one| one.replicas().len().saturating_sub(one.isr().len()));
    Ok(behind.sum())
}

/// Whether it was sent. Started again, a broker has another process: its record in the services' folder
/// knows.
fn signal(signal: &str, id: i32) -> bool {
    let record = workspace().join(format!("target/services/broker-{id}/process"));
    let text = std::fs::read_to_string(&record).unwrap_or_default();
    let pid = text.split_whitespace().next();
    let pid = pid.and_then(|pid| pid.parse().ok());
    pid.is_some_and(|pid| send_signal(signal, pid))
}

async fn broker(verb: &str, id: i32) {
    assert!(has_brokers(), "these tests need three brokers: make chaos");
    service(verb, &format!("broker-{id}")).await;
}

fn has_brokers() -> bool {
    let text = std::fs::read_to_string(environment_file()).unwrap_or_default();
    parse(&text).contains_key("ROWDOCK_TEST_BROKER_3")
}

/// Where the program with these tests and the script for three brokers are.
pub(crate) fn chaos_script() -> PathBuf {
    Path::join(workspace(), "scripts/chaos.sh")
}

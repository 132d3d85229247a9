//! What the worker wants to know of the Kafka cluster itself: its id.
//!
//! Learned in the background and shown once it is known. A broker that is away must neither delay
//! the worker's start nor fail a read.

use std::thread;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::watch;
use tracing::{info, warn};

use super::log::WorkerContext;
use crate::login;

/// How long one try waits for a broker; also how long the thread outlives the last receiver.
const TRY_MAX: Duration = Duration::from_secs(5);

/// Learns the id of the Kafka cluster on a thread of its own, which ends when it has, or when nobody
/// wants to know any more. `properties` are librdkafka's.
pub fn learn_cluster_id(properties: Vec<(String, String)>) -> watch::Receiver<Option<String>> {
    let (sender, receiver) = watch::channel(None);
    let spawned = thread::Builder::new()
        .name("kafka-cluster-id".to_owned())
        .spawn(move || learn(&properties, &sender));
    if let Err(error) = spawned {
        warn!(error = %error, "no thread to learn the kafka cluster's id; it stays unknown");
    }
    receiver
}

fn learn(properties: &[(String, String)], sender: &watch::Sender<Option<String>>) {
    let mut config = ClientConfig::new();
    for (key, value) in properties {
        config.set(key, value);
    }
    let client: BaseConsumer<WorkerContext> = match config
        .create_with_context(WorkerContext::default())
    {
        Ok(client) => client,
        Err(error) => {
            warn!(error = %error, "kafka client cannot be made; the cluster's id stays unknown");
            return;
        }
    };
    while !sender.is_closed() {
        login::log_in(client.client(), properties);
        if let Some(id) = client.client().fetch_cluster_id(TRY_MAX) {
            info!(kafka_cluster_id = id, "kafka cluster reached");
            sender.send_replace(Some(id));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use tokio::time::timeout;

    use super::*;

    fn properties(servers: &str) -> Vec<(String, String)> {
        vec![("bootstrap.servers".to_owned(), servers.to_owned())]
    }

    #[tokio::test]
    async fn the_id_is_learned_from_the_broker() {
        let cluster = MockCluster::new(1).unwrap();
        let mut id = learn_cluster_id(properties(&cluster.bootstrap_servers()));
        let learned = timeout(TRY_MAX * 2, id.wait_for(Option::is_some));
        let learned = learned.await.unwrap().unwrap().clone().unwrap();
        assert!(!learned.is_empty());
    }

    /// Without a broker nothing waits and nothing is known; a client that cannot even be made ends
    /// the search.
    #[tokio::test]
    async fn without_a_broker_the_id_stays_unknown() {
        let id = learn_cluster_id(properties("127.0.0.1:1"));
        assert_eq!(*id.borrow(), None);

        let nonsense = vec![("no.such.property".to_owned(), "1".to_owned())];
        let mut id = learn_cluster_id(nonsense);
        let ended = timeout(TRY_MAX, id.changed()).await.unwrap();
        assert!(ended.is_err());
        assert_eq!(*id.borrow(), None);
    }
}

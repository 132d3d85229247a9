//! Creates the config and the status topic, and refuses those that would lose what is written to
//! them: a topic that is not compacted forgets connectors after its retention time.

use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{info, warn};

use super::{Properties, WorkerContext, client_config};
use crate::login::{self, LoginContext};

/// How long one request may take. Tried again until the worker is stopped.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);

/// A topic as it should be.
#[derive(Debug, Clone)]
pub(in crate::cluster) struct InternalTopic {
    /// Its name.
    pub(in crate::cluster) name: String,
    /// The setting that names it.
    pub(in crate::cluster) name_key: &'static str,
    /// How many partitions it is created with.
    pub(in crate::cluster) partitions: i32,
    /// It must have exactly that many.
    pub(in crate::cluster) partitions_fixed: bool,
    /// Replication factor; -1: the broker's default.
    pub(in crate::cluster) replication: i32,
    /// The setting for that.
    pub(in crate::cluster) replication_key: &'static str,
}

/// Why a topic is not ready.
#[derive(Debug, thiserror::Error)]
pub(in crate::cluster) enum TopicProblem {
    /// A person must act; the message says what to do.
    #[error("{0}")]
    Refused(String),
    /// Kafka does not answer; try again.
    #[error("{0}")]
    Unanswered(String),
}

/// Creates the topic unless it exists, and checks it. Returns its number of partitions.
pub(in crate::cluster) async fn ensure(
    properties: &Properties,
    topic: &InternalTopic,
) -> Result<i32, TopicProblem> {
    let admin = login::admin_client(client_config(properties, &[]))
        .await
        .map_err(|error| {
            TopicProblem::Refused(format!("the kafka client cannot be made: {error}"))
        })?;
    if let Some(partitions) = partitions(properties, topic).await? {
        check_policy(&admin, topic).await?;
        return check_partitions(topic, partitions);
    }
    create(&admin, topic).await?;
    check_policy(&admin, topic).await?;
    // A topic that was created a moment ago may not be known to every broker yet.
    let partitions = partitions(properties, topic).await?;
    check_partitions(topic, partitions.unwrap_or(topic.partitions))
}

fn check_partitions(topic: &InternalTopic, partitions: i32) -> Result<i32, TopicProblem> {
    if topic.partitions_fixed && partitions != topic.partitions {
        return Err(TopicProblem::Refused(format!(
            "topic {} ({}) has {partitions} partitions and must have exactly {}: the order of its \
             records is the order of changes. Name another topic, or create it anew",
            topic.name, topic.name_key, topic.partitions
        )));
    }
    Ok(partitions)
}

/// `None`: there is no such topic. Asked by a consumer, which can say that it wants none: of any other
/// client a broker takes the question for a wish, and makes the topic as its own defaults are
/// (`auto.create.topics.enable`), which is not compacted.
async fn partitions(
    properties: &Properties,
    topic: &InternalTopic,
) -> Result<Option<i32>, TopicProblem> {
    let (properties, name) = (properties.clone(), topic.name.clone());
    let metadata = tokio::task::spawn_blocking(move || {
        let own = [("allow.auto.create.topics", "false")];
        let client: BaseConsumer<WorkerContext> =
            client_config(&properties, &own).create_with_context(WorkerContext::default())?;
        login::log_in(client.client(), &properties);
        client.fetch_metadata(Some(&name), REQUEST_TIME_MAX)
    });
    let metadata = metadata
        .await
        .map_err(|error| TopicProblem::Unanswered(error.to_string()))?
        .map_err(|error| TopicProblem::Unanswered(format!("kafka does not answer: {error}")))?;
    let Some(found) = metadata.topics().first() else {
        return Ok(None);
    };
    let count = i32::try_from(found.partitions().len()).unwrap_or(i32::MAX);
    match found.error().map(RDKafkaErrorCode::from) {
        None if count > 0 => Ok(Some(count)),
        None | Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(None),
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Err(TopicProblem::Refused(format!(
            "the worker may not describe topic {} ({}): it needs Describe, DescribeConfigs, Read and \
             Write on it, and Create if it does not exist",
            topic.name, topic.name_key
        ))),
        Some(code) => Err(TopicProblem::Unanswered(format!(
            "topic {}: {code}",
            topic.name
        ))),
    }
}

async fn create(
    admin: &AdminClient<LoginContext>,
    topic: &InternalTopic,
) -> Result<(), TopicProblem> {
    let wanted = NewTopic::new(
        &topic.name,
        topic.partitions,
        TopicReplication::Fixed(topic.replication),
    )
    .set("cleanup.policy", "compact");
    let options = AdminOptions::new()
        .operation_timeout(Some(REQUEST_TIME_MAX))
        .request_timeout(Some(REQUEST_TIME_MAX));
    let created = admin.create_topics([&wanted], &options).await;
    let answers = created.map_err(|error| unanswered(topic, &error))?;
    let Some(answer) = answers.into_iter().next() else {
        return Ok(());
    };
    let code = match answer {
        Ok(_) => {
            info!(
                topic = topic.name,
                partitions = topic.partitions,
                "topic created"
            );
            return Ok(());
        }
        // Another worker was faster.
        Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => return Ok(()),
        Err((_, code)) => code,
    };
    let InternalTopic {
        name,
        name_key,
        replication,
        replication_key,
        ..
    } = topic;
    Err(match code {
        RDKafkaErrorCode::InvalidReplicationFactor => TopicProblem::Refused(format!(
            "topic {name} ({name_key}) cannot be created: kafka has fewer than {replication} brokers. \
             Set {replication_key} to their number, or to -1 for the broker's default"
        )),
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => TopicProblem::Refused(format!(
            "the worker may not create topic {name} ({name_key}): allow Create on it, or create it \
             by hand with cleanup.policy=compact and {} partitions",
            topic.partitions
        )),
        RDKafkaErrorCode::PolicyViolation | RDKafkaErrorCode::InvalidTopic => {
            TopicProblem::Refused(format!(
                "topic {name} ({name_key}) cannot be created: {code}"
            ))
        }
        code => TopicProblem::Unanswered(format!("topic {name} cannot be created yet: {code}")),
    })
}

async fn check_policy(
    admin: &AdminClient<LoginContext>,
    topic: &InternalTopic,
) -> Result<(), TopicProblem> {
    let options = AdminOptions::new().request_timeout(Some(REQUEST_TIME_MAX));
    let asked = admin
        .describe_configs([&ResourceSpecifier::Topic(&topic.name)], &options)
        .await;
    let answers = asked.map_err(|error| unanswered(topic, &error))?;
    match answers.into_iter().next() {
        Some(Ok(resource)) => require_compact(topic, &resource),
        Some(Err(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed,
        )) => {
            warn!(
                topic = topic.name,
                "the worker may not see the topic's settings; make sure that cleanup.policy is compact"
            );
            Ok(())
        }
        Some(Err(code)) => Err(TopicProblem::Unanswered(format!(
            "topic {}: {code}",
            topic.name
        ))),
        None => Ok(()),
    }
}

fn require_compact(topic: &InternalTopic, resource: &ConfigResource) -> Result<(), TopicProblem> {
    let policy = resource
        .entries
        .iter()
        .find(|entry| entry.name == "cleanup.policy")
        .and_then(|entry| entry.value.as_deref());
    match policy {
        Some("compact") | None => Ok(()),
        Some(policy) => Err(TopicProblem::Refused(format!(
            "topic {} ({}) has cleanup.policy={policy} and must have compact alone: otherwise Kafka \
             deletes the cluster's connectors after a while. Set it, or name another topic",
            topic.name, topic.name_key
        ))),
    }
}

fn unanswered(topic: &InternalTopic, error: &KafkaError) -> TopicProblem {
    TopicProblem::Unanswered(format!("topic {}: {error}", topic.name))
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::*;

    /// A broker makes topics that are asked for, unless the question says otherwise.
    #[tokio::test]
    async fn looking_for_a_topic_does_not_make_it() {
        let cluster = MockCluster::new(1).unwrap();
        let properties = vec![("bootstrap.servers".to_owned(), cluster.bootstrap_servers())];
        let topic = InternalTopic {
            name: "configs".to_owned(),
            name_key: "config.storage.topic",
            partitions: 1,
            partitions_fixed: true,
            replication: 1,
            replication_key: "config.storage.replication.factor",
        };
        for _ in 0..3 {
            assert_eq!(partitions(&properties, &topic).await.unwrap(), None);
        }
        cluster.create_topic("configs", 1, 1).unwrap();
        assert_eq!(partitions(&properties, &topic).await.unwrap(), Some(1));
    }
}

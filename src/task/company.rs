//! Who else is in the connector's group. Workers of one cluster share its partitions, and so do
//! standalone workers with a connector of that name; a consumer of any other program would take
//! partitions and keep positions of its own, and what it stores would be stored again here. Mostly it
//! is Kafka Connect, which still runs. So a task waits until such members are gone, and names them.

use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::sync::watch;
use tokio::time::sleep;

use super::questions::QUESTIONS;
use crate::consume::client;
use crate::consume::native::{GroupMember, describe_group};
use crate::login;
use crate::status::TaskStatus;

/// What client ids of this program's consumers end in.
const MARK: &str = ".rowdock";

/// Between two looks at a group that is not ours alone.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// How long the group's coordinator may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Names of foreign members that are told; the rest is counted.
const NAMED_MAX: usize = 5;

/// The client id of a task's consumer, unless its user sets one: Kafka Connect's, and our mark.
pub(super) fn client_id(connector: &str, task: u32) -> String {
    format!("connector-consumer-{connector}-{task}{MARK}")
}

/// Waits until nobody else is in the group. `false`: the task is being stopped.
pub(super) async fn until_alone(
    properties: &[(String, String)],
    status: &watch::Sender<TaskStatus>,
    stopping: &watch::Receiver<bool>,
) -> bool {
    let find = |wanted: &str| properties.iter().rev().find(|(key, _)| key == wanted);
    let Some((_, group)) = find("group.id") else {
        return true;
    };
    let own_id = find("client.id").map(|(_, client_id)| client_id.as_str());
    let mut has_waited = false;
    while !*stopping.borrow() {
        let Some(answer) = members(properties, group, stopping).await else {
            break;
        };
        let told = match answer {
            Ok(members) => {
                let foreign = foreign(&members, own_id);
                if foreign.is_empty() {
                    if has_waited {
                        tracing::info!(group, "nobody else is in the group");
                        status.send_modify(|status| status.retrying = None);
                    }
                    return true;
                }
                refusal(group, &foreign)
            }
            // Every broker of the last ten years can; an embedded one cannot.
            Err(KafkaError::GroupListFetch(RDKafkaErrorCode::UnsupportedFeature)) => return true,
            // Whoever joined now would do so unseen.
            Err(error) => unanswered(group, &error),
        };
        if !has_waited {
            tracing::warn!(group, "{told}");
        }
        has_waited = true;
        status.send_modify(|status| status.retrying = Some(told));
        let mut stopping = stopping.clone();
        tokio::select! {
            () = sleep(LOOK_INTERVAL) => {}
            // An error means that nobody can ask any more: the loop's condition sees to it.
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }
    false
}

/// Asks through a client for this alone: see [`GroupQuestion`](crate::consume::native::GroupQuestion).
/// `None`: the task is being stopped.
async fn members(
    properties: &[(String, String)],
    group: &str,
    stopping: &watch::Receiver<bool>,
) -> Option<KafkaResult<Vec<GroupMember>>> {
    let (properties, group) = (properties.to_vec(), group.to_owned());
    let question = move || {
        let onlooker = client::create(&properties, &format!("rowdock-onlooker-{group}"))?;
        login::log_in(onlooker.client(), &properties);
        describe_group(onlooker.client(), &group, ANSWER_TIME_MAX)
    };
    let described = QUESTIONS.ask(stopping, question).await?;
    let described = described.unwrap_or(Err(KafkaError::Canceled));
    Some(described.map(|group| group.members))
}

/// Those that are not of this program: neither marked, nor named as this connector's user names its
/// consumers.
fn foreign(members: &[GroupMember], own_id: Option<&str>) -> Vec<String> {
    members
        .iter()
        .filter(|member| !member.client_id.ends_with(MARK))
        .filter(|member| own_id != Some(&member.client_id))
        .map(|member| format!("{} at {}", member.client_id, member.host))
        .collect()
}

fn refusal(group: &str, foreign: &[String]) -> String {
    let named = &foreign[..foreign.len().min(NAMED_MAX)];
    let more = match foreign.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "group {group} has members that are not of this program: {}{more}. They would store what \
         this connector stores. Stop them (Kafka Connect's connector, or its workers); this task waits",
        named.join(", ")
    )
}

fn unanswered(group: &str, error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
            format!("group {group} may not be used: allow Read and Describe on it; this task waits")
        }
        _ => format!(
            "the coordinator of group {group} does not say who is in it: {error}; this task waits"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_apart_and_named() {
        let check = |ids: &[&str], own_id: Option<&str>, expected: &[&str]| {
            let members: Vec<GroupMember> = ids
                .iter()
                .map(|id| GroupMember {
                    client_id: (*id).to_owned(),
                    host: "/10.0.0.7".to_owned(),
                })
                .collect();
            assert_eq!(foreign(&members, own_id), expected);
        };
        let ours = client_id("pg", 3);
        check(&[], None, &[]);
        check(&[&ours, "own"], Some("own"), &[]);
        check(
            &[&ours, "connector-consumer-pg-0"],
            None,
            &["connector-consumer-pg-0 at /10.0.0.7"],
        );
        let many: Vec<String> = (0..7).map(|number| format!("c{number}")).collect();
        let told = refusal("connect-pg", &many);
        assert!(told.contains("c4 and 2 more. They"), "{told}");
    }
}

//! Who else is in the connector's group. Workers of one cluster share its partitions, and so do
//! standalone workers with a connector of that name; a consumer of any other program would take
//! partitions and keep positions of its own, and what it stores would be stored again here. Mostly it
//! is Kafka Connect, which still runs. So a task waits until such members are gone, and names them.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::consume::client::TaskConsumer;
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
    consumer: &Arc<TaskConsumer>,
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
        let foreign = match members(consumer, group).await {
            Ok(members) => foreign(&members, own_id),
            // Joining the group needs the same answer, and waits for it.
            Err(_) => return true,
        };
        if foreign.is_empty() {
            if has_waited {
                tracing::info!(group, "foreign members have left the group");
                status.send_modify(|status| status.retrying = None);
            }
            return true;
        }
        let told = refusal(group, &foreign);
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

/// A member of a group: its client id, and where it runs.
type Member = (String, String);

async fn members(consumer: &Arc<TaskConsumer>, group: &str) -> Result<Vec<Member>, String> {
    let (asked, name) = (Arc::clone(consumer), group.to_owned());
    let listed = tokio::task::spawn_blocking(move || {
        let groups = asked.fetch_group_list(Some(&name), ANSWER_TIME_MAX)?;
        let found = groups.groups().iter().filter(|group| group.name() == name);
        let members = found.flat_map(|group| group.members());
        let members = members.map(|one| (one.client_id().to_owned(), one.client_host().to_owned()));
        rdkafka::error::KafkaResult::Ok(members.collect())
    });
    let listed = listed.await.map_err(|error| error.to_string())?;
    listed.map_err(|error| error.to_string())
}

/// Those that are not of this program: neither marked, nor named as this connector's user names its
/// consumers.
fn foreign(members: &[Member], own_id: Option<&str>) -> Vec<String> {
    members
        .iter()
        .filter(|(client_id, _)| !client_id.ends_with(MARK) && own_id != Some(client_id))
        .map(|(client_id, host)| format!("{client_id} at {host}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_apart_and_named() {
        let check = |ids: &[&str], own_id: Option<&str>, expected: &[&str]| {
            let members: Vec<Member> = ids
                .iter()
                .map(|id| ((*id).to_owned(), "/10.0.0.7".to_owned()))
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

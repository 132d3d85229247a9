//! Who is in a consumer group, of either protocol, as its coordinator says: no other broker is asked,
//! so one that is away does not matter.

use std::ffi::CString;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::requests::DescribeOptions;
use super::{Event, Queue, milliseconds, text};

/// Properties of a client that asks again and again. A client (2.12) keeps a group's coordinator in
/// memory for this age after it was last asked for, so one that is asked once a second would go on with
/// a coordinator that is none any more; what is older than this is forgotten within a second.
pub const FORGETS_COORDINATORS: [(&str, &str); 2] = [
    ("metadata.max.age.ms", "1"),
    ("topic.metadata.refresh.interval.ms", "60000"),
];

/// How long the client itself looks for an answer: as long as it can. One that gives up while it waits
/// for the coordinator ends the process (2.12) when that comes after all, so whoever is not answered
/// lets go of the client instead, long before.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(3600);

/// A group and its members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// They are consumers, or there are none; otherwise this is what they are, such as `connect`.
    pub other_protocol: Option<String>,
    /// No rebalance is under way. Not told of groups of the `consumer` protocol.
    pub is_stable: bool,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// `client.id`
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
}

/// Describes a group; one that does not exist has no members. Blocks for up to twice `timeout`. Ask
/// through a client that is let go of soon: see [`GroupQuestion`].
///
/// # Errors
/// When the coordinator does not answer or refuses: that says nothing of the members.
pub fn describe_group<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    timeout: Duration,
) -> KafkaResult<Group> {
    let question = GroupQuestion::ask(client, group)?;
    let no_answer = KafkaError::GroupListFetch(RDKafkaErrorCode::OperationTimedOut);
    let answer = question.answer(client, timeout);
    answer.unwrap_or(Err(no_answer))
}

/// A question that is on its way. A client must not be kept for as long as an hour after one that was
/// never answered.
pub struct GroupQuestion {
    queue: Queue,
    group: String,
}

impl GroupQuestion {
    /// Asks for a group. Let go of it before the client.
    ///
    /// # Errors
    /// When the client is out of resources, or the group's name cannot be one.
    pub fn ask<C: ClientContext>(client: &Client<C>, group: &str) -> KafkaResult<Self> {
        let name = CString::new(group)
            .map_err(|_| KafkaError::GroupListFetch(RDKafkaErrorCode::InvalidGroupId))?;
        let mut names = [name.as_ptr()];
        let client = client.native_ptr();
        // SAFETY: the client is valid; the name and the options live through the call, which copies
        // them; queue and options are given back by their types.
        unsafe {
            let queue = NonNull::new(sys::rd_kafka_queue_new(client)).map(Queue);
            let queue = queue.ok_or(KafkaError::GroupListFetch(RDKafkaErrorCode::Fail))?;
            let options = DescribeOptions::of_groups(client, CLIENT_TIMEOUT);
            sys::rd_kafka_DescribeConsumerGroups(
                client,
                names.as_mut_ptr(),
                names.len(),
                options.0,
                queue.0.as_ptr(),
            );
            Ok(Self {
                queue,
                group: group.to_owned(),
            })
        }
    }

    /// Waits for the answer, which comes once; `None`: not yet.
    pub fn answer<C: ClientContext>(
        &self,
        client: &Client<C>,
        timeout: Duration,
    ) -> Option<KafkaResult<Group>> {
        Some(match self.described(timeout)? {
            // A group of the classic protocol whose members are not consumers, or were not.
            Err(KafkaError::GroupListFetch(RDKafkaErrorCode::InvalidArgument)) => {
                list(client, &self.group, timeout)
            }
            Err(KafkaError::GroupListFetch(RDKafkaErrorCode::GroupIdNotFound)) => {
                Ok(Group::default())
            }
            answer => answer,
        })
    }

    fn described(&self, timeout: Duration) -> Option<KafkaResult<Group>> {
        let no_answer = KafkaError::GroupListFetch(RDKafkaErrorCode::Fail);
        // SAFETY: the queue is valid; the event is given back by its type; the description belongs to
        // the event and is read before it goes.
        unsafe {
            let event = sys::rd_kafka_queue_poll(self.queue.0.as_ptr(), milliseconds(timeout));
            let event = Event {
                event: NonNull::new(event)?,
            };
            match sys::rd_kafka_event_error(event.event.as_ptr()) {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
                error => return Some(Err(KafkaError::GroupListFetch(error.into()))),
            }
            let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event.event.as_ptr());
            if result.is_null() {
                return Some(Err(no_answer));
            }
            let mut count = 0;
            let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
            if count == 0 || groups.is_null() {
                return Some(Err(no_answer));
            }
            Some(described(*groups))
        }
    }
}

/// Asks all brokers, which name groups of any protocol.
fn list<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    timeout: Duration,
) -> KafkaResult<Group> {
    let listed = client.fetch_group_list(Some(group), timeout)?;
    let Some(found) = listed.groups().iter().find(|found| found.name() == group) else {
        return Ok(Group::default());
    };
    let members = found.members().iter().map(|member| GroupMember {
        client_id: member.client_id().to_owned(),
        host: member.client_host().to_owned(),
    });
    let members: Vec<GroupMember> = members.collect();
    Ok(Group {
        other_protocol: (!members.is_empty()).then(|| found.protocol_type().to_owned()),
        is_stable: found.state() == "Stable",
        members,
    })
}

unsafe fn described(
    description: *const sys::rd_kafka_ConsumerGroupDescription_t,
) -> KafkaResult<Group> {
    // SAFETY: the caller's description is valid; its error, members and texts are owned by it.
    unsafe {
        let error = sys::rd_kafka_ConsumerGroupDescription_error(description);
        if !error.is_null() {
            let code = sys::rd_kafka_error_code(error);
            return Err(KafkaError::GroupListFetch(code.into()));
        }
        let count = sys::rd_kafka_ConsumerGroupDescription_member_count(description);
        let mut members = Vec::with_capacity(count);
        for index in 0..count {
            let member = sys::rd_kafka_ConsumerGroupDescription_member(description, index);
            if !member.is_null() {
                members.push(GroupMember {
                    client_id: text(sys::rd_kafka_MemberDescription_client_id(member)),
                    host: text(sys::rd_kafka_MemberDescription_host(member)),
                });
            }
        }
        let state = sys::rd_kafka_ConsumerGroupDescription_state(description);
        let stable = sys::rd_kafka_consumer_group_state_t::RD_KAFKA_CONSUMER_GROUP_STATE_STABLE;
        Ok(Group {
            other_protocol: None,
            is_stable: state == stable,
            members,
        })
    }
}

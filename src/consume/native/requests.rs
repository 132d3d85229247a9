//! What a client is asked, and told, besides what it polls: its membership, the topics' ids, its login.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::{CString, c_char};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataBroker;
use rdkafka::types::RDKafkaRespErr;

use super::{Event, Queue, milliseconds, text};

/// Gives a client the token that it needs for its login, or says why there is none.
pub fn set_token<C: ClientContext>(client: &Client<C>, token: Result<OAuthToken, Box<dyn Error>>) {
    const REASON_BYTES_MAX: usize = 512;
    let as_c_strings = |token: OAuthToken| -> Result<_, Box<dyn Error>> {
        let (value, principal) = (token.token, token.principal_name);
        Ok((
            CString::new(value)?,
            CString::new(principal)?,
            token.lifetime_ms,
        ))
    };
    let mut reason: [c_char; REASON_BYTES_MAX] = [0; REASON_BYTES_MAX];
    // SAFETY: the client is valid; all texts are C strings that live through the calls, which copy
    // them; the buffer is as long as it is said to be.
    unsafe {
        match token.and_then(as_c_strings) {
            Ok((value, principal, lifetime_ms)) => {
                let answer = sys::rd_kafka_oauthbearer_set_token(
                    client.native_ptr(),
                    value.as_ptr(),
                    lifetime_ms,
                    principal.as_ptr(),
                    ptr::null_mut(),
                    0,
                    reason.as_mut_ptr(),
                    reason.len(),
                );
                if answer != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                    sys::rd_kafka_oauthbearer_set_token_failure(
                        client.native_ptr(),
                        reason.as_ptr(),
                    );
                }
            }
            Err(error) => {
                let told = CString::new(error.to_string()).unwrap_or_default();
                sys::rd_kafka_oauthbearer_set_token_failure(client.native_ptr(), told.as_ptr());
            }
        }
    }
}

/// Gives a consumer its token as soon as there is one: whoever is asked for it may take seconds, and a
/// consumer that is not polled meanwhile would do nothing at all. The client asks again when the token
/// ages, or a while after there was none.
pub(super) fn fetch_token<C: ConsumerContext + 'static>(
    consumer: &Arc<BaseConsumer<C>>,
    config: Option<String>,
) {
    let context = Arc::clone(consumer.client().context());
    // One that is let go of meanwhile must not be held: closing it is its own thread's.
    let waiting = Arc::downgrade(consumer);
    let fetching = thread::Builder::new()
        .name("kafka-login".to_owned())
        .spawn(move || {
            let token = context.generate_oauth_token(config.as_deref());
            if let Some(consumer) = waiting.upgrade() {
                set_token(consumer.client(), token);
            }
        });
    if let Err(error) = fetching {
        set_token(consumer.client(), Err(error.into()));
    }
}

/// Generation of the consumer's group membership, -1 when it is not a member.
pub fn group_generation<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> i32 {
    // SAFETY: the client is valid; the metadata object is ours and given back.
    unsafe {
        let metadata = sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return -1;
        }
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    }
}

/// Whether the client is a member of its group, as far as it knows: until it has sent its leaving.
pub fn is_member<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> bool {
    let client = consumer.client().native_ptr();
    // SAFETY: the client is valid; the text is ours, a C string or null, and given back.
    unsafe {
        let member_id = sys::rd_kafka_memberid(client);
        if member_id.is_null() {
            return false;
        }
        let is_member = *member_id != 0;
        sys::rd_kafka_mem_free(client, member_id.cast());
        is_member
    }
}

/// Ids of these topics' incarnations, from the brokers: empty when they are too old to tell. A topic
/// that does not exist, or that the broker does not know of yet, is missing in the answer. Blocks for
/// up to twice `timeout`.
///
/// # Errors
/// When the cluster does not answer: that says nothing of any topic.
pub fn topic_ids<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topics: &[&str],
    timeout: Duration,
) -> KafkaResult<HashMap<String, String>> {
    let Some(first) = topics.first() else {
        return Ok(HashMap::new());
    };
    let broker = any_broker(consumer, first, timeout)?;
    let names: Vec<CString> = topics
        .iter()
        .filter_map(|topic| CString::new(*topic).ok())
        .collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let client = consumer.client().native_ptr();
    let no_answer = KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut);
    // SAFETY: names live through the call; queue, collection, options and event are given back
    // below; descriptions belong to the event and are read before it goes.
    unsafe {
        let queue = NonNull::new(sys::rd_kafka_queue_new(client)).map(Queue);
        let queue = queue.ok_or(KafkaError::AdminOp(RDKafkaErrorCode::Fail))?;
        let options = DescribeOptions::of_topics(client, broker, timeout);
        let collection =
            sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        sys::rd_kafka_DescribeTopics(client, collection, options.0, queue.0.as_ptr());
        sys::rd_kafka_TopicCollection_destroy(collection);
        let event = sys::rd_kafka_queue_poll(queue.0.as_ptr(), milliseconds(timeout));
        let event = Event {
            event: NonNull::new(event).ok_or_else(|| no_answer.clone())?,
        };
        match sys::rd_kafka_event_error(event.event.as_ptr()) {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE => {
                let without_id = |topic: &&str| ((*topic).to_owned(), String::new());
                return Ok(topics.iter().map(without_id).collect());
            }
            error => return Err(KafkaError::AdminOp(error.into())),
        }
        let result = sys::rd_kafka_event_DescribeTopics_result(event.event.as_ptr());
        if result.is_null() {
            return Err(no_answer);
        }
        let mut count = 0;
        let descriptions = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let mut ids = HashMap::new();
        for index in 0..count {
            let description = *descriptions.add(index);
            if let Some(id) = described_id(description) {
                ids.insert(text(sys::rd_kafka_TopicDescription_name(description)), id);
            }
        }
        Ok(ids)
    }
}

/// A broker that is there. The client would ask the controller, which may be just the one that is
/// away, and which a mock cluster does not have; every broker knows the topics.
fn any_broker<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    timeout: Duration,
) -> KafkaResult<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
    let answered = metadata.orig_broker_id();
    if answered >= 0 {
        return Ok(answered);
    }
    // The address to find the cluster by has answered, which is no broker of the cluster yet.
    let listed = metadata.brokers().first().map(MetadataBroker::id);
    listed.ok_or(KafkaError::AdminOp(RDKafkaErrorCode::BrokerNotAvailable))
}

/// Where a description is asked for, and for how long; given back when dropped.
pub(super) struct DescribeOptions(pub(super) *mut sys::rd_kafka_AdminOptions_t);

impl DescribeOptions {
    fn of_topics(client: *mut sys::rd_kafka_t, broker: i32, timeout: Duration) -> Self {
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = Self::new(client, operation, timeout);
        let mut problem = [0; 256];
        // SAFETY: the options are valid; messages are written within bounds.
        unsafe {
            let (start, length) = (problem.as_mut_ptr(), problem.len());
            sys::rd_kafka_AdminOptions_set_broker(options.0, broker, start, length);
        }
        options
    }

    /// Groups are asked for at their coordinators.
    pub(super) fn of_groups(client: *mut sys::rd_kafka_t, timeout: Duration) -> Self {
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
        Self::new(client, operation, timeout)
    }

    fn new(
        client: *mut sys::rd_kafka_t,
        operation: sys::rd_kafka_admin_op_t,
        timeout: Duration,
    ) -> Self {
        let mut problem = [0; 256];
        // SAFETY: the client is the caller's and valid; messages are written within bounds. What
        // this call could refuse are values out of its range, which are left at their defaults.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(client, operation);
            let (start, length) = (problem.as_mut_ptr(), problem.len());
            let timeout_ms = milliseconds(timeout);
            sys::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, start, length);
            Self(options)
        }
    }
}

impl Drop for DescribeOptions {
    fn drop(&mut self) {
        // SAFETY: ours, and copied by the request that used them.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0) }
    }
}

/// Base64 of sixteen zero bytes: "no id".
const NO_TOPIC_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// `None`: the broker says nothing of the topic.
unsafe fn described_id(description: *const sys::rd_kafka_TopicDescription_t) -> Option<String> {
    // SAFETY: the caller's description is valid; error and id are owned by it.
    unsafe {
        let error = sys::rd_kafka_TopicDescription_error(description);
        if !error.is_null()
            && sys::rd_kafka_error_code(error) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return None;
        }
        let id = sys::rd_kafka_TopicDescription_topic_id(description);
        if id.is_null() {
            return Some(String::new());
        }
        let id = text(sys::rd_kafka_Uuid_base64str(id));
        Some(if id == NO_TOPIC_ID { String::new() } else { id })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    use rdkafka::ClientConfig;

    use super::*;
    use crate::consume::native::Poller;

    const POLL_MAX: Duration = Duration::from_millis(50);
    /// A poll that takes longer waits for something else than events.
    const POLL_TIME_MAX: Duration = Duration::from_secs(2);
    const DEADLINE: Duration = Duration::from_secs(30);

    /// Tells that it was asked, and answers when the test says so.
    struct SlowLogin {
        asked: mpsc::Sender<()>,
        may_answer: Mutex<mpsc::Receiver<()>>,
    }

    impl ClientContext for SlowLogin {
        const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

        fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
            self.asked.send(())?;
            self.may_answer
                .lock()
                .unwrap()
                .recv_timeout(2 * POLL_TIME_MAX)?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            let lifetime = now + Duration::from_secs(2);
            Ok(OAuthToken {
                token: "token".to_owned(),
                principal_name: "ann".to_owned(),
                lifetime_ms: i64::try_from(lifetime.as_millis())?,
            })
        }
    }

    impl ConsumerContext for SlowLogin {}

    #[test]
    fn a_token_that_takes_its_time_holds_up_no_poll() {
        let (asked, was_asked) = mpsc::channel();
        let (answer, may_answer) = mpsc::channel();
        let mut config = ClientConfig::new();
        for (key, value) in [
            ("bootstrap.servers", "127.0.0.1:9"),
            ("group.id", "logins"),
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanisms", "OAUTHBEARER"),
        ] {
            config.set(key, value);
        }
        let login = SlowLogin {
            asked,
            may_answer: Mutex::new(may_answer),
        };
        let consumer: BaseConsumer<SlowLogin> = config.create_with_context(login).unwrap();
        let consumer = Arc::new(consumer);
        let poller = Poller::new(&consumer).unwrap();
        let begun = Instant::now();
        // The second time is when the first token ages, so that one has arrived.
        for time in 1..=2 {
            while was_asked.try_recv().is_err() {
                assert!(begun.elapsed() < DEADLINE, "not asked: {time}");
                let since = Instant::now();
                poller.poll(POLL_MAX);
                assert!(since.elapsed() < POLL_TIME_MAX, "held up");
            }
            answer.send(()).unwrap();
        }
    }
}

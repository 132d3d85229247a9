//! What only the Kafka client's C API offers: polling with the offset of an end-of-partition event
//! and rebalances outside callbacks, and waking a poll from another thread; and, in rooms of their
//! own, records apart from all other events, topic ids, the members of groups, the group's membership, and
//! tokens for clients that nobody polls.
//!
//! This is the only module with `unsafe`. Its rules: every pointer that the C API hands out is
//! wrapped at once in a type whose `Drop` gives it back; nothing borrowed from an event outlives
//! the event; [`Poller`] and [`Waker`] keep the consumer alive that their queue belongs to.
#![allow(unsafe_code)]

mod groups;
mod records;
mod requests;

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;

pub use self::groups::{FORGETS_COORDINATORS, Group, GroupMember, GroupQuestion, describe_group};
pub use self::records::Records;
use self::requests::fetch_token;
pub use self::requests::{group_generation, is_member, set_token, topic_ids};
use crate::record::{HeaderSource, RawHeader, RawRecord};

/// Partition of a topic, as the client names it.
pub type TopicPartition = (String, i32);

/// Polls a consumer's queue. Use from one thread.
pub struct Poller<C: ConsumerContext + 'static> {
    queue: Queue,
    consumer: Arc<BaseConsumer<C>>,
}

/// Ends a running poll early, from any thread.
pub struct Waker {
    queue: Queue,
    // Keeps the client alive for as long as its queue can be touched.
    _consumer: Arc<dyn std::any::Any + Send + Sync>,
}

/// One event; what it carries is borrowed from it.
pub struct Event {
    event: NonNull<sys::rd_kafka_event_t>,
}

/// What an event says.
pub enum Content<'event> {
    /// A record.
    Message(Message<'event>),
    /// Everything up to `offset` has been delivered, and there is no more for now. Offsets of
    /// transaction markers and aborted records are included, unlike in the last record's offset.
    EndOfPartition {
        /// Topic name.
        topic: String,
        /// Partition number.
        partition: i32,
        /// The next offset that will be fetched.
        offset: i64,
    },
    /// The group gave these partitions to us. Must be answered with an incremental assign.
    Assigned(Vec<TopicPartition>),
    /// The group takes these partitions. Must be answered with an incremental unassign.
    Revoked(Vec<TopicPartition>),
    /// Something went wrong, of one partition when it is named.
    Error {
        /// The client's code.
        code: RDKafkaErrorCode,
        /// The client can do no more.
        fatal: bool,
        /// The partition, when it is about one.
        partition: Option<TopicPartition>,
        /// The client's words.
        reason: String,
    },
    /// A line of the client's log.
    Log {
        /// Severity as in syslog: 3 and below are errors, 4 a warning, 7 debugging.
        level: i32,
        /// What the client calls this kind of line.
        facility: String,
        /// The line.
        message: String,
    },
    /// Nothing that concerns the consumer.
    Other,
}

/// A record, borrowed from its event.
#[derive(Clone, Copy)]
pub struct Message<'event> {
    message: &'event sys::rd_kafka_message_t,
}

impl<C: ConsumerContext + 'static> Poller<C> {
    /// A poller of this consumer's queue. `None` when the consumer has no group.
    pub fn new(consumer: &Arc<BaseConsumer<C>>) -> Option<Self> {
        // SAFETY: the client pointer is valid while `consumer` lives, and we keep it.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
        Some(Self {
            queue: Queue(NonNull::new(queue)?),
            consumer: Arc::clone(consumer),
        })
    }

    /// A waker for this poller.
    pub fn waker(&self) -> Option<Waker> {
        // SAFETY: as in `new`; each call takes a reference of its own.
        let queue =
            unsafe { sys::rd_kafka_queue_get_consumer(self.consumer.client().native_ptr()) };
        Some(Waker {
            queue: Queue(NonNull::new(queue)?),
            _consumer: Arc::clone(&self.consumer) as Arc<dyn std::any::Any + Send + Sync>,
        })
    }

    /// Waits for the next event, at most `timeout` (whole milliseconds). Counts as a poll for
    /// `max.poll.interval.ms`.
    pub fn poll(&self, timeout: Duration) -> Option<Event> {
        // SAFETY: the queue is valid until dropped.
        let event =
            unsafe { sys::rd_kafka_queue_poll(self.queue.0.as_ptr(), milliseconds(timeout)) };
        let event = NonNull::new(event).map(|event| Event { event })?;
        if let Some(config) = event.wants_token() {
            fetch_token(&self.consumer, config);
        }
        Some(event)
    }
}

impl Waker {
    /// Makes the running poll, or else the next one, return at once.
    pub fn wake(&self) {
        // SAFETY: the queue is valid until dropped; yielding is allowed from any thread.
        unsafe { sys::rd_kafka_queue_yield(self.queue.0.as_ptr()) }
    }
}

impl Event {
    /// What the event says.
    pub fn content(&self) -> Content<'_> {
        let event = self.event.as_ptr();
        // SAFETY: `event` is valid until `self` drops; the returned borrows are bound to `self`.
        unsafe {
            match sys::rd_kafka_event_type(event) {
                sys::RD_KAFKA_EVENT_FETCH => match sys::rd_kafka_event_message_next(event).as_ref()
                {
                    Some(message) => message_content(message),
                    None => Content::Other,
                },
                sys::RD_KAFKA_EVENT_REBALANCE => rebalance_content(event),
                sys::RD_KAFKA_EVENT_ERROR => error_content(event),
                sys::RD_KAFKA_EVENT_LOG => log_content(event),
                _ => Content::Other,
            }
        }
    }
}

impl Event {
    /// The client needs a token for its login: the login's settings.
    fn wants_token(&self) -> Option<Option<String>> {
        let event = self.event.as_ptr();
        // SAFETY: `event` is valid; the text is the event's and is copied.
        unsafe {
            if sys::rd_kafka_event_type(event) != sys::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH {
                return None;
            }
            let config = sys::rd_kafka_event_config_string(event);
            Some((!config.is_null()).then(|| text(config)))
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: we own the event and nothing borrowed from it is left.
        unsafe { sys::rd_kafka_event_destroy(self.event.as_ptr()) }
    }
}

impl<'event> Message<'event> {
    /// Identity of the topic object: equal for all messages of one topic while the client lives.
    pub fn topic_identity(&self) -> usize {
        self.message.rkt as usize
    }

    /// All of it, borrowed.
    #[inline]
    pub fn record(&self) -> RawRecord<'_> {
        RawRecord {
            topic: self.topic(),
            partition: self.partition(),
            offset: self.offset(),
            timestamp_ms: self.timestamp_ms(),
            key: self.key(),
            value: self.value(),
            headers: self,
        }
    }

    /// Topic name.
    pub fn topic(&self) -> &'event str {
        // SAFETY: the topic object outlives the message; its name is a C string.
        let name = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.message.rkt)) };
        name.to_str().unwrap_or_default()
    }

    /// Partition number.
    pub fn partition(&self) -> i32 {
        self.message.partition
    }

    /// Offset.
    pub fn offset(&self) -> i64 {
        self.message.offset
    }

    /// Key bytes; `None` is a null key.
    pub fn key(&self) -> Option<&'event [u8]> {
        // SAFETY: pointer and length come from one message and live as long as it.
        unsafe { bytes(self.message.key, self.message.key_len) }
    }

    /// Value bytes; `None` is a null value.
    pub fn value(&self) -> Option<&'event [u8]> {
        // SAFETY: as for the key.
        unsafe { bytes(self.message.payload, self.message.len) }
    }

    /// Record time in milliseconds since the epoch; `None` when the record has none.
    pub fn timestamp_ms(&self) -> Option<i64> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: both pointers are valid for the call.
        let timestamp = unsafe { sys::rd_kafka_message_timestamp(self.message, &raw mut kind) };
        (timestamp >= 0).then_some(timestamp)
    }

    /// Leader epoch under which it was fetched, -1 when unknown.
    pub fn leader_epoch(&self) -> i32 {
        // SAFETY: the message is valid.
        unsafe { sys::rd_kafka_message_leader_epoch(self.message) }
    }
}

impl HeaderSource for Message<'_> {
    fn headers(&self) -> Vec<RawHeader> {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is valid; the headers stay the message's.
        let answer = unsafe { sys::rd_kafka_message_headers(self.message, &raw mut headers) };
        if answer != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || headers.is_null() {
            return Vec::new();
        }
        let mut found = Vec::new();
        loop {
            let mut name: *const c_char = ptr::null();
            let mut value: *const c_void = ptr::null();
            let mut size = 0;
            // SAFETY: `headers` is valid; past the end the call says so and writes nothing.
            let answer = unsafe {
                sys::rd_kafka_header_get_all(
                    headers,
                    found.len(),
                    &raw mut name,
                    &raw mut value,
                    &raw mut size,
                )
            };
            if answer != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return found;
            }
            // SAFETY: name is a C string and value has `size` bytes, both the message's.
            let (name, value) = unsafe { (text(name), bytes(value.cast_mut(), size)) };
            found.push((name, value.map(<[u8]>::to_vec)));
        }
    }
}

fn milliseconds(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// A reference to a queue, given back when dropped.
struct Queue(NonNull<sys::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues lock themselves.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the reference is ours.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

unsafe fn message_content(message: &sys::rd_kafka_message_t) -> Content<'_> {
    if message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Content::Message(Message { message });
    }
    let view = Message { message };
    let partition = (view.topic().to_owned(), message.partition);
    if message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF {
        return Content::EndOfPartition {
            topic: partition.0,
            partition: partition.1,
            offset: message.offset,
        };
    }
    Content::Error {
        code: message.err.into(),
        fatal: false,
        partition: Some(partition),
        // SAFETY: the text is the message's or the client's own, and is copied.
        reason: unsafe { text(sys::rd_kafka_message_errstr(message)) },
    }
}

unsafe fn rebalance_content(event: *mut sys::rd_kafka_event_t) -> Content<'static> {
    // SAFETY: the event is the caller's and valid; the list belongs to it.
    unsafe {
        let partitions = sys::rd_kafka_event_topic_partition_list(event)
            .as_ref()
            // An empty list may have no elements' memory at all.
            .filter(|list| list.cnt > 0 && !list.elems.is_null())
            .map(|list| {
                let count = usize::try_from(list.cnt).unwrap_or(0);
                slice::from_raw_parts(list.elems, count)
                    .iter()
                    .map(|element| (text(element.topic), element.partition))
                    .collect()
            })
            .unwrap_or_default();
        match sys::rd_kafka_event_error(event) {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Content::Assigned(partitions),
            _ => Content::Revoked(partitions),
        }
    }
}

unsafe fn log_content(event: *mut sys::rd_kafka_event_t) -> Content<'static> {
    let (mut facility, mut message) = (ptr::null(), ptr::null());
    let mut level = 0;
    // SAFETY: the event is the caller's and valid; both texts are its own C strings.
    unsafe {
        sys::rd_kafka_event_log(event, &raw mut facility, &raw mut message, &raw mut level);
        Content::Log {
            level,
            facility: text(facility),
            message: text(message),
        }
    }
}

unsafe fn error_content(event: *mut sys::rd_kafka_event_t) -> Content<'static> {
    // SAFETY: the event is the caller's and valid; the partition object is ours to give back.
    unsafe {
        let error = sys::rd_kafka_event_error(event);
        let reason = text(sys::rd_kafka_event_error_string(event));
        let located = NonNull::new(sys::rd_kafka_event_topic_partition(event)).map(|element| {
            let found = element.as_ref();
            let located = ((text(found.topic), found.partition), found.offset);
            sys::rd_kafka_topic_partition_destroy(element.as_ptr());
            located
        });
        match (error, located) {
            (
                RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF,
                Some(((topic, partition), offset)),
            ) => Content::EndOfPartition {
                topic,
                partition,
                offset,
            },
            (error, located) => Content::Error {
                code: error.into(),
                fatal: sys::rd_kafka_event_error_is_fatal(event) != 0,
                partition: located.map(|(partition, _)| partition),
                reason,
            },
        }
    }
}

unsafe fn bytes<'a>(start: *mut c_void, length: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: the caller vouches for pointer, length and lifetime.
    Some(unsafe { slice::from_raw_parts(start.cast::<u8>(), length) })
}

unsafe fn text(start: *const c_char) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: the caller vouches for a C string.
    unsafe { CStr::from_ptr(start) }
        .to_string_lossy()
        .into_owned()
}

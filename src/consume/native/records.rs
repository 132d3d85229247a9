//! Records from a queue of their own, apart from what the group and the client say.
//!
//! By itself the client puts the records of all partitions into the consumer's queue, in one row with
//! rebalances. Then whoever wants no records for a while hears nothing of the group either. So each
//! partition is *led* here, to a queue that is read only while there is room for records.
//!
//! **When to lead.** Starting to read a partition makes its records go to the consumer's queue, unless
//! they have been led elsewhere before; stopping makes them go nowhere, which outlasts the next start
//! (librdkafka 2.12: `rd_kafka_toppar_op_fetch_start`, `rd_kafka_toppar_fetch_stop`). A stop is carried
//! out some time after the unassignment that asks for it, but in order with other requests, so it is
//! over when an assignment has been answered. Hence a partition is led before it is assigned, and
//! again afterwards; then none of its records takes the other way.
//!
//! **One at a time.** The client can also give a batch of records (`rd_kafka_consume_batch_queue`). But
//! that takes the end of a partition for a record of it, so that the client, which stops and resumes its
//! partitions when the group changes, would read on behind the next record (librdkafka 2.12:
//! `rd_kafka_q_serve_rkmessages` moves `rktp_app_pos` for errors too): one record would be lost.
//!
//! **Waiting.** A thread waits at one queue only, the consumer's. Whenever records come here, that wait
//! ends, or else the next one does.

use std::ffi::{CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};

use super::{Event, Poller, Queue};

/// The records of the partitions that are led here. Use from the poller's thread.
pub struct Records<C: ConsumerContext + 'static> {
    queue: Queue,
    /// The consumer's queue: told when records come. After `queue`, whose callback refers to it.
    _waiting: Queue,
    consumer: Arc<BaseConsumer<C>>,
}

impl<C: ConsumerContext + 'static> Records<C> {
    /// A queue that no partition is led to yet. `None` when the consumer has no group.
    pub fn new(consumer: &Arc<BaseConsumer<C>>) -> Option<Self> {
        let waiting = Poller::new(consumer)?.queue;
        // SAFETY: the client pointer is valid while `consumer` lives, and we keep it.
        let queue = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        let queue = Queue(NonNull::new(queue)?);
        // SAFETY: the callback is given a queue that lives until it has been taken back in `drop`.
        unsafe {
            let waiting = waiting.0.as_ptr().cast::<c_void>();
            sys::rd_kafka_queue_cb_event_enable(queue.0.as_ptr(), Some(end_wait), waiting);
        }
        Some(Self {
            queue,
            _waiting: waiting,
            consumer: Arc::clone(consumer),
        })
    }

    /// Makes a partition's records come here. `false`: the client does not know the partition.
    pub fn lead(&self, topic: &str, partition: i32) -> bool {
        let Ok(topic) = CString::new(topic) else {
            return false;
        };
        let client = self.consumer.client().native_ptr();
        // SAFETY: the client and the name are valid for the call; the reference that is returned is ours.
        let own = unsafe { sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition) };
        let Some(own) = NonNull::new(own).map(Queue) else {
            return false;
        };
        // SAFETY: both queues are valid; the client takes its own reference to the second.
        unsafe { sys::rd_kafka_queue_forward(own.0.as_ptr(), self.queue.0.as_ptr()) };
        true
    }

    /// The next record, end of a partition or error, in the order of its partition; `None` when there
    /// is none now.
    #[inline]
    pub fn take(&self) -> Option<Event> {
        // SAFETY: the queue is valid until dropped.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.0.as_ptr(), 0) };
        NonNull::new(event).map(|event| Event { event })
    }
}

impl<C: ConsumerContext + 'static> Drop for Records<C> {
    fn drop(&mut self) {
        // SAFETY: the queue is valid. The client calls back, and forgets the callback, under the queue's
        // lock, so that none is running afterwards.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.0.as_ptr(), None, ptr::null_mut());
        }
    }
}

/// Called by the client's threads, which may not block: this does not.
unsafe extern "C" fn end_wait(_client: *mut sys::rd_kafka_t, waiting: *mut c_void) {
    // SAFETY: `Records` keeps the queue for as long as this is called.
    unsafe { sys::rd_kafka_queue_yield(waiting.cast()) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
    use rdkafka::{ClientConfig, Offset, TopicPartitionList};

    use super::*;
    use crate::consume::client::{self, TaskContext};
    use crate::consume::native::Content;

    const TOPIC: &str = "apart";
    const PARTITIONS: i32 = 2;
    const RECORDS: i64 = 200;
    const DEADLINE: Duration = Duration::from_secs(30);

    struct Log {
        cluster: MockCluster<'static, DefaultProducerContext>,
    }

    impl Log {
        fn new() -> Self {
            let cluster = MockCluster::new(1).expect("a broker");
            cluster.create_topic(TOPIC, PARTITIONS, 1).expect("a topic");
            Self { cluster }
        }

        fn produce(&self, count: i64) {
            produce(&self.cluster.bootstrap_servers(), count);
        }

        fn reader(&self) -> Reader {
            let properties = [
                ("bootstrap.servers", &*self.cluster.bootstrap_servers()),
                ("group.id", "apart"),
                // A fetch that waits at the end of the log would be waited for.
                ("fetch.wait.max.ms", "10"),
            ];
            let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let consumer = Arc::new(client::create(&properties, "test").expect("a consumer"));
            Reader {
                poller: Poller::new(&consumer).expect("a queue"),
                records: Records::new(&consumer).expect("a queue"),
                consumer,
            }
        }
    }

    struct Reader {
        poller: Poller<TaskContext>,
        records: Records<TaskContext>,
        consumer: Arc<client::TaskConsumer>,
    }

    impl Reader {
        /// As the thread does it.
        fn read_from(&self, partition: i32, offset: i64) {
            let list = list(partition, Offset::Offset(offset));
            assert!(self.records.lead(TOPIC, partition));
            self.consumer.incremental_assign(&list).expect("assigned");
            assert!(self.records.lead(TOPIC, partition));
        }

        fn stop(&self, partition: i32) {
            let list = list(partition, Offset::Invalid);
            self.consumer.incremental_unassign(&list).expect("given up");
        }

        /// The next record: partition and offset.
        fn next(&self) -> (i32, i64) {
            let until = Instant::now() + DEADLINE;
            while Instant::now() < until {
                while let Some(event) = self.records.take() {
                    if let Content::Message(message) = event.content() {
                        return (message.partition(), message.offset());
                    }
                }
                let event = self.poller.poll(Duration::from_secs(1));
                let content = event.as_ref().map(|event| event.content());
                assert!(
                    !matches!(content, Some(Content::Message(_))),
                    "a record came by the consumer's queue"
                );
            }
            panic!("no record within {DEADLINE:?}");
        }
    }

    fn list(partition: i32, offset: Offset) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        let added = list.add_partition_offset(TOPIC, partition, offset);
        added.map(|()| list).expect("a partition")
    }

    fn produce(servers: &str, count: i64) {
        let mut config = ClientConfig::new();
        let producer: BaseProducer = config
            .set("bootstrap.servers", servers)
            .create()
            .expect("a producer");
        for partition in 0..PARTITIONS {
            for _ in 0..count {
                let record = BaseRecord::<(), str>::to(TOPIC).partition(partition);
                assert!(producer.send(record.payload("tick")).is_ok());
            }
        }
        producer.flush(DEADLINE).expect("all are sent");
    }

    /// Each assignment comes right behind the one before is given up, while that is being stopped.
    #[test]
    fn no_assignment_reads_by_another_queue_or_from_another_offset() {
        let log = Log::new();
        log.produce(RECORDS);
        let reader = log.reader();
        reader.read_from(0, 0);
        assert_eq!(reader.next(), (0, 0));
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..100 {
            let (partition, offset) = (random.i32(0..PARTITIONS), random.i64(0..RECORDS));
            for partition in 0..PARTITIONS {
                let assigned = reader.consumer.assignment().expect("an assignment");
                if assigned.find_partition(TOPIC, partition).is_some() {
                    reader.stop(partition);
                }
            }
            reader.read_from(partition, offset);
            for next in offset..RECORDS.min(offset + 3) {
                assert_eq!(reader.next(), (partition, next));
            }
        }
    }

    /// A log of one record per partition, and a reader that has had that of partition 0.
    fn one_record_read() -> (Log, Reader) {
        let log = Log::new();
        log.produce(1);
        let reader = log.reader();
        reader.read_from(0, 0);
        assert_eq!(reader.next(), (0, 0));
        (log, reader)
    }

    /// As the client does it by itself whenever the group changes.
    #[test]
    fn what_is_resumed_at_the_end_of_its_partition_misses_no_record() {
        let (log, reader) = one_record_read();
        let until = Instant::now() + DEADLINE;
        let ends = |event: &Event| matches!(event.content(), Content::EndOfPartition { .. });
        while !reader.records.take().as_ref().is_some_and(ends) {
            assert!(Instant::now() < until, "the partition has no end");
            reader.poller.poll(Duration::from_millis(100));
        }
        let partition = list(0, Offset::Invalid);
        reader.consumer.pause(&partition).expect("paused");
        reader.consumer.resume(&partition).expect("resumed");
        log.produce(2);
        assert_eq!(reader.next(), (0, 1));
        assert_eq!(reader.next(), (0, 2));
    }

    #[test]
    fn a_record_ends_the_wait_for_an_event() {
        let (log, reader) = one_record_read();
        // Until the client has nothing to say.
        while reader.records.take().is_some()
            || reader.poller.poll(Duration::from_millis(300)).is_some()
        {}
        let servers = log.cluster.bootstrap_servers();
        std::thread::scope(|scope| {
            scope.spawn(|| produce(&servers, 1));
            let since = Instant::now();
            // Looks for a record only where a wait has ended.
            while reader.records.take().is_none() {
                reader.poller.poll(DEADLINE);
            }
            assert!(since.elapsed() < DEADLINE, "{:?}", since.elapsed());
        });
    }
}

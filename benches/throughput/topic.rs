//! Topics: filled once per run, read by everybody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rowdock::consume::client;
use rowdock::consume::native::{Content, Poller};

use crate::order::{Format, Order};
use crate::report::Consumed;
use crate::services::Services;

/// Partitions of each topic.
pub(crate) const PARTITIONS: i32 = 8;

/// Waiting for a broker on this machine.
const BROKER_DEADLINE: Duration = Duration::from_secs(60);

/// A consumer that gets nothing for so long gets nothing any more.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// A record before it is sent.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Records of one number go to one partition.
    pub(crate) partition_by: i64,
    /// Empty: none.
    pub(crate) key: String,
    pub(crate) value: String,
    /// Is sent without its value.
    pub(crate) is_delete: bool,
}

/// A topic; deleted when dropped.
pub(crate) struct Topic {
    pub(crate) name: String,
    bootstrap: String,
    admin: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Topic {
    /// Creates an empty topic.
    pub(crate) fn create(services: &Services, name: &str) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &services.kafka);
        let topic = Self {
            name: name.to_owned(),
            bootstrap: services.kafka.clone(),
            admin: config.create()?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        };
        let new = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(BROKER_DEADLINE));
        let created = topic
            .runtime
            .block_on(topic.admin.create_topics([&new], &options))
            .with_context(|| format!("cannot create topic {name}"))?;
        match created.into_iter().next() {
            Some(Err((_, code))) => bail!("cannot create topic {name}: {code}"),
            _ => Ok(topic),
        }
    }

    /// Writes orders `0..records` and returns how long it took and the mean size of their values.
    pub(crate) fn fill(&self, format: Format, records: usize) -> anyhow::Result<(Duration, f64)> {
        self.fill_with(records, |number, record| {
            let order = Order::new(i64::try_from(number).unwrap_or(i64::MAX));
            record.partition_by = order.id;
            order.write(format, &mut record.value);
        })
    }

    /// Writes this many records, as they are made; returns as [`fill`](Self::fill) does.
    pub(crate) fn fill_with(
        &self,
        records: usize,
        make: impl Fn(usize, &mut Record),
    ) -> anyhow::Result<(Duration, f64)> {
        let producer: BaseProducer = self
            .producer_config()
            .set("linger.ms", "20")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "200000")
            .create()?;
        let started = Instant::now();
        let mut record = Record::default();
        let mut bytes = 0_u64;
        for number in 0..records {
            make(number, &mut record);
            bytes += u64::try_from(record.value.len())?;
            send_record(&producer, &self.name, &record)?;
        }
        producer.flush(BROKER_DEADLINE)?;
        self.expect_records(records)?;
        Ok((started.elapsed(), bytes as f64 / records as f64))
    }

    /// Settings for a producer to this topic's broker: nothing is lost, nothing doubled.
    pub(crate) fn producer_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("enable.idempotence", "true");
        config
    }

    /// Only consumes the topic.
    pub(crate) fn consume(&self, format: Format, records: usize) -> anyhow::Result<Consumed> {
        let mut bytes = 0;
        let elapsed = self.read(records, |value| {
            bytes += value.map_or(0, <[u8]>::len);
        })?;
        Ok(Consumed {
            format: format.name(),
            rows_per_s: records as f64 / elapsed.as_secs_f64(),
            megabytes_per_s: bytes as f64 / 1e6 / elapsed.as_secs_f64(),
        })
    }

    /// Consumes the topic, with the worker's consumer and its settings, on this thread, and shows
    /// each value; and `None` whenever there is nothing more at the moment. Returns the time from the
    /// first record to the last.
    pub(crate) fn read(
        &self,
        records: usize,
        mut show: impl FnMut(Option<&[u8]>),
    ) -> anyhow::Result<Duration> {
        let properties = [
            ("bootstrap.servers".to_owned(), self.bootstrap.clone()),
            ("group.id".to_owned(), format!("{}-consume", self.name)),
        ];
        let consumer = Arc::new(client::create(&properties, "rowdock-bench")?);
        let mut partitions = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            partitions.add_partition_offset(&self.name, partition, rdkafka::Offset::Beginning)?;
        }
        consumer.assign(&partitions)?;
        let poller = Poller::new(&consumer).context("the consumer has no queue")?;
        let mut first = None;
        let mut count = 0;
        while count < records {
            // As the worker does it: the client looks at the clock only where it waits.
            let polled = poller.poll(Duration::ZERO);
            let waited = || {
                show(None);
                poller.poll(SILENCE_MAX)
            };
            let Some(event) = polled.or_else(waited) else {
                bail!("{}: nothing more after {count} records", self.name);
            };
            match event.content() {
                Content::Message(message) => {
                    first.get_or_insert_with(Instant::now);
                    count += 1;
                    show(Some(message.value().unwrap_or_default()));
                }
                Content::Error { reason, .. } => bail!("cannot consume {}: {reason}", self.name),
                _ => {}
            }
        }
        Ok(first.map_or(Duration::ZERO, |first| first.elapsed()))
    }

    /// Fails unless the topic holds exactly this many records.
    fn expect_records(&self, records: usize) -> anyhow::Result<()> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        let consumer: rdkafka::consumer::BaseConsumer = config.create()?;
        let mut found = 0;
        for partition in 0..PARTITIONS {
            let (low, high) = consumer.fetch_watermarks(&self.name, partition, BROKER_DEADLINE)?;
            found += high - low;
        }
        if found != i64::try_from(records)? {
            bail!("{} holds {found} records instead of {records}", self.name);
        }
        Ok(())
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        let options = AdminOptions::new();
        // At worst a topic stays in a broker for tests.
        self.runtime
            .block_on(self.admin.delete_topics(&[&self.name], &options))
            .ok();
    }
}

/// Partition of an order.
pub(crate) fn partition_of(id: i64) -> i32 {
    i32::try_from(id % i64::from(PARTITIONS)).unwrap_or_default()
}

/// Hands a record without a key to the producer, which chooses its partition as producers do: those
/// that are gathered together go to one.
pub(crate) fn send(producer: &BaseProducer, topic: &str, value: &str) -> anyhow::Result<()> {
    enqueue(producer, topic, BaseRecord::to(topic).payload(value))
}

fn send_record(producer: &BaseProducer, topic: &str, record: &Record) -> anyhow::Result<()> {
    let mut sent = BaseRecord::to(topic).partition(partition_of(record.partition_by));
    if !record.key.is_empty() {
        sent = sent.key(record.key.as_str());
    }
    if !record.is_delete {
        sent = sent.payload(record.value.as_str());
    }
    enqueue(producer, topic, sent)
}

fn enqueue(
    producer: &BaseProducer,
    topic: &str,
    mut record: BaseRecord<'_, str, str>,
) -> anyhow::Result<()> {
    loop {
        match producer.send(record) {
            Ok(()) => break,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                record = refused;
                producer.poll(Duration::from_millis(10));
            }
            Err((error, _)) => bail!("cannot produce to {topic}: {error}"),
        }
    }
    producer.poll(Duration::ZERO);
    Ok(())
}

//! Topics of a run, and steady loads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::Arena;

const BROKER_DEADLINE: Duration = Duration::from_secs(60);

/// Between two helpings of a steady load.
const HELPING_INTERVAL: Duration = Duration::from_millis(10);

/// A topic; deleted when dropped.
pub(crate) struct Topic {
    pub(crate) name: String,
    partitions: i32,
    bootstrap: String,
    admin: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Topic {
    pub(crate) fn create(arena: &Arena, suffix: &str, partitions: i32) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &arena.services.kafka);
        let topic = Self {
            name: format!("{}_{suffix}", arena.run),
            partitions,
            bootstrap: arena.services.kafka.clone(),
            admin: config.create()?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        };
        let new = NewTopic::new(&topic.name, partitions, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(BROKER_DEADLINE));
        let created = topic.admin.create_topics([&new], &options);
        let created = topic.runtime.block_on(created)?;
        match created.into_iter().next() {
            Some(Err((_, code))) => bail!("cannot create topic {}: {code}", topic.name),
            _ => Ok(topic),
        }
    }

    fn producer(&self) -> anyhow::Result<BaseProducer> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("linger.ms", "5")
            .set("queue.buffering.max.messages", "200000")
            .create();
        producer.context("cannot make a producer")
    }

    /// Writes records `0..count`.
    pub(crate) fn fill(&self, count: i64) -> anyhow::Result<()> {
        let producer = self.producer()?;
        for id in 0..count {
            send(&producer, &self.name, self.partitions, id)?;
        }
        producer.flush(BROKER_DEADLINE)?;
        Ok(())
    }

    /// Writes at a steady rate until it is ended.
    pub(crate) fn load(&self, per_second: u32) -> anyhow::Result<Load> {
        let producer = self.producer()?;
        let (name, partitions) = (self.name.clone(), self.partitions);
        let ending = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ending);
        let sending = thread::spawn(move || {
            let begun = Instant::now();
            let mut sent = 0;
            while !told.load(Ordering::Acquire) {
                let due = begun.elapsed().as_millis() * u128::from(per_second) / 1000;
                while u128::from(sent) < due {
                    send(&producer, &name, partitions, i64::try_from(sent)?)?;
                    sent += 1_u64;
                }
                producer.poll(HELPING_INTERVAL);
            }
            producer.flush(BROKER_DEADLINE)?;
            Ok(i64::try_from(sent)?)
        });
        Ok(Load { ending, sending })
    }
}

/// A load that goes on.
pub(crate) struct Load {
    ending: Arc<AtomicBool>,
    sending: JoinHandle<anyhow::Result<i64>>,
}

impl Load {
    /// Ends it; returns how many records there were.
    pub(crate) fn end(self) -> anyhow::Result<i64> {
        self.ending.store(true, Ordering::Release);
        match self.sending.join() {
            Ok(sent) => sent,
            Err(_) => bail!("the load broke down"),
        }
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

fn send(producer: &BaseProducer, topic: &str, partitions: i32, id: i64) -> anyhow::Result<()> {
    let part = i32::try_from(id % i64::from(partitions))?;
    let value = format!(
        "{{\"id\":{id},\"part\":{part},\"payer\":\"somebody of some name\",\"note\":\"{}\"}}",
        "as long as a note mostly is ".repeat(4)
    );
    let mut record: BaseRecord<'_, (), str> = BaseRecord::to(topic).partition(part).payload(&value);
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

//! Producers of numbered records: a load in the background, single records, transactions.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, DeliveryFuture, FutureProducer, FutureRecord, Producer};
use rdkafka::producer::{DeliveryResult, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Message};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::kafka::client;
use super::ledger::{Fate, Ledger, Sent};

/// Ticks of a load: small, so that every partition has something in every moment.
const TICK: Duration = Duration::from_millis(20);
const TICKS_PER_SECOND: usize = 50;

const TRANSACTION_DEADLINE: Duration = Duration::from_secs(15);

/// A record before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) partition: i32,
    pub(crate) seq: i64,
    pub(crate) item: i64,
    pub(crate) amount: Option<i64>,
    pub(crate) poison: Option<Poison>,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// Not JSON: the converter refuses it.
    Malformed,
    /// `amount` is a text that is no number: no value for its column.
    Unfit,
    /// `amount` is negative: a check of the table refuses it.
    Refused,
}

/// One producer with its number; writes to one topic.
pub(crate) struct Writer {
    topic: String,
    producer: i32,
    ledger: Arc<Ledger>,
    client: FutureProducer,
}

impl Writer {
    pub(crate) fn new(topic: &str, producer: i32, ledger: &Arc<Ledger>) -> Self {
        let mut config = client();
        config.set("enable.idempotence", "true");
        config.set("linger.ms", "2");
        // A broker that is frozen does not answer; who leads now is asked once a request has timed out.
        config.set("socket.timeout.ms", "10000");
        Self::with_config(topic, producer, ledger, &config)
    }

    /// A producer with settings of its own.
    pub(crate) fn with_config(
        topic: &str,
        producer: i32,
        ledger: &Arc<Ledger>,
        config: &ClientConfig,
    ) -> Self {
        Self {
            topic: topic.to_owned(),
            producer,
            ledger: Arc::clone(ledger),
            client: config.create().expect("a producer"),
        }
    }

    /// Sends and waits until all are acknowledged.
    pub(crate) async fn send_all(&self, drafts: impl IntoIterator<Item = Draft>) {
        let mut waiting = Vec::new();
        for draft in drafts {
            waiting.push((self.send(&draft), draft));
        }
        for (delivery, draft) in waiting {
            self.acknowledged(delivery, &draft).await;
        }
    }

    /// Sends `count` good records, spread over partitions, numbered from `first`.
    pub(crate) async fn send_good(&self, first: i64, count: i64, partitions: i32) {
        let drafts = (first..first + count).map(|seq| Draft::good(seq, partitions));
        self.send_all(drafts).await;
    }

    /// Sends one record; says why when it is not acknowledged.
    pub(crate) async fn try_send(&self, draft: &Draft) -> Result<(), String> {
        let delivery = self.send(draft).await.expect("the producer lives");
        let delivery = delivery.map_err(|(error, _)| error.to_string())?;
        let coordinates = (delivery.partition, delivery.offset);
        self.ledger
            .add(draft.sent(&self.topic, self.producer, coordinates));
        Ok(())
    }

    fn send(&self, draft: &Draft) -> DeliveryFuture {
        let key = draft.key();
        let value = draft.value(self.producer);
        let mut record = FutureRecord::<[u8], [u8]>::to(&self.topic)
            .partition(draft.partition)
            .key(&key);
        if let Some(value) = &value {
            record = record.payload(value);
        }
        match self.client.send_result(record) {
            Ok(delivery) => delivery,
            Err((error, _)) => panic!("enqueue a record: {error}"),
        }
    }

    async fn acknowledged(&self, delivery: DeliveryFuture, draft: &Draft) {
        let delivery = delivery.await.expect("the producer lives");
        let delivery = delivery.unwrap_or_else(|(error, _)| panic!("produce: {error}"));
        self.ledger.add(draft.sent(
            &self.topic,
            self.producer,
            (delivery.partition, delivery.offset),
        ));
    }
}

impl Draft {
    /// A good record whose item, and so its partition, follows from its number.
    pub(crate) fn good(seq: i64, partitions: i32) -> Self {
        Self::about(seq, seq, partitions)
    }

    /// A good record about an item.
    pub(crate) fn about(seq: i64, item: i64, partitions: i32) -> Self {
        Self {
            partition: i32::try_from(item.rem_euclid(i64::from(partitions))).unwrap(),
            seq,
            item,
            amount: Some(seq.wrapping_mul(7) % 1000),
            poison: None,
        }
    }

    pub(crate) fn poisoned(mut self, poison: Poison) -> Self {
        self.poison = Some(poison);
        self
    }

    pub(crate) fn deleting(mut self) -> Self {
        self.amount = None;
        self
    }

    fn key(&self) -> Vec<u8> {
        json!({ "item": self.item }).to_string().into_bytes()
    }

    fn value(&self, producer: i32) -> Option<Vec<u8>> {
        let amount = match self.poison {
            Some(Poison::Malformed) => {
                let text = format!("{{\"producer\": {producer}, \"seq\": {}, ", self.seq);
                return Some(text.into_bytes());
            }
            Some(Poison::Unfit) => json!("many"),
            Some(Poison::Refused) => json!(-1),
            None => json!(self.amount?),
        };
        let value =
            json!({"producer": producer, "seq": self.seq, "item": self.item, "amount": amount});
        Some(value.to_string().into_bytes())
    }

    fn sent(&self, topic: &str, producer: i32, (partition, offset): (i32, i64)) -> Sent {
        let fate = if self.poison.is_some() {
            Fate::Rejected
        } else {
            Fate::Stored
        };
        Sent {
            topic: topic.to_owned(),
            partition,
            offset,
            producer,
            seq: self.seq,
            item: self.item,
            amount: self.amount,
            fate,
        }
    }
}

/// What a load sends.
#[derive(Debug, Clone)]
pub(crate) struct LoadSpec {
    pub(crate) producer: i32,
    pub(crate) per_second: usize,
    pub(crate) partitions: i32,
    /// Number of different items; 0: each record has an item of its own.
    pub(crate) items: i64,
    /// Every n-th record deletes its item; 0: none.
    pub(crate) delete_every: i64,
    /// Every n-th record is bad, of all kinds in turn; 0: none.
    pub(crate) poison_every: i64,
    pub(crate) seed: u64,
}

impl LoadSpec {
    /// A load of good records for an append table.
    pub(crate) fn append(per_second: usize, partitions: i32) -> Self {
        Self {
            producer: 1,
            per_second,
            partitions,
            items: 0,
            delete_every: 0,
            poison_every: 0,
            seed: 0,
        }
    }

    fn draft(&self, seq: i64, random: &mut fastrand::Rng) -> Draft {
        let item = if self.items == 0 {
            seq
        } else {
            random.i64(0..self.items)
        };
        let draft = Draft::about(seq, item, self.partitions);
        if is_nth(seq, self.poison_every) {
            let kinds = [Poison::Malformed, Poison::Unfit, Poison::Refused];
            let turn = (seq / self.poison_every).rem_euclid(3);
            return draft.poisoned(kinds[usize::try_from(turn).unwrap()]);
        }
        if is_nth(seq, self.delete_every) {
            return draft.deleting();
        }
        draft
    }
}

fn is_nth(seq: i64, every: i64) -> bool {
    every > 0 && seq % every == every - 1
}

/// A steady load in the background.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    sending: JoinHandle<()>,
}

impl Load {
    pub(crate) fn start(topic: &str, ledger: &Arc<Ledger>, spec: LoadSpec) -> Self {
        let (stop, stopped) = watch::channel(false);
        let writer = Writer::new(topic, spec.producer, ledger);
        let sending = tokio::spawn(send_steadily(writer, spec, stopped));
        Self { stop, sending }
    }

    /// Stops sending, and returns when everything is acknowledged.
    pub(crate) async fn finish(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.sending.await {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

async fn send_steadily(writer: Writer, spec: LoadSpec, stopped: watch::Receiver<bool>) {
    let writer = Arc::new(writer);
    let (sent, mut waiting) = mpsc::unbounded_channel();
    let acknowledging = Arc::clone(&writer);
    let acknowledge = tokio::spawn(async move {
        while let Some((delivery, draft)) = waiting.recv().await {
            acknowledging.acknowledged(delivery, &draft).await;
        }
    });
    let mut random = fastrand::Rng::with_seed(spec.seed);
    let mut tick = tokio::time::interval(TICK);
    let mut seq = 0;
    while !*stopped.borrow() {
        tick.tick().await;
        for _ in 0..(spec.per_second / TICKS_PER_SECOND).max(1) {
            let draft = spec.draft(seq, &mut random);
            if sent.send((writer.send(&draft), draft)).is_err() {
                break;
            }
            seq += 1;
        }
    }
    drop(sent);
    if let Err(error) = acknowledge.await {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Writes one transaction of good records and commits or aborts it.
pub(crate) async fn transaction(
    topic: &str,
    producer: i32,
    ledger: &Arc<Ledger>,
    drafts: Vec<Draft>,
    commit: bool,
) {
    let topic = topic.to_owned();
    let ledger = Arc::clone(ledger);
    let done = tokio::task::spawn_blocking(move || {
        blocking_transaction(&topic, producer, &ledger, &drafts, commit);
    });
    if let Err(error) = done.await {
        std::panic::resume_unwind(error.into_panic());
    }
}

fn blocking_transaction(
    topic: &str,
    producer: i32,
    ledger: &Arc<Ledger>,
    drafts: &[Draft],
    commit: bool,
) {
    let mut config = client();
    config.set("transactional.id", format!("{topic}-{producer}"));
    config.set("linger.ms", "2");
    let reports = Reports::default();
    let client: ThreadedProducer<Reports> = config.create_with_context(reports).unwrap();
    client.init_transactions(TRANSACTION_DEADLINE).unwrap();
    client.begin_transaction().unwrap();
    for (index, draft) in drafts.iter().enumerate() {
        let key = draft.key();
        let value = draft.value(producer).expect("no deletes in transactions");
        let record = BaseRecord::<[u8], [u8], Box<usize>>::with_opaque_to(topic, Box::new(index))
            .partition(draft.partition)
            .key(&key)
            .payload(&value);
        client.send(record).map_err(|(error, _)| error).unwrap();
    }
    client.flush(TRANSACTION_DEADLINE).unwrap();
    if commit {
        client.commit_transaction(TRANSACTION_DEADLINE).unwrap();
    } else {
        client.abort_transaction(TRANSACTION_DEADLINE).unwrap();
    }
    let reports = client.context().0.lock().unwrap().clone();
    assert_eq!(reports.len(), drafts.len(), "delivery reports");
    for (index, coordinates) in reports {
        let mut sent = drafts[index].sent(topic, producer, coordinates);
        if !commit {
            sent.fate = Fate::Invisible;
        }
        ledger.add(sent);
    }
}

/// Coordinates of what was delivered, by the draft's number.
#[derive(Default)]
struct Reports(std::sync::Mutex<Vec<(usize, (i32, i64))>>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, index: Box<usize>) {
        if let Ok(message) = result {
            let coordinates = (message.partition(), message.offset());
            self.0.lock().unwrap().push((*index, coordinates));
        }
    }
}

//! The promotion: orders come in steadily at first, then in a burst.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rdkafka::producer::future_producer::Delivery;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use tokio::time::{MissedTickBehavior, interval};

use super::orders::{self, OrderRecord, Place};
use super::{DemoError, TOPIC};

/// Orders are sent in so many portions.
const PORTIONS: u32 = 100;

/// After so many of them the burst begins.
const STEADY_PORTIONS: u32 = 40;

/// Time between portions: two seconds of steady orders, then the rest within one.
const STEADY_INTERVAL: Duration = Duration::from_millis(50);
const BURST_INTERVAL: Duration = Duration::from_millis(15);

/// Produces orders 1 to `records` and counts them in `produced` as the broker acknowledges them.
///
/// # Errors
/// When the broker does not acknowledge a record, or puts it elsewhere than it belongs.
pub(super) async fn produce(
    producer: FutureProducer,
    records: u32,
    produced: Arc<AtomicU32>,
) -> Result<(), DemoError> {
    let mut sent = 0;
    for portion in 1..=PORTIONS {
        let until = u32::try_from(u64::from(records) * u64::from(portion) / u64::from(PORTIONS))
            .unwrap_or(records);
        let pause = if portion <= STEADY_PORTIONS {
            STEADY_INTERVAL
        } else {
            BURST_INTERVAL
        };
        // The first tick comes at once, the second after the pause.
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        send(&producer, sent + 1..=until).await?;
        sent = until;
        produced.store(sent, Ordering::Relaxed);
        ticks.tick().await;
    }
    Ok(())
}

/// Sends these orders and awaits them all.
async fn send(
    producer: &FutureProducer,
    order_ids: std::ops::RangeInclusive<u32>,
) -> Result<(), DemoError> {
    let mut waiting = Vec::new();
    for order_id in order_ids {
        let record = orders::record(order_id);
        waiting.push((record.place, enqueue(producer, &record)?));
    }
    let (places, deliveries): (Vec<Place>, Vec<DeliveryFuture>) = waiting.into_iter().unzip();
    for (place, delivered) in places.into_iter().zip(join_all(deliveries).await) {
        let delivery = match delivered {
            Ok(Ok(delivery)) => delivery,
            Ok(Err((error, _))) => return Err(DemoError::broker("acknowledge an order")(error)),
            Err(_) => return Err(DemoError::Produce("the producer ended early".to_owned())),
        };
        let Delivery {
            partition, offset, ..
        } = delivery;
        if (Place { partition, offset }) != place {
            return Err(DemoError::Produce(format!(
                "an order went to partition {partition}, offset {offset} instead of partition {}, \
                 offset {}",
                place.partition, place.offset
            )));
        }
    }
    Ok(())
}

/// The producer's queue holds more than all of the demo's records.
fn enqueue(producer: &FutureProducer, record: &OrderRecord) -> Result<DeliveryFuture, DemoError> {
    let mut message: FutureRecord<'_, str, str> = FutureRecord::to(TOPIC)
        .partition(record.place.partition)
        .payload(&record.value);
    message.key = record.key.as_deref();
    producer
        .send_result(message)
        .map_err(|(error, _)| DemoError::broker("take an order")(error))
}

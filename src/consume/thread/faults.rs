//! What the client says goes wrong, or what it reads shows, and what follows from it.

use rdkafka::error::RDKafkaErrorCode;

use super::Running;
use crate::consume::native::TopicPartition;
use crate::consume::slots::SlotState;
use crate::handover::ToWriter;

impl Running {
    /// Nothing more of the partition is taken: what stands behind the record may not be what follows
    /// what was written.
    #[cold]
    pub(super) fn refilled(&mut self, slot: usize, offset: i64, now: i32) {
        let Some(slot) = self.slots.get_mut(slot) else {
            return;
        };
        slot.state = SlotState::Claiming;
        let (key, written) = (slot.key.clone(), slot.leader_epoch);
        self.tell(ToWriter::Refilled {
            key,
            offset,
            now,
            written,
        });
    }

    pub(super) fn kafka_error(
        &mut self,
        code: RDKafkaErrorCode,
        fatal: bool,
        partition: Option<TopicPartition>,
        reason: &str,
    ) {
        match (code, partition) {
            (
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                Some((topic, partition)),
            ) => {
                if let Some(index) = self.slots.find(&topic, partition)
                    && !self.look_back_no_more(index)
                    && let Some(slot) = self.slots.get(index)
                {
                    let key = slot.key.clone();
                    tracing::warn!(?code, reason, topic = %key.topic, partition, "no such position");
                    self.tell(ToWriter::OutOfRange(key));
                }
            }
            (code, Some((topic, partition))) if is_damage(code) => {
                // What was read before it is written.
                self.flush();
                self.start.fail(&format!(
                    "topic {topic}, partition {partition}: DAMAGED: records cannot be read as they come \
                     from Kafka, and the client would pass over them: {reason}; if they are lost, set the \
                     position behind them (PATCH the connector's offsets) and restart the task"
                ));
            }
            _ if fatal => self.start.fail(&format!(
                "the kafka client cannot go on: {code:?}: {reason}"
            )),
            (code, partition) => {
                tracing::warn!(?code, ?partition, reason, "kafka client reports an error");
                // What happens to one connection of many while records are read, is tried again in time.
                if needs_a_person(code) || self.slots.is_empty() && keeps_out(code) {
                    let of_partition = |(topic, number)| (topic, u32::try_from(number).ok());
                    let about = partition.map(of_partition);
                    let about = about.or_else(|| Some((unavailable_topic(reason)?, None)));
                    self.start.board.refused(about, reason.to_owned());
                }
            }
        }
    }
}

/// Records that arrive and cannot be read. The client tells of them and goes on behind them, or comes to
/// them again and again (librdkafka 2.12, `rdkafka_msgset_reader.c`).
fn is_damage(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BadMessage
            | RDKafkaErrorCode::BadCompression
            | RDKafkaErrorCode::NotImplemented
            | RDKafkaErrorCode::MessageSizeTooLarge
    )
}

/// What does not pass by itself, and is no failure: rights are given and topics are made while it is tried.
fn needs_a_person(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::InvalidSessionTimeout
            | RDKafkaErrorCode::GroupMaxSizeReached
            | RDKafkaErrorCode::InconsistentGroupProtocol
    )
}

/// Kafka lets nobody in who logs in like this.
fn keeps_out(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::SSL
    )
}

/// The topic that the client (2.12) says so of; it names it in its words only.
fn unavailable_topic(reason: &str) -> Option<String> {
    let rest = reason.strip_prefix("Subscribed topic not available: ")?;
    let (topic, _) = rest.split_once(": ")?;
    Some(topic.to_owned())
}

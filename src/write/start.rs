//! Where a partition starts, and when it must not start at all. Pure.
//!
//! A position that Kafka can no longer serve is never moved silently: records between it and
//! what Kafka still has would disappear, or records of another topic of the same name would be
//! taken for the continuation.

use crate::config::connector::StartPosition;

/// What Kafka says of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// First offset that exists.
    pub low: i64,
    /// Offset of the next record to be produced.
    pub high: i64,
}

/// Why a partition must not be read from its position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartRefusal {
    /// The topic is another one of the same name.
    #[error(
        "TOPIC_RECREATED: the stored position belongs to another incarnation of the topic \
         (stored id {stored}, id now {now}); to read the new topic from its start, stop the \
         connector, delete its offsets (DELETE .../offsets) and resume it"
    )]
    TopicRecreated {
        /// Id stored with the position.
        stored: String,
        /// Id of the topic now.
        now: String,
    },
    /// Records at the position were deleted.
    #[error(
        "DATA_EXPIRED: the stored position {next} is below the first offset that still exists, \
         {low}: {lost} offsets were deleted before they were read; to go on without them, stop the \
         connector, set this partition's offset to {low} (PATCH .../offsets) and resume it",
        lost = low - next
    )]
    DataExpired {
        /// Stored position.
        next: i64,
        /// First existing offset.
        low: i64,
    },
    /// The log is shorter than the position.
    #[error(
        "TRUNCATED: the stored position {next} is above the end of the partition, {high}: the log \
         was truncated (an unclean leader election or a restored broker); to read what comes from \
         now on, stop the connector, set this partition's offset to {high} (PATCH .../offsets) and \
         resume it"
    )]
    Truncated {
        /// Stored position.
        next: i64,
        /// End of the partition.
        high: i64,
    },
    /// The log was shorter than the position, and is not any more.
    #[error(
        "TRUNCATED: the record at offset {offset}, before the stored position {next}, has leader epoch \
         {now}, but what was stored from there had {written} at most: the log was truncated (an unclean \
         leader election or a restored broker) and filled anew, and the records between are not stored; \
         find the first offset of a later epoch than {written} (the broker's leader-epoch-checkpoint of the \
         partition), stop the connector, set this partition's offset to it, or to {next} to go on \
         without them (PATCH .../offsets), and resume it"
    )]
    Refilled {
        /// Stored position.
        next: i64,
        /// A record before it,
        offset: i64,
        /// its leader epoch,
        now: i32,
        /// and the last one that was stored.
        written: i32,
    },
}

/// Checks a stored position against what Kafka has. Unknown ids are empty and never differ.
///
/// # Errors
/// Why reading must not start.
pub fn check_position(
    next: i64,
    stored_topic_id: &str,
    topic_id: &str,
    marks: Watermarks,
) -> Result<(), StartRefusal> {
    check_topic(stored_topic_id, topic_id)?;
    if next < marks.low {
        return Err(StartRefusal::DataExpired {
            next,
            low: marks.low,
        });
    }
    if next > marks.high {
        return Err(StartRefusal::Truncated {
            next,
            high: marks.high,
        });
    }
    Ok(())
}

/// Checks that the topic is still the same one.
///
/// # Errors
/// When both ids are known and differ.
pub fn check_topic(stored: &str, now: &str) -> Result<(), StartRefusal> {
    if !stored.is_empty() && !now.is_empty() && stored != now {
        return Err(StartRefusal::TopicRecreated {
            stored: stored.to_owned(),
            now: now.to_owned(),
        });
    }
    Ok(())
}

/// The first position of a partition of a topic that was never started: the group's committed
/// offset when there is one (taking over from another consumer), else as configured.
///
/// # Errors
/// When the committed offset cannot be continued from.
pub fn first_position(
    committed: Option<i64>,
    policy: StartPosition,
    marks: Watermarks,
) -> Result<i64, StartRefusal> {
    match (committed, policy) {
        (Some(committed), _) => {
            check_position(committed, "", "", marks)?;
            Ok(committed)
        }
        (None, StartPosition::Earliest) => Ok(marks.low),
        (None, StartPosition::Latest) => Ok(marks.high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Watermarks = Watermarks { low: 10, high: 20 };

    #[test]
    fn positions_within_the_log_are_fine() {
        for next in [10, 15, 20] {
            assert_eq!(check_position(next, "a", "a", MARKS), Ok(()));
        }
        assert_eq!(check_position(10, "", "b", MARKS), Ok(()), "unknown id");
        assert_eq!(check_position(10, "a", "", MARKS), Ok(()), "unknown id");
    }

    #[test]
    fn refusals_say_what_to_do() {
        let check = |next, stored, expected: &str| {
            let message = check_position(next, stored, "b", MARKS)
                .unwrap_err()
                .to_string();
            assert!(message.starts_with(expected), "{message}");
        };
        check(15, "a", "TOPIC_RECREATED");
        check(
            9,
            "b",
            "DATA_EXPIRED: the stored position 9 is below the first offset that still exists, 10: 1 offsets",
        );
        check(21, "b", "TRUNCATED");
        check(9, "a", "TOPIC_RECREATED");
    }

    #[test]
    fn first_positions_are_numbers() {
        assert_eq!(first_position(None, StartPosition::Earliest, MARKS), Ok(10));
        assert_eq!(first_position(None, StartPosition::Latest, MARKS), Ok(20));
        assert_eq!(
            first_position(Some(12), StartPosition::Latest, MARKS),
            Ok(12)
        );
        assert!(first_position(Some(5), StartPosition::Earliest, MARKS).is_err());
    }
}

#![doc = include_str!("transform/README.md")]

use std::fmt;

use rowdock_connectors::Timestamp;

use crate::config::converter::HeaderConverter;
use crate::config::definitions::transforms::{PredicateKind, TransformKind};
use crate::config::definitions::{self, ConfigKey};
use crate::config::transforms::{Options, PredicateConfig, TransformConfig};
use crate::decode::header;
use crate::record::{OwnedRecord, Part, RawRecord, RecordError, Side, Stage};

mod cast;
mod cloud_event;
pub(crate) mod date_format;
mod extract_field;
mod extract_new_record_state;
mod field_name;
mod filter;
mod flatten;
mod header_from;
mod headers;
mod hoist_field;
mod insert_field;
mod java_regex;
mod java_text;
mod mask_field;
mod moment;
mod naming;
mod object;
mod path;
mod replace_field;
mod set_schema_metadata;
mod timestamp_converter;
mod topic;
mod value_to_key;

/// The transforms of a connector, in their order. One per task: transforms remember what they
/// derived from schemas.
#[derive(Debug)]
pub struct Chain {
    steps: Vec<Step>,
    /// `None`: nothing in the chain looks at headers that were read.
    headers: Option<HeaderConverter>,
}

#[derive(Debug)]
struct Step {
    alias: String,
    /// Its Java class.
    class: String,
    transform: Box<dyn Transform>,
    condition: Option<(Box<dyn Predicate>, bool)>,
}

/// A wrong value of one of a transform's keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct Fault {
    /// The key, without prefix.
    pub key: &'static str,
    /// What is wrong with its value.
    pub problem: String,
}

/// What becomes of a record: another one, nothing, or an error with its reason.
type Applied = Result<Option<OwnedRecord>, String>;

/// Changes whole records.
trait Transform: fmt::Debug + Send {
    /// Applies it to one record. `Ok(None)` drops it.
    fn apply(&mut self, record: OwnedRecord) -> Applied;

    /// It looks at headers that the record came with.
    fn reads_headers(&self) -> bool {
        false
    }
}

/// Changes keys, or values.
trait SideTransform: fmt::Debug + Send {
    /// Applies it to one side of a record.
    fn apply(&mut self, side: Side, about: &About<'_>) -> Result<Side, String>;
}

/// Says yes or no to records.
trait Predicate: fmt::Debug + Send {
    /// Whether it holds.
    fn holds(&self, record: &OwnedRecord) -> bool;

    /// It looks at headers that the record came with.
    fn reads_headers(&self) -> bool {
        false
    }
}

/// What a side's transform may know of the record around it.
#[derive(Debug)]
struct About<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp_ms: Option<i64>,
}

impl<'a> About<'a> {
    fn of(record: &'a OwnedRecord) -> Self {
        Self {
            topic: &record.topic,
            partition: record.origin().partition,
            offset: record.origin().offset,
            timestamp_ms: record.timestamp_ms,
        }
    }
}

impl Chain {
    /// The chain that these configs describe.
    ///
    /// # Errors
    /// The alias and the first key whose value is wrong; none for a config that was checked.
    pub fn new(
        configs: &[TransformConfig],
        header_converter: HeaderConverter,
    ) -> Result<Self, (String, Fault)> {
        let mut steps = Vec::with_capacity(configs.len());
        let mut reads_headers = false;
        for config in configs {
            let failed = |alias: &str| {
                let alias = alias.to_owned();
                |fault| (alias, fault)
            };
            let condition = match &config.condition {
                None => None,
                Some(condition) => {
                    let predicate = &condition.predicate;
                    let built = build_predicate(predicate).map_err(failed(&predicate.alias))?;
                    reads_headers |= built.reads_headers();
                    Some((built, condition.negate))
                }
            };
            let transform =
                build(config.kind, config.part, &config.options).map_err(failed(&config.alias))?;
            reads_headers |= transform.reads_headers();
            steps.push(Step {
                alias: config.alias.clone(),
                class: definitions::transforms::class_name(config.kind, config.part),
                transform,
                condition,
            });
        }
        Ok(Self {
            steps,
            headers: reads_headers.then_some(header_converter),
        })
    }

    /// Reads the headers of every record, for somebody behind the chain.
    #[must_use]
    pub fn reading_headers(mut self, converter: HeaderConverter) -> Self {
        self.headers = Some(converter);
        self
    }

    /// Applies all of them to a record that was decoded from `raw`. `Ok(None)`: dropped.
    ///
    /// # Errors
    /// Of the first transform that fails, with its alias.
    pub fn apply(
        &mut self,
        mut record: OwnedRecord,
        raw: &RawRecord<'_>,
    ) -> Result<Option<OwnedRecord>, RecordError> {
        if let Some(converter) = self.headers {
            for raw_header in raw.headers.headers() {
                record.headers.push(header::read(converter, raw_header)?);
            }
        }
        for step in &mut self.steps {
            if let Some((predicate, negate)) = &step.condition
                && predicate.holds(&record) == *negate
            {
                continue;
            }
            let applied = step.transform.apply(record).map_err(|reason| {
                let reason = format!("transform \"{}\": {reason}", step.alias);
                RecordError::new(Stage::Transformation, reason).of_class(&step.class)
            })?;
            match applied {
                Some(changed) => record = changed,
                None => return Ok(None),
            }
        }
        Ok(Some(record))
    }
}

/// Checks a transform's own keys by building it.
///
/// # Errors
/// The key whose value is wrong.
pub fn check(kind: TransformKind, part: Part, options: &Options) -> Result<(), Fault> {
    build(kind, part, options).map(|_| ())
}

/// The same for a predicate.
///
/// # Errors
/// The key whose value is wrong.
pub fn check_predicate(config: &PredicateConfig) -> Result<(), Fault> {
    build_predicate(config).map(|_| ())
}

fn build(kind: TransformKind, part: Part, options: &Options) -> Result<Box<dyn Transform>, Fault> {
    Ok(match kind {
        TransformKind::Cast => on_side(part, cast::Cast::new(options)?),
        TransformKind::CollectionNameTransformation => {
            Box::new(naming::CollectionName::new(options))
        }
        TransformKind::ConvertCloudEventToSaveableForm => {
            Box::new(cloud_event::CloudEvent::new(options)?)
        }
        TransformKind::DropHeaders => Box::new(headers::DropHeaders::new(options)?),
        TransformKind::ExtractField => on_side(part, extract_field::ExtractField::new(options)?),
        TransformKind::ExtractNewRecordState => Box::new(
            extract_new_record_state::ExtractNewRecordState::new(options)?,
        ),
        TransformKind::FieldNameTransformation => Box::new(field_name::FieldName::new(options)),
        TransformKind::Filter => Box::new(filter::Filter),
        TransformKind::Flatten => on_side(part, flatten::Flatten::new(options)?),
        TransformKind::HeaderFrom => Box::new(header_from::HeaderFrom::new(part, options)?),
        TransformKind::HoistField => on_side(part, hoist_field::HoistField::new(options)?),
        TransformKind::InsertField => on_side(part, insert_field::InsertField::new(options)?),
        TransformKind::InsertHeader => Box::new(headers::InsertHeader::new(options)?),
        TransformKind::MaskField => on_side(part, mask_field::MaskField::new(options)?),
        TransformKind::RegexRouter => Box::new(topic::RegexRouter::new(options)?),
        TransformKind::ReplaceField => on_side(part, replace_field::ReplaceField::new(options)?),
        TransformKind::SetSchemaMetadata => {
            on_side(part, set_schema_metadata::SetSchemaMetadata::new(options)?)
        }
        TransformKind::TimestampConverter => {
            on_side(part, timestamp_converter::TimestampConverter::new(options)?)
        }
        TransformKind::TimestampRouter => Box::new(topic::TimestampRouter::new(options)?),
        TransformKind::ValueToKey => Box::new(value_to_key::ValueToKey::new(options)?),
    })
}

fn build_predicate(config: &PredicateConfig) -> Result<Box<dyn Predicate>, Fault> {
    Ok(match config.kind {
        PredicateKind::HasHeaderKey => Box::new(headers::HasHeaderKey::new(&config.options)?),
        PredicateKind::RecordIsTombstone => Box::new(filter::RecordIsTombstone),
        PredicateKind::TopicNameMatches => Box::new(topic::TopicNameMatches::new(&config.options)?),
    })
}

/// A transform of one side, as one of records.
#[derive(Debug)]
struct OnSide<T> {
    part: Part,
    transform: T,
}

fn on_side(part: Part, transform: impl SideTransform + 'static) -> Box<dyn Transform> {
    Box::new(OnSide { part, transform })
}

impl<T: SideTransform> Transform for OnSide<T> {
    fn apply(&mut self, mut record: OwnedRecord) -> Applied {
        let side = std::mem::replace(record.side_mut(self.part), Side::NULL);
        let changed = self.transform.apply(side, &About::of(&record))?;
        *record.side_mut(self.part) = changed;
        Ok(Some(record))
    }
}

/// What makes a problem the fault of a key.
fn fault(key: &'static ConfigKey) -> impl Fn(String) -> Fault {
    move |problem| Fault {
        key: key.name,
        problem,
    }
}

/// When the chain is built: it decides what two-digit years mean, as in Java.
fn now() -> Timestamp {
    let now = chrono::Utc::now();
    Timestamp {
        seconds: now.timestamp(),
        nanos: 0,
    }
}

#[cfg(test)]
mod tests;

//! Where a connector stands: read at any time, set while it is stopped.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use rowdock_connectors::PartitionKey;

use super::ApiState;
use super::error::{ApiError, ErrorBody};
use super::request::{Body, Name};
use crate::cluster::{ConnectorView, Kind, TargetState};
use crate::config::connector::ConnectorConfig;
use crate::config::kafka::consumer_properties;
use crate::config::parse::Invalid;
use crate::offsets::{OffsetsError, Positions};

/// `GET .../offsets`
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Offsets {
    offsets: Vec<PartitionOffset>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PartitionOffset {
    partition: KafkaPartition,
    offset: KafkaOffset,
}

#[derive(Debug, Serialize, ToSchema)]
struct KafkaPartition {
    kafka_topic: String,
    kafka_partition: i32,
}

#[derive(Debug, Serialize, ToSchema)]
struct KafkaOffset {
    kafka_offset: i64,
}

/// What a change of offsets did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    message: &'static str,
}

/// A connector's positions: the next offset to read of each partition.
#[utoipa::path(
    get, path = "/connectors/{name}/offsets", tag = "offsets",
    params(("name" = String, Path)),
    responses((status = 200, body = Offsets), (status = 404, body = ErrorBody))
)]
pub(super) async fn read(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<Json<Offsets>, ApiError> {
    let connector = require(&state, &name).await?;
    let positions = positions(&state, &connector)?;
    let read = positions
        .read()
        .await
        .map_err(|error| failed(&name, "list", &error))?;
    let offsets = read
        .into_iter()
        .map(|(key, kafka_offset)| PartitionOffset {
            partition: KafkaPartition {
                kafka_topic: key.topic.to_string(),
                kafka_partition: key.partition,
            },
            offset: KafkaOffset { kafka_offset },
        })
        .collect();
    Ok(Json(Offsets { offsets }))
}

/// Sets positions of a stopped connector; null is where a new connector would start.
#[utoipa::path(
    patch, path = "/connectors/{name}/offsets", tag = "offsets",
    params(("name" = String, Path)),
    request_body(
        content = Object, content_type = "application/json",
        description = "`{\"offsets\": [{\"partition\": {\"kafka_topic\", \"kafka_partition\"}, \"offset\": {\"kafka_offset\"} or null}]}`"
    ),
    responses(
        (status = 200, body = Done),
        (status = 400, body = ErrorBody, description = "the body is not acceptable, or the connector is not stopped"),
        (status = 404, body = ErrorBody),
        (status = 500, body = ErrorBody, description = "tasks have not left yet, or Kafka or the database does not answer"),
    )
)]
pub(super) async fn alter(
    State(state): State<ApiState>,
    Name(name): Name,
    Body(body): Body,
) -> Result<Json<Done>, ApiError> {
    let changes = parse(&body)?;
    let connector = require(&state, &name).await?;
    require_stopped(&connector)?;
    let positions = positions(&state, &connector)?;
    let altered = positions.alter(&changes).await;
    altered.map_err(|error| failed(&name, "alter", &error))?;
    Ok(Json(Done {
        message: "The offsets for this connector have been altered successfully",
    }))
}

/// Sets all positions of a stopped connector to where a new connector would start.
#[utoipa::path(
    delete, path = "/connectors/{name}/offsets", tag = "offsets",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = Done),
        (status = 400, body = ErrorBody, description = "the connector is not stopped"),
        (status = 404, body = ErrorBody),
        (status = 500, body = ErrorBody, description = "tasks have not left yet, or Kafka or the database does not answer"),
    )
)]
pub(super) async fn reset(
    State(state): State<ApiState>,
    Name(name): Name,
) -> Result<Json<Done>, ApiError> {
    let connector = require(&state, &name).await?;
    require_stopped(&connector)?;
    let positions = positions(&state, &connector)?;
    let reset = positions.reset().await;
    reset.map_err(|error| failed(&name, "reset", &error))?;
    Ok(Json(Done {
        message: "The offsets for this connector have been reset successfully",
    }))
}

/// A connector's positions, by its config.
pub(super) fn positions(
    state: &ApiState,
    connector: &ConnectorView,
) -> Result<Positions, ApiError> {
    if connector.kind != Kind::Sink {
        return Err(ApiError::bad_request(
            "positions are known of sink connectors only",
        ));
    }
    let config = ConnectorConfig::parse(&connector.named_config(), &state.settings)?;
    let consumer_properties =
        consumer_properties(&state.settings, &config).map_err(Invalid::Keys)?;
    Ok(Positions {
        config: Arc::new(config),
        consumer_properties,
        sessions: state.sessions.clone(),
    })
}

async fn require(state: &ApiState, name: &str) -> Result<ConnectorView, ApiError> {
    let connector = state.cluster.connector(name).await?;
    connector.ok_or_else(|| ApiError::not_found(format!("Connector {name} not found")))
}

fn require_stopped(connector: &ConnectorView) -> Result<(), ApiError> {
    if connector.target == TargetState::Stopped {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "Connectors must be in the STOPPED state before their offsets can be modified. This can be \
         done for the specified connector by issuing a 'PUT' request to the '/connectors/{}/stop' \
         endpoint",
        connector.name
    )))
}

fn failed(name: &str, verb: &str, error: &OffsetsError) -> ApiError {
    match error {
        OffsetsError::Refused(reason) => ApiError::bad_request(reason),
        OffsetsError::HasMembers(_) => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!(
                "Failed to {verb} consumer group offsets for connector {name} either because its \
                 tasks haven't stopped completely yet or the connector was resumed before the \
                 request to {verb} its offsets could be successfully completed: {error}. If the \
                 connector is in a stopped state, this operation can be safely retried."
            ),
        ),
        OffsetsError::Failed(_) => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("Failed to {verb} consumer group offsets for connector {name}: {error}"),
        ),
    }
}

/// Reads the body of a change of offsets, with Kafka Connect's words for what is wrong.
fn parse(body: &[u8]) -> Result<Vec<(PartitionKey, Option<i64>)>, ApiError> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ApiError::bad_request(format!("malformed JSON at line {line} column {column}"))
    })?;
    refuse_unknown(&body, &["offsets"])?;
    let entries = body.get("offsets").and_then(Value::as_array);
    let entries = entries
        .filter(|entries| !entries.is_empty())
        .ok_or_else(|| {
            ApiError::bad_request(
                "Partitions / offsets need to be provided for an alter offsets request",
            )
        })?;
    entries.iter().map(parse_entry).collect()
}

/// A member that nobody reads may be a mistyped one, and an entry without `offset` resets its position.
fn refuse_unknown(object: &Value, known: &[&str]) -> Result<(), ApiError> {
    let mut names = object
        .as_object()
        .into_iter()
        .flat_map(|object| object.keys());
    match names.find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(ApiError::bad_request(format!(
            "unrecognized field \"{name}\"; {} can be given here",
            known.join(" and ")
        ))),
    }
}

fn parse_entry(entry: &Value) -> Result<(PartitionKey, Option<i64>), ApiError> {
    refuse_unknown(entry, &["partition", "offset"])?;
    let partition = entry.get("partition").and_then(Value::as_object);
    let partition = partition.ok_or_else(|| {
        ApiError::bad_request("The partition for a sink connector offset cannot be null or missing")
    })?;
    let (Some(topic), Some(number)) = (
        partition.get("kafka_topic"),
        partition.get("kafka_partition"),
    ) else {
        return Err(ApiError::bad_request(
            "The partition for a sink connector offset must contain the keys 'kafka_topic' and \
             'kafka_partition'",
        ));
    };
    let topic = topic.as_str().ok_or_else(|| {
        ApiError::bad_request("Kafka topic names must be valid strings and may not be null")
    })?;
    if number.is_null() {
        return Err(ApiError::bad_request(
            "Kafka partitions must be valid numbers and may not be null",
        ));
    }
    let number = integer(number)
        .and_then(|number| i32::try_from(number).ok())
        .filter(|number| *number >= 0)
        .ok_or_else(|| unreadable("partition", "Partition", number))?;
    let key = PartitionKey {
        topic: Arc::from(topic),
        partition: number,
    };
    match entry.get("offset") {
        None | Some(Value::Null) => Ok((key, None)),
        Some(offset) => {
            let offset = offset.get("kafka_offset").ok_or_else(|| {
                ApiError::bad_request(
                    "The offset for a sink connector should either be null or contain the key \
                     'kafka_offset'",
                )
            })?;
            let number = integer(offset).filter(|number| *number >= 0);
            let number = number.ok_or_else(|| unreadable("offset", "Offset", offset))?;
            Ok((key, Some(number)))
        }
    }
}

/// A number, or a text that is one.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn unreadable(what: &str, name: &str, value: &Value) -> ApiError {
    let value = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ApiError::bad_request(format!(
        "Failed to parse the following Kafka {what} value in the provided offsets: '{value}'. \
         {name} values for sink connectors need to be integers."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_or_refused_in_connects_words() {
        let entry = |partition: &str, offset: &str| {
            format!(r#"{{"offsets":[{{"partition":{partition},"offset":{offset}}}]}}"#)
        };
        let whole = r#"{"kafka_topic":"t","kafka_partition":1}"#;
        let read = |body: &str| parse(body.as_bytes()).unwrap();
        let key = PartitionKey {
            topic: Arc::from("t"),
            partition: 1,
        };
        assert_eq!(
            read(&entry(whole, r#"{"kafka_offset":5}"#)),
            [(key.clone(), Some(5))]
        );
        assert_eq!(
            read(&entry(whole, r#"{"kafka_offset":"5"}"#)),
            [(key.clone(), Some(5))]
        );
        assert_eq!(read(&entry(whole, "null")), [(key.clone(), None)]);
        let text = r#"{"kafka_topic":"t","kafka_partition":"1"}"#;
        assert_eq!(read(&entry(text, "null")), [(key, None)]);

        let check = |body: &str, expected: &str| {
            let refused = parse(body.as_bytes()).unwrap_err();
            let expected = ApiError::bad_request(expected);
            assert_eq!(refused, expected, "{body}");
        };
        let needed = "Partitions / offsets need to be provided for an alter offsets request";
        check("{}", needed);
        check(r#"{"offsets":[]}"#, needed);
        check(
            r#"{"offset":[]}"#,
            "unrecognized field \"offset\"; offsets can be given here",
        );
        check(
            &format!(r#"{{"offsets":[{{"partition":{whole},"ofset":{{"kafka_offset":5}}}}]}}"#),
            "unrecognized field \"ofset\"; partition and offset can be given here",
        );
        check(
            &entry("null", "null"),
            "The partition for a sink connector offset cannot be null or missing",
        );
        check(
            &entry(r#"{"kafka_topic":"t"}"#, "null"),
            "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'",
        );
        check(
            &entry(r#"{"kafka_topic":null,"kafka_partition":0}"#, "null"),
            "Kafka topic names must be valid strings and may not be null",
        );
        check(
            &entry(r#"{"kafka_topic":"t","kafka_partition":null}"#, "null"),
            "Kafka partitions must be valid numbers and may not be null",
        );
        check(
            &entry(r#"{"kafka_topic":"t","kafka_partition":"abc"}"#, "null"),
            "Failed to parse the following Kafka partition value in the provided offsets: 'abc'. Partition values for sink connectors need to be integers.",
        );
        check(
            &entry(whole, r#"{"other":1}"#),
            "The offset for a sink connector should either be null or contain the key 'kafka_offset'",
        );
        for value in ["null", "true", "1.5"] {
            check(
                &entry(whole, &format!(r#"{{"kafka_offset":{value}}}"#)),
                &format!(
                    "Failed to parse the following Kafka offset value in the provided offsets: '{value}'. Offset values for sink connectors need to be integers."
                ),
            );
        }
        check("nonsense", "malformed JSON at line 1 column 2");
    }
}

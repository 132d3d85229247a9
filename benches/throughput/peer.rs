//! The peer: a Kafka Connect worker with the Debezium JDBC sink, tuned for this load. Somebody else
//! starts it; it stays up for the whole run, so that its first turn is cold and the others are warm.

use anyhow::Context as _;
use serde_json::json;

use crate::options::PeerAddress;
use crate::order::Format;
use crate::rest::{Connector, Rest};

/// Rows per transaction and records per poll at which the peer is fastest.
const BATCH_ROWS: &str = "500";

/// Both cores; more tasks do not make it faster.
pub(crate) const TASKS: usize = 2;

/// The peer's API.
pub(crate) fn rest(address: &PeerAddress) -> Rest {
    Rest::new(&address.url)
}

/// A connector of the peer that does what ours do, tuned. `with_schema` topics only: the peer
/// cannot read plain JSON.
pub(crate) fn connector(
    name: &str,
    topic: &str,
    database_url: &str,
    table: &str,
) -> anyhow::Result<Connector> {
    let url = jdbc(database_url)?;
    let mut config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": TASKS.to_string(),
        "topics": topic,
        "connection.url": url.address,
        "connection.username": url.user,
        "connection.password": url.password,
        "collection.name.format": table,
        "insert.mode": "insert",
        "primary.key.mode": "none",
        "schema.evolution": "none",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": Format::Envelope.schemas_enable(),
        "dialect.postgres.unnest.insert.enabled": "true",
        "batch.size": BATCH_ROWS,
        "consumer.override.max.poll.records": BATCH_ROWS,
        "consumer.override.auto.offset.reset": "earliest",
    });
    config["name"] = json!(name);
    Ok(Connector {
        name: name.to_owned(),
        config,
    })
}

struct JdbcUrl {
    address: String,
    user: String,
    password: String,
}

/// `postgresql://user:password@host:port/database`, as JDBC wants it.
fn jdbc(url: &str) -> anyhow::Result<JdbcUrl> {
    let (_, rest) = url.split_once("://").context("a database URL")?;
    let (login, place) = rest
        .rsplit_once('@')
        .context("a database URL with a user")?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    Ok(JdbcUrl {
        address: format!("jdbc:postgresql://{place}"),
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

//! PostgreSQL. The progress table is the worker's to create; an event trigger attaches the audit
//! in the very transaction that creates it.

use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::CONNECT_DEADLINE;
use super::row::Row;
use crate::support::wait::eventually;

const AUDIT: &str = r"
CREATE TABLE audit_progress (
  id bigserial PRIMARY KEY, change text, connector text, topic text, part int,
  old_next bigint, new_next bigint, old_claim text, new_claim text,
  claim_count bigint, generation bigint, owner text, backend int DEFAULT pg_backend_pid(),
  txid bigint DEFAULT txid_current(), at timestamptz DEFAULT clock_timestamp());
CREATE VIEW audit_history AS SELECT id, change, connector, topic, part, old_next, new_next,
  old_claim, new_claim, claim_count, generation, owner, backend, txid,
  extract(epoch FROM at) AS at FROM audit_progress;
CREATE TABLE audit_rows (
  id bigserial PRIMARY KEY, target text, producer int, seq bigint,
  txid bigint DEFAULT txid_current(), at timestamptz DEFAULT clock_timestamp());

CREATE FUNCTION audit_progress() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO audit_progress (change, connector, topic, part, old_next, old_claim)
    VALUES (TG_OP, OLD.connector, OLD.topic, OLD.partition, OLD.next_offset, OLD.claim_id::text);
    RETURN NULL;
  END IF;
  INSERT INTO audit_progress
    (change, connector, topic, part, old_next, new_next, old_claim, new_claim,
     claim_count, generation, owner)
  VALUES (TG_OP, NEW.connector, NEW.topic, NEW.partition,
    CASE WHEN TG_OP = 'UPDATE' THEN OLD.next_offset END, NEW.next_offset,
    CASE WHEN TG_OP = 'UPDATE' THEN OLD.claim_id::text END, NEW.claim_id::text,
    NEW.claim_count, NEW.generation, NEW.owner);
  RETURN NULL;
END $$;

CREATE FUNCTION audit_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit_rows (target, producer, seq)
  SELECT TG_TABLE_NAME, producer, seq FROM fresh;
  RETURN NULL;
END $$;

CREATE FUNCTION attach_audit() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE made record;
BEGIN
  FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP
    IF made.object_identity LIKE '%.rowdock_progress'
      AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = made.objid AND tgname = 'audit') THEN
      EXECUTE format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON %s
        FOR EACH ROW EXECUTE FUNCTION audit_progress()', made.object_identity);
    END IF;
  END LOOP;
END $$;
CREATE EVENT TRIGGER attach_audit ON ddl_command_end EXECUTE FUNCTION attach_audit();
";

pub(super) const OTHER_SESSIONS: &str = "SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND backend_type = 'client backend'";

pub(super) const WAITING_FOR_TABLES: &str = "SELECT query FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE 'ALTER TABLE%'";

pub(super) async fn create(server: &str, name: &str) -> Client {
    let sql = format!("CREATE DATABASE {name} TEMPLATE template0");
    run(&maintain(server).await, &sql).await;
    let client = connect(server, name).await;
    run(&client, AUDIT).await;
    client
}

pub(super) async fn connect(server: &str, name: &str) -> Client {
    session(config(server).dbname(name)).await
}

/// A session of the server's maintenance database.
pub(super) async fn maintain(server: &str) -> Client {
    session(&config(server)).await
}

/// The same, if the server takes one more.
pub(super) async fn try_maintain(server: &str) -> Result<Client, String> {
    try_connect(&config(server)).await
}

pub(super) fn audit_of_rows(table: &str) -> String {
    format!(
        "CREATE TRIGGER audit AFTER INSERT ON {table} REFERENCING NEW TABLE AS fresh
         FOR EACH STATEMENT EXECUTE FUNCTION audit_rows()"
    )
}

/// A transaction in which a row was refused is open, too, until it is rolled back.
pub(super) fn sessions(ports: &[i32]) -> String {
    let list: Vec<String> = ports.iter().map(i32::to_string).collect();
    format!(
        "SELECT pid, coalesce(state = 'active' OR state LIKE 'idle in transaction%', false), query,
           greatest(extract(epoch FROM clock_timestamp() - state_change), 0)
         FROM pg_stat_activity
         WHERE datname = current_database() AND client_port = ANY('{{{}}}')",
        list.join(",")
    )
}

pub(super) async fn rows(client: &Client, sql: &str) -> Result<Vec<Row>, String> {
    let answered = client.simple_query(sql).await;
    let messages = answered.map_err(|error| format!("{error:?}"))?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let columns = (0..row.len()).map(|column| row.get(column).map(str::to_owned));
            Some(Row::new(columns.collect()))
        }
        _ => None,
    });
    Ok(rows.collect())
}

pub(super) async fn back_up(server: &str, name: &str) {
    let client = maintain(server).await;
    until_left(&client, name).await;
    let sql = format!("CREATE DATABASE {name}_backup TEMPLATE {name}");
    run(&client, &sql).await;
}

pub(super) async fn restore(server: &str, name: &str) {
    let client = maintain(server).await;
    until_left(&client, name).await;
    // One transaction, so there is a database by this name at all times.
    let sql = format!(
        "BEGIN; ALTER DATABASE {name} RENAME TO {name}_lost;
         ALTER DATABASE {name}_backup RENAME TO {name}; COMMIT"
    );
    run(&client, &sql).await;
    run(&client, &format!("DROP DATABASE {name}_lost WITH (FORCE)")).await;
}

/// Ends the sessions of a database, whose clients find no way back meanwhile.
async fn until_left(client: &Client, name: &str) {
    let sql =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    eventually("all sessions to end", CONNECT_DEADLINE, || async {
        match rows(client, &sql).await?.len() {
            0 => Ok(()),
            left => Err(format!("{left} sessions")),
        }
    })
    .await;
}

pub(super) async fn drop_database(server: &str, name: &str) -> Result<(), String> {
    let client = try_connect(&config(server)).await?;
    for name in [name, &format!("{name}_backup"), &format!("{name}_lost")] {
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        let dropped = client.batch_execute(&sql).await;
        dropped.map_err(|error| error.to_string())?;
    }
    Ok(())
}

async fn run(client: &Client, sql: &str) {
    let done = client.batch_execute(sql).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

fn config(url: &str) -> Config {
    url.parse().expect("the server's URL")
}

async fn session(config: &Config) -> Client {
    eventually("a database session", CONNECT_DEADLINE, || {
        try_connect(config)
    })
    .await
}

async fn try_connect(config: &Config) -> Result<Client, String> {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(client)
}

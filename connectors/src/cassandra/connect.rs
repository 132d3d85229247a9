//! Sessions with a cluster: how it is found, who logs in, how statements are routed.
//!
//! The driver keeps its connections by itself: it learns of nodes that come and go, and connects again.
//! Statements go to a replica of their partition, in the local data centre if one is named. Only rows
//! may be sent more than once, since that changes nothing; what moves positions is sent once, and its
//! outcome looked up.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslConnectorBuilder, SslFiletype, SslMethod, SslVerifyMode};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{Compression as DriverCompression, PoolSize};
use scylla::frame::types::Consistency;
use scylla::policies::load_balancing::{
    DefaultPolicy, LoadBalancingPolicy, NodeIdentifier, SingleTargetLoadBalancingPolicy,
};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::policies::speculative_execution::{
    SimpleSpeculativeExecutionPolicy, SpeculativeExecutionPolicy,
};
use scylla::response::query_result::QueryRowsResult;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::unprepared::Statement;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::classify;
use super::name::quoted;
use super::settings::{CassandraSettings, PositionConsistency};
use super::url::{self, Compression, ConnectionUrl, Tls, TlsMode};
use crate::error::SinkError;
use crate::options::SinkOptions;
use crate::table::TableName;

/// With `speculativeDelay`, a row goes to at most so many nodes besides the first.
const SPECULATIVE_MAX: usize = 2;

/// All nodes must have the same schema before a table is used that was just created or changed.
const AGREEMENT_DEADLINE: Duration = Duration::from_secs(30);
const AGREEMENT_INTERVAL: Duration = Duration::from_millis(50);

/// A node has a table, or a column, in its catalog before it takes statements about it: seen for half a
/// second, on a busy machine where several tasks created a progress table at once.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
const KNOWN_PAUSE: Duration = Duration::from_millis(50);

/// How sessions are opened.
#[derive(Clone)]
pub(super) struct Connector {
    url: ConnectionUrl,
    user: Option<String>,
    password: Option<SecretString>,
    connect_timeout: Duration,
    request_timeout: Duration,
    settings: Arc<CassandraSettings>,
}

/// One session: connections to all nodes.
pub(super) struct Link {
    pub(super) session: Session,
    /// For names that do not have one.
    keyspace: Option<String>,
    consistency: Consistency,
    /// Where statements about positions go, if not wherever others go.
    of_positions: Option<Arc<dyn LoadBalancingPolicy>>,
}

impl Connector {
    /// Reads the options. Nothing is connected yet.
    ///
    /// # Errors
    /// *Stop* when the URL cannot be understood.
    pub(super) fn new(
        options: &SinkOptions,
        settings: Arc<CassandraSettings>,
    ) -> Result<Self, SinkError> {
        let url = url::parse(&options.url).map_err(|error| SinkError::stop(error.to_string()))?;
        let is_local = settings.serial_consistency == PositionConsistency::LocalSerial;
        if is_local && url.local_datacenter.is_none() {
            return Err(SinkError::stop(
                "cassandra.serial.consistency is LOCAL_SERIAL, and connection.url does not say which \
                 data centre is the local one: workers that take different ones move the same \
                 positions; name it, as in cassandra://host:9042/keyspace?localDc=dc1",
            ));
        }
        let timeouts = &options.timeouts;
        Ok(Self {
            user: options.user.clone().or_else(|| url.user.clone()),
            password: options.password.clone().or_else(|| url.password.clone()),
            connect_timeout: url.connect_timeout.unwrap_or(timeouts.connect),
            request_timeout: url.request_timeout.unwrap_or(timeouts.statement),
            url,
            settings,
        })
    }

    /// Opens a session, and creates the keyspace when that is asked for.
    pub(super) async fn open(&self) -> Result<Link, SinkError> {
        let mut builder = SessionBuilder::new()
            .known_nodes(&self.url.nodes)
            .connection_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .schema_agreement_timeout(AGREEMENT_DEADLINE)
            .schema_agreement_interval(AGREEMENT_INTERVAL)
            .compression(self.url.compression.map(for_driver))
            .default_execution_profile_handle(self.profile().into_handle());
        if let Some(user) = &self.user {
            let password = self
                .password
                .as_ref()
                .map_or("", |secret| secret.expose_secret());
            builder = builder.user(user, password);
        }
        if let Some(datacenter) = &self.url.local_datacenter {
            builder = builder.prefer_datacenter(datacenter.clone());
        }
        if let Some(connections) = self.url.connections.and_then(NonZeroUsize::new) {
            builder = builder.pool_size(PoolSize::PerHost(connections));
        }
        if let Some(tls) = tls(&self.url.tls)? {
            builder = builder.tls_context(Some(tls));
        }
        // The driver waits for each node in turn; a cluster of which all nodes hang must end, too.
        let opening = tokio::time::timeout(self.connect_timeout * 2, builder.build());
        let session = match opening.await {
            Ok(opened) => opened.map_err(|error| classify::of_opening(&error))?,
            Err(_) => {
                let message = "cassandra does not answer within the time to connect";
                return Err(SinkError::retry(message).losing_connection());
            }
        };
        let link = Link {
            session,
            keyspace: self.url.keyspace.clone(),
            consistency: self.settings.consistency.for_driver(),
            of_positions: self.policy_of_positions(),
        };
        link.create_keyspace(self.settings.keyspace_replication.as_deref())
            .await?;
        Ok(link)
    }

    /// What is agreed on in one data centre must not be asked of another, which has agreed on nothing.
    fn policy_of_positions(&self) -> Option<Arc<dyn LoadBalancingPolicy>> {
        let is_local = self.settings.serial_consistency == PositionConsistency::LocalSerial;
        let datacenter = self.url.local_datacenter.clone().filter(|_| is_local)?;
        let policy = DefaultPolicy::builder().token_aware(true);
        Some(policy.prefer_datacenter(datacenter).build())
    }

    fn profile(&self) -> ExecutionProfile {
        let mut policy = DefaultPolicy::builder().token_aware(true);
        if let Some(datacenter) = &self.url.local_datacenter {
            policy = policy
                .prefer_datacenter(datacenter.clone())
                .permit_dc_failover(true);
        }
        let speculative = self.url.speculative_delay.map(|retry_interval| {
            let policy = SimpleSpeculativeExecutionPolicy {
                max_retry_count: SPECULATIVE_MAX,
                retry_interval,
            };
            Arc::new(policy) as Arc<dyn SpeculativeExecutionPolicy>
        });
        ExecutionProfile::builder()
            .request_timeout(Some(self.request_timeout))
            .consistency(self.settings.consistency.for_driver())
            .serial_consistency(Some(self.settings.serial_consistency.serial()))
            .load_balancing_policy(policy.build())
            .speculative_execution_policy(speculative)
            .build()
    }
}

impl Link {
    /// The keyspace and the table of a name.
    ///
    /// # Errors
    /// *Stop* when neither the name nor the URL says which keyspace.
    pub(super) fn resolve<'a>(
        &'a self,
        name: &'a TableName,
    ) -> Result<(&'a str, &'a str), SinkError> {
        let keyspace = name.schema.as_deref().or(self.keyspace.as_deref());
        let keyspace = keyspace.ok_or_else(|| {
            SinkError::stop(format!(
                "no keyspace is named for table {name}: name one in connection.url, as in \
                 cassandra://host:9042/keyspace, or with the table, as in keyspace.table"
            ))
        })?;
        Ok((keyspace, &name.name))
    }

    /// How many replicas must have a row.
    pub(super) fn consistency(&self) -> Consistency {
        self.consistency
    }

    /// Prepares a statement that writes a row. `is_repeatable`: the driver may send it to a second node
    /// while the first has not answered.
    pub(super) async fn prepare_write(
        &self,
        text: &str,
        is_repeatable: bool,
    ) -> Result<PreparedStatement, SinkError> {
        let mut prepared = self.prepare(text).await?;
        prepared.set_is_idempotent(is_repeatable);
        prepared.set_consistency(self.consistency);
        Ok(prepared)
    }

    /// Prepares a statement about positions.
    pub(super) async fn prepare_position(
        &self,
        text: &str,
    ) -> Result<PreparedStatement, SinkError> {
        let mut prepared = self.prepare(text).await?;
        if let Some(policy) = &self.of_positions {
            prepared.set_load_balancing_policy(Some(Arc::clone(policy)));
        }
        Ok(prepared)
    }

    /// Prepares a statement that is sent once, about a table as the catalog has just described it.
    pub(super) async fn prepare(&self, text: &str) -> Result<PreparedStatement, SinkError> {
        let begun = Instant::now();
        let mut prepared = loop {
            let prepared = self.session.prepare(text).await;
            match prepared.map_err(|error| classify::of_preparing(&error)) {
                Ok(prepared) => break prepared,
                // Somebody else is creating or changing it.
                Err(error) if error.table_changed() && begun.elapsed() < KNOWN_WITHIN => {
                    tokio::time::sleep(KNOWN_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        };
        prepared.set_retry_policy(Some(Arc::new(FallthroughRetryPolicy::new())));
        Ok(prepared)
    }

    /// Reads about a table in the catalog, of which every node has its own: the consistency of rows has
    /// no say there, and not every one of them can be read at.
    pub(super) async fn read_catalog(
        &self,
        text: &str,
        (keyspace, table): (&str, &str),
    ) -> Result<QueryRowsResult, SinkError> {
        let mut statement = Statement::new(text);
        statement.set_consistency(Consistency::LocalOne);
        let answer = self
            .session
            .query_unpaged(statement, (keyspace, table))
            .await;
        let answer = answer.map_err(|error| classify::of_reading_catalog(&error))?;
        answer.into_rows_result().map_err(|error| {
            SinkError::retry("the catalog's answer cannot be read").with_source(error)
        })
    }

    /// Changes the schema, and waits until all nodes have it.
    pub(super) async fn define(&self, text: &str) -> Result<(), SinkError> {
        let mut statement = Statement::new(text);
        statement.set_load_balancing_policy(for_definitions(&self.session));
        statement.set_retry_policy(Some(Arc::new(FallthroughRetryPolicy::new())));
        let done = self.session.query_unpaged(statement, ()).await;
        done.map_err(|error| classify::of_executing(&error, "change the schema"))?;
        Ok(())
    }

    /// Waits until all nodes that can be reached have the same schema.
    ///
    /// # Errors
    /// *Retry* when they do not come to.
    pub(super) async fn agree(&self) -> Result<(), SinkError> {
        let agreed = self.session.await_schema_agreement().await;
        agreed.map(|_| ()).map_err(|error| {
            SinkError::retry("the nodes do not agree on the schema yet").with_source(error)
        })
    }

    async fn create_keyspace(&self, replication: Option<&str>) -> Result<(), SinkError> {
        let (Some(keyspace), Some(replication)) = (&self.keyspace, replication) else {
            return Ok(());
        };
        if self
            .session
            .get_cluster_state()
            .get_keyspace(keyspace)
            .is_some()
        {
            return Ok(());
        }
        let text = format!(
            "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {replication}",
            quoted(keyspace)
        );
        let defined = self.define(&text).await.map_err(classify::of_defining);
        defined.map_err(|error| {
            SinkError::new(
                error.class(),
                format!("keyspace {keyspace} does not exist and cannot be created: {error}; run by hand: {text}"),
            )
        })?;
        tracing::info!(keyspace, "keyspace created");
        Ok(())
    }
}

/// Definitions go through one node, the same for all workers, so that they come one after the other;
/// nodes that change the schema at the same time may end with two tables of one name.
fn for_definitions(session: &Session) -> Option<Arc<dyn LoadBalancingPolicy>> {
    let state = session.get_cluster_state();
    let nodes = state.get_nodes_info().iter();
    let first = first_node(nodes.map(|node| (node.host_id, node.is_connected())))?;
    Some(SingleTargetLoadBalancingPolicy::new(
        NodeIdentifier::HostId(first),
        None,
    ))
}

/// Of nodes that are connected or not, the one with the lowest id that is; the same for everybody who
/// reaches the same ones. When none is, any may be back first.
fn first_node(nodes: impl Iterator<Item = (Uuid, bool)>) -> Option<Uuid> {
    let first = nodes.min_by_key(|(id, is_connected)| (!is_connected, *id));
    first.map(|(id, _)| id)
}

fn for_driver(compression: Compression) -> DriverCompression {
    match compression {
        Compression::Lz4 => DriverCompression::Lz4,
        Compression::Snappy => DriverCompression::Snappy,
    }
}

/// `None`: no TLS.
///
/// # Errors
/// *Stop* when a file cannot be read or is not what it should be.
fn tls(tls: &Tls) -> Result<Option<SslConnectorBuilder>, SinkError> {
    if tls.mode == TlsMode::Disable {
        return Ok(None);
    }
    let broken = |error: openssl::error::ErrorStack| {
        SinkError::stop("tls cannot be set up").with_source(error)
    };
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(broken)?;
    if tls.mode == TlsMode::Require {
        builder.set_verify(SslVerifyMode::NONE);
    }
    if let Some(file) = &tls.root_certificates {
        builder
            .set_ca_file(file)
            .map_err(|error| unreadable("sslrootcert", file, error))?;
    }
    match (&tls.client_certificate, &tls.client_key) {
        (Some(certificate), Some(key)) => {
            builder
                .set_certificate_chain_file(certificate)
                .map_err(|error| unreadable("sslcert", certificate, error))?;
            builder
                .set_private_key_file(key, SslFiletype::PEM)
                .map_err(|error| unreadable("sslkey", key, error))?;
        }
        (None, None) => {}
        _ => {
            return Err(SinkError::stop(
                "connection.url names one of sslcert and sslkey; name both",
            ));
        }
    }
    Ok(Some(builder))
}

fn unreadable(parameter: &str, file: &Path, error: openssl::error::ErrorStack) -> SinkError {
    SinkError::stop(format!(
        "the file that {parameter} of connection.url names cannot be read, or is not in PEM form: {}",
        file.display()
    ))
    .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;

    #[test]
    fn definitions_go_through_the_first_node_that_is_connected() {
        let check = |nodes: &[(u128, bool)], expected: Option<u128>| {
            let nodes = nodes
                .iter()
                .map(|(id, is_up)| (Uuid::from_u128(*id), *is_up));
            assert_eq!(first_node(nodes), expected.map(Uuid::from_u128));
        };
        check(&[(3, true), (1, true), (2, true)], Some(1));
        check(&[(3, true), (1, false), (2, true)], Some(2));
        check(&[(3, false), (1, false)], Some(1));
        check(&[], None);
    }

    #[test]
    fn local_agreement_needs_the_name_of_the_place() {
        let connector = |url: &str, serial_consistency| {
            let options = SinkOptions::fixture(url);
            let settings = CassandraSettings {
                serial_consistency,
                ..CassandraSettings::default()
            };
            Connector::new(&options, Arc::new(settings))
        };
        let (local, all) = (
            PositionConsistency::LocalSerial,
            PositionConsistency::Serial,
        );
        let refused = connector("cassandra://h/k", local).err().expect("refused");
        assert_eq!(refused.class(), ErrorClass::Stop);
        assert!(refused.to_string().contains("localDc="), "{refused}");
        let keeps_to_it = |url, serial| {
            let made = connector(url, serial).unwrap_or_else(|error| panic!("{error}"));
            made.policy_of_positions().is_some()
        };
        assert!(keeps_to_it("cassandra://h/k?localDc=dc1", local));
        assert!(!keeps_to_it("cassandra://h/k?localDc=dc1", all));
        assert!(!keeps_to_it("cassandra://h/k", all));
    }
}

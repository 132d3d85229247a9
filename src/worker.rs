//! A worker from start to stop: listeners, control loop, connectors from files, REST API.
//!
//! The order of the start makes failures plain and early. Listeners are bound first, because a busy
//! port is the commonest mistake and must not be found after tasks have joined their groups. All
//! connector files are read before the first is created. Only then requests are answered, so
//! whoever sees the API sees the connectors of the command line.
//!
//! At the stop, the API closes and the tasks drain side by side.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::api::{ApiState, Part, Tls, TlsError, router, serve};
use crate::cluster::{
    ClusterError, ClusterFailure, ClusterHandle, ClusterSpec, Command, Distributed, StartTask,
    TargetState, learn_cluster_id, start_standalone,
};
use crate::config::kafka::{admin_properties, https_settings};
use crate::config::offline::{CheckedFile, FileError, validate_offline};
use crate::config::parse::KeyError;
use crate::config::worker::{AdminListeners, Listener, WorkerSettings};
use crate::sessions::RequestSessions;
use crate::telemetry::Loggers;

/// What a worker on its own is started from.
#[derive(Debug)]
pub struct StandaloneWorker<S> {
    /// Its settings.
    pub settings: Arc<WorkerSettings>,
    /// Files of connectors to start with.
    pub connectors: Vec<PathBuf>,
    /// Starts its tasks.
    pub starter: S,
    /// Levels of the process's loggers.
    pub loggers: Loggers,
}

/// What a worker of a cluster is started from.
#[derive(Debug)]
pub struct ClusterWorker<S> {
    /// Its settings.
    pub settings: Arc<WorkerSettings>,
    /// Starts its tasks.
    pub starter: S,
    /// Levels of the process's loggers.
    pub loggers: Loggers,
}

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on, mostly because another process does.
    #[error(
        "cannot listen on {scheme}://{host}:{port}: {source}; set listeners to another address, for \
         example --set listeners=http://127.0.0.1:0 for any free port"
    )]
    Listen {
        /// `http` or `https`.
        scheme: &'static str,
        /// As in `listeners`.
        host: String,
        /// As in `listeners`.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// A connector file is not acceptable.
    #[error(transparent)]
    File(#[from] FileError),
    /// A connector from a file is refused, such as the second of one name.
    #[error("{}: {source}", path.display())]
    Connector {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ClusterError,
    },
    /// A setting is missing that only a worker of a cluster needs.
    #[error("{0} is not set, which a worker of a cluster needs; see config/README.md")]
    Missing(&'static str),
    /// The worker of a cluster cannot go on.
    #[error(transparent)]
    Cluster(#[from] ClusterFailure),
    /// An https listener cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The worker's own settings of the Kafka client have no counterpart here.
    #[error("settings of the kafka client: {}", join(.0))]
    Kafka(Vec<KeyError>),
}

fn join(errors: &[KeyError]) -> String {
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    messages.join("; ")
}

/// Runs a worker until `stop` completes.
///
/// # Errors
/// When it cannot start.
pub async fn run_standalone<S: StartTask>(
    worker: StandaloneWorker<S>,
    stop: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let settings = worker.settings;
    let listeners = bind(&settings).await?;
    let worker_id = known_as(&settings, &listeners);
    let files = read_connectors(&worker.connectors, &settings)?;
    let admin = admin_properties(&settings).map_err(StartError::Kafka)?;

    let cluster = start_standalone(
        Arc::clone(&settings),
        worker_id.clone(),
        worker.starter,
        worker.loggers.clone(),
    );
    let outcome = create_connectors(&cluster, files).await;
    if let Err(problem) = outcome {
        cluster.stop().await;
        return Err(problem);
    }
    let state = ApiState {
        cluster: cluster.clone(),
        settings,
        worker_id: worker_id.into(),
        scheme: "http",
        loggers: worker.loggers,
        sessions: RequestSessions::default(),
        kafka_cluster_id: learn_cluster_id(admin),
    };
    serve_until(stop, listeners, state).await;
    info!("worker stopped");
    Ok(())
}

/// Runs a worker of a cluster until `stop` completes.
///
/// # Errors
/// When it cannot start, or cannot go on.
pub async fn run_cluster<S: StartTask>(
    worker: ClusterWorker<S>,
    stop: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let settings = worker.settings;
    let required = |value: &Option<String>, key| value.clone().ok_or(StartError::Missing(key));
    let group_id = required(&settings.group_id, "group.id")?;
    let config_topic = required(&settings.cluster.config_topic, "config.storage.topic")?;
    let status_topic = required(&settings.cluster.status_topic, "status.storage.topic")?;
    let listeners = bind(&settings).await?;
    let worker_id = known_as(&settings, &listeners);
    let properties = admin_properties(&settings).map_err(StartError::Kafka)?;
    let started = Distributed::start(ClusterSpec {
        settings: Arc::clone(&settings),
        worker_id: worker_id.clone(),
        properties: properties.clone(),
        group_id,
        config_topic,
        status_topic,
        starter: worker.starter,
        loggers: worker.loggers.clone(),
    });
    let state = ApiState {
        cluster: started.handle,
        settings,
        worker_id: worker_id.into(),
        scheme: "http",
        loggers: worker.loggers,
        sessions: RequestSessions::default(),
        kafka_cluster_id: learn_cluster_id(properties),
    };
    let (failing, mut failure) = (started.failed, None);
    let ended = async {
        tokio::select! {
            () = stop => {}
            failed = failing => failure = failed.ok(),
        }
    };
    serve_until(ended, listeners, state).await;
    info!("worker stopped");
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

async fn serve_until(stop: impl Future<Output = ()>, listeners: Vec<Bound>, state: ApiState) {
    let cluster = state.cluster.clone();
    let (stopping, stopped) = watch::channel(false);
    let mut servers = JoinSet::new();
    for Bound {
        listener,
        address,
        part,
        tls,
    } in listeners
    {
        let mut stopped = stopped.clone();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = ApiState {
            scheme,
            ..state.clone()
        };
        servers.spawn(serve(listener, tls, router(state, part), async move {
            // An error means that the worker is gone already.
            stopped.wait_for(|stopped| *stopped).await.ok();
        }));
        info!(%address, "rest api listening");
    }
    stop.await;
    // Handing tasks over takes its time, and whoever asks meanwhile is told.
    cluster.stop().await;
    stopping.send_replace(true);
    while let Some(server) = servers.join_next().await {
        if let Err(error) = server {
            warn!(error = %error, "rest api broke down");
        }
    }
}

/// An address that is listened on.
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    part: Part,
    tls: Option<Tls>,
}

/// `host:port` by which others know the worker. Listeners are bound in the order of the settings.
fn known_as(settings: &WorkerSettings, listeners: &[Bound]) -> String {
    let known = listeners.get(settings.advertised_listener);
    settings.worker_id(known.map_or(0, |bound| bound.address.port()))
}

/// Certificates are read before anything is listened on.
fn https(settings: &WorkerSettings) -> Result<Tls, StartError> {
    let https = https_settings(settings).map_err(StartError::Kafka)?;
    Ok(Tls::new(&https)?)
}

async fn bind(settings: &WorkerSettings) -> Result<Vec<Bound>, StartError> {
    let (part, admin): (Part, &[Listener]) = match &settings.admin_listeners {
        AdminListeners::Same => (Part::Whole, &[]),
        AdminListeners::Off => (Part::WithoutAdmin, &[]),
        AdminListeners::Separate(listeners) => (Part::WithoutAdmin, listeners),
    };
    let main = settings.listeners.iter().map(|listener| (listener, part));
    let admin = admin.iter().map(|listener| (listener, Part::AdminOnly));
    let mut bound = Vec::new();
    for (Listener { host, port, tls }, part) in main.chain(admin) {
        let tls = tls.then(|| https(settings)).transpose()?;
        let (listener, address) =
            bind_one(host, *port)
                .await
                .map_err(|source| StartError::Listen {
                    scheme: if tls.is_some() { "https" } else { "http" },
                    host: host.clone(),
                    port: *port,
                    source,
                })?;
        bound.push(Bound {
            listener,
            address,
            part,
            tls,
        });
    }
    Ok(bound)
}

async fn bind_one(host: &str, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = if host.is_empty() {
        // The unspecified IPv6 address takes IPv4 as well; a machine without IPv6 has only the other.
        match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?
            }
            outcome => outcome?,
        }
    } else {
        TcpListener::bind((host, port)).await?
    };
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn read_connectors(
    files: &[PathBuf],
    settings: &WorkerSettings,
) -> Result<Vec<(PathBuf, CheckedFile)>, StartError> {
    let mut checked = Vec::with_capacity(files.len());
    for path in files {
        let file = validate_offline(path, settings)?;
        for warning in &file.warnings {
            warn!(file = %path.display(), problem = warning, "connector config");
        }
        checked.push((path.clone(), file));
    }
    Ok(checked)
}

async fn create_connectors(
    cluster: &ClusterHandle,
    files: Vec<(PathBuf, CheckedFile)>,
) -> Result<(), StartError> {
    for (path, file) in files {
        let command = Command::Create {
            name: file.config.name,
            config: file.request.config,
            target: file
                .request
                .initial_state
                .map_or(TargetState::Running, TargetState::from),
        };
        cluster
            .command(command)
            .await
            .map_err(|source| StartError::Connector { path, source })?;
    }
    Ok(())
}

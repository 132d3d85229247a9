//! The `rowdock` program: reads the command line, sets up logging and the runtime, and hands over.
//! `--help` documents the exit codes.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use rowdock::cluster::StartSinkTask;
use rowdock::config::offline::validate_offline;
use rowdock::config::worker::{Loaded, SettingsSources, WorkerSettings};
use rowdock::demo::{self, DemoEnd, DemoOptions, RECORDS_MAX, RECORDS_MIN};
use rowdock::memory;
use rowdock::replay::{Place, Report, Request, remote};
use rowdock::signals;
use rowdock::telemetry::{self, Loggers};
use rowdock::worker::{ClusterWorker, StandaloneWorker, run_cluster, run_standalone};
use tokio::runtime::{self, Runtime};
use tracing::{error, warn};

#[cfg(feature = "failpoints")]
mod hold;

/// What `--help` says of exit codes.
const EXIT_CODES: &str = "\
Exit codes:
  0         stopped as asked, or the config is acceptable
  1         something failed; standard error or the log says what. Of replay: letters were rejected again
  2         the command line is wrong
  130, 143  a second SIGINT or SIGTERM ended the worker at once";

/// The demo was ended by a signal before it was through.
const EXIT_INTERRUPTED: u8 = 130;

/// Stores Kafka topics in database tables, exactly once.
#[derive(Debug, Parser)]
#[command(name = "rowdock", version, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one worker that keeps its state in memory
    Standalone {
        #[command(flatten)]
        settings: SettingsArgs,
        /// Connectors to start with: JSON, or Java properties
        connectors: Vec<PathBuf>,
    },
    /// Runs one worker of a cluster, which keeps its state in Kafka
    Worker {
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Checks a connector's config without Kafka and without its database
    Validate {
        #[command(flatten)]
        settings: SettingsArgs,
        /// The connector: JSON, or Java properties
        connector: PathBuf,
    },
    /// Sends dead letters through their connector again, each once
    Replay(ReplayArgs),
    /// Shows the main job on this machine: an embedded broker, SQLite, and a worker that is killed
    Demo {
        /// Orders to produce
        #[arg(long, value_name = "N", default_value_t = 20_000,
              value_parser = clap::value_parser!(u32).range(i64::from(RECORDS_MIN)..=i64::from(RECORDS_MAX)))]
        records: u32,
        /// Folder for the database and the worker's log
        #[arg(long = "dir", value_name = "DIR", default_value = "rowdock-demo")]
        folder: PathBuf,
        /// Ends after the reconciliation, instead of serving until Ctrl-C
        #[arg(long)]
        exit: bool,
    },
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// The connector
    connector: String,
    /// Any worker of its cluster
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9398")]
    worker: String,
    /// All letters; else at least one of the next choices
    #[arg(long)]
    all: bool,
    /// By coordinates: TOPIC, TOPIC:PARTITION, TOPIC:PARTITION:OFFSET, TOPIC:PARTITION:FIRST-LAST
    #[arg(long, value_name = "RECORDS")]
    records: Vec<String>,
    /// By the stage that refused it, such as VALUE_CONVERTER or TASK_PUT
    #[arg(long)]
    stage: Option<String>,
    /// By words of its reason
    #[arg(long, value_name = "WORDS")]
    reason: Option<String>,
    /// Records of this time or later, such as 2026-11-27T08:00:00Z
    #[arg(long, value_name = "TIME")]
    from_time: Option<String>,
    /// Records before this time
    #[arg(long, value_name = "TIME")]
    to_time: Option<String>,
    /// Where letters are read: topic or table. The table, if there is one
    #[arg(long, value_parser = place)]
    place: Option<Place>,
    /// Only shows what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Sends although old records may replace or delete newer rows
    #[arg(long)]
    force: bool,
}

fn place(text: &str) -> Result<Place, String> {
    match text {
        "topic" => Ok(Place::Topic),
        "table" => Ok(Place::Table),
        _ => Err("topic or table".to_owned()),
    }
}

#[derive(Debug, Args)]
struct SettingsArgs {
    /// The worker's settings: TOML, or Java properties as Kafka Connect has them
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting; overrides the file and CONNECT_* environment variables
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

impl SettingsArgs {
    fn load(self) -> anyhow::Result<Loaded> {
        let environment = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let sources = SettingsSources {
            file: self.config,
            environment,
            overrides: self.overrides,
        };
        Ok(WorkerSettings::load(&sources)?)
    }
}

fn main() -> ExitCode {
    memory::keep_freed_blocks();
    #[cfg(feature = "failpoints")]
    let _failpoints = fail::FailScenario::setup();
    #[cfg(feature = "failpoints")]
    if let Err(problem) = hold::set_up() {
        writeln!(io::stderr(), "{problem}").ok();
        return ExitCode::FAILURE;
    }
    let outcome = match CommandLine::parse().command {
        Command::Standalone {
            settings,
            connectors,
        } => standalone(settings, connectors),
        Command::Worker { settings } => worker(settings),
        Command::Validate {
            settings,
            connector,
        } => validate(settings, connector),
        Command::Replay(replay_args) => replay(replay_args),
        Command::Demo {
            records,
            folder,
            exit,
        } => demo(DemoOptions {
            records,
            folder,
            exit,
        }),
    };
    match outcome {
        Ok(code) => code,
        Err(problem) => {
            // Before logging is set up there is only standard error; if that is closed, the exit
            // code still tells.
            writeln!(io::stderr(), "rowdock: {}", explain(&problem)).ok();
            ExitCode::FAILURE
        }
    }
}

fn standalone(settings: SettingsArgs, connectors: Vec<PathBuf>) -> anyhow::Result<ExitCode> {
    let (settings, loggers) = begin(settings)?;
    let worker = StandaloneWorker {
        settings,
        connectors,
        starter: StartSinkTask,
        loggers,
    };
    let runtime = runtime()?;
    let outcome = runtime.block_on(async { Ok(run_standalone(worker, signals::stop()?).await?) });
    end(runtime, outcome)
}

fn worker(settings: SettingsArgs) -> anyhow::Result<ExitCode> {
    let (settings, loggers) = begin(settings)?;
    let worker = ClusterWorker {
        settings,
        starter: StartSinkTask,
        loggers,
    };
    let runtime = runtime()?;
    let outcome = runtime.block_on(async { Ok(run_cluster(worker, signals::stop()?).await?) });
    end(runtime, outcome)
}

/// Reads the settings and begins to log.
fn begin(settings: SettingsArgs) -> anyhow::Result<(Arc<WorkerSettings>, Loggers)> {
    let Loaded { settings, warnings } = settings.load()?;
    let loggers = telemetry::init(settings.log_format, &settings.log_level)?;
    for warning in warnings {
        warn!(problem = warning, "worker settings");
    }
    Ok((Arc::new(settings), loggers))
}

fn end(runtime: Runtime, outcome: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    // Whatever still blocks has had its deadline: it must not hold up the end of the process.
    runtime.shutdown_background();
    if let Err(problem) = outcome {
        error!(problem = explain(&problem), "worker cannot run");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn validate(settings: SettingsArgs, connector: PathBuf) -> anyhow::Result<ExitCode> {
    let Loaded { settings, warnings } = settings.load()?;
    let checked = validate_offline(&connector, &settings)?;
    for warning in warnings.iter().chain(&checked.warnings) {
        writeln!(io::stderr(), "warning: {warning}")?;
    }
    writeln!(
        io::stdout(),
        "{}: connector {} is acceptable",
        connector.display(),
        checked.config.name
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Fails when letters were rejected again, or cannot be sent.
fn replay(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let request = Request {
        all: args.all,
        records: args.records,
        stage: args.stage,
        reason: args.reason,
        from_time: args.from_time,
        to_time: args.to_time,
        place: args.place,
        dry_run: args.dry_run,
        force: args.force,
        after: None,
    };
    let progress = |report: &Report| {
        writeln!(io::stderr(), "{} letters read, going on", report.read).ok();
    };
    let report = remote::replay(&args.worker, &args.connector, request, progress)
        .map_err(anyhow::Error::msg)?;
    let mut output = io::stdout().lock();
    for letter in &report.letters {
        writeln!(output, "{letter}")?;
    }
    writeln!(output, "{report}")?;
    Ok(match report.rejected + report.unusable {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// The problem with its causes, each said once: many errors already repeat theirs.
fn explain(problem: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in problem.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn demo(options: DemoOptions) -> anyhow::Result<ExitCode> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(demo::run(options));
    runtime.shutdown_background();
    Ok(match outcome? {
        DemoEnd::Clean => ExitCode::SUCCESS,
        DemoEnd::Off => ExitCode::FAILURE,
        DemoEnd::Interrupted => ExitCode::from(EXIT_INTERRUPTED),
    })
}

fn runtime() -> anyhow::Result<Runtime> {
    runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("rowdock")
        .build()
        .context("cannot start the runtime")
}

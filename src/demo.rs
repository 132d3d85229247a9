//! `rowdock demo`: the main job, shown on one machine with nothing installed.
//!
//! ```text
//!  demo process                                   worker process (this program, `standalone`)
//!  ┌──────────────────────────┐    records       ┌──────────────────────────────────┐
//!  │ shop ─▶ embedded broker ─┼─────────────────▶│ consume ─ map ─ batch ─ write    │
//!  │                          │◀─ dead letters ──│                           │      │
//!  │ creates the connector ───┼── REST API ─────▶│                           ▼      │
//!  │ reads, compares ◀────────┼──────────────────┼──────────────── SQLite file      │
//!  └──────────────────────────┘                  └──────────────────────────────────┘
//! ```
//!
//! The worker is killed with SIGKILL in the middle of a burst of orders and started again. What
//! makes that a proof: the table has no key that could hide a double; rows are compared with the
//! orders one by one and field by field; and at the moment of the kill the rows must be exactly
//! those that the positions stored with them account for.
//!
//! Every wait has a deadline that says what was waited for, and the worker is killed on every way
//! out, at the latest when its owner is dropped.
//!
//! * [`orders`]: what is ordered; follows from the order's number. Pure.
//! * [`burst`], [`broker`]: how it comes into Kafka.
//! * [`worker`], [`rest`]: the process that is killed, and its API.
//! * [`database`], [`dead_letters`]: what came of it.
//! * [`reconcile`]: the comparison. Pure.
//! * [`screen`], [`report`], [`folder`]: what the person sees, and what stays behind.

mod broker;
mod burst;
mod database;
mod dead_letters;
mod error;
mod folder;
mod orders;
mod reconcile;
mod report;
mod rest;
mod screen;
mod stage;
mod worker;

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

pub use error::DemoError;
pub use orders::{RECORDS_MAX, RECORDS_MIN};
use screen::Screen;
use stage::Stage;

/// Orders are produced here.
const TOPIC: &str = "orders";

/// Malformed ones end here.
const DEAD_LETTER_TOPIC: &str = "orders-dead-letters";

/// What the demo shall do.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Orders to produce, between [`RECORDS_MIN`] and [`RECORDS_MAX`].
    pub records: u32,
    /// Folder for the database and the worker's log.
    pub folder: PathBuf,
    /// Ends after the reconciliation instead of serving on.
    pub exit: bool,
}

/// How the demo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoEnd {
    /// Every order was accounted for.
    Clean,
    /// Some were not: a defect of this program.
    Off,
    /// A signal came before the reconciliation.
    Interrupted,
}

/// Plays the demo.
///
/// # Errors
/// What kept it from the reconciliation.
pub async fn run(options: DemoOptions) -> Result<DemoEnd, DemoError> {
    let mut signals = Signals::new()?;
    let mut screen = Screen::new();
    let mut stage = Stage::set(&options, &screen).await?;
    let ended = Box::pin(play(&options, &mut stage, &mut screen, &mut signals)).await;
    stage.clear().await;
    ended
}

async fn play(
    options: &DemoOptions,
    stage: &mut Stage,
    screen: &mut Screen,
    signals: &mut Signals,
) -> Result<DemoEnd, DemoError> {
    let played = tokio::select! {
        verdict = stage.play(screen) => Some(verdict?),
        () = signals.received() => None,
    };
    screen.finish();
    let Some(verdict) = played else {
        screen.line("\ninterrupted");
        return Ok(DemoEnd::Interrupted);
    };
    verdict.print(screen);
    verdict.print_rows(screen);
    stage.print_whereabouts(screen);
    if !options.exit {
        stage.print_how_to_go_on(screen);
        tokio::select! {
            ended = stage.worker_ends() => return Err(ended),
            () = signals.received() => screen.line("\nended"),
        }
    }
    Ok(if verdict.is_clean() {
        DemoEnd::Clean
    } else {
        DemoEnd::Off
    })
}

/// What asks the demo to end. One is enough: nothing is left to be saved.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, DemoError> {
        let listen = |kind| signal(kind).map_err(DemoError::Signals);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

//! SIGINT and SIGTERM: the first asks the worker to stop, the second ends it at once.

use std::future::Future;
use std::io;
use std::process;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

/// Exit codes of a process that a signal ended, as shells know them: 128 and the signal's number.
const EXIT_SIGINT: i32 = 130;
const EXIT_SIGTERM: i32 = 143;

/// Takes both signals over and returns a future that completes at the first.
///
/// # Errors
/// When the signals cannot be taken over.
pub fn stop() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (stopping, mut asked) = watch::channel(false);
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => ("SIGINT", EXIT_SIGINT),
                _ = terminate.recv() => ("SIGTERM", EXIT_SIGTERM),
            }
        };
        let (name, _) = next().await;
        info!(
            signal = name,
            "stopping; a second signal ends the worker at once"
        );
        stopping.send_replace(true);
        let (name, code) = next().await;
        warn!(
            signal = name,
            "ended at once; what was not committed is read again later"
        );
        process::exit(code);
    });
    Ok(async move {
        // An error means that the task above is gone, which only happens as the runtime ends.
        asked.wait_for(|asked| *asked).await.ok();
    })
}

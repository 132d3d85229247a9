//! A worker that stands at a named point of its code until the test lets it go.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::stage::Stage;
use super::wait::{check, eventually};

/// Where a worker is held, once. A file says that it is; see `src/hold.rs`.
pub(crate) struct Hold {
    point: String,
    passes: usize,
    file: PathBuf,
}

impl Hold {
    /// At this point of the code, after so many passes.
    pub(crate) fn at(stage: &Stage, point: &str, passes: usize) -> Self {
        let name = format!("held-{:08x}", fastrand::Rng::new().u32(..));
        Self {
            point: point.to_owned(),
            passes,
            file: stage.folder().join(name),
        }
    }

    /// For the worker's environment.
    pub(super) fn words(&self) -> String {
        format!("{}={}={}", self.point, self.passes, self.file.display())
    }

    /// Waits until the worker stands there.
    pub(crate) async fn until_held(&self, deadline: Duration) {
        let what = format!("the worker to be held at {}", self.point);
        eventually(&what, deadline, || {
            let is_held = check(self.file.exists(), || "it is not".to_owned());
            std::future::ready(is_held)
        })
        .await;
    }

    /// Lets it go on, at once or when it thaws.
    pub(crate) fn let_go(&self) {
        fs::remove_file(&self.file).expect("the worker is held");
    }
}

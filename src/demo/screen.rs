//! What the person sees: lines, and between them a progress bar on a terminal; elsewhere a plain
//! line for every tenth.
//!
//! A screen that cannot be written to any more, such as a closed pipe, ends nothing: the exit code
//! still tells.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Width of the names in front of lines.
const LABEL_WIDTH: usize = 10;

/// How often a bar that waits moves.
const TICK: Duration = Duration::from_millis(100);

const BAR: &str = "  {spinner} [{bar:40.green}] {percent:>3}%  {msg}";

/// Plain lines between nothing and everything.
const STEPS: u64 = 10;

/// Where the demo prints.
pub(super) struct Screen {
    bar: Option<ProgressBar>,
    steps_shown: u64,
}

impl Screen {
    /// The process's standard output.
    pub(super) fn new() -> Self {
        let style = ProgressStyle::with_template(BAR).ok();
        let bar = style.filter(|_| io::stdout().is_terminal()).map(|style| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stdout());
            bar.set_style(style.progress_chars("=> "));
            bar
        });
        Self {
            bar,
            steps_shown: 0,
        }
    }

    /// Prints a line above the bar.
    pub(super) fn line(&self, text: impl Display) {
        match &self.bar {
            Some(bar) if !bar.is_finished() => {
                bar.suspend(|| print_line(&text));
            }
            _ => print_line(&text),
        }
    }

    /// Prints a line with a name in front.
    pub(super) fn labelled(&self, label: &str, text: impl Display) {
        self.line(format_args!("  {label:<LABEL_WIDTH$} {text}"));
    }

    /// Shows the bar, for so many steps.
    pub(super) fn start(&mut self, total: u64, message: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_message(message.to_owned());
                bar.enable_steady_tick(TICK);
            }
            None => self.labelled("waiting", message),
        }
    }

    /// What is waited for or done.
    pub(super) fn message(&self, message: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(message.to_owned()),
            None => self.labelled("waiting", message),
        }
    }

    /// How far it is.
    pub(super) fn progress(&mut self, done: u64, total: u64, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(message());
            return;
        }
        let step = (done * STEPS).checked_div(total).unwrap_or(0);
        if step > self.steps_shown {
            self.steps_shown = step;
            self.labelled("progress", message());
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.finish();
    }
}

fn print_line(text: &impl Display) {
    writeln!(io::stdout(), "{text}").ok();
}

/// A count with its thousands set apart.
pub(super) fn grouped(count: impl Into<u64>) -> String {
    let digits = count.into().to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands() {
        let check = |count: u64, expected: &str| assert_eq!(grouped(count), expected);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(20_000, "20,000");
        check(123_456_789, "123,456,789");
    }
}

//! Results to standard output, talk to standard error.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use crate::exit::{Exit, ExitContext};

/// Prints a result.
///
/// # Errors
/// That standard output refused; a reader that has gone away is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// Prints a result as it is.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output").exit_with(Exit::Unwritten)
        }
        _ => Ok(()),
    }
}

/// Prints a result as JSON.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Says something that is no result.
pub(crate) fn talk(text: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Tells some of the lines that a tool says while it works for minutes, with the
/// seconds that have passed; nothing when `quiet`.
pub(crate) fn paced(quiet: bool) -> impl FnMut(&str) {
    /// Between two of them.
    const PAUSE: Duration = Duration::from_secs(5);
    let began = Instant::now();
    let mut last: Option<Instant> = None;
    move |line| {
        if !quiet && !line.is_empty() && last.is_none_or(|at| at.elapsed() >= PAUSE) {
            let line = isolde_report::printable(line);
            talk(&format!("{:>4} s  {line}", began.elapsed().as_secs()));
            last = Some(Instant::now());
        }
    }
}

/// Whether standard output takes colour: a terminal, and nobody objects
/// (<https://no-color.org>).
pub(crate) fn takes_colour() -> bool {
    let objected = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal()
        && !objected
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

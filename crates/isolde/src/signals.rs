//! Ctrl-C and its like.

use anyhow::Context;
use isolde_runner::Interrupt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::output::talk;

/// An interrupt that is made by the first signal that asks this program to end.
///
/// Says so, unless to be `quiet`.
///
/// # Errors
/// That signals cannot be caught.
pub(crate) fn interrupt(quiet: bool) -> anyhow::Result<Interrupt> {
    let interrupt = Interrupt::new().context("cannot make an event descriptor")?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot catch signals")?;
    let made = interrupt.clone();
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if !quiet && !made.is_triggered() {
                talk("stopping: the running sandbox is taken down, what was measured is kept");
            }
            made.trigger();
        }
    });
    Ok(interrupt)
}

//! `isolde testbed shell`.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use isolde_testbed::{Command, Device, Outlets};

use super::args::ShellArguments;
use super::terminal::{RawTerminal, follow_size, relay, size};
use super::{bring, build, check_size, told};
use crate::commands::exec::status_of;
use crate::exit::{Exit, tagged};
use crate::output::talk;
use crate::{resolve, signals};

/// Opens a shell on the device.
pub(super) fn run(arguments: &ShellArguments) -> anyhow::Result<ExitCode> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let text = "a shell needs a terminal: `isolde testbed run` does without";
        return Err(tagged(Exit::Usage, text));
    }
    let interrupt = signals::interrupt(true)?;
    let cpus = arguments.device.cpus;
    check_size(cpus, arguments.device.memory)?;
    let provisions = resolve::provisions()?;
    let store = provisions.store().clone();
    let brought = bring::gather(&arguments.device, &store)?;
    let quiet = arguments.device.quiet;
    let built = build::make(&store, &arguments.device.recipe, quiet, &interrupt)?;
    let kernel = brought.kernel(arguments.device.kernel.as_deref(), &built)?;
    let device = Device {
        provisions: &provisions,
        agent: Path::new("/proc/self/exe"),
        built: &built,
        cpus,
        memory: arguments.device.memory,
        files: brought.files,
    };
    let terminal = std::env::var("TERM").unwrap_or_else(|_| "linux".into());
    let command = Command {
        argv: vec!["bash".into(), "--login".into()],
        env: vec![format!("TERM={terminal}")],
        docker: arguments.docker,
        kernel,
        results: None,
        limit: arguments.timeout,
    };
    if !quiet {
        talk("starting the device; `exit` ends it, and Ctrl-] at once");
    }
    let (stream, window, ports) = told(isolde_testbed::terminal(), &interrupt)?;
    let raw = RawTerminal::set().context("the terminal cannot be made raw")?;
    follow_size(window).context("changes of the terminal's size cannot be followed")?;
    let relayed = relay(stream, interrupt.clone()).context("the terminal cannot be read")?;
    let (mut stdout, mut stderr) = (Lines(io::stdout()), Lines(io::stderr()));
    let outlets = Outlets { stdout: &mut stdout, stderr: &mut stderr };
    let ended = device.run_on_terminal(&command, ports, size(), outlets, &interrupt);
    // What the shell said last is on its way.
    let _ = relayed.join();
    drop(raw);
    if interrupt.is_triggered() {
        // Away from the prompt that the device has shown last.
        talk("");
    }
    let result = told(ended, &interrupt)?;
    Ok(status_of("testbed", &result).into())
}

/// Ends lines as a raw terminal needs it.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(line) => {
                    self.0.write_all(line)?;
                    self.0.write_all(b"\r\n")?;
                }
                None => self.0.write_all(part)?,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_on_the_left() {
        let mut said = Vec::new();
        Lines(&mut said).write_all(b"one\n\ntwo").unwrap();
        assert_eq!(said, b"one\r\n\r\ntwo");
    }
}

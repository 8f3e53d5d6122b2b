//! A shell on the device, with a terminal of its own there.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;

use isolde_backends::qemu::{Port, PortKind};
use isolde_runner::{ExecResult, Interrupt};

use crate::{Command, Device, Outlets, TestbedError};

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// The device's ends of a terminal's two channels.
#[derive(Debug)]
pub struct TerminalPorts(Vec<Port>);

/// Tells the device's terminal of its size.
#[derive(Debug)]
pub struct Window(UnixStream);

impl Window {
    /// It has this size now.
    ///
    /// # Errors
    /// That the device is gone.
    pub fn resize(&mut self, size: Size) -> io::Result<()> {
        writeln!(self.0, "{} {}", size.rows, size.columns)
    }
}

/// The stream of a terminal on a device, and what tells it of its size.
///
/// # Errors
/// That the system has no descriptors left.
pub fn terminal() -> Result<(UnixStream, Window, TerminalPorts), TestbedError> {
    let pair = || UnixStream::pair().map_err(|error| TestbedError::os("make a socket pair", error));
    let ((stream, terminal), (window, sizes)) = (pair()?, pair()?);
    let ports = vec![
        Port { name: "terminal", kind: PortKind::Terminal, end: terminal.into() },
        Port { name: "isolde-window", kind: PortKind::Stream, end: sizes.into() },
    ];
    Ok((stream, Window(window), TerminalPorts(ports)))
}

impl Device<'_> {
    /// Starts the device, runs the command on the terminal whose ports these are, and
    /// takes the device down.
    ///
    /// # Errors
    /// As [`Device::run`].
    pub fn run_on_terminal(
        &self,
        command: &Command,
        ports: TerminalPorts,
        size: Size,
        outlets: Outlets<'_>,
        interrupt: &Interrupt,
    ) -> Result<ExecResult, TestbedError> {
        let variables = [
            "TESTBED_TERMINAL=1".to_owned(),
            format!("TESTBED_SIZE={} {}", size.rows, size.columns),
        ];
        self.boot(command, ports.0, &variables, outlets, interrupt)
    }
}

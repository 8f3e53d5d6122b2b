//! One run of the emulated device.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use isolde_agent::protocol::{ExecJob, Invocation};
use isolde_backends::qemu::{Port, PortKind, Qemu};
use isolde_model::{ByteSize, Deadlines, Resources, Span};
use isolde_runner::{ExecRequest, ExecResult, Interrupt, Provisions, Workplace, exec};

use crate::build::{check_qemu, scratch};
use crate::results::{Archive, Limits, Receiver};
use crate::{Built, TestbedError};

/// Makes the device's system ready and runs the command.
const ENTER: &str = include_str!("../device/enter.sh");
const ENTER_PLACE: &str = "/testbed/enter";

/// The folder that commands run in.
pub const FOLDER: &str = "/results";

/// An emulated device takes some seconds; a busy host many.
const START_PATIENCE: Duration = Duration::from_secs(300);

/// A device and what is on it.
pub struct Device<'a> {
    /// The host's cache.
    pub provisions: &'a Provisions,
    /// The executable of this program.
    pub agent: &'a Path,
    /// Its system.
    pub built: &'a Built,
    /// CPUs, as many as the host has at most.
    pub cpus: u32,
    /// Memory.
    pub memory: ByteSize,
    /// Files of the host, each with its place on the device.
    pub files: Vec<(PathBuf, PathBuf)>,
}

/// What is to run on a device.
#[derive(Debug, Clone)]
pub struct Command {
    /// The command and its arguments; looked for in the usual folders.
    pub argv: Vec<String>,
    /// Variables, each `NAME=VALUE`.
    pub env: Vec<String>,
    /// Whether the Docker daemon is started before.
    pub docker: bool,
    /// The release that guests on the device boot; `None`: whichever is there.
    pub kernel: Option<String>,
    /// The folder whose content comes out afterwards; none does otherwise.
    pub results: Option<String>,
    /// How long it may take.
    pub limit: Span,
}

/// Where the output of a command goes.
pub struct Outlets<'a> {
    /// Takes its standard output.
    pub stdout: &'a mut dyn Write,
    /// Takes its standard error.
    pub stderr: &'a mut dyn Write,
}

/// What a command did.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub exec: ExecResult,
    /// What came out of its results folder, if anything was there.
    pub results: Option<Archive>,
}

impl Device<'_> {
    /// Starts the device, runs the command, and takes the device down.
    ///
    /// # Errors
    /// That the device could not be made, the command came to no end in time, the
    /// user asked to stop, or what came out is no archive.
    pub fn run(
        &self,
        command: &Command,
        outlets: Outlets<'_>,
        interrupt: &Interrupt,
    ) -> Result<Outcome, TestbedError> {
        let (ours, theirs) =
            UnixStream::pair().map_err(|error| TestbedError::os("make a socket pair", error))?;
        let receiver = Receiver::start(ours, Limits::default())?;
        let port = Port { name: "isolde-results", kind: PortKind::Stream, end: theirs.into() };
        let ran = self.boot(command, vec![port], &[], outlets, interrupt);
        // Also after a failure: nobody has the other end any more.
        let results = receiver.finish();
        Ok(Outcome { exec: ran?, results: results? })
    }

    /// Runs the command on a device with these ports.
    pub(crate) fn boot(
        &self,
        command: &Command,
        ports: Vec<Port>,
        variables: &[String],
        outlets: Outlets<'_>,
        interrupt: &Interrupt,
    ) -> Result<ExecResult, TestbedError> {
        check_qemu()?;
        let backend = Qemu::testbed(ports);
        let own = scratch()?;
        let mut provisions = self.provisions.clone();
        provisions.choose_kernel_for([], Some(&self.built.release));
        let mut provisions = provisions
            .with_image(self.agent, &self.built.image)
            .map_err(|source| TestbedError::Bring { path: self.agent.to_owned(), source })?;
        let enter = own.path().join("enter");
        fs::write(&enter, ENTER).map_err(|error| TestbedError::os("write a file", error))?;
        let own_files = [(enter, PathBuf::from(ENTER_PLACE))];
        for (path, place) in own_files.iter().chain(&self.files) {
            let brought = provisions.bring(path, place);
            brought.map_err(|source| TestbedError::Bring { path: path.clone(), source })?;
        }
        let resources = Resources { cpus: self.cpus, memory: self.memory, threads: 1.into() };
        let workplace = Workplace::new(resources)?;
        let prepared = provisions.prepare(&backend, &workplace, interrupt)?;
        if interrupt.is_triggered() {
            return Err(TestbedError::Interrupted);
        }
        let request = ExecRequest {
            backend: &backend,
            prepared: &prepared,
            workplace: &workplace,
            number: 0,
            job: ExecJob { invocation: command.invocation(variables) },
            deadlines: Deadlines {
                start: Span(START_PATIENCE),
                job: command.limit,
                ..Deadlines::default()
            },
            stdout: outlets.stdout,
            stderr: outlets.stderr,
        };
        let ran = exec(request, interrupt);
        // Every change of what is brought along makes a disk of its own, of 700 MB.
        if let Err(error) = provisions.drop_forms() {
            tracing::warn!(%error, "the device's disk stays in the cache");
        }
        Ok(ran?)
    }
}

impl Command {
    fn invocation(&self, variables: &[String]) -> Invocation {
        let mut argv = vec!["sh".to_owned(), ENTER_PLACE.to_owned()];
        argv.extend(self.argv.iter().cloned());
        let mut env = self.env.clone();
        env.extend(variables.iter().cloned());
        env.extend(self.docker.then(|| "TESTBED_DOCKER=1".into()));
        env.extend(self.kernel.as_ref().map(|release| format!("TESTBED_KERNEL={release}")));
        env.extend(self.results.as_ref().map(|folder| format!("TESTBED_RESULTS={folder}")));
        Invocation {
            program: "/bin/sh".into(),
            argv,
            env,
            workdir: FOLDER.into(),
            user: String::new(),
        }
    }
}

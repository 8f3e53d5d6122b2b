//! What the comparisons stand on: an environment that is ready, a root file
//! system with busybox in it, and a place for sandboxes.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use isolde_agent::protocol::{ExecJob, Invocation};
use isolde_backends::{Backend, SandboxSpec};
use isolde_image::Store;
use isolde_model::{ByteSize, Deadlines, EnvironmentName, Readiness, Resources};
use isolde_runner::{ExecRequest, Interrupt, Prepared, Provisions, Workplace, exec};
use tempfile::TempDir;

use crate::say;

/// A static multi-call program that every Debian-like distribution has.
pub(crate) const BUSYBOX: &str = "/usr/bin/busybox";
/// The program as users have it.
pub(crate) const ISOLDE: &str = env!("CARGO_BIN_EXE_isolde");
/// What `isolde exec` gives a sandbox.
pub(crate) const MEMORY: ByteSize = ByteSize::mebibytes(512);

pub(crate) struct Ground {
    pub(crate) backend: Box<dyn Backend>,
    prepared: Prepared,
    workplace: Workplace,
    number: Cell<u32>,
    pub(crate) folder: TempDir,
}

impl Ground {
    /// `None`, with the reason said, where the environment cannot run.
    pub(crate) fn lay(environment: &str, cpus: u32) -> anyhow::Result<Option<Self>> {
        if !Path::new(BUSYBOX).exists() {
            skip(environment, "no busybox; sudo apt-get install busybox-static");
            return Ok(None);
        }
        let name = EnvironmentName::new(environment);
        let backend = isolde_backends::find(&name).context("no such environment")?;
        let folder = tempfile::tempdir()?;
        let mut provisions =
            Provisions::new(Store::open(&folder.path().join("isolde"))?, Path::new(ISOLDE))?;
        if let Readiness::Missing(missing) = provisions.readiness(&*backend) {
            skip(environment, &format!("{}; {}", missing.what, missing.hint));
            return Ok(None);
        }
        provisions.bring(Path::new(BUSYBOX), Path::new("/bin/busybox"))?;
        let workplace = Workplace::new(Resources { cpus, memory: MEMORY, threads: 1.into() })?;
        let prepared = provisions.prepare(&*backend, &workplace, &Interrupt::new()?)?;
        Ok(Some(Self { backend, prepared, workplace, number: Cell::new(0), folder }))
    }

    fn next(&self) -> u32 {
        self.number.set(self.number.get() + 1);
        self.number.get()
    }

    /// Does `work` with what one more sandbox needs.
    pub(crate) fn with_spec<T>(
        &self,
        work: impl FnOnce(SandboxSpec) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let number = self.next();
        let done = work(self.workplace.spec(&self.prepared, number)?);
        self.workplace.tidy(number)?;
        done
    }

    /// Runs `true` through the runner, from nothing to nothing left.
    pub(crate) fn launch_true(&self) -> anyhow::Result<f64> {
        let began = Instant::now();
        let argv = ["busybox", "true"].map(str::to_owned).to_vec();
        let request = ExecRequest {
            backend: &*self.backend,
            prepared: &self.prepared,
            workplace: &self.workplace,
            number: self.next(),
            job: ExecJob { invocation: Invocation::of("bin/busybox", &argv) },
            deadlines: Deadlines::default(),
            stdout: &mut io::sink(),
            stderr: &mut io::sink(),
        };
        let result = exec(request, &Interrupt::new()?)?;
        ensure!(result.ending.status == Some(0), "{:?}", result.ending);
        Ok(began.elapsed().as_secs_f64())
    }

    /// The whole command that does the same, as users type it.
    pub(crate) fn command_true(&self) -> Command {
        let mut command = Command::new(ISOLDE);
        let environment = self.backend.name();
        command
            .args(["exec", "--on", environment.as_str(), "--cpus", "1", "--", BUSYBOX, "true"])
            .env("XDG_CACHE_HOME", self.folder.path());
        command
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for leak in self.backend.retire() {
            say(&format!("left behind: {}: {}", leak.what, leak.detail));
        }
    }
}

/// Seconds until a command has ended well.
pub(crate) fn time(command: &mut Command) -> anyhow::Result<f64> {
    let began = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let elapsed = began.elapsed();
    ensure!(status.success(), "{command:?}: {status}");
    Ok(elapsed.as_secs_f64())
}

/// Whether a program of the host is there; says so where it is not.
pub(crate) fn has(comparison: &str, program: &str, package: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        skip(comparison, &format!("no {program}; sudo apt-get install {package}"));
    }
    found
}

fn skip(comparison: &str, reason: &str) {
    say(&format!("skipped: {comparison}: {reason}"));
}

/// More than anything here takes.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

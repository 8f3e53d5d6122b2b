//! What the checks of one environment share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use isolde_agent::protocol::{CommandEnding, ExecJob, Invocation};
use isolde_backends::{Backend, Sandbox};
use isolde_image::Store;
use isolde_model::{ByteSize, Deadlines, EnvironmentName, Failure, Readiness, Resources, Span};
use isolde_runner::host::emulation;
use isolde_runner::{
    ExecRequest, ExecResult, Interrupt, Prepared, Provisions, RunError, Workplace, exec,
};

/// A static multi-call program that every Debian-like distribution has.
const BUSYBOX: &str = "/usr/bin/busybox";
/// Enough for a guest kernel, little enough to run out of quickly.
const MEMORY: ByteSize = ByteSize::mebibytes(192);

pub(crate) struct Stage {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) prepared: Prepared,
    pub(crate) workplace: Workplace,
    pub(crate) deadlines: Deadlines,
    /// CPUs of each sandbox.
    pub(crate) cpus: u32,
    number: u32,
    /// Holds the store.
    folder: tempfile::TempDir,
}

/// The program under test: cargo's, unless `ISOLDE_PROGRAM` names its place on another
/// machine.
fn program() -> PathBuf {
    let named = std::env::var_os("ISOLDE_PROGRAM");
    named.map_or_else(|| env!("CARGO_BIN_EXE_isolde").into(), PathBuf::from)
}

/// Two, so that more than one is seen to work. On an emulated device one: nested
/// guests with two were seen to hang there at their start (QEMU 7.2, SVM).
fn cpus() -> u32 {
    if emulation().is_some() { 1 } else { 2 }
}

/// Who may write to the root file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// Nobody: it is shared.
    ReadOnly,
    /// The application: it is its launch's own.
    Writable,
}

/// What a command did.
pub(crate) struct Done {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) result: ExecResult,
}

impl Stage {
    /// `None`, with the reason printed, where the environment cannot run.
    pub(crate) fn set(environment: &str, root: Root) -> Option<Self> {
        let backend = isolde_backends::find(&EnvironmentName::new(environment)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let agent = &program();
        // This test's own executable is no VMM.
        isolde_backends::set_vmm_program(agent);
        let mut provisions = Provisions::new(store, agent).unwrap();
        if let Readiness::Missing(missing) = provisions.readiness(&*backend) {
            skip(environment, &format!("{}; {}", missing.what, missing.hint));
            return None;
        }
        if !Path::new(BUSYBOX).exists() {
            skip(environment, "no /usr/bin/busybox; sudo apt-get install busybox-static");
            return None;
        }
        provisions.bring(Path::new(BUSYBOX), Path::new("/bin/busybox")).unwrap();
        if root == Root::Writable {
            bring_files(&mut provisions, folder.path());
            provisions = provisions.writable();
        }
        let cpus = cpus();
        let workplace =
            Workplace::new(Resources { cpus, memory: MEMORY, threads: 1.into() }).unwrap();
        let prepared =
            provisions.prepare(&*backend, &workplace, &Interrupt::new().unwrap()).unwrap();
        let deadlines = Deadlines { start: Span(Duration::from_secs(120)), ..Deadlines::default() };
        Some(Self { backend, prepared, workplace, deadlines, cpus, number: 0, folder })
    }

    /// Whether each sandbox starts a kernel of its own; a restored one's has started.
    pub(crate) fn boots_a_kernel(&self) -> bool {
        let name = self.backend.name();
        self.backend.guest().is_some() && !name.as_str().ends_with("-restore")
    }

    /// A number for one more sandbox.
    pub(crate) fn next(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    /// A sandbox that is made but not started.
    pub(crate) fn create(&mut self) -> Result<Box<dyn Sandbox>, String> {
        let number = self.next();
        let spec = self.workplace.spec(&self.prepared, number).map_err(text)?;
        self.backend.create(spec).map_err(text)
    }

    /// Runs `busybox ARGUMENTS`.
    pub(crate) fn busybox(&mut self, arguments: &[&str]) -> Result<Done, RunError> {
        let argv = [&["busybox"], arguments].concat();
        self.run("bin/busybox", &argv)
    }

    pub(crate) fn run(&mut self, program: &str, argv: &[&str]) -> Result<Done, RunError> {
        let number = self.next();
        let interrupt = Interrupt::new().map_err(RunError::Scratch)?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let request = ExecRequest {
            backend: &*self.backend,
            prepared: &self.prepared,
            workplace: &self.workplace,
            number,
            job: ExecJob { invocation: Invocation::of(program, argv) },
            deadlines: self.deadlines,
            stdout: &mut stdout,
            stderr: &mut stderr,
        };
        let result = exec(request, &interrupt)?;
        Ok(Done { stdout, stderr, result })
    }

    /// Gives back what the back end kept; what stayed, one line each.
    pub(crate) fn retire(self) -> Vec<String> {
        let mut left = self.backend.retire();
        match self.backend.forget(self.prepared.root_digest()) {
            Ok(swept) => left.extend(swept.stayed),
            Err(error) => return vec![text(error)],
        }
        left.into_iter().map(|leak| format!("{}: {}", leak.what, leak.detail)).collect()
    }

    /// The folder of the cache.
    pub(crate) fn cache(&self) -> &Path {
        self.folder.path()
    }

    /// That no cgroup of this workplace is left in any hierarchy.
    pub(crate) fn expect_clean(&self) -> Result<(), String> {
        let left = self.workplace.cgroups();
        if left.is_empty() { Ok(()) } else { Err(format!("cgroups are left: {left:?}")) }
    }
}

/// Files as an image has them, one of which container engines replace.
fn bring_files(provisions: &mut Provisions, folder: &Path) {
    for (name, content, destination) in [
        ("state", "of the image\n", "/var/lib/state"),
        ("notes", "of the image\n", "/root/notes"),
        ("hosts", "192.0.2.1 image\n", "/etc/hosts"),
    ] {
        let source = folder.join(name);
        std::fs::write(&source, content).unwrap();
        provisions.bring(&source, Path::new(destination)).unwrap();
    }
}

/// The failure of a command that could not be run to its end.
pub(crate) fn failure(result: Result<Done, RunError>) -> Result<Failure, String> {
    match result {
        Err(RunError::Exec { failure, .. }) => Ok(failure),
        Err(other) => Err(text(other)),
        Ok(done) => Err(format!("it did not fail: {:?}", done.result.ending)),
    }
}

pub(crate) fn ending(done: &Done) -> (Option<i32>, Option<i32>) {
    let CommandEnding { status, signal, .. } = done.result.ending;
    (status, signal)
}

pub(crate) fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn skip(environment: &str, reason: &str) {
    let required = std::env::var("ISOLDE_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name == environment),
        "{environment} is required here: {reason}"
    );
    say(&format!("skipped: {environment}: {reason}"));
}

#[expect(clippy::print_stderr, reason = "a skipped test says why")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

//! One virtual machine.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::Method;
use isolde_model::{LINE_PORT, Leak, Reading};
use serde_json::Value;

use super::names::{self, VSOCK};
use super::{PROGRAM, command, config};
use crate::supervise::{Supervised, Tail};
use crate::vmm::{self, Api, CallError, Folder, NotConnected};
use crate::{BackendError, Ending, Line, Sandbox, SandboxSpec};

pub(super) struct CloudHypervisorSandbox {
    program: PathBuf,
    spec: SandboxSpec,
    vmm: Option<Supervised>,
    running_since: Option<Instant>,
    console: Tail,
    log: Tail,
}

/// How a complaint of `/init` or of the agent begins.
const SAYS: &str = "isolde: ";

/// A VMM that hung up has ended, or is about to.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// A killed process may take this long to end on a loaded device.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

impl CloudHypervisorSandbox {
    pub(super) fn new(program: PathBuf, spec: SandboxSpec) -> Self {
        let (console, log) = (Tail::default(), Tail::default());
        Self { program, spec, vmm: None, running_since: None, console, log }
    }

    /// Starts the VMM, has it run the machine, and awaits the guest's call.
    fn run(&mut self, deadline: Instant) -> Result<Line, BackendError> {
        let folder = Folder::open(&self.spec.scratch)?;
        let calls = format!("{VSOCK}_{LINE_PORT}");
        let listener = folder.listen(&calls)?;
        let mut api = self.spawn(&folder)?;
        let machine = config::machine(&self.spec);
        self.call(&mut api, "vm.create", Some(&machine), deadline)?;
        self.call(&mut api, "vm.boot", None, deadline)?;
        self.running_since = Some(Instant::now());
        names::remove(&self.spec.scratch)?;
        let Some(vmm) = &mut self.vmm else { return Err(not_started()) };
        let stream = listener.accept(vmm, deadline).map_err(|reason| self.explain(reason))?;
        // There is one line, and nobody else in the guest gets another.
        let path = self.spec.scratch.join(calls);
        std::fs::remove_file(&path).map_err(|error| BackendError::file("remove", path, error))?;
        vmm::line(stream)
    }

    fn spawn(&mut self, folder: &Folder) -> Result<Api, BackendError> {
        let (api, socket) = command::api(&self.spec, folder)?;
        // Our copy of its socket goes with the command, or the end of the VMM would
        // not be the end of the connection.
        let mut command = command::vmm(&self.program, &self.spec, socket);
        self.spec.cgroup.hold(&mut command)?;
        let vmm = self.vmm.insert(Supervised::spawn(&mut command)?);
        self.console = vmm.child().stdout.take().map(Tail::follow).unwrap_or_default();
        self.log = vmm.child().stderr.take().map(Tail::follow).unwrap_or_default();
        Ok(api)
    }

    fn call(
        &mut self,
        api: &mut Api,
        action: &'static str,
        body: Option<&Value>,
        deadline: Instant,
    ) -> Result<(), BackendError> {
        let answer = api.call(Method::PUT, &format!("/api/v1/{action}"), body, deadline);
        let Err(error) = answer else { return Ok(()) };
        if let (CallError::Broken(_), Some(vmm)) = (&error, &mut self.vmm)
            && let Ok(ending) = vmm.wait("the end of the VMM", Instant::now() + END_PATIENCE)
        {
            return Err(self.explain(NotConnected::Ended(ending)));
        }
        Err(match error {
            CallError::Refused(status, words) => CallError::Refused(status, chain(words)),
            other => other,
        }
        .explain(format!("have {PROGRAM} do {action}"), "the start of the machine"))
    }

    /// Why the guest has not called.
    fn explain(&self, reason: NotConnected) -> BackendError {
        let ending = match reason {
            NotConnected::TimedOut => return BackendError::TimedOut { what: "the guest's call" },
            NotConnected::Failed(error) => return error,
            NotConnected::Ended(ending) => ending,
        };
        let (what, words) = match self.running_since {
            Some(_) => ("the guest", complaint(&self.console.bytes())),
            None => (PROGRAM, vmm::last_line(&self.log)),
        };
        BackendError::DiedAtOnce {
            what: what.to_owned(),
            said: words.unwrap_or_else(|| match ending {
                Ending::Exited(status) => format!("{PROGRAM} exited with status {status}"),
                Ending::Signalled(signal) => format!("signal {signal} ended {PROGRAM}"),
            }),
        }
    }
}

/// What the guest's first process says on the console before it gives up. Why the
/// kernel panics then is no news.
fn complaint(console: &[u8]) -> Option<String> {
    let console = String::from_utf8_lossy(console);
    let (_, words) = console.lines().rev().find_map(|line| line.split_once(SAYS))?;
    Some(words.trim().to_owned())
}

/// The messages of a refusal, each the cause of the one before: recent versions give
/// them as an array of JSON, older ones as text.
fn chain(words: String) -> String {
    match serde_json::from_str::<Vec<String>>(&words) {
        Ok(messages) => messages.join(": "),
        Err(_) => words,
    }
}

const fn not_started() -> BackendError {
    BackendError::TimedOut { what: "the start of the VMM" }
}

impl Sandbox for CloudHypervisorSandbox {
    fn start(&mut self, deadline: Instant) -> Result<Line, BackendError> {
        self.run(deadline).inspect_err(|_| self.kill())
    }

    fn running_since(&self) -> Option<Instant> {
        self.running_since
    }

    fn usage(&mut self) -> Result<Reading, BackendError> {
        self.spec.cgroup.read()
    }

    /// Status 0 is a power-off, status 1 a reset, or an end of the VMM's own.
    fn wait(&mut self, deadline: Instant) -> Result<Ending, BackendError> {
        let Some(vmm) = &mut self.vmm else { return Err(not_started()) };
        vmm.wait("the end of the VMM", deadline)
    }

    fn kill(&mut self) {
        self.spec.cgroup.kill_all(Instant::now() + KILL_PATIENCE);
        if let Some(vmm) = &mut self.vmm {
            vmm.kill();
        }
    }

    fn console_tail(&self) -> Vec<u8> {
        [self.console.bytes(), self.log.bytes()].concat()
    }

    fn destroy(&mut self) -> Vec<Leak> {
        // Whatever survives is in the cgroup, whose removal reports it.
        self.kill();
        Vec::new()
    }
}

impl Drop for CloudHypervisorSandbox {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_is_quoted_without_its_kernel() {
        let console =
            b"[    1.2] isolde: cannot load a\r\n\xff\r\n[    5.0] isolde: cannot connect to the \
            host: no\r\n[    5.1] Kernel panic - not syncing: Attempted to kill init!\r\n";
        assert_eq!(complaint(console).as_deref(), Some("cannot connect to the host: no"));
        assert_eq!(complaint(b"[    5.1] Kernel panic\r\n"), None);
    }

    #[test]
    fn a_refusal_is_read_in_both_forms() {
        assert_eq!(chain(r#"["Error from API","no room"]"#.into()), "Error from API: no room");
        assert_eq!(chain("VmCreate(NoRoom)".into()), "VmCreate(NoRoom)");
    }
}

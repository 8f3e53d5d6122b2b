//! One Firecracker: started, spoken with over its API, ended.

use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::Value;

use super::place::{API, Place};
use super::program::PROGRAM;
use crate::cgroup::Cgroup;
use crate::supervise::{Supervised, Tail};
use crate::vmm::{self, CallError, Listener, NotConnected};
use crate::{BackendError, Ending};

/// What a kernel says last that cannot go on (kernel/panic.c of Linux).
const PANIC: &str = "Kernel panic";

/// Reported for a guest whose kernel panicked. Firecracker itself ends with 0 then, as
/// after every reset.
const PANIC_STATUS: i32 = 1;

/// One whose connection broke has ended, or does so now.
const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(1);

/// A killed process may take this long to end on a loaded device.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Firecracker's process. Dropping it ends it.
pub(super) struct Firecracker {
    process: Supervised,
    cgroup: Cgroup,
    console: Tail,
    errors: Tail,
    ending: Option<Ending>,
}

impl Firecracker {
    /// Runs `command`, which starts it, in `cgroup`.
    pub(super) fn spawn(mut command: Command, cgroup: &Cgroup) -> Result<Self, BackendError> {
        // The guest's console is its standard output.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        cgroup.hold(&mut command)?;
        let mut process = Supervised::spawn(&mut command)?;
        let console = process.child().stdout.take().map(Tail::follow).unwrap_or_default();
        let errors = process.child().stderr.take().map(Tail::follow).unwrap_or_default();
        Ok(Self { process, cgroup: cgroup.clone(), console, errors, ending: None })
    }

    /// Connects to its API.
    pub(super) fn control(
        &mut self,
        place: &Place,
        deadline: Instant,
    ) -> Result<Control<'_>, BackendError> {
        match vmm::Api::connect(place.sockets(), API, &mut self.process, deadline) {
            Ok(api) => Ok(Control { firecracker: self, api, deadline }),
            Err(error) => Err(self.explain(error, "the start of Firecracker")),
        }
    }

    /// The guest's connection.
    pub(super) fn accept(
        &mut self,
        listener: &Listener,
        deadline: Instant,
    ) -> Result<UnixStream, BackendError> {
        let accepted = listener.accept(&mut self.process, deadline);
        accepted.map_err(|error| self.explain(error, "the connection of the guest"))
    }

    pub(super) fn wait(&mut self, deadline: Instant) -> Result<Ending, BackendError> {
        if let Some(ending) = self.ending {
            return Ok(ending);
        }
        let mut ending = self.process.wait("the end of Firecracker", deadline)?;
        if ending == Ending::Exited(0) && self.has_panicked() {
            ending = Ending::Exited(PANIC_STATUS);
        }
        Ok(*self.ending.insert(ending))
    }

    /// Only a guest that is ill, or lies to its own harm, says so.
    fn has_panicked(&self) -> bool {
        String::from_utf8_lossy(&self.console.bytes()).contains(PANIC)
    }

    pub(super) fn kill(&mut self) {
        self.cgroup.kill_all(Instant::now() + KILL_PATIENCE);
        self.process.kill();
    }

    /// The console's end, and that of Firecracker's own words.
    pub(super) fn console_tail(&self) -> Vec<u8> {
        [self.console.bytes(), self.errors.bytes()].concat()
    }

    fn explain(&self, error: NotConnected, what: &'static str) -> BackendError {
        match error {
            NotConnected::Ended(ending) => self.died(ending),
            NotConnected::TimedOut => BackendError::TimedOut { what },
            NotConnected::Failed(error) => error,
        }
    }

    /// It ended, with its last words or the guest's.
    fn died(&self, ending: Ending) -> BackendError {
        let words = vmm::last_line(&self.errors).or_else(|| vmm::last_line(&self.console));
        BackendError::DiedAtOnce {
            what: PROGRAM.to_owned(),
            said: words.unwrap_or_else(|| match ending {
                Ending::Exited(status) => format!("it said nothing and exited with {status}"),
                Ending::Signalled(signal) => format!("it said nothing, signal {signal}"),
            }),
        }
    }
}

impl Drop for Firecracker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A connection to the API of a Firecracker.
pub(super) struct Control<'a> {
    firecracker: &'a mut Firecracker,
    api: vmm::Api,
    deadline: Instant,
}

impl Control<'_> {
    /// Sets something; `action` says what, as in "cannot `action`".
    pub(super) fn put(
        &mut self,
        path: &str,
        body: &Value,
        action: &'static str,
    ) -> Result<(), BackendError> {
        self.call(Method::PUT, path, body, action)
    }

    /// The same for what is there already.
    pub(super) fn patch(
        &mut self,
        path: &str,
        body: &Value,
        action: &'static str,
    ) -> Result<(), BackendError> {
        self.call(Method::PATCH, path, body, action)
    }

    fn call(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
        action: &'static str,
    ) -> Result<(), BackendError> {
        let error = match self.api.call(method, path, Some(body), self.deadline) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if matches!(error, CallError::Broken(_)) {
            let grace = Instant::now() + LAST_WORDS_PATIENCE;
            if let Ok(ending) = self.firecracker.process.wait("the end of Firecracker", grace) {
                return Err(self.firecracker.died(ending));
            }
        }
        Err(in_plain_words(error).explain(action, "an answer of Firecracker"))
    }
}

/// A refusal without the JSON around it.
fn in_plain_words(error: CallError) -> CallError {
    match error {
        CallError::Refused(status, text) => {
            let said = serde_json::from_str::<Value>(&text).ok();
            let words = said.as_ref().and_then(|said| said["fault_message"].as_str());
            CallError::Refused(status, words.map_or(text.clone(), str::to_owned))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;

    #[test]
    fn a_refusal_is_told_in_firecrackers_words() {
        let told = |text: &str| {
            let error = CallError::Refused(StatusCode::BAD_REQUEST, text.to_owned());
            let error = in_plain_words(error).explain("start the machine", "an answer");
            std::error::Error::source(&error).unwrap().to_string()
        };
        assert_eq!(told(r#"{"fault_message":"No boot source"}"#), "No boot source");
        assert_eq!(told("not JSON"), "not JSON");
        assert_eq!(told(r#"{"fault_message":7}"#), r#"{"fault_message":7}"#);
        assert_eq!(told(""), "it answered 400 Bad Request");
    }
}

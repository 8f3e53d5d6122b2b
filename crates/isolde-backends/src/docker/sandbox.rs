//! One container, from its creation to its removal.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptions,
    RemoveContainerOptionsBuilder,
};
use isolde_model::{Leak, Reading};

use super::accounts::{Accounts, Attendants};
use super::config;
use super::engine::{CallError, Engine, Refusal, Step};
use super::image::{Images, Root};
use super::owner;
use super::place::Place;
use super::pump;
use crate::supervise::Tail;
use crate::{BackendError, Ending, Line, Sandbox, SandboxSpec};

/// An idle daemon answers within milliseconds; one on a loaded device with an
/// SD card may take long.
const CREATE_PATIENCE: Duration = Duration::from_secs(60);
const KILL_PATIENCE: Duration = Duration::from_secs(5);
const REMOVE_PATIENCE: Duration = Duration::from_secs(20);
/// The shim ends by itself once its container is deleted.
const SHIM_PATIENCE: Duration = Duration::from_secs(5);

const CREATE: Step =
    Step { action: "create the container", event: "the creation of the container" };
const ATTACH: Step =
    Step { action: "attach to the container", event: "the attachment to the container" };
const START: Step = Step { action: "start the container", event: "the start of the container" };
const WAIT: Step = Step { action: "wait for the container", event: "the end of the container" };

pub(super) struct DockerSandbox {
    engine: Arc<Engine>,
    /// The Engine's own id of it.
    container: String,
    place: Place,
    accounts: Accounts,
    attendants: Option<Attendants>,
    errors: Tail,
    end: End,
    is_gone: bool,
}

/// What is known of the container's end.
enum End {
    NotStarted,
    Ahead(Receiver<Result<Ending, Refusal>>),
    Seen(Ending),
}

impl DockerSandbox {
    /// Creates the container of `spec`. The daemons are charged from here on.
    pub(super) fn create(
        engine: Arc<Engine>,
        images: &Images,
        spec: &SandboxSpec,
    ) -> Result<Self, BackendError> {
        let place = Place::choose(engine.facts().driver, &spec.id, &spec.cgroup)?;
        let accounts = Accounts::open(place.clone(), engine.daemons()?);
        let root =
            Root { archive: &spec.root, digest: &spec.root_digest, keep: spec.writable_root };
        let image = images.ensure(&engine, root)?;
        let body = config::container(spec, image, place.parent());
        let options =
            CreateContainerOptionsBuilder::default().name(&config::name(&spec.id)).build();
        let client = engine.client();
        let answer = engine.call(Instant::now() + CREATE_PATIENCE, async move {
            client.create_container(Some(options), body).await
        });
        let created = answer.map_err(|error| {
            undo(&engine, &spec.id, &error);
            if matches!(&error, CallError::Refused(refusal) if refusal.is_absent()) {
                images.forget(&spec.root_digest);
            }
            error.explain(CREATE)
        })?;
        for warning in &created.warnings {
            tracing::warn!(container = spec.id, %warning, "docker warns");
        }
        Ok(Self {
            engine,
            container: created.id,
            place,
            accounts,
            attendants: None,
            errors: Tail::default(),
            end: End::NotStarted,
            is_gone: false,
        })
    }

    /// Whether the Engine noticed an out-of-memory kill in it.
    fn was_oom_killed(&self, deadline: Instant) -> bool {
        let (client, container) = (self.engine.client(), self.container.clone());
        let answer = self.engine.call(deadline, async move {
            client.inspect_container(&container, None::<InspectContainerOptions>).await
        });
        answer.ok().and_then(|container| container.state?.oom_killed).unwrap_or(false)
    }
}

/// Removes a container, running or not; that it is gone already is fine. The
/// Engine answers when nothing of it is left, or with what keeps it.
pub(super) fn remove(engine: &Engine, container: &str, deadline: Instant) -> Result<(), String> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let (client, container) = (engine.client(), container.to_owned());
    let answer = engine
        .call(deadline, async move { client.remove_container(&container, Some(options)).await });
    match answer {
        Err(CallError::Refused(refusal)) if refusal.is_absent() => Ok(()),
        answer => answer.map_err(reason),
    }
}

fn reason(error: CallError) -> String {
    match error {
        CallError::Refused(refusal) => refusal.to_string(),
        CallError::TimedOut => "no answer in time".into(),
    }
}

/// Removes the container of a request whose answer never came. A clear refusal
/// made none; the name may then belong to somebody else.
fn undo(engine: &Engine, id: &str, error: &CallError) {
    if matches!(error, CallError::Refused(Refusal::Status { .. })) {
        return;
    }
    let deadline = Instant::now() + KILL_PATIENCE;
    let (client, name) = (engine.client(), config::name(id));
    let found = engine.call(deadline, async move {
        client.inspect_container(&name, None::<InspectContainerOptions>).await
    });
    let labels = found.ok().and_then(|found| found.config?.labels).unwrap_or_default();
    if owner::is_ours(&labels)
        && let Err(reason) = remove(engine, &config::name(id), deadline)
    {
        tracing::warn!(id, reason, "a container whose creation failed may have stayed");
    }
}

impl Sandbox for DockerSandbox {
    fn start(&mut self, deadline: Instant) -> Result<Line, BackendError> {
        let (line, far_ends) = pump::line()?;
        let launch = pump::launch(
            self.engine.client(),
            self.container.clone(),
            far_ends,
            self.errors.clone(),
        );
        let news = self.engine.call(deadline, launch).map_err(|error| error.explain(ATTACH))?;
        self.end = End::Ahead(news.ended);
        let left = deadline.saturating_duration_since(Instant::now());
        match news.started.recv_timeout(left) {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => return Err(CallError::Refused(refusal).explain(START)),
            Err(_) => return Err(CallError::TimedOut.explain(START)),
        }
        self.attendants = self.accounts.follow(&self.container, self.engine.runtime());
        Ok(line)
    }

    fn usage(&mut self) -> Result<Reading, BackendError> {
        self.accounts.read()
    }

    /// A container that a signal ended is told by 128 plus its number, as
    /// Docker does: [`Ending::Exited`] with 137 is a SIGKILL, or a program that
    /// chose that status.
    fn wait(&mut self, deadline: Instant) -> Result<Ending, BackendError> {
        let ended = match &self.end {
            End::Seen(ending) => return Ok(*ending),
            End::NotStarted => return Err(CallError::TimedOut.explain(START)),
            End::Ahead(ended) => ended,
        };
        match ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Ok(ending)) => {
                self.end = End::Seen(ending);
                if self.accounts.may_miss_oom_kill() && self.was_oom_killed(deadline) {
                    self.accounts.add_oom_kill();
                }
                Ok(ending)
            }
            Ok(Err(refusal)) => Err(CallError::Refused(refusal).explain(WAIT)),
            Err(RecvTimeoutError::Timeout) => Err(CallError::TimedOut.explain(WAIT)),
            Err(RecvTimeoutError::Disconnected) => Err(BackendError::tool(
                WAIT.action,
                "its end was lost before, with its start or with the docker daemon",
            )),
        }
    }

    fn kill(&mut self) {
        if self.is_gone || matches!(self.end, End::NotStarted | End::Seen(_)) {
            return;
        }
        let (client, container) = (self.engine.client(), self.container.clone());
        let answer = self.engine.call(Instant::now() + KILL_PATIENCE, async move {
            client.kill_container(&container, None::<KillContainerOptions>).await
        });
        // 409: it does not run (any more).
        if let Err(error) = answer
            && !matches!(&error, CallError::Refused(Refusal::Status { status: 409, .. }))
        {
            tracing::warn!(reason = reason(error), "docker does not kill; doing so directly");
            self.place.kill();
        }
    }

    fn console_tail(&self) -> Vec<u8> {
        self.errors.bytes()
    }

    fn destroy(&mut self) -> Vec<Leak> {
        if std::mem::replace(&mut self.is_gone, true) {
            return Vec::new();
        }
        let mut leaks = Vec::new();
        let deadline = Instant::now() + REMOVE_PATIENCE;
        if let Err(reason) = remove(&self.engine, &self.container, deadline) {
            // What runs in it must not go on running.
            self.place.kill();
            leaks.push(Leak::new("container", format!("{}: {reason}", self.container)));
        }
        if !matches!(self.end, End::NotStarted) {
            let attendants = self.attendants.take().or_else(|| Attendants::search(&self.container));
            let deadline = Instant::now() + SHIM_PATIENCE;
            leaks.extend(attendants.and_then(|attendants| attendants.outlive(deadline)));
            leaks.extend(self.place.close());
        }
        leaks
    }
}

impl Drop for DockerSandbox {
    fn drop(&mut self) {
        self.destroy();
    }
}

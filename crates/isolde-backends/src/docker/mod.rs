//! `docker`: containers of the Docker Engine, through its API.
//!
//! # With a writable root
//!
//! The container is as `docker run` makes it, without file systems in memory on
//! /tmp and /run. Docker puts its own `hosts`, `hostname` and `resolv.conf` over
//! those in the image's /etc; the other environments do the same with the first
//! two. What is written lies in the Engine's storage, bounded by nothing but its
//! free space. Image and archive are imported once and kept: see `kept.rs`.

mod accounts;
mod config;
mod daemons;
mod engine;
mod facts;
mod image;
mod kept;
mod owner;
mod place;
mod procfs;
mod pump;
mod sandbox;
mod sweep;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use isolde_model::{EnvironmentName, Leak, Readiness, Ready};

use engine::Engine;
use image::{Images, Root};

use crate::cgroup;
use crate::{Backend, BackendError, RootForm, Sandbox, SandboxSpec, Swept};

/// Probes of a running daemon answer within two seconds, cgroups included.
const PROBE_PATIENCE: Duration = Duration::from_millis(1800);
const OPEN_PATIENCE: Duration = Duration::from_secs(20);

/// Containers of the Docker Engine on this host.
#[derive(Debug, Default)]
pub struct Docker {
    /// Opened when first needed.
    engine: Mutex<Option<Arc<Engine>>>,
    images: Images,
}

impl Docker {
    /// The back end.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn engine(&self) -> Result<Arc<Engine>, BackendError> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        match &*engine {
            Some(engine) => Ok(Arc::clone(engine)),
            None => Ok(Arc::clone(engine.insert(Arc::new(open()?)))),
        }
    }
}

/// Connects to the Engine.
fn open() -> Result<Engine, BackendError> {
    Engine::open(Instant::now() + OPEN_PATIENCE)
        .map_err(|missing| BackendError::Missing { what: missing.what, hint: missing.hint })
}

/// What the user should know of a usable Engine.
fn note(engine: &Engine) -> Option<String> {
    let daemons = engine.daemons().ok().and_then(|daemons| daemons.note());
    let notes: Vec<String> = [engine.facts().note.clone(), daemons].into_iter().flatten().collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

impl Backend for Docker {
    fn name(&self) -> EnvironmentName {
        EnvironmentName::new("docker")
    }

    fn description(&self) -> &'static str {
        "a container of the Docker Engine, with its defaults"
    }

    fn probe(&self) -> Readiness {
        let engine = match Engine::open(Instant::now() + PROBE_PATIENCE) {
            Ok(engine) => engine,
            Err(missing) => return Readiness::Missing(missing),
        };
        match cgroup::check_permission() {
            Ok(_) => Readiness::Ready(Ready {
                version: engine.facts().version.clone(),
                emulated: false,
                note: note(&engine),
            }),
            Err(missing) => Readiness::Missing(missing),
        }
    }

    fn root_form(&self) -> RootForm {
        RootForm::Tar
    }

    fn prepare(&self, spec: &SandboxSpec) -> Result<(), BackendError> {
        let engine = self.engine()?;
        engine.daemons()?;
        let (archive, digest) = (&spec.root, &spec.root_digest);
        let root = Root { archive, digest, keep: spec.writable_root };
        self.images.ensure(&engine, root).map(|_| ())
    }

    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError> {
        Ok(Box::new(sandbox::DockerSandbox::create(self.engine()?, &self.images, &spec)?))
    }

    fn retire(&self) -> Vec<Leak> {
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner).take();
        engine.map_or_else(Vec::new, |engine| self.images.remove(&engine))
    }

    fn sweep(&self) -> Result<Swept, BackendError> {
        sweep::sweep()
    }

    fn forget(&self, root_digest: &str) -> Result<Swept, BackendError> {
        self.images.forget(root_digest);
        kept::sweep(&*self.engine()?, |digest| digest == root_digest)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        self.retire();
    }
}

//! `firecracker`: a microVM of Firecracker's, with a kernel of its own.
//! `firecracker-restore`: the same, not booted but restored from a snapshot.
//!
//! Firecracker runs in the launch's scratch folder, where all that it opens lies under
//! fixed names ([`place`]), and is told over its API socket what machine to be. The line
//! to the agent is its virtio socket. The guest's console is its standard output.
//!
//! The machine's memory is the limit: the cgroup of Firecracker has none, because what
//! it needs beside the guest is a cost of the isolation, to be counted and not to be
//! taken from the guest.
//!
//! Where the root may be written to, the launches still share one disk image, read-only:
//! what a guest writes goes to a second disk of its own, a sparse file that has no name
//! any more once the machine runs.
//!
//! A guest cannot switch itself off here, it resets its machine, and Firecracker ends
//! with status 0. A kernel that panics does the same; its last words on the console tell
//! the two apart, and the status is 1.
//!
//! A snapshot is made once for all launches that begin alike: a guest is booted, has the
//! agent ready, and waits; its state and memory are written to files ([`snapshot`]). A
//! launch maps the memory file, copy on write, so it loads what it touches and no more.
//! Thawed, the guest loses the connection that it waited on, connects its line, and is
//! told the time and random numbers of its own before it does anything else.
//!
//! Behind the name of the booted one may stand options, each after a colon:
//! `firecracker:jailed` runs it under its jailer ([`jail`]); `firecracker:T2` and the
//! like, and `firecracker:FILE.json`, show the guest the CPU of a template
//! ([`options`]). A relative FILE is looked for in the current folder.

mod jail;
mod machine;
mod options;
mod place;
mod process;
mod program;
mod sandbox;
mod snapshot;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use isolde_model::{
    Bus, EnvironmentName, GuestLine, GuestNeeds, KernelForm, Leak, Missing, Readiness, Ready,
};

use crate::{Backend, BackendError, GuestKernel, RootForm, Sandbox, SandboxSpec, cgroup, vmm};
use jail::JAILER;
use options::{Options, Template};
use place::Place;
use program::PROGRAM;
use sandbox::{Beginning, FirecrackerSandbox};
use snapshot::{Key, Snapshot};

/// Its name where nothing is said behind it.
const BOOTING: &str = "firecracker";

/// What must be known of the memory of restored launches.
const SHARED_MEMORY: &str = "pages of the snapshot that a launch only reads are shared, and charged \
     to none: its memory is less than a booted guest's";

/// Firecracker, with guests that boot or guests that are restored.
#[derive(Debug)]
pub struct Firecracker {
    name: EnvironmentName,
    description: &'static str,
    options: Options,
    restores: bool,
    snapshots: Mutex<HashMap<Key, Arc<Snapshot>>>,
}

impl Firecracker {
    /// Every launch boots.
    #[must_use]
    pub fn booting() -> Self {
        Self {
            name: EnvironmentName::new(BOOTING),
            description: "a microVM: Firecracker with virtio devices and nothing else",
            options: Options::default(),
            restores: false,
            snapshots: Mutex::default(),
        }
    }

    /// Every launch is restored from a snapshot of a guest that has booted.
    #[must_use]
    pub fn restoring() -> Self {
        Self {
            name: EnvironmentName::new("firecracker-restore"),
            description: "the microVM of Firecracker, restored from a snapshot",
            restores: true,
            ..Self::booting()
        }
    }

    /// One that boots, with the options that `name` has behind a colon.
    #[must_use]
    pub fn with_options(name: &EnvironmentName) -> Option<Self> {
        let options = name.as_str().strip_prefix(BOOTING)?.strip_prefix(':')?;
        let options = Options::parse(options)?;
        Some(Self { name: name.clone(), options, ..Self::booting() })
    }

    fn missing(&self) -> Result<Ready, Missing> {
        let version = program::check_version(PROGRAM)?;
        if self.options.jailed {
            program::check_version(JAILER)?;
        }
        vmm::check_kvm()?;
        cgroup::check_permission()?;
        let note = self.restores.then(|| SHARED_MEMORY.to_owned());
        Ok(Ready { version: format!("{PROGRAM} {version}"), note, ..Ready::default() })
    }

    /// The snapshot that launches like `spec` begin with.
    fn snapshot(
        &self,
        program: &Path,
        spec: &SandboxSpec,
        kernel: &GuestKernel,
    ) -> Result<Arc<Snapshot>, BackendError> {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Key::of(spec, kernel);
        if let Some(snapshot) = snapshots.get(&key).filter(|snapshot| snapshot.is_there()) {
            return Ok(Arc::clone(snapshot));
        }
        let snapshot = Arc::new(Snapshot::take(program, spec, kernel)?);
        snapshots.insert(key, Arc::clone(&snapshot));
        Ok(snapshot)
    }
}

impl Backend for Firecracker {
    fn name(&self) -> EnvironmentName {
        self.name.clone()
    }

    fn description(&self) -> &'static str {
        self.description
    }

    fn probe(&self) -> Readiness {
        match self.missing() {
            Ok(ready) => Readiness::Ready(ready),
            Err(missing) => Readiness::Missing(missing),
        }
    }

    fn root_form(&self) -> RootForm {
        RootForm::Ext4
    }

    fn guest(&self) -> Option<GuestNeeds> {
        Some(GuestNeeds {
            form: KernelForm::Elf,
            bus: Bus::Mmio,
            line: GuestLine::Vsock,
            overlay: true,
        })
    }

    fn prepare(&self, spec: &SandboxSpec) -> Result<(), BackendError> {
        if !self.restores {
            return Ok(());
        }
        let program = program::locate(PROGRAM).map_err(program::unfit)?;
        vmm::check_unused(&spec.root)?;
        self.snapshot(&program, spec, vmm::kernel(spec)?).map(drop)
    }

    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError> {
        let kernel = vmm::kernel(&spec)?.clone();
        let program = program::locate(PROGRAM).map_err(program::unfit)?;
        vmm::check_unused(&spec.root)?;
        let beginning = match self.restores {
            true => Beginning::Thaw(self.snapshot(&program, &spec, &kernel)?),
            false => {
                let template = self.options.template.as_ref().map(Template::load);
                Beginning::Boot(kernel, template.transpose()?)
            }
        };
        let place = match self.options.jailed {
            true => Place::jailed(&program, &spec.scratch, &spec.id)?,
            false => Place::open(&program, &spec.scratch)?,
        };
        Ok(Box::new(FirecrackerSandbox::make(place, beginning, spec)?))
    }

    fn retire(&self) -> Vec<Leak> {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.drain().filter_map(|(_, snapshot)| snapshot.remove()).collect()
    }
}

//! `process`: nothing but a cgroup. The baseline.

mod sandbox;

use isolde_model::{EnvironmentName, Readiness, Ready};

use crate::cgroup;
use crate::{Backend, BackendError, RootForm, Sandbox, SandboxSpec};

/// A process of the host in a cgroup of its own.
#[derive(Debug, Default)]
pub struct Process(());

impl Process {
    /// The back end.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Backend for Process {
    fn name(&self) -> EnvironmentName {
        EnvironmentName::new("process")
    }

    fn description(&self) -> &'static str {
        "a process of the host, nothing but a cgroup"
    }

    fn probe(&self) -> Readiness {
        match cgroup::check_permission() {
            Ok(version) => Readiness::Ready(Ready {
                version: format!("cgroup {version}"),
                emulated: false,
                note: None,
            }),
            Err(missing) => Readiness::Missing(missing),
        }
    }

    fn root_form(&self) -> RootForm {
        RootForm::Directory
    }

    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError> {
        spec.cgroup.limit_memory(spec.memory)?;
        Ok(Box::new(sandbox::ProcessSandbox::new(spec)))
    }
}

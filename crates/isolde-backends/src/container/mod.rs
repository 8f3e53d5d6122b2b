//! `container`.

use isolde_model::{EnvironmentName, Readiness};

use crate::{Backend, BackendError, RootForm, Sandbox, SandboxSpec};

/// Stands for the back end until its own folder is filled.
#[derive(Debug, Default)]
pub struct Container(());

impl Container {
    /// The back end.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Backend for Container {
    fn name(&self) -> EnvironmentName {
        EnvironmentName::new("container")
    }

    fn description(&self) -> &'static str {
        "container"
    }

    fn probe(&self) -> Readiness {
        Readiness::missing("not built", "build it")
    }

    fn root_form(&self) -> RootForm {
        RootForm::Directory
    }

    fn create(&self, _spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError> {
        Err(BackendError::Missing { what: "not built".into(), hint: "build it".into() })
    }
}

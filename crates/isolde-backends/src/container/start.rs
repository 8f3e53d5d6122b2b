//! Letting the waiting first process become the agent.

use std::sync::Arc;
use std::time::Instant;

use super::apart::run_apart;
use super::sandbox::ContainerSandbox;
use crate::supervise::Tail;
use crate::{BackendError, Line};

impl ContainerSandbox {
    pub(super) fn start_agent(&mut self, deadline: Instant) -> Result<Line, BackendError> {
        let (Some(mut container), Some((line, errors))) =
            (self.container.clone(), self.pipes.take())
        else {
            return Err(BackendError::tool(ACTION, "it was started or destroyed before"));
        };
        self.errors = Tail::follow(errors);
        let nothing = Arc::new(Vec::new());
        let done =
            run_apart(ACTION, deadline, &nothing, move |_| container.start().map(|()| container))?;
        self.runtime_cpu_ns += done.cpu_ns;
        let started = done.value.map_err(|source| BackendError::tool(ACTION, source))?;
        self.container = Some(started);
        Ok(line)
    }
}

const ACTION: &str = "start the container";

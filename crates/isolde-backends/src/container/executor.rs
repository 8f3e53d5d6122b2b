//! How the container's first process becomes the agent.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use libcontainer::oci_spec::runtime::Spec;
use libcontainer::syscall::syscall::create_syscall;
use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use rustix::process::{Signal, set_parent_process_death_signal};

/// Runs inside the container. Unlike the crate's own executor it needs no
/// `PATH` and takes no lock on the environment.
#[derive(Debug, Clone)]
pub(super) struct AgentExecutor;

impl Executor for AgentExecutor {
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        let refuse = |what: String| Err(ExecutorValidationError::ArgValidationError(what));
        let Some((program, _)) = command_of(spec) else {
            return refuse("there is no command".into());
        };
        match fs::metadata(program) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => Ok(()),
            Ok(_) => refuse(format!("{program} in the root file system is not executable")),
            Err(error) => refuse(format!("{program} in the root file system: {error}")),
        }
    }

    fn setup_envs(&self, _envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // The agent gets an empty environment when it is executed.
        Ok(())
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let (program, arguments) = command_of(spec).ok_or(ExecutorError::InvalidArg)?;
        // The crate lets descriptors through that a service manager announced
        // to this program.
        let _ = create_syscall().close_range(0);
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        // Also empties the signal mask and gives SIGPIPE its default back.
        let error = Command::new(program).args(arguments).env_clear().exec();
        let message = format!("cannot execute {program}: {error}\n");
        // Nobody but the console can be told now.
        let _ = rustix::io::write(rustix::stdio::stderr(), message.as_bytes());
        Err(ExecutorError::Other(message))
    }
}

fn command_of(spec: &Spec) -> Option<(&String, &[String])> {
    spec.process().as_ref()?.args().as_ref()?.split_first()
}

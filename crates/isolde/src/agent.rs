//! This executable inside a sandbox. Looked at before anything else: the first
//! byte to the host marks how long the way here took.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use isolde_agent::guest;
use isolde_agent::inside::{AgentLine, Place, serve};
use isolde_model::GuestParameters;

use crate::model_trial;

/// What this process is, if it is not the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The agent in a process or container: the line is its standard input and output.
    Agent,
    /// First process of a virtual machine.
    Guest,
    /// The trial of a user's model, on the host.
    Trial,
    /// A virtual machine whose VMM is compiled in, on the host.
    Vmm,
}

/// What this process is; `None` for the command line.
pub(crate) fn role() -> Option<Role> {
    if guest::is_first_process() {
        return Some(Role::Guest);
    }
    // The back ends, and the trial, start it with this one argument.
    let mut arguments = std::env::args_os().skip(1);
    let word = arguments.next().filter(|_| arguments.next().is_none())?;
    match word.to_str() {
        Some("agent") => Some(Role::Agent),
        Some(model_trial::ROLE) => Some(Role::Trial),
        Some(isolde_backends::VMM_ROLE) => Some(Role::Vmm),
        _ => None,
    }
}

/// Plays the role to its end.
pub(crate) fn play(role: Role) -> ExitCode {
    match role {
        Role::Agent => serve_standard_streams(),
        Role::Guest => serve_guest(),
        Role::Trial => model_trial::serve(),
        Role::Vmm => isolde_backends::serve_as_vmm(),
    }
}

fn serve_standard_streams() -> ExitCode {
    let line = rustix::io::dup(rustix::stdio::stdin())
        .and_then(|reader| Ok((reader, rustix::io::dup(rustix::stdio::stdout())?)))
        .map_err(std::io::Error::from)
        .and_then(|(reader, writer): (OwnedFd, OwnedFd)| AgentLine::open(reader, writer));
    let served = line.map_err(Into::into).and_then(|line| serve(line, Place::SharedKernel, None));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::output::talk(&format!("agent: {}", crate::exit::chain(&error.into())));
            ExitCode::FAILURE
        }
    }
}

/// First process of a virtual machine: a table of contents.
fn serve_guest() -> ExitCode {
    let told = GuestParameters::of_agent(std::env::args());
    let (stream, age) = open_line(&told).unwrap_or_else(|error| guest::give_up(&error));
    let line = stream
        .try_clone()
        .and_then(|reader| Ok((reader, stream.try_clone()?)))
        .and_then(|(reader, writer)| AgentLine::open(reader.into(), writer.into()))
        .unwrap_or_else(|error| guest::give_up(&error));
    if !told.rests {
        guest::finish_boot();
    }
    guest::end_with_host(&stream, told.end);
    match serve(line, Place::OwnKernel, age) {
        Ok(()) => guest::end_machine(told.end),
        Err(error) => guest::give_up(&error),
    }
}

/// The line to the host, and the kernel's age now, unless it was thawed: its clock
/// then counts from another machine's start.
fn open_line(told: &GuestParameters) -> Result<(File, Option<u64>), guest::GuestError> {
    if !told.rests {
        return Ok((guest::open_line(told)?, Some(guest::kernel_age_ns())));
    }
    guest::finish_boot();
    guest::rest()?;
    let mut stream = guest::open_line(told)?;
    guest::refresh(&mut stream)?;
    Ok((stream, None))
}

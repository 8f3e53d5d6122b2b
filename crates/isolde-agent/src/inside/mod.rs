//! The agent: what runs inside the sandbox.

mod accounts;
mod application;
mod command;
mod facts;
mod invocation;
mod line;
mod memory;
mod program;

use isolde_model::InsideFacts;

use crate::protocol::{FromAgent, Hello, PROTOCOL_VERSION, ToAgent};
pub use accounts::{Account, account_of};
pub use line::{AgentLine, Order};

/// What the agent knows of the place it runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A process or container: the kernel is the host's, a cgroup limits memory.
    SharedKernel,
    /// A virtual machine: the kernel and all its memory are the sandbox's own,
    /// and the agent is its first process.
    OwnKernel,
}

/// What could not be done inside, and ends the agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The line to the host broke.
    #[error("the line to the host broke")]
    Line(#[from] std::io::Error),
    /// The host broke the protocol.
    #[error("the host broke the protocol")]
    Protocol(#[from] crate::protocol::ProtocolError),
}

/// Serves one job over `line`, whose boot mark was written already, and returns
/// when the host says goodbye or is gone. `kernel_age_ns` is the age of a kernel of
/// its own at that mark.
///
/// # Errors
/// That the line broke in the middle.
pub fn serve(
    mut line: AgentLine,
    place: Place,
    kernel_age_ns: Option<u64>,
) -> Result<(), AgentError> {
    line.send(&FromAgent::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        facts: InsideFacts { kernel_age_ns, ..facts(place) },
    }))?;
    match line.receive()? {
        Order::Message(ToAgent::Run(job)) => {
            application::run(&mut line, &job)?;
            line.await_goodbye()
        }
        Order::Message(ToAgent::Exec(job)) => command::run(line, &job, place),
        Order::Message(ToAgent::Program(job)) => program::run(line, &job, place),
        Order::Message(ToAgent::Bye) | Order::HostGone => Ok(()),
    }
}

/// What can be seen from inside.
#[must_use]
pub fn facts(place: Place) -> InsideFacts {
    facts::read(place)
}

//! The role in which this program is a machine.

use std::io::{self, Write};
use std::process::ExitCode;

use super::machine;
use super::order::Order;

/// The one argument by which the back end starts this program in this role.
pub const ROLE: &str = "microvm-vmm";

/// Written to standard output once the vCPUs run.
pub(super) const RUNNING: u8 = b'!';

/// As Rust has it for a panic of the first thread.
const PANICKED: i32 = 101;

/// Is the machine that standard input orders, until its guest ends it. Returns only
/// where that fails, with the reason on standard error.
#[must_use]
pub fn serve() -> ExitCode {
    end_with_any_thread();
    let Err(reason) = run();
    // Nobody is there to hear of it where this fails.
    let _ = writeln!(io::stderr(), "{reason}");
    ExitCode::FAILURE
}

fn run() -> Result<std::convert::Infallible, String> {
    let order = Order::read(io::stdin().lock()).map_err(|error| format!("no order: {error}"))?;
    let machine = machine::build(&order)?;
    let mut status = io::stdout();
    status
        .write_all(&[RUNNING])
        .and_then(|()| status.flush())
        .map_err(|error| format!("cannot tell that it runs: {error}"))?;
    Err(machine.serve())
}

/// A device of libkrun's panics where a guest breaks the rules, and a guest that waits
/// for a thread that is gone would wait until its deadline.
fn end_with_any_thread() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        std::process::exit(PANICKED);
    }));
}

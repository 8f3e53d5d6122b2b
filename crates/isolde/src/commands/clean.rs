//! `isolde clean`: what runs left on this host.

use std::process::ExitCode;

use anyhow::Context;
use isolde_model::{ByteSize, Leak};
use isolde_runner::sweep;

use crate::args::CleanArguments;
use crate::exit::{Exit, ExitContext};
use crate::output::{print, talk};
use crate::resolve;

/// Removes cgroups, folders, containers and images of runs that are dead.
pub(crate) fn run(arguments: &CleanArguments) -> anyhow::Result<ExitCode> {
    let mut removed = sweep();
    removed.extend(sweep_engines());
    for Leak { what, detail } in &removed {
        print(&format!("removed {what} {detail}\n"))?;
    }
    if arguments.cache {
        let store = resolve::store()?;
        let freed = store.clear().context("the cache cannot be emptied").exit_with(Exit::Unfit)?;
        print(&format!("removed {} MiB of cache\n", ByteSize(freed).whole_mebibytes()))?;
    } else if removed.is_empty() {
        print("nothing to remove\n")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes what nobody uses any more from engines: containers and images, among
/// them those kept for the next run.
pub(super) fn sweep_engines() -> Vec<Leak> {
    let mut removed = Vec::new();
    for backend in isolde_backends::all() {
        match backend.sweep() {
            Ok(swept) => {
                removed.extend(swept.removed);
                for Leak { what, detail } in swept.stayed {
                    talk(&format!("warning: cannot remove the {what} {detail}"));
                }
            }
            Err(error) => tracing::info!(environment = %backend.name(), %error, "nothing swept"),
        }
    }
    removed
}

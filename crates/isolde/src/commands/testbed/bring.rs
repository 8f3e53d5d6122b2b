//! What a device gets of this host: VMMs, guest kernels, and files of the user's.

use std::path::{Path, PathBuf};

use isolde_image::{Store, find_kernels};
use isolde_runner::check_static;

use super::args::DeviceArguments;
use crate::exit::{Exit, ExitContext, tagged};
use crate::files;
use crate::output::talk;

/// Where programs go that are brought along.
const PROGRAMS: &str = "/usr/local/bin";

/// Every file that is brought along, with its place.
///
/// # Errors
/// Wrong usage: a file that is not there or cannot run.
pub(super) fn gather(
    arguments: &DeviceArguments,
    store: &Store,
) -> anyhow::Result<Vec<(PathBuf, PathBuf)>> {
    let mut found = Vec::new();
    let firecracker = arguments.firecracker.as_deref();
    let vmms = [
        ("firecracker", "--firecracker", firecracker),
        ("jailer", "", None),
        ("cloud-hypervisor", "--cloud-hypervisor", arguments.cloud_hypervisor.as_deref()),
    ];
    for (name, flag, given) in vmms {
        let path = match given {
            Some(path) => Some(asked_for(path, flag)?),
            None => on_path(name, arguments.quiet),
        };
        found.extend(path.map(|path| (path, Path::new(PROGRAMS).join(name))));
    }
    found.extend(guest_kernels(store));
    found.extend(files::plain_files(&files::parse(&arguments.bring)?)?);
    Ok(found)
}

/// A program that the user gives.
///
/// # Errors
/// Wrong usage: that it cannot run on the device.
pub(super) fn asked_for(path: &Path, flag: &str) -> anyhow::Result<PathBuf> {
    let wrong = |why: String| tagged(Exit::Usage, format!("{flag} {}: {why}", path.display()));
    let path = path.canonicalize().map_err(|error| wrong(error.to_string()))?;
    if !path.is_file() {
        return Err(wrong("it is no file".into()));
    }
    check_static(&path).exit_with(Exit::Usage)?;
    Ok(path)
}

/// A program that happens to be here, if it can run on the device.
fn on_path(name: &str, quiet: bool) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let file =
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|f| f.is_file())?;
    match check_static(&file) {
        Ok(()) => Some(file),
        Err(error) => {
            if !quiet {
                talk(&format!("note: the device has no {name}: {error}"));
            }
            None
        }
    }
}

/// The cache's kernels without modules, so that guests on the device can boot them;
/// the device's own system has a distribution's.
fn guest_kernels(store: &Store) -> Vec<(PathBuf, PathBuf)> {
    let mut found: Vec<(PathBuf, PathBuf)> = Vec::new();
    for kernel in find_kernels(store).into_iter().filter_map(|found| found.kernel.ok()) {
        let name = kernel.image.file_name().unwrap_or_default();
        let place = Path::new("/boot").join(name);
        // The host's own is not for the device; one of each name.
        let brought = kernel.modules.is_none()
            && !kernel.image.starts_with("/boot")
            && found.iter().all(|(_, other)| *other != place);
        if brought {
            found.push((kernel.image, place));
        }
    }
    found
}

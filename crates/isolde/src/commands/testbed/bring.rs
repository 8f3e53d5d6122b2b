//! What a device gets of this host: VMMs, guest kernels, and files of the user's.

use std::fs;
use std::path::{Path, PathBuf};

use isolde_image::{Store, find_kernels};
use isolde_runner::check_static;
use isolde_testbed::Built;

use super::args::DeviceArguments;
use crate::exit::{Exit, ExitContext, tagged};
use crate::files;
use crate::output::talk;

/// Where programs go that are brought along.
const PROGRAMS: &str = "/usr/local/bin";

/// What is brought along.
pub(super) struct Brought {
    /// Every file, with its place.
    pub(super) files: Vec<(PathBuf, PathBuf)>,
    /// The newest kernel among them.
    kernel: Option<String>,
}

impl Brought {
    /// The release that guests on the device boot; `None` for its own.
    ///
    /// # Errors
    /// Wrong usage: there is none of the release that is asked for.
    pub(super) fn kernel(
        &self,
        asked: Option<&str>,
        built: &Built,
    ) -> anyhow::Result<Option<String>> {
        let Some(release) = asked else { return Ok(self.kernel.clone()) };
        let image = format!("-{release}");
        let brought = |place: &Path| place.to_string_lossy().ends_with(&image);
        let own = release == built.release;
        if own || self.files.iter().any(|(_, place)| place.starts_with("/boot") && brought(place)) {
            return Ok(Some(release.to_owned()));
        }
        Err(tagged(
            Exit::Usage,
            format!(
                "guests on the device cannot boot {release}: it has {}, and what `isolde kernel \
                 build` made here",
                built.release
            ),
        ))
    }
}

/// Finds everything that is brought along.
///
/// # Errors
/// Wrong usage: a file that is not there or cannot run.
pub(super) fn gather(arguments: &DeviceArguments, store: &Store) -> anyhow::Result<Brought> {
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
    let kernel = guest_kernels(store, &mut found);
    for (path, place) in files::plain_files(&files::parse(&arguments.bring)?)? {
        check_place(&place)?;
        found.push((path, place));
    }
    Ok(Brought { files: found, kernel })
}

/// Folders of the device that a file system in memory or of its kernel's hides.
const HIDDEN: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/tmp"];

fn check_place(place: &Path) -> anyhow::Result<()> {
    match HIDDEN.iter().find(|folder| place.starts_with(folder)) {
        None => Ok(()),
        Some(folder) => {
            let place = place.display();
            let text = format!(
                "--bring to {place}: {folder} of the device starts empty; choose another place"
            );
            Err(tagged(Exit::Usage, text))
        }
    }
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

/// The cache's kernels whose drivers are all built in, with their lists of those, so
/// that guests on the device can boot them; the device's own system has a
/// distribution's. Gives the newest one's release.
fn guest_kernels(store: &Store, found: &mut Vec<(PathBuf, PathBuf)>) -> Option<String> {
    let mut newest = None;
    for kernel in find_kernels(store).into_iter().filter_map(|found| found.kernel.ok()) {
        let place = Path::new("/boot").join(kernel.image.file_name().unwrap_or_default());
        let modular = kernel.modules.as_ref().is_some_and(|folder| folder.join("kernel").is_dir());
        // The host's own is not for the device; one of each name.
        let of_host = kernel.image.starts_with("/boot");
        if modular || of_host || found.iter().any(|(_, other)| *other == place) {
            continue;
        }
        found.push((kernel.image, place));
        let lists = kernel.modules.iter().flat_map(fs::read_dir).flatten().flatten();
        let lists = lists.filter(|entry| entry.path().is_file());
        let folder = Path::new("/usr/lib/modules").join(&kernel.release);
        found.extend(lists.map(|entry| (entry.path(), folder.join(entry.file_name()))));
        newest.get_or_insert(kernel.release);
    }
    newest
}

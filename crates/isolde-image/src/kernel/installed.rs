//! The kernel that is installed in a root file system.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::add::{accept, keep_drivers, kernels_in, refuse};
use super::taken::Taken;
use super::{HostKernel, facts, find};
use crate::tree::hex;
use crate::{ImageError, Store};

/// Raised with every change of what is taken.
const VERSION: u32 = 2;

/// Modules of a kernel that has guests itself.
const OF_HOSTS: [&str; 5] = ["kvm_amd", "kvm_intel", "loop", "overlay", "vhost_vsock"];

/// Where kernels and their modules lie.
const PLACES: [&str; 3] = ["boot", "lib/modules", "usr/lib/modules"];

/// Takes the kernel that is installed below `root`, an unpacked root file system,
/// into the cache, with the modules that guests and their hosts need. `origin` says in words where it
/// comes from.
///
/// # Errors
/// That there is none, what it lacks, or what could not be read or written. Nothing
/// is kept then.
pub fn add_installed_kernel(
    store: &Store,
    root: &Path,
    origin: &str,
) -> Result<HostKernel, ImageError> {
    let modules = PLACES.map(|place| root.join(place));
    let images = find::look(&root.join("boot"), &modules[1..], origin, store);
    let digests = images.iter().map(|found| facts::digest(&found.image, store));
    let digests = digests.collect::<Result<Vec<_>, _>>()?.join("\n");
    let inputs = format!("isolde installed kernel {VERSION}\n{origin}\n{digests}");
    let digest = hex(&Sha256::digest(inputs));
    let place = store.keep(Store::KERNELS, &digest, |folder| {
        fs::create_dir(folder).map_err(|error| ImageError::file("make", folder, error))?;
        let mut taken = Taken::into(folder);
        for place in PLACES {
            take(root, Path::new(place), &mut taken)?;
        }
        accept(&[root.to_owned()], folder, store)?;
        keep_drivers(folder, &OF_HOSTS, store)?;
        let noted = folder.join(find::ORIGIN);
        fs::write(&noted, origin).map_err(|error| ImageError::file("write", &noted, error))?;
        let sync = || rustix::fs::syncfs(File::open(folder)?).map_err(std::io::Error::from);
        sync().map_err(|error| ImageError::file("write", folder, error))
    })?;
    let kernel = kernels_in(&place, store)?.into_iter().next();
    kernel.ok_or_else(|| refuse(root, "no kernel is installed there"))
}

/// Takes everything below `place`. Links are left out: one to a folder above
/// (`/lib` itself is one on most systems) would bring everything twice.
fn take(root: &Path, place: &Path, taken: &mut Taken<'_>) -> Result<(), ImageError> {
    let folder = root.join(place);
    let parents_are_folders = place
        .ancestors()
        .all(|part| fs::symlink_metadata(root.join(part)).is_ok_and(|found| found.is_dir()));
    if !parents_are_folders {
        return Ok(());
    }
    let read = |error| ImageError::file("read", &folder, error);
    let entries = fs::read_dir(&folder).map_err(read)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(read)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = place.join(entry.file_name());
        let kind = entry.file_type().map_err(read)?;
        if kind.is_dir() {
            take(root, &path, taken)?;
        } else if kind.is_file() {
            take_file(&root.join(&path), &path, taken)?;
        }
    }
    Ok(())
}

fn take_file(source: &PathBuf, path: &Path, taken: &mut Taken<'_>) -> Result<(), ImageError> {
    let mut file = File::open(source).map_err(|error| ImageError::file("read", source, error))?;
    taken.offer(path, &mut file).map_err(|reason| refuse(source, reason))
}

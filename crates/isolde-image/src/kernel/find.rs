//! Every kernel of the host and of the cache.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use super::{HostKernel, facts};
use crate::{ImageError, Store};

/// An image that is there, usable or not.
#[derive(Debug)]
pub struct FoundKernel {
    /// The file.
    pub image: PathBuf,
    /// Where it comes from, in words.
    pub origin: String,
    /// The kernel, or why it is none.
    pub kernel: Result<HostKernel, ImageError>,
}

/// Where the host's own kernels lie.
const BOOT_FOLDERS: [&str; 2] = ["/boot", "/boot/firmware"];
const MODULE_FOLDERS: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];

/// In a folder of the cache: where its kernel comes from, in words.
pub(super) const ORIGIN: &str = "origin";

/// Every kernel of the host and of the cache, in the order of choice: the running
/// release first, then the newest. What is no kernel comes last.
#[must_use]
pub fn find_kernels(store: &Store) -> Vec<FoundKernel> {
    let module_folders = MODULE_FOLDERS.map(PathBuf::from);
    let mut found = Vec::new();
    for folder in BOOT_FOLDERS {
        found.extend(look(Path::new(folder), &module_folders, "this host", store));
    }
    // Some distributions keep the image with its modules.
    for folder in MODULE_FOLDERS.iter().flat_map(|folder| list(Path::new(folder))) {
        found.extend(look(&folder, &module_folders, "this host", store));
    }
    for kept in list(&store.place(Store::KERNELS, "")) {
        found.extend(kept_in(&kept, store));
    }
    // `/lib` is a link to `/usr/lib` on most hosts.
    let mut seen = Vec::new();
    found.retain(|found| {
        let path = found.image.canonicalize().unwrap_or_else(|_| found.image.clone());
        let new = !seen.contains(&path);
        seen.push(path);
        new
    });
    let running = rustix::system::uname().release().to_string_lossy().into_owned();
    found.sort_by(|a, b| order(a, b, &running));
    found
}

/// The kernels in a folder of the cache.
pub(super) fn kept_in(folder: &Path, store: &Store) -> Vec<FoundKernel> {
    let module_folders = [folder.join("lib/modules"), folder.join("usr/lib/modules")];
    let origin = fs::read_to_string(folder.join(ORIGIN)).unwrap_or_else(|_| "the cache".into());
    let mut found = look(&folder.join("boot"), &module_folders, &origin, store);
    for folder in module_folders.iter().flat_map(|folder| list(folder)) {
        found.extend(look(&folder, &module_folders, &origin, store));
    }
    found
}

fn order(a: &FoundKernel, b: &FoundKernel, running: &str) -> Ordering {
    match (&a.kernel, &b.kernel) {
        (Ok(a), Ok(b)) => {
            let runs = |kernel: &HostKernel| kernel.release == running;
            runs(b).cmp(&runs(a)).then_with(|| compare_releases(&b.release, &a.release))
        }
        (a, b) => b.is_ok().cmp(&a.is_ok()),
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

pub(super) fn look(
    boot: &Path,
    modules: &[PathBuf],
    origin: &str,
    store: &Store,
) -> Vec<FoundKernel> {
    let images = list(boot).into_iter().filter(|path| is_kernel_name(path));
    images
        .map(|image| {
            let kernel = kernel_of(&image, modules, store);
            FoundKernel { image, origin: origin.trim().to_owned(), kernel }
        })
        .collect()
}

/// `vmlinuz-…` and `vmlinux-…` of Debian and Ubuntu, `vmlinuz` beside the modules of
/// Fedora, `kernel8.img` and its kin of Raspberry Pi OS.
fn is_kernel_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside_modules = name == "vmlinuz" && path.with_file_name("modules.builtin").exists();
    name.starts_with("vmlinuz-")
        || name.starts_with("vmlinux-")
        || beside_modules
        || (name.starts_with("kernel") && name.ends_with(".img"))
}

/// The kernel of that image, with its modules where they are in one of these folders.
pub(super) fn kernel_of(
    image: &Path,
    module_folders: &[PathBuf],
    store: &Store,
) -> Result<HostKernel, ImageError> {
    let facts = facts::of(image, store)?;
    let modules = module_folders
        .iter()
        .map(|folder| folder.join(&facts.release))
        .find(|folder| folder.join("kernel").is_dir() || folder.join("modules.dep").is_file());
    let built_in = match &modules {
        Some(_) => Vec::new(),
        None => facts::built_in(image, store)?,
    };
    Ok(HostKernel {
        release: facts.release,
        image: image.to_owned(),
        format: facts.format,
        machine: facts.machine,
        startable: facts.startable,
        modules,
        built_in,
    })
}

/// Orders releases as people do: runs of digits by value, the rest by bytes.
fn compare_releases(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let (Some(&x), Some(&y)) = (a.first(), b.first()) {
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            number(&mut a).cmp(&number(&mut b))
        } else {
            (a, b) = (&a[1..], &b[1..]);
            x.cmp(&y)
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

fn number(text: &mut &[u8]) -> u64 {
    let mut value = 0u64;
    while let Some((digit, rest)) = text.split_first().filter(|(first, _)| first.is_ascii_digit()) {
        value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        *text = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_by_value() {
        let mut releases = ["6.1.0-9-amd64", "6.12.1", "6.1.0-56-amd64", "6.2.0", "5.99"];
        releases.sort_by(|a, b| compare_releases(a, b));
        assert_eq!(releases, ["5.99", "6.1.0-9-amd64", "6.1.0-56-amd64", "6.2.0", "6.12.1"]);
    }

    #[test]
    fn names_of_kernels_are_known() {
        for (name, is) in [
            ("vmlinuz-6.1.0", true),
            ("kernel8.img", true),
            ("initrd.img-6.1.0", false),
            ("config-6.1.0", false),
            ("vmlinuz", false),
        ] {
            assert_eq!(is_kernel_name(Path::new(name)), is, "{name}");
        }
    }
}

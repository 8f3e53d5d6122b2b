//! Which module files a kernel needs for its drivers, in the order in which
//! they must be loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::{HostKernel, elf, read_unpacked};
use crate::ImageError;

/// The modules of one kernel.
#[derive(Debug)]
pub(crate) struct Modules {
    release: String,
    folder: PathBuf,
    /// Module name → its file, relative to the folder, and what it depends on.
    files: BTreeMap<String, (PathBuf, Dependencies)>,
    builtin: BTreeSet<String>,
}

#[derive(Debug)]
enum Dependencies {
    /// As depmod(8) wrote them down: all of them, to be loaded from the last to
    /// the first (modules.dep(5)).
    Files(Vec<PathBuf>),
    /// In the module itself, still to be read.
    Inside,
}

/// Of lists of modules; a distribution's largest has 1 MB.
const LIST_LIMIT: u64 = 16 << 20;
/// Folders within `kernel/`; deeper is no distribution's.
const DEPTH_LIMIT: usize = 16;
/// Modules on the way from a driver to what it builds upon.
const CHAIN_LIMIT: usize = 32;

impl Modules {
    /// The modules of `kernel`, or what it has built in where it has none.
    pub(crate) fn of(kernel: &HostKernel) -> Result<Self, ImageError> {
        match &kernel.modules {
            Some(folder) => Self::read(&kernel.release, folder),
            None => Ok(Self {
                release: kernel.release.clone(),
                folder: PathBuf::new(),
                files: BTreeMap::new(),
                builtin: kernel.built_in.iter().cloned().collect(),
            }),
        }
    }

    /// Reads `modules.dep` and `modules.builtin` in `folder`. Packages have no
    /// `modules.dep`: the files are searched instead.
    pub(crate) fn read(release: &str, folder: &Path) -> Result<Self, ImageError> {
        let text = |name: &str| read_list(&folder.join(name));
        let files = match text("modules.dep")? {
            Some(text) => text.lines().filter_map(parse_line).collect(),
            None => {
                let mut files = BTreeMap::new();
                search(folder, Path::new("kernel"), DEPTH_LIMIT, &mut files)?;
                files
            }
        };
        let builtin = text("modules.builtin")?.unwrap_or_default();
        let builtin = builtin.lines().filter_map(module_name).collect();
        Ok(Self { release: release.to_owned(), folder: folder.to_owned(), files, builtin })
    }

    /// Whether it is there as a module to load.
    pub(crate) fn is_loadable(&self, name: &str) -> bool {
        !self.builtin.contains(name) && self.files.contains_key(name)
    }

    /// Those of `wanted` that are neither built in nor there as modules.
    pub(crate) fn missing<'a>(&self, wanted: &[&'a str]) -> Vec<&'a str> {
        let is_there = |name: &str| self.builtin.contains(name) || self.files.contains_key(name);
        wanted.iter().copied().filter(|name| !is_there(name)).collect()
    }

    /// Every module file.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.files.values().map(|(file, _)| self.folder.join(file))
    }

    /// Files of `wanted` and of what they depend on, dependencies first, each
    /// once; nothing for what is built in.
    pub(crate) fn load_order(&self, wanted: &[&str]) -> Result<Vec<PathBuf>, ImageError> {
        let mut order: Vec<PathBuf> = Vec::new();
        for name in wanted {
            self.add(name, CHAIN_LIMIT, &mut order)?;
        }
        Ok(order.into_iter().map(|file| self.folder.join(file)).collect())
    }

    fn add(&self, name: &str, chain: usize, order: &mut Vec<PathBuf>) -> Result<(), ImageError> {
        if self.builtin.contains(name) {
            return Ok(());
        }
        let missing =
            || ImageError::ModuleMissing { module: name.to_owned(), release: self.release.clone() };
        let (file, dependencies) = self.files.get(name).ok_or_else(missing)?;
        if order.contains(file) {
            return Ok(());
        }
        match dependencies {
            Dependencies::Files(files) => {
                for file in
                    files.iter().rev().filter(|file| !order.contains(file)).collect::<Vec<_>>()
                {
                    order.push(file.clone());
                }
            }
            Dependencies::Inside => {
                // A circle of dependencies cannot be loaded.
                let chain = chain.checked_sub(1).ok_or_else(missing)?;
                for name in dependencies_inside(&read_unpacked(&self.folder.join(file))?) {
                    self.add(&name, chain, order)?;
                }
            }
        }
        order.push(file.clone());
        Ok(())
    }
}

/// The text of a list, `None` where there is none.
fn read_list(path: &Path) -> Result<Option<String>, ImageError> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(LIST_LIMIT).read_to_string(&mut text)) {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ImageError::file("read", path, error)),
    }
}

/// `kernel/a/b.ko: kernel/c/d.ko …`; a line that leads out of the folder is none.
fn parse_line(line: &str) -> Option<(String, (PathBuf, Dependencies))> {
    let (file, dependencies) = line.split_once(':')?;
    let dependencies = dependencies.split_whitespace().map(within).collect::<Option<_>>()?;
    Some((module_name(file)?, (within(file)?, Dependencies::Files(dependencies))))
}

/// A path that stays where it is put.
fn within(file: &str) -> Option<PathBuf> {
    let path = Path::new(file);
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| path.to_owned())
}

/// Every module file below `below` in `folder`.
fn search(
    folder: &Path,
    below: &Path,
    depth: usize,
    files: &mut BTreeMap<String, (PathBuf, Dependencies)>,
) -> Result<(), ImageError> {
    let here = folder.join(below);
    let entries = match fs::read_dir(&here) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| ImageError::file("read", &here, error))?,
    };
    for entry in entries.flatten() {
        let path = below.join(entry.file_name());
        // Not what a link points to: that may be a circle.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => search(folder, &path, depth - 1, files)?,
            Ok(kind) if kind.is_file() => {
                if let Some(name) = module_name(&entry.file_name().to_string_lossy()) {
                    files.insert(name, (path, Dependencies::Inside));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What the build wrote into a module: `depends=a,b` in its section `.modinfo`.
fn dependencies_inside(module: &[u8]) -> Vec<String> {
    let information = elf::section(module, ".modinfo").unwrap_or_default();
    let depends =
        information.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(b"depends="));
    let names = String::from_utf8_lossy(depends.unwrap_or_default()).into_owned();
    names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

/// `kernel/drivers/char/virtio-rng.ko.xz` is `virtio_rng`.
pub(crate) fn module_name(file: &str) -> Option<String> {
    let name = file.rsplit('/').next()?;
    let (stem, _) = name.split_once(".ko")?;
    (!stem.is_empty()).then(|| stem.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/drivers/virtio/virtio_ring.ko.xz:
kernel/drivers/virtio/virtio.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/char/hw_random/virtio-rng.ko.xz: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/a.ko: ../../../../etc/shadow
kernel/drivers/../../../b.ko:
/lib/c.ko:
nonsense
";

    fn modules() -> Modules {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("modules.dep"), DEP).unwrap();
        fs::write(folder.path().join("modules.builtin"), "kernel/fs/ext4/ext4.ko\n").unwrap();
        Modules::read("6.1", folder.path()).unwrap()
    }

    fn names(order: &[PathBuf]) -> Vec<String> {
        order.iter().map(|path| module_name(path.to_str().unwrap()).unwrap()).collect()
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let order = modules().load_order(&["virtio_blk", "ext4", "virtio_rng"]).unwrap();
        assert_eq!(names(&order), ["virtio_ring", "virtio", "virtio_blk", "virtio_rng"]);
    }

    #[test]
    fn a_missing_module_names_itself_and_the_kernel() {
        let error = modules().load_order(&["virtio_pci"]).unwrap_err().to_string();
        assert!(error.contains("6.1") && error.contains("virtio_pci"), "{error}");
        assert!(modules().is_loadable("virtio_rng") && !modules().is_loadable("ext4"));
        assert_eq!(modules().missing(&["ext4", "virtio_pci"]), ["virtio_pci"]);
    }

    #[test]
    fn a_list_leads_nowhere_else() {
        let missing = modules().missing(&["a", "b", "c"]);
        assert_eq!(missing, ["a", "b", "c"]);
    }

    /// Debian's kernel has its virtio drivers as modules, known orders of which
    /// are at hand; depmod's list and the modules themselves must lead to the same.
    #[test]
    #[expect(clippy::print_stderr)]
    fn the_orders_of_debians_kernel_are_known_with_and_without_depmod() {
        let entries = fs::read_dir("/lib/modules").into_iter().flatten().flatten();
        let is_debians = |path: &PathBuf| path.to_string_lossy().ends_with("cloud-amd64");
        let Some(folder) = entries.map(|entry| entry.path()).find(is_debians) else {
            eprintln!("skipped: no modules of linux-image-cloud-amd64");
            return;
        };
        let copy = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.join("kernel"), copy.path().join("kernel")).unwrap();
        fs::copy(folder.join("modules.builtin"), copy.path().join("modules.builtin")).unwrap();
        let listed = Modules::read("listed", &folder).unwrap();
        let searched = Modules::read("searched", copy.path()).unwrap();
        for (wanted, order) in [
            (
                &["virtio_pci", "virtio_blk", "virtio_console", "ext4"][..],
                &[
                    "virtio_ring",
                    "virtio",
                    "virtio_pci_legacy_dev",
                    "virtio_pci_modern_dev",
                    "virtio_pci",
                    "virtio_blk",
                    "virtio_console",
                ][..],
            ),
            (
                &["virtio_mmio", "virtio_blk"],
                &["virtio_ring", "virtio", "virtio_mmio", "virtio_blk"],
            ),
            (
                &["virtio_mmio", "vmw_vsock_virtio_transport"],
                &[
                    "virtio_ring",
                    "virtio",
                    "virtio_mmio",
                    "vsock",
                    "vmw_vsock_virtio_transport_common",
                    "vmw_vsock_virtio_transport",
                ],
            ),
        ] {
            let known: BTreeSet<String> = order.iter().map(|name| (*name).to_owned()).collect();
            for modules in [&listed, &searched] {
                let order = modules.load_order(wanted).unwrap();
                let mut loaded = BTreeSet::new();
                for (name, file) in names(&order).into_iter().zip(&order) {
                    for other in dependencies_inside(&read_unpacked(file).unwrap()) {
                        let ready = loaded.contains(&other) || modules.builtin.contains(&other);
                        assert!(ready, "{name} before {other}");
                    }
                    loaded.insert(name);
                }
                assert_eq!(loaded, known);
            }
        }
    }
}

//! Which module files a kernel needs for its drivers, in the order in which
//! they must be loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::ImageError;

/// What depmod(8) wrote down for one kernel.
#[derive(Debug)]
pub(crate) struct Modules {
    release: String,
    folder: PathBuf,
    /// Module name → its file and the files it depends on, as in modules.dep.
    files: BTreeMap<String, (String, Vec<String>)>,
    builtin: BTreeSet<String>,
}

impl Modules {
    /// Reads `modules.dep` and `modules.builtin` in `folder`.
    pub(crate) fn read(release: &str, folder: &Path) -> Result<Self, ImageError> {
        let text = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|error| ImageError::file("read", path, error))
        };
        let files = text("modules.dep")?.lines().filter_map(parse_line).collect();
        let builtin = text("modules.builtin")?.lines().filter_map(module_name).collect();
        Ok(Self { release: release.to_owned(), folder: folder.to_owned(), files, builtin })
    }

    /// Whether it is there as a module to load.
    pub(crate) fn is_loadable(&self, name: &str) -> bool {
        !self.builtin.contains(name) && self.files.contains_key(name)
    }

    /// Files of `wanted` and of what they depend on, dependencies first, each
    /// once; nothing for what is built in.
    pub(crate) fn load_order(&self, wanted: &[&str]) -> Result<Vec<PathBuf>, ImageError> {
        let mut order: Vec<&String> = Vec::new();
        for &name in wanted {
            if self.builtin.contains(name) {
                continue;
            }
            let Some((file, dependencies)) = self.files.get(name) else {
                return Err(ImageError::ModuleMissing {
                    module: name.to_owned(),
                    release: self.release.clone(),
                });
            };
            // modules.dep lists indirect dependencies as well, and what comes
            // later on a line must be loaded earlier (modules.dep(5)).
            for file in dependencies.iter().rev().chain([file]) {
                if !order.contains(&file) {
                    order.push(file);
                }
            }
        }
        Ok(order.into_iter().map(|file| self.folder.join(file)).collect())
    }
}

/// `kernel/a/b.ko: kernel/c/d.ko …`
fn parse_line(line: &str) -> Option<(String, (String, Vec<String>))> {
    let (file, dependencies) = line.split_once(':')?;
    let dependencies = dependencies.split_whitespace().map(str::to_owned).collect();
    Some((module_name(file)?, (file.to_owned(), dependencies)))
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
nonsense
";

    fn modules() -> Modules {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("modules.dep"), DEP).unwrap();
        fs::write(folder.path().join("modules.builtin"), "kernel/fs/ext4/ext4.ko\n").unwrap();
        Modules::read("6.1", folder.path()).unwrap()
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let order = modules().load_order(&["virtio_blk", "ext4", "virtio_rng"]).unwrap();
        let names: Vec<_> =
            order.iter().map(|path| module_name(path.to_str().unwrap()).unwrap()).collect();
        assert_eq!(names, ["virtio_ring", "virtio", "virtio_blk", "virtio_rng"]);
    }

    #[test]
    fn a_missing_module_names_itself_and_the_kernel() {
        let error = modules().load_order(&["virtio_pci"]).unwrap_err().to_string();
        assert!(error.contains("6.1") && error.contains("virtio_pci"), "{error}");
        assert!(modules().is_loadable("virtio_rng") && !modules().is_loadable("ext4"));
    }
}

//! The initramfs of a full virtual machine: `/init` and the modules that it
//! loads before it can start the agent from the root file system.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use isolde_model::GuestNeeds;

use super::cpio::{Archive, Node};
use super::modules::{Modules, module_name};
use super::{HostKernel, drivers, read_unpacked};
use crate::ImageError;
use crate::tree::hex;

/// Raised with every change of the layout.
const VERSION: u32 = 2;

/// The executable that the build script made of init/main.rs.
const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

/// What an initramfs is made of besides `/init`.
pub(crate) struct Contents {
    /// Name in the archive and content, in the order in which they are loaded; those
    /// of overlayfs, in a folder of their own, only where the root needs it.
    modules: Vec<(String, Vec<u8>)>,
}

/// Folders of modules in the archive.
const ALWAYS: &str = "modules";
const FOR_OVERLAY: &str = "overlay";

impl Contents {
    /// The modules that a machine with these needs loads.
    pub(crate) fn gather(kernel: &HostKernel, needs: &GuestNeeds) -> Result<Self, ImageError> {
        let modules = Modules::of(kernel)?;
        let wanted = drivers::to_load(needs, &modules);
        let mut loaded = read(ALWAYS, &modules.load_order(&wanted)?)?;
        if needs.overlay {
            loaded.extend(read(FOR_OVERLAY, &modules.load_order(&[drivers::OVERLAY])?)?);
        }
        Ok(Self { modules: loaded })
    }

    /// SHA-256 in hex over everything that determines the archive.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("isolde initramfs {VERSION}\n"));
        hash.update(Sha256::digest(INIT));
        for (name, content) in &self.modules {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update(Sha256::digest(content));
        }
        hex(&hash.finalize())
    }

    /// The archive, uncompressed: unpacking in the guest would cost more time
    /// than the shorter copy saves.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let mut archive = Archive::default();
        for folder in ["dev", "lower", ALWAYS, FOR_OVERLAY, "proc", "root", "sys", "upper"] {
            archive.add(folder, Node::Folder);
        }
        archive.add("dev/console", Node::CharacterDevice { major: 5, minor: 1 });
        for (name, content) in &self.modules {
            archive.add(name, Node::File { content, mode: 0o644 });
        }
        archive.add("init", Node::File { content: INIT, mode: 0o755 });
        archive.finish()
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), ImageError> {
        let write = |error| ImageError::file("write", path, error);
        let mut file = File::create_new(path).map_err(write)?;
        file.write_all(&self.archive()).map_err(write)?;
        file.sync_all().map_err(write)
    }
}

/// The modules in the order in which they are loaded.
fn read(folder: &str, order: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, ImageError> {
    let mut loaded = Vec::new();
    for (index, path) in order.iter().enumerate() {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = module_name(&file).unwrap_or_default();
        loaded.push((format!("{folder}/{index:02}-{name}.ko"), read_unpacked(path)?));
    }
    Ok(loaded)
}

//! Guest kernels: where they come from, what each can boot, and the forms in which
//! a virtual machine takes them.

mod add;
mod arm64;
mod build;
mod bzimage;
mod choose;
mod cpio;
mod deb;
mod drivers;
mod elf;
mod error;
mod facts;
mod fetch;
mod field;
mod find;
pub mod fuzzing;
mod image;
pub(crate) mod initramfs;
mod installed;
mod modules;
mod rpm;
mod taken;
#[cfg(test)]
mod tests;
mod unpack;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use isolde_model::{Bus, GuestNeeds, KernelForm};

use crate::{ImageError, Store};
pub use add::add_kernel;
pub use build::{KernelSource, Watch, build_kernel};
pub use choose::choose_kernel;
pub use cpio::{Archive as CpioArchive, Node as CpioNode};
pub use error::KernelError;
pub use fetch::fetch_package_kernel;
pub use find::{FoundKernel, find_kernels};
pub use image::{ImageFormat, KernelImage, Machine};
pub use installed::add_installed_kernel;
use modules::Modules;

/// A kernel that is there with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKernel {
    /// Its release, as `uname -r` says inside.
    pub release: String,
    /// Its image, as it was found.
    pub image: PathBuf,
    /// The image's format.
    pub format: ImageFormat,
    /// The machine that it runs on.
    pub machine: Machine,
    /// Whether QEMU can start the image as it is.
    pub startable: bool,
    /// The folder with its modules, or `None` where there is none.
    pub modules: Option<PathBuf>,
    /// Without that folder: the drivers that its image shows to have.
    pub built_in: Vec<String>,
}

impl HostKernel {
    /// What keeps it from booting a machine with these needs on this host; nothing
    /// where it can.
    #[must_use]
    pub fn lacks(&self, needs: &GuestNeeds) -> Vec<String> {
        if self.machine != Machine::HOST {
            return vec![format!("it is for {}", self.machine.name())];
        }
        let mut lacks = Vec::new();
        if needs.form == KernelForm::Distribution && !self.startable {
            lacks.push("its ELF image has no PVH entry".to_owned());
        }
        match Modules::of(self) {
            Ok(modules) => {
                let missing = modules.missing(&drivers::of_machine(needs));
                lacks.extend(missing.iter().map(|driver| format!("no driver {driver}")));
                if needs.bus == Bus::MmioByParameter && !drivers::hears_of_devices(self, &modules) {
                    let option = "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES";
                    lacks.push(format!("no devices named by parameter ({option})"));
                }
                if needs.overlay && !modules.missing(&[drivers::OVERLAY]).is_empty() {
                    lacks.push(format!("no driver {}", drivers::OVERLAY));
                }
                if missing.is_empty()
                    && let Err(error) = modules.load_order(&drivers::to_load(needs, &modules))
                {
                    lacks.push(error.to_string());
                }
            }
            Err(error) => lacks.push(error.to_string()),
        }
        lacks
    }
}

impl HostKernel {
    /// The files of these modules and of those that they need, unpacked, in the order in
    /// which they are loaded; nothing for one that is built in.
    ///
    /// # Errors
    /// Which module is missing or cannot be read.
    pub fn unpacked_modules(&self, wanted: &[&str]) -> Result<Vec<(String, Vec<u8>)>, ImageError> {
        let order = Modules::of(self)?.load_order(wanted)?;
        let read = |path: &PathBuf| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let name = modules::module_name(&file).unwrap_or_default();
            Ok((name, read_unpacked(path)?))
        };
        order.iter().map(read).collect()
    }
}

/// The unpacked image, kept by the digest of the packed one.
pub(crate) fn elf_of(kernel: &HostKernel, store: &Store) -> Result<PathBuf, ImageError> {
    if matches!(kernel.format, ImageFormat::Elf | ImageFormat::Image) {
        return Ok(kernel.image.clone());
    }
    let bytes = read_bounded(&kernel.image)?;
    let digest = facts::digest(&kernel.image, store)?;
    store.keep(Store::ELF, &digest, |path| {
        let refuse = |source| ImageError::Kernel { path: kernel.image.clone(), source };
        let unpacked = KernelImage::parse(&bytes).and_then(|image| image.unpacked());
        let write = |error| ImageError::file("write", path, error);
        let mut file = File::create_new(path).map_err(write)?;
        file.write_all(&unpacked.map_err(refuse)?).map_err(write)
    })
}

/// A module's content, unpacked as its content (not its name) says.
fn read_unpacked(path: &Path) -> Result<Vec<u8>, ImageError> {
    let bytes = read_bounded(path)?;
    unpack::unpack(&bytes, unpack::LIMIT).map_err(|reason| ImageError::Kernel {
        path: path.to_owned(),
        source: KernelError::Packed(reason),
    })
}

/// The content of a file of a kernel, within the bound of all of them.
fn read_bounded(path: &Path) -> Result<Vec<u8>, ImageError> {
    let read = |error| ImageError::file("read", path, error);
    let metadata = fs::metadata(path).map_err(read)?;
    if !metadata.is_file() {
        return Err(read(io::Error::other("it is no file")));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(unpack::LIMIT as u64 + 1).read_to_end(&mut bytes))
        .map_err(read)?;
    if bytes.len() > unpack::LIMIT {
        return Err(read(io::Error::other("it is too large for a file of a kernel")));
    }
    Ok(bytes)
}

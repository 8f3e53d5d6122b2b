//! Kernels that a user brings: packages of a distribution, or an image alone.

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use isolde_model::{Bus, GuestLine, GuestNeeds, KernelForm};
use sha2::{Digest, Sha256};

use super::find::{self, FoundKernel};
use super::taken::{Taken, printable};
use super::{HostKernel, KernelError, Machine, deb, drivers, facts, read_bounded, rpm};
use crate::tree::hex;
use crate::{ImageError, Store};

/// Raised with every change of what is taken out of packages.
const VERSION: u32 = 1;

/// Takes the kernel in `files` into the cache: packages (`.deb`, `.rpm`) that
/// together have an image and its modules, or an image alone.
///
/// # Errors
/// Which file cannot be read or is neither, what their kernel lacks, or what could
/// not be written. Nothing is kept then.
pub fn add_kernel(store: &Store, files: &[PathBuf]) -> Result<Vec<HostKernel>, ImageError> {
    let mut digests = Vec::new();
    for file in files {
        digests.push(facts::digest(&checked(file)?, store)?);
    }
    digests.sort();
    let inputs = format!("isolde kernel {VERSION}\n{}", digests.join("\n"));
    let name = hex(&Sha256::digest(inputs));
    let place = store.keep(Store::KERNELS, &name, |folder| {
        take(files, folder)?;
        accept(files, folder, store)?;
        keep_drivers(folder, &[], store)?;
        // One by one, the files would take minutes on an SD card.
        let sync = || rustix::fs::syncfs(File::open(folder)?).map_err(std::io::Error::from);
        sync().map_err(|error| ImageError::file("write", folder, error))
    })?;
    kernels_in(&place, store)
}

/// A path to a plain file.
fn checked(file: &Path) -> Result<PathBuf, ImageError> {
    let metadata = fs::metadata(file).map_err(|error| ImageError::file("read", file, error))?;
    if metadata.is_file() { Ok(file.to_owned()) } else { Err(refuse(file, "it is no file")) }
}

pub(super) fn refuse(file: &Path, reason: impl Into<String>) -> ImageError {
    ImageError::Package { path: file.to_owned(), reason: reason.into() }
}

/// Unpacks `files` into the new folder.
pub(super) fn take(files: &[PathBuf], folder: &Path) -> Result<(), ImageError> {
    let make = |error| ImageError::file("make", folder, error);
    fs::create_dir(folder).map_err(make)?;
    let mut taken = Taken::into(folder);
    for path in files {
        let read = |error| ImageError::file("read", path, error);
        let mut file = BufReader::new(File::open(path).map_err(read)?);
        let mut magic = [0; 8];
        let length = file.by_ref().take(8).read(&mut magic).map_err(read)?;
        file.rewind().map_err(read)?;
        let before = taken.files();
        match &magic[..length] {
            magic if magic == deb::MAGIC => {
                deb::read(file, |name, content| taken.offer(name, content))
            }
            magic if magic.starts_with(rpm::MAGIC) => {
                rpm::read(file, |name, content| taken.offer(name, content))
            }
            _ => take_image(path, &mut taken)?,
        }
        .map_err(|reason| refuse(path, reason))?;
        if taken.files() == before {
            return Err(refuse(path, "it has neither a kernel image nor modules"));
        }
    }
    let names = files.iter().filter_map(|path| path.file_name());
    let names: Vec<_> = names.map(|name| printable(&name.to_string_lossy())).collect();
    let origin = folder.join(find::ORIGIN);
    fs::write(&origin, names.join(", ")).map_err(|error| ImageError::file("write", &origin, error))
}

/// Removes the modules that no machine of a guest needs: guests load none but what
/// their initramfs brings, and a distribution's others have hundreds of MB. Those of
/// `more` that there are stay as well.
pub(super) fn keep_drivers(folder: &Path, more: &[&str], store: &Store) -> Result<(), ImageError> {
    for kernel in kernels_in(folder, store)? {
        let modules = super::Modules::of(&kernel)?;
        let mut needed = Vec::new();
        for needs in machines() {
            // One that lacks a driver for a machine may do for another.
            let order = modules.load_order(&drivers::to_load(&needs, &modules));
            needed.extend(order.unwrap_or_default());
        }
        for driver in more {
            needed.extend(modules.load_order(&[*driver]).unwrap_or_default());
        }
        for file in modules.files().filter(|file| !needed.contains(file)) {
            fs::remove_file(&file).map_err(|error| ImageError::file("remove", &file, error))?;
        }
    }
    Ok(())
}

/// An image alone, under the name that fits its release.
fn take_image(path: &Path, taken: &mut Taken<'_>) -> Result<Result<(), String>, ImageError> {
    let bytes = read_bounded(path)?;
    let refuse = |source| ImageError::Kernel { path: path.to_owned(), source };
    let image = super::KernelImage::parse(&bytes).map_err(refuse)?;
    let release = image.release().map_err(refuse)?;
    let name = Path::new("boot").join(format!("vmlinuz-{release}"));
    Ok(taken.offer(&name, &mut bytes.as_slice()))
}

/// Refuses what no virtual machine of this host can boot.
pub(super) fn accept(files: &[PathBuf], folder: &Path, store: &Store) -> Result<(), ImageError> {
    let first = files.first().map_or(Path::new(""), PathBuf::as_path);
    // What is half made is nobody's business.
    let kernels = kernels_in(folder, store).map_err(|error| match error {
        ImageError::Kernel { source, .. } => ImageError::Kernel { path: first.to_owned(), source },
        other => other,
    })?;
    if kernels.is_empty() {
        return Err(refuse(
            first,
            "there is no kernel image, only modules: give the package with the image as well",
        ));
    }
    for kernel in kernels {
        if kernel.machine != Machine::HOST {
            let found =
                format!("{}, and this host is {}", kernel.machine.name(), Machine::HOST.name());
            let source = KernelError::OtherMachine { found };
            return Err(ImageError::Kernel { path: first.to_owned(), source });
        }
        if machines().iter().all(|needs| !kernel.lacks(needs).is_empty()) {
            let needs = &machines()[0];
            let modules = super::Modules::of(&kernel)?;
            modules.load_order(&drivers::to_load(needs, &modules))?;
            return Err(refuse(first, kernel.lacks(needs).join(", ")));
        }
    }
    Ok(())
}

/// Every kind of machine that guests run on, the commonest first.
pub(super) fn machines() -> Vec<GuestNeeds> {
    let mut machines = Vec::new();
    for (form, bus) in [
        (KernelForm::Distribution, Bus::Pci),
        (KernelForm::Elf, Bus::Pci),
        (KernelForm::Elf, Bus::Mmio),
        (KernelForm::Elf, Bus::MmioByParameter),
    ] {
        machines.extend([GuestLine::Port, GuestLine::Vsock].map(|line| GuestNeeds {
            form,
            bus,
            line,
            overlay: false,
        }));
    }
    machines
}

/// The kernels in a folder of the cache, all of which must be sound.
pub(super) fn kernels_in(folder: &Path, store: &Store) -> Result<Vec<HostKernel>, ImageError> {
    find::kept_in(folder, store).into_iter().map(|FoundKernel { kernel, .. }| kernel).collect()
}

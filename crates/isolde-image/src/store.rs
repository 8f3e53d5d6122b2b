//! The cache folder. What is in it is whole: it is made under a temporary name
//! beside its place and renamed, so runs at the same time do not disturb each
//! other, and what a dead process left half-made is swept up later.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use isolde_model::GuestNeeds;

use crate::kernel::{elf_of, initramfs};
use crate::merged::merge;
use crate::{HostKernel, ImageError, RootTree, ext4, forms};

/// Folder names, one per kind of thing kept.
const KINDS: [&str; 12] = [
    "trees",
    "ext4",
    "tar",
    "initramfs",
    Store::KERNELS,
    Store::KERNEL_FACTS,
    Store::ELF,
    Store::FORMS,
    Store::HASHES,
    Store::IMAGES,
    Store::LAYERS,
    Store::NETWORKS,
];

/// A cache folder, keyed by digest.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The user's own cache: `$XDG_CACHE_HOME/isolde` or `~/.cache/isolde`.
    ///
    /// # Errors
    /// That there is no such folder and it cannot be made.
    pub fn open_default() -> Result<Self, ImageError> {
        // The XDG base directory specification: a relative path is ignored.
        let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let absolute = |path: &PathBuf| path.is_absolute();
        let base = xdg.filter(absolute).or_else(|| home.filter(absolute));
        Self::open(&base.ok_or(ImageError::NoCacheFolder)?.join("isolde"))
    }

    /// The cache at `root`, made if absent. Removes what dead processes left
    /// half-made.
    ///
    /// # Errors
    /// That it cannot be made.
    pub fn open(root: &Path) -> Result<Self, ImageError> {
        for kind in KINDS {
            let folder = root.join(kind);
            fs::create_dir_all(&folder)
                .map_err(|error| ImageError::file("make", &folder, error))?;
            sweep(&folder);
        }
        let root = root.canonicalize().map_err(|error| ImageError::file("find", root, error))?;
        Ok(Self { root })
    }

    /// The tree as a directory. Made when absent or when something in it was
    /// changed since.
    ///
    /// # Errors
    /// What could not be read or written.
    pub fn directory(&self, tree: &RootTree) -> Result<PathBuf, ImageError> {
        let name = tree.digest();
        self.note_form(tree)?;
        let place = self.place("trees", &name);
        if place.exists() && !forms::is_intact(tree, &place) {
            tracing::warn!(path = %place.display(), "a cached root tree was changed; making it again");
            // Out of the way in one step, so that nobody meets half a tree; a
            // failure means that another run was faster.
            let away = HalfMade::new(&self.root.join("trees"));
            let _ = fs::rename(&place, &away.0);
        }
        self.keep("trees", &name, |path| {
            let (merged, layers) = merge(tree, self)?;
            forms::write_directory(&merged, &layers, path)
        })
    }

    /// The tree as an ext4 image without a journal, made without mounting.
    ///
    /// # Errors
    /// What could not be read or written.
    pub fn ext4(&self, tree: &RootTree) -> Result<PathBuf, ImageError> {
        let name = format!("{}.v{}.img", tree.digest(), ext4::VERSION);
        self.note_form(tree)?;
        self.keep("ext4", &name, |path| {
            let (merged, layers) = merge(tree, self)?;
            ext4::write(&merged, &layers, ext4::Room { bytes: tree.room_bytes() }, path)
        })
    }

    /// The tree as a tar archive.
    ///
    /// # Errors
    /// What could not be read or written.
    pub fn tar(&self, tree: &RootTree) -> Result<PathBuf, ImageError> {
        let name = format!("{}.tar", tree.digest());
        self.note_form(tree)?;
        self.keep("tar", &name, |path| {
            let (merged, layers) = merge(tree, self)?;
            forms::write_tar(&merged, &layers, path)
        })
    }

    /// The initramfs that starts the agent of the root file system in a virtual
    /// machine with these needs and `kernel`, with the drivers that the kernel has
    /// as modules.
    ///
    /// # Errors
    /// Which module is missing or cannot be unpacked, or what cannot be read.
    pub fn initramfs(
        &self,
        kernel: &HostKernel,
        needs: &GuestNeeds,
    ) -> Result<PathBuf, ImageError> {
        let contents = initramfs::Contents::gather(kernel, needs)?;
        let name = format!("{}.cpio", contents.digest());
        self.keep("initramfs", &name, |path| contents.write(path))
    }

    /// The image of `kernel` without its packing: on x86-64 the ELF image, on arm64
    /// the plain `Image`. One that is not packed is given as it is.
    ///
    /// # Errors
    /// That it cannot be read, unpacked or written.
    pub fn elf(&self, kernel: &HostKernel) -> Result<PathBuf, ImageError> {
        elf_of(kernel, self)
    }

    /// The network called `name`, as this version of its writer writes it when it is
    /// absent.
    ///
    /// # Errors
    /// What could not be written.
    pub fn network(
        &self,
        version: u32,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<PathBuf, ImageError> {
        let folder = self.networks(version);
        fs::create_dir_all(&folder).map_err(|error| ImageError::file("make", &folder, error))?;
        self.keep(&format!("{}/{version}", Self::NETWORKS), name, |path| {
            let written = File::create(path).and_then(|file| {
                let mut file = BufWriter::new(file);
                write(&mut file)?;
                file.flush()
            });
            written.map_err(|error| ImageError::file("write", path, error))
        })
    }

    /// The folder of what [`Store::network`] made in this version.
    #[must_use]
    pub fn networks(&self, version: u32) -> PathBuf {
        self.root.join(Self::NETWORKS).join(version.to_string())
    }

    /// Empties the cache and gives the number of bytes that were in it.
    ///
    /// # Errors
    /// That another run uses it, or what could not be removed.
    pub fn clear(&self) -> Result<u64, ImageError> {
        let _hold = self.hold_alone()?;
        let mut freed = 0;
        for kind in KINDS {
            for entry in entries(&self.root.join(kind)) {
                let bytes = disk_usage(&entry);
                remove(&entry).map_err(|error| ImageError::file("remove", &entry, error))?;
                freed += bytes;
            }
        }
        Ok(freed)
    }

    /// Kind of the networks that this program writes.
    const NETWORKS: &str = "networks";

    /// Kind of the notes of which layers a form was made of.
    pub(crate) const FORMS: &str = "forms";
    /// Kind of the hashes of files outside.
    pub(crate) const HASHES: &str = "hashes";
    /// Kind of kernels that are no host's: folders with `boot` and `lib/modules`.
    pub(crate) const KERNELS: &str = "kernels";
    /// Kind of what was learnt of kernel images, by their digest.
    pub(crate) const KERNEL_FACTS: &str = "kernel-facts";
    /// Kind of unpacked kernel images, by the digest of the packed ones.
    pub(crate) const ELF: &str = "elf";
    /// Kind of the records of images.
    pub(crate) const IMAGES: &str = "images";
    /// Kind of the layers of images: uncompressed tar archives, named by digest.
    pub(crate) const LAYERS: &str = "layers";

    /// The cache folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path beside the things of `kind` for something that is being made.
    pub(crate) fn half_made(&self, kind: &str) -> HalfMade {
        HalfMade::new(&self.root.join(kind))
    }

    pub(crate) fn place(&self, kind: &str, name: &str) -> PathBuf {
        self.root.join(kind).join(name)
    }

    /// Gives the place of `name`, after making it if it is absent or a file that
    /// was changed since. Whoever makes it first wins; others use the winner's.
    pub(crate) fn keep(
        &self,
        kind: &str,
        name: &str,
        make: impl FnOnce(&Path) -> Result<(), ImageError>,
    ) -> Result<PathBuf, ImageError> {
        let place = self.place(kind, name);
        match fs::symlink_metadata(&place) {
            Ok(found) if !found.is_file() || found.mtime() == 0 => return Ok(place),
            Ok(_) => {
                tracing::warn!(path = %place.display(), "a cached file was changed; making it again");
            }
            Err(_) => {}
        }
        let half = HalfMade::new(&self.root.join(kind));
        make(&half.0)?;
        seal(&half.0).map_err(|error| ImageError::file("write", &half.0, error))?;
        match fs::rename(&half.0, &place) {
            Ok(()) => Ok(place),
            // Two directories cannot be renamed over each other; equal files
            // can, and that does no harm.
            Err(_) if place.exists() => Ok(place),
            Err(error) => Err(ImageError::file("make", place, error)),
        }
    }

    /// Makes the file `name` anew in one step, whether it is there or not.
    pub(crate) fn replace(
        &self,
        kind: &str,
        name: &str,
        make: impl FnOnce(&Path) -> Result<(), ImageError>,
    ) -> Result<(), ImageError> {
        let place = self.place(kind, name);
        let half = HalfMade::new(&self.root.join(kind));
        make(&half.0)?;
        seal(&half.0).map_err(|error| ImageError::file("write", &half.0, error))?;
        fs::rename(&half.0, &place).map_err(|error| ImageError::file("make", place, error))
    }
}

/// Makes a new file durable, or its name may outlive a power cut without the
/// content, and gives it the time by which any later write shows. Directories
/// are sealed by whoever writes them.
fn seal(path: &Path) -> io::Result<()> {
    if path.is_file() {
        let file = File::options().write(true).open(path)?;
        file.set_modified(UNIX_EPOCH)?;
        file.sync_all()?;
    }
    Ok(())
}

/// A path for something being made; what lies there is removed on drop.
pub(crate) struct HalfMade(PathBuf);

/// How the names of such things begin.
pub(crate) const HALF_MADE: &str = ".half-made-";

impl HalfMade {
    pub(crate) fn new(folder: &Path) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let pid = std::process::id();
        let born = start_time(pid).unwrap_or(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(folder.join(format!("{HALF_MADE}{pid}-{born}-{count}")))
    }

    /// Where it is being made.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for HalfMade {
    fn drop(&mut self) {
        // Renamed away is the good case.
        let _ = remove(&self.0);
    }
}

/// Removes what processes that are no more left half-made in `folder`.
fn sweep(folder: &Path) {
    for path in entries(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(owner) = name.strip_prefix(HALF_MADE) else { continue };
        let mut numbers = owner.split('-').map_while(|number| number.parse::<u64>().ok());
        let (Some(pid), Some(born)) = (numbers.next(), numbers.next()) else { continue };
        let lives = u32::try_from(pid).is_ok_and(|pid| start_time(pid) == Some(born));
        if !lives && let Err(error) = remove(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot remove what was left half-made");
        }
    }
}

/// When a process was started, in clock ticks since boot: with its id, its
/// identity (field 22 of proc(5) stat).
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may itself hold spaces and parentheses.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Bytes on disk of a file or of everything in a folder.
pub(crate) fn disk_usage(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let below = if metadata.is_dir() {
        entries(path).iter().map(|entry| disk_usage(entry)).sum()
    } else {
        0
    };
    // st_blocks counts units of 512 bytes whatever the file system (stat(2)).
    metadata.blocks() * 512 + below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_processes_left_is_swept_and_the_living_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        Store::open(folder.path()).unwrap();
        let trees = folder.path().join("trees");
        // Our own id with another birth is a process that is gone.
        let dead = trees.join(format!("{HALF_MADE}{}-1-0", std::process::id()));
        fs::create_dir_all(dead.join("below")).unwrap();
        let living = HalfMade::new(&trees);
        fs::create_dir(&living.0).unwrap();
        Store::open(folder.path()).unwrap();
        assert!(!dead.exists());
        assert!(living.0.exists());
    }

    #[test]
    fn a_failure_leaves_nothing_and_the_next_try_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let failed = store.keep("tar", "x", |path| {
            fs::write(path, "half").unwrap();
            Err(ImageError::NoCacheFolder)
        });
        assert!(failed.is_err());
        assert!(entries(&folder.path().join("tar")).is_empty());
        let write = |path: &Path| {
            fs::write(path, "whole").unwrap();
            Ok(())
        };
        let place = store.keep("tar", "x", write).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "whole");
        fs::write(&place, "damaged").unwrap();
        store.keep("tar", "x", write).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "whole");
        assert!(store.clear().unwrap() >= 5);
        assert!(entries(&folder.path().join("tar")).is_empty());
    }
}

//! A launch's own writable root: an overlay above the shared directory.
//!
//! What the application writes goes to a folder in the launch's scratch folder
//! and is removed with it; the shared directory below is only ever read (the
//! kernel opens its files without touching their access times). It is mounted in
//! a mount namespace of its own, never in the host's, so it goes with the last
//! process in it, even when this program is killed.
//!
//! What is written takes space on the file system of the scratch folder, as with
//! Docker on that of its storage: nothing but its free space bounds it.

use std::ffi::CString;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use isolde_model::{LEVELLED_FILES, Leak};
use rustix::fs::{
    AtFlags, Mode, OFlags, ResolveFlags, fchmod, mkdirat, open, openat, openat2, unlinkat,
};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::BackendError;

/// Name of the folder in the scratch folder that holds everything of it.
const FOLDER: &str = "overlay";

/// A writable root in the making, mounted or not.
#[derive(Debug, Clone)]
pub(crate) struct Overlay {
    lower: PathBuf,
    folder: PathBuf,
}

impl Overlay {
    /// The overlay above `lower` with everything of its own in `scratch`.
    pub(crate) fn new(lower: &Path, scratch: &Path) -> Self {
        Self { lower: lower.to_owned(), folder: scratch.join(FOLDER) }
    }

    /// Where it is mounted.
    pub(crate) fn place(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Mounts it in the calling thread's mount namespace, which must be apart
    /// (see [`set_mounts_apart`]), and levels the files that container engines
    /// replace. Gives the root folder.
    pub(crate) fn mount(&self) -> Result<OwnedFd, BackendError> {
        let (upper, work, place) =
            (self.folder.join("upper"), self.folder.join("work"), self.place());
        for folder in [&self.folder, &upper, &work, &place] {
            fs::create_dir(folder).map_err(|source| BackendError::file("make", folder, source))?;
        }
        look_like(&self.lower, &upper)?;
        self.refuse_nesting()?;
        let folders = [open_folder(&self.lower)?, open_folder(&upper)?, open_folder(&work)?];
        // By descriptor: in a path, commas and colons would have a meaning.
        let [lower, upper, work] = folders.each_ref().map(by_descriptor);
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        let options = CString::new(options)
            .map_err(|source| BackendError::file("mount", &place, io::Error::other(source)))?;
        mount("overlay", &place, "overlay", MountFlags::empty(), Some(options.as_c_str()))
            .map_err(|error| self.explain(error))?;
        let root = open_folder(&place)?;
        level_names(root.as_fd())
            .map_err(|source| BackendError::file("write", place.join("etc"), source))?;
        Ok(root)
    }

    /// The kernel mounts no overlay whose writable part lies on another one.
    fn refuse_nesting(&self) -> Result<(), BackendError> {
        /// linux/magic.h.
        const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;
        let kind = rustix::fs::statfs(&self.folder)
            .map_err(|source| BackendError::file("examine", &self.folder, source))?;
        match u64::try_from(kind.f_type) {
            Ok(OVERLAYFS_SUPER_MAGIC) => Err(self.unfit()),
            _ => Ok(()),
        }
    }

    fn unfit(&self) -> BackendError {
        BackendError::Missing {
            what: format!(
                "no writable root can be made in {}, on a file system of this kind",
                self.folder.display()
            ),
            hint: "set TMPDIR to a folder on ext4, xfs, btrfs or tmpfs (in a container: a volume)"
                .into(),
        }
    }

    fn explain(&self, error: Errno) -> BackendError {
        match error {
            Errno::PERM | Errno::ACCESS => BackendError::NotPermitted {
                action: "mount a writable root file system".into(),
                hint: "mounts belong to root: run with sudo",
            },
            Errno::NODEV => BackendError::Missing {
                what: "this kernel has no overlay file system".into(),
                hint: "load it with `sudo modprobe overlay` (CONFIG_OVERLAY_FS)".into(),
            },
            // What the upper folder's file system lacks, such as extended attributes.
            Errno::INVAL | Errno::OPNOTSUPP => self.unfit(),
            error => BackendError::file("mount an overlay on", self.place(), error),
        }
    }

    /// Removes what was written and reports what stayed.
    pub(crate) fn remove(&self) -> Option<Leak> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Some(Leak::new("folder", format!("{}: {error}", self.folder.display())))
            }
            _ => None,
        }
    }
}

/// Gives the calling thread a mount namespace of its own. What is unmounted on
/// the host goes here, too, so that nothing is held up; what is mounted here is
/// not seen there.
pub(crate) fn set_mounts_apart() -> Result<(), BackendError> {
    let os = |source| BackendError::os("make a mount namespace", source);
    // SAFETY: no descriptor table is unshared; the mounts and the working
    // directory that the thread no longer shares are used by it alone.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.map_err(os)?;
    let propagation = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", propagation).map_err(os)
}

/// A folder below `root`, whatever links lead there, made where it is missing.
/// No link leads out of `root`.
pub(crate) fn folder_in(root: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    let open = || {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat2(root, name, flags, Mode::empty(), ResolveFlags::IN_ROOT)
    };
    match open() {
        Err(Errno::NOENT) => {
            mkdirat(root, name, Mode::from_raw_mode(0o755))?;
            Ok(open()?)
        }
        result => Ok(result?),
    }
}

/// The path of an open folder for calls of the thread that opened it.
pub(crate) fn by_descriptor(folder: &OwnedFd) -> String {
    format!("/proc/thread-self/fd/{}", folder.as_raw_fd())
}

fn open_folder(path: &Path) -> Result<OwnedFd, BackendError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(path, flags, Mode::empty()).map_err(|source| BackendError::file("open", path, source))
}

/// The merged root shows owner and mode of the upper folder.
fn look_like(lower: &Path, upper: &Path) -> Result<(), BackendError> {
    let copy = || {
        let model = fs::metadata(lower)?;
        chown(upper, Some(model.uid()), Some(model.gid()))?;
        fs::set_permissions(upper, fs::Permissions::from_mode(model.mode() & 0o7777))
    };
    copy().map_err(|source| BackendError::file("copy the mode of", lower, source))
}

/// Puts the files of /etc that Docker puts over those of an image.
fn level_names(root: BorrowedFd<'_>) -> io::Result<()> {
    let etc = match folder_in(root, "etc") {
        Ok(etc) => etc,
        Err(error) => {
            // Not a folder, a link to nowhere or in a circle: the image's own affair.
            let is_odd = |error| matches!(error, Errno::NOTDIR | Errno::EXIST | Errno::LOOP);
            return if Errno::from_io_error(&error).is_some_and(is_odd) {
                Ok(())
            } else {
                Err(error)
            };
        }
    };
    for (name, content) in LEVELLED_FILES {
        match unlinkat(&etc, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            // A folder of that name is the image's own affair as well.
            Err(Errno::ISDIR) => continue,
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let file = openat(&etc, name, flags, mode)?;
        // Not by the call above: the umask would take bits away.
        fchmod(&file, mode)?;
        fs::File::from(file).write_all(content.as_bytes())?;
    }
    Ok(())
}

//! Errors of image making.

use std::io;
use std::path::PathBuf;

use crate::{IntakeError, KernelError};

/// What could not be made, found or read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file could not be read, written or made.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where the cache is.
    #[error("neither XDG_CACHE_HOME nor HOME names a folder")]
    NoCacheFolder,
    /// A path inside the tree is not usable.
    #[error("{} cannot be a path in the sandbox: {reason}", path.display())]
    TreePath {
        /// The path.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// A layer of an image that cannot be used.
    #[error("{place}: {reason}")]
    Layer {
        /// Which layer, and the entry that is wrong.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A file of an image that a form cannot hold.
    #[error("{} cannot be put into {form}: {reason}", path.display())]
    Unfit {
        /// Path in the image.
        path: PathBuf,
        /// The form.
        form: &'static str,
        /// Why not.
        reason: String,
    },
    /// A file changed between its hashing and its copying.
    #[error("{} changed while it was copied: try again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A tool of the distribution is not installed.
    #[error("{tool} is not installed: sudo apt-get install --yes {package}")]
    ToolMissing {
        /// The tool.
        tool: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// A tool of the distribution failed.
    #[error("{tool} failed: {said}")]
    ToolFailed {
        /// The tool.
        tool: &'static str,
        /// The end of what it said.
        said: String,
    },
    /// ONNX Runtime could not be put into an image.
    #[error("an image with ONNX Runtime cannot be made: {reason}")]
    OnnxRuntime {
        /// Why, and what to do.
        reason: String,
    },
    /// There is no room to make something.
    #[error(
        "{} MiB are free in {}, and making it takes {} MiB: set TMPDIR to a folder with more room",
        free >> 20, folder.display(), needed >> 20
    )]
    NoRoom {
        /// Where it would be made.
        folder: PathBuf,
        /// Bytes that are free there.
        free: u64,
        /// Bytes that it takes.
        needed: u64,
    },
    /// No kernel that a guest can boot.
    #[error("no kernel for guests: {found}; `isolde doctor --install` brings one")]
    NoKernel {
        /// What was found instead.
        found: String,
    },
    /// A kernel lacks a driver.
    #[error(
        "kernel {release} has no module {module}: `isolde kernel add` its module package, or let \
         `isolde doctor --install` bring a kernel that has it"
    )]
    ModuleMissing {
        /// The module's name.
        module: String,
        /// The kernel.
        release: String,
    },
    /// A file is no kernel that a guest can boot.
    #[error("{} is no kernel for guests", path.display())]
    Kernel {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: KernelError,
    },
    /// A kernel's release is not among those that are there.
    #[error("no kernel {release} that can boot this: {found}")]
    NoSuchKernel {
        /// What was asked for.
        release: String,
        /// What is there instead.
        found: String,
    },
    /// A package or its kernel could not be taken.
    #[error("cannot take a kernel from {}: {reason}", path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A kernel could not be built.
    #[error("the kernel is not built: {reason}")]
    Build {
        /// Why.
        reason: String,
    },
    /// The caller's wish.
    #[error("interrupted")]
    Interrupted,
    /// A compressed kernel file could not be unpacked.
    #[error("cannot unpack {}: {reason}", path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The distribution offers no kernel package.
    #[error("no kernel package among {tried}: sudo apt-get update")]
    NoPackage {
        /// Names that were asked for.
        tried: String,
    },
    /// An image could not be taken in.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

impl ImageError {
    /// A system error with a file.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::File { action, path: path.into(), source: source.into() }
    }
}

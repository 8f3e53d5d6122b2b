//! What keeps the test bed from being built or used.

use std::io;
use std::path::PathBuf;

use isolde_backends::BackendError;
use isolde_image::ImageError;
use isolde_model::Missing;
use isolde_runner::RunError;

/// What keeps the test bed from being built or used.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// Only an x86-64 device can be emulated with virtualization so far.
    #[error("the test bed is an x86-64 device, and this host is {0}: use an x86-64 host")]
    Host(&'static str),
    /// A package's name that cannot be one.
    #[error("`{0}` is no name of a Debian package")]
    Package(String),
    /// The device's system could not be made.
    #[error("the device's system cannot be made")]
    Build(#[source] ImageError),
    /// The device could not be made or started, or its command came to no end.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file that is brought along.
    #[error("{} cannot be brought along", path.display())]
    Bring {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: ImageError,
    },
    /// Something that every device needs is missing on this host.
    #[error("{}; {}", .0.what, .0.hint)]
    Missing(Missing),
    /// QEMU could not be started, or the device did not end.
    #[error("the device cannot be run")]
    Machine(#[source] BackendError),
    /// The device ended before its command did.
    #[error("the device ended by itself: {0}")]
    Died(String),
    /// The kernel of the device's system is gone, or lacks the modules for guests.
    #[error("the cache has no kernel {0} with KVM: `isolde clean --cache`, then build it again")]
    NoKernel(String),
    /// A device without disks has nothing else.
    #[error("no /usr/bin/busybox: sudo apt-get install busybox-static")]
    NoBusybox,
    /// A channel or a folder for the results could not be made.
    #[error("cannot {action}")]
    Os {
        /// What was attempted.
        action: String,
        /// The system's answer.
        source: io::Error,
    },
    /// What the device gave as results is none.
    #[error("the results that came out of the device cannot be used: {0}")]
    Results(String),
    /// The user's wish.
    #[error("interrupted")]
    Interrupted,
}

impl TestbedError {
    /// A failed system call while doing `action`.
    pub(crate) fn os(action: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Os { action: action.into(), source: source.into() }
    }
}

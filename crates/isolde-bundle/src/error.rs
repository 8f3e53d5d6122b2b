//! What can be wrong with a bundle.

use std::io;
use std::path::PathBuf;

/// A bundle could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The folder to write to holds something already.
    #[error("{} is not empty: a run never writes into an older one's results; choose another with --out or remove it", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// This is not a bundle.
    #[error("{} is not a bundle: {why}", path.display())]
    NotABundle {
        /// The path given.
        path: PathBuf,
        /// What is there instead.
        why: &'static str,
    },
    /// Written by a newer program.
    #[error(
        "{} has schema {found}, this program reads up to {known}: use isolde {writer} or newer",
        path.display()
    )]
    Newer {
        /// The bundle.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
        /// The version of the program that wrote it.
        writer: String,
    },
    /// A file does not hold what it must.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The storage is full.
    #[error("no space left while writing {}: free some or choose another disk with --out", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
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
    /// Something that a bundle has no place for.
    #[error("cannot keep trial {trial}: {why}")]
    Unstorable {
        /// The trial's index.
        trial: u32,
        /// What does not fit.
        why: String,
    },
    /// A plan or record that could not be turned into text.
    #[error("cannot write {} as text", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl BundleError {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> Self {
        let (path, source) = (path.into(), source.into());
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, source }
            }
            _ => Self::File { action, path, source },
        }
    }

    pub(crate) fn damaged(path: impl Into<PathBuf>, why: impl ToString) -> Self {
        Self::Damaged { path: path.into(), why: why.to_string() }
    }
}

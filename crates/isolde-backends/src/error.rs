//! Errors of back ends: a small stable kind, what was attempted, and the cause.

use std::io;
use std::path::PathBuf;

/// What a back end could not do.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// A deadline passed.
    #[error("{what} did not happen in time")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {action}")]
    Os {
        /// What was attempted, such as `start qemu-system-x86_64`.
        action: String,
        /// Its answer.
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
    /// The technology's own tool, daemon or library refused.
    #[error("cannot {action}")]
    Tool {
        /// What was attempted.
        action: String,
        /// Its answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It ended before it could be used.
    #[error("{what} ended at once: {said}")]
    DiedAtOnce {
        /// What ended.
        what: String,
        /// The last thing it said, or its status.
        said: String,
    },
    /// Not permitted, with the way to be permitted.
    #[error("no permission to {action}: {hint}")]
    NotPermitted {
        /// What was attempted.
        action: String,
        /// What to do.
        hint: &'static str,
    },
    /// Something that the environment needs is missing.
    #[error("{what}: {hint}")]
    Missing {
        /// What is missing.
        what: String,
        /// What to do.
        hint: String,
    },
}

impl BackendError {
    /// An operating system error while doing `action`.
    pub fn os(action: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Os { action: action.into(), source: source.into() }
    }

    /// An operating system error with a file.
    pub fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::File { action, path: path.into(), source: source.into() }
    }

    /// A refusal by a tool, daemon or library.
    pub fn tool(
        action: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Tool { action: action.into(), source: source.into() }
    }
}

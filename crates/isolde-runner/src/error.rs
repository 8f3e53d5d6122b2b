//! What keeps a run from starting or from being kept.

use std::error::Error;

use isolde_backends::BackendError;
use isolde_bundle::BundleError;
use isolde_image::ImageError;
use isolde_model::{EnvironmentName, Failure};

/// What keeps a run from starting or from being kept. What goes wrong within a
/// trial is a [`Failure`] in its record instead.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bundle could not be made or written.
    #[error("the results cannot be kept")]
    Bundle(#[from] BundleError),
    /// The root file system, kernel or initramfs could not be made.
    #[error("the root file system for `{environment}` cannot be made")]
    Image {
        /// For which environment.
        environment: EnvironmentName,
        /// Why.
        source: ImageError,
    },
    /// The back end could not take the root file system.
    #[error("`{environment}` cannot be prepared")]
    Prepare {
        /// Which environment.
        environment: EnvironmentName,
        /// Why.
        source: BackendError,
    },
    /// A cgroup could not be made.
    #[error("no cgroup can be made")]
    Cgroup(#[source] BackendError),
    /// A folder for a launch could not be made.
    #[error("no temporary folder can be made")]
    Scratch(#[source] std::io::Error),
    /// A command was not done.
    #[error("`{environment}`: {failure}")]
    Exec {
        /// In which environment.
        environment: EnvironmentName,
        /// Why.
        failure: Failure,
    },
    /// The program to run cannot run in an empty root file system.
    #[error("{0}")]
    Program(String),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// An error with its causes, as one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // Transparent wrappers repeat their source.
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

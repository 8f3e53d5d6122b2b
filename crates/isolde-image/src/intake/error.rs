//! Why an image could not be taken into the cache.

use std::path::PathBuf;

/// Why an image could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// What the user wrote cannot name an image.
    #[error("`{text}` names no image: {why}")]
    Reference {
        /// What was written.
        text: String,
        /// Why it cannot be meant, and what could.
        why: String,
    },
    /// Something that came in is broken, forged, or of a kind that is not taken.
    #[error("{what}: {why}")]
    Unfit {
        /// The part, such as a layer, and where it is from.
        what: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A source that does not answer or refuses.
    #[error("cannot {action}: {why}")]
    Unreachable {
        /// What was attempted, and where.
        action: String,
        /// The answer.
        why: String,
    },
    /// No source has an image of this name.
    #[error("no image {name} anywhere: {tried}")]
    NotFound {
        /// The name.
        name: String,
        /// Each place and its answer.
        tried: String,
    },
    /// The file system of the cache is full.
    #[error(
        "no space left for {}: `isolde image prune` frees some, or set XDG_CACHE_HOME to a folder \
         on another disk", path.display()
    )]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// An id of which several images remain.
    #[error("`{prefix}` is the beginning of several ids: {ids}")]
    Ambiguous {
        /// What was written.
        prefix: String,
        /// The ids.
        ids: String,
    },
    /// Another process uses the cache.
    #[error("another run uses the cache {}: try again when it is over", path.display())]
    InUse {
        /// The cache folder.
        path: PathBuf,
    },
}

impl IntakeError {
    pub(crate) fn unfit(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unfit { what: what.into(), why: why.into() }
    }

    pub(crate) fn reference(text: &str, why: impl Into<String>) -> Self {
        Self::Reference { text: text.chars().take(200).collect(), why: why.into() }
    }
}

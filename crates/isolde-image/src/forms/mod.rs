//! A tree as a directory and as a tar archive.

mod archive;
mod directory;
mod intact;

pub(crate) use archive::write_tar;
pub(crate) use directory::write_directory;
pub(crate) use intact::is_intact;

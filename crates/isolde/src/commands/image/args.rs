//! Words and help of `isolde image`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use isolde_image::{ExportForm, Platform};

use crate::args::OutputArguments;

const REFERENCES: &str = "\
REF is one of
  docker://HOST/NAME[:TAG|@DIGEST]   a registry (without HOST/: Docker Hub)
  docker-daemon:NAME[:TAG]           the Docker Engine of this host
  docker-archive:PATH[:NAME]         a file that `docker save` or `podman save` wrote
  oci-archive:PATH[:NAME]            an OCI archive; packed as a whole or not, like all archives
  oci:PATH[:TAG]                     an OCI layout folder
  dir:PATH                           an unpacked root file system
  PATH                               one of the last four, told by what is there
  -                                  an archive on standard input
  NAME[:TAG|@DIGEST]                 the local Docker Engine, or else the registry

A registry's log-in is taken from Docker's configuration file (`docker login`). Registries are asked
over HTTPS; only one on this very host (localhost, 127.0.0.1) may do without.";

/// Arguments of `isolde image`.
#[derive(Debug, Args)]
pub(crate) struct ImageArguments {
    #[command(subcommand)]
    pub(super) command: ImageCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ImageCommand {
    /// Take an image into the cache, also when it is there already
    #[command(after_help = REFERENCES)]
    Add(AddArguments),
    /// List the images in the cache, and what the cache takes
    List(OutputArguments),
    /// Say how an image is run, and what it consists of
    Show(ShowArguments),
    /// Write an image as a folder, an OCI bundle, an ext4 image or a tar archive
    #[command(after_help = REFERENCES)]
    Export(ExportArguments),
    /// Remove images, and what only they need, from the cache
    Remove(RemoveArguments),
    /// Remove what no image needs from the cache
    Prune(PruneArguments),
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// Where it is
    #[arg(value_name = "REF")]
    pub(super) reference: String,
    /// A name for it, besides those that it brings
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Take it for another platform, such as linux/arm64; it does not run here
    #[arg(long, value_name = "OS/ARCHITECTURE")]
    pub(super) platform: Option<Platform>,
    /// No progress
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// A name, an id, or its first 6 digits or more
    #[arg(value_name = "NAME|ID")]
    pub(super) image: String,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// The image: what is in the cache goes first
    #[arg(value_name = "REF")]
    pub(super) reference: String,
    /// What it becomes: directory, bundle, ext4 or tar
    #[arg(long, value_name = "FORM", default_value = "directory")]
    pub(super) form: ExportForm,
    /// The new file or folder
    #[arg(long, value_name = "PATH")]
    pub(super) out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// Names, ids, or their first 6 digits or more. An image of several names loses just the name
    #[arg(value_name = "NAME|ID", required = true)]
    pub(super) images: Vec<String>,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct PruneArguments {
    /// Also remove all images, and everything that can be made again
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

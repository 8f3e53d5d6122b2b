//! The command line of `isolde testbed`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use isolde_model::{ByteSize, Span};

#[derive(Debug, Args)]
pub(crate) struct TestbedArguments {
    #[command(subcommand)]
    pub(super) command: TestbedCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TestbedCommand {
    /// Make the device's system, unless it is there (needs mmdebstrap and the network)
    Build(BuildArguments),
    /// Run this program on the device, with these arguments
    #[command(after_help = "\
The command's own exit status is passed through, and so are its outputs. The results folder of a
`run` on the device comes out when it ends. The Docker daemon, which needs a while, is started on
the device where the arguments name docker, or no environment at all.")]
    Run(RunArguments),
    /// Open a shell of root's on the device; `exit` ends it
    Shell(ShellArguments),
}

#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    #[command(flatten)]
    pub(super) recipe: RecipeArguments,
    /// No progress
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RecipeArguments {
    /// Further Debian packages of the device, separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) packages: Vec<String>,
}

/// What a device is and what is on it.
#[derive(Debug, Args)]
pub(crate) struct DeviceArguments {
    #[command(flatten)]
    pub(super) recipe: RecipeArguments,
    /// CPUs of the device: with more than one, its guests hang at times
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    pub(super) cpus: u32,
    /// Memory of the device
    #[arg(long, value_name = "SIZE", default_value = "4G")]
    pub(super) memory: ByteSize,
    /// A file or folder of this host to bring along, and its place on the device; repeatable
    /// [default place: /NAME]
    #[arg(long, value_name = "FILE[:DEST]")]
    pub(super) bring: Vec<String>,
    /// A static executable of Firecracker [default: the one on the PATH]
    #[arg(long, value_name = "FILE")]
    pub(super) firecracker: Option<PathBuf>,
    /// A static executable of Cloud Hypervisor [default: the one on the PATH]
    #[arg(long, value_name = "FILE")]
    pub(super) cloud_hypervisor: Option<PathBuf>,
    /// Release of the kernel that guests on the device boot, as `kernel list` shows it [default:
    /// the newest that `kernel build` made here, else the device's own]
    #[arg(long, value_name = "RELEASE")]
    pub(super) kernel: Option<String>,
    /// No talk about the device
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(super) device: DeviceArguments,
    /// How long it may take
    #[arg(long, value_name = "T", default_value = "30m")]
    pub(super) timeout: Span,
    /// Another static executable of this host to run instead of this program
    #[arg(long, value_name = "FILE")]
    pub(super) program: Option<PathBuf>,
    /// Folder for what the command leaves in its working folder [default: of a `run`,
    /// isolde-results/TIME; otherwise nothing comes out]
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: Option<PathBuf>,
    /// Count the device's time in instructions, so that the same arguments give the same figures
    /// on every host: one CPU, no Docker and no QEMU on the device, all output at the end
    #[arg(long, conflicts_with_all = ["cpus", "packages"])]
    pub(super) deterministic: bool,
    /// What runs on the device: arguments of this program, or of another that is given
    #[arg(last = true, value_name = "ARGS", required_unless_present = "program")]
    pub(super) words: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShellArguments {
    #[command(flatten)]
    pub(super) device: DeviceArguments,
    /// How long it may be open
    #[arg(long, value_name = "T", default_value = "8h")]
    pub(super) timeout: Span,
    /// Start the Docker daemon on the device
    #[arg(long)]
    pub(super) docker: bool,
}

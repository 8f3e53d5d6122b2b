//! The command line: words, defaults and help. What is said here is also what
//! the man page and the shell completions say.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use isolde_model::{ByteSize, Preset, Span, ThreadCounts};

use crate::brought::ProgramArguments;
use crate::model_args::ModelArguments;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  2    wrong usage
  3    nothing could run on this host
  4    done, but trials failed
  70   a fault of this program
  74   results could not be written; what was written before is kept
  130  interrupted; what was measured is kept";

/// Says with numbers that hold which isolation an AI application can afford on this device
#[derive(Debug, Parser)]
#[command(name = "isolde", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Say more about what is done (to standard error); twice for details
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 900)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what this host can run, what is missing and how to get it
    Doctor(DoctorArguments),
    /// List the environments and whether they can run here
    Environments(OutputArguments),
    /// Run an application in every environment and compare what that costs
    Run(RunArguments),
    /// Say what `run` would do with the same arguments, as a plan file
    Plan(PlanCommandArguments),
    /// Run a command in a sandbox
    Exec(ExecArguments),
    /// The kernels that virtual machines can boot
    #[command(subcommand)]
    Kernel(KernelCommand),
    /// Show the results of a run again
    Report(ReportArguments),
    /// The applications that this program brings
    App(crate::commands::app::AppArguments),
    /// Take images of your own applications in, list and remove them
    Image(crate::commands::image::ImageArguments),
    /// Try everything on an emulated device, whatever this host can run
    Testbed(crate::commands::testbed::TestbedArguments),
    /// Remove what runs that were killed left on this host
    Clean(CleanArguments),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArguments {
    /// How results are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// Bring what is missing with the package manager, after asking
    #[arg(long)]
    pub(crate) install: bool,
    /// Do not ask
    #[arg(long, requires = "install")]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// A plan file to start from, as `isolde plan` prints it
    pub(crate) plan: Option<PathBuf>,
    /// Applications, separated by commas, or `all`; NAME:reference has the size of the study's
    /// network and weights without a meaning [default: road-sign]
    #[arg(long = "app", value_name = "NAME", value_delimiter = ',')]
    pub(crate) applications: Vec<String>,
    /// Environments, separated by commas, or `all` [default: all]
    #[arg(long = "on", value_name = "ENV", value_delimiter = ',')]
    pub(crate) environments: Vec<String>,
    /// Where unset values come from: quick (about two minutes) or full [default: quick]
    #[arg(long, conflicts_with = "plan")]
    pub(crate) preset: Option<Preset>,
    /// Fresh sandboxes per environment, however long that takes [default: 10 within the time of
    /// quick, 30 of full]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) launches: Option<u32>,
    /// Inferences per launch, after the warm-up [default: 300 of quick, 1000 of full, fewer of
    /// slow applications; a program of your own decides]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) inferences: Option<u32>,
    /// Inferences at the start of each launch that are kept apart [default: 50 of quick, 100 of
    /// full, fewer of slow applications, 1 of a program of your own]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) warm_up: Option<u32>,
    /// CPUs of each sandbox [default: all, at most 4]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) cpus: Option<u32>,
    /// Memory of each sandbox [default: 512M]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// Threads of the inference engine, or several numbers to run everything with
    /// each of them [default: 1]
    #[arg(long, value_name = "N[,..]", allow_negative_numbers = true)]
    pub(crate) threads: Option<ThreadCounts>,
    /// Release of the kernel that virtual machines boot, as `kernel list` shows it [default: the
    /// host's own where possible, else the newest]
    #[arg(long, value_name = "RELEASE")]
    pub(crate) kernel: Option<String>,
    /// Seed of the trials' order [default: drawn and recorded]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// The environment that the others are compared with [default: process]
    #[arg(long, value_name = "ENV")]
    pub(crate) baseline: Option<String>,
    /// Compare emulated environments too, although their figures say nothing
    /// about the speed of this device
    #[arg(long)]
    pub(crate) include_emulated: bool,
    #[command(flatten)]
    pub(crate) program: ProgramArguments,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PlanCommandArguments {
    #[command(flatten)]
    pub(crate) plan: PlanArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) plan: PlanArguments,
    /// Folder for the results [default: isolde-results/TIME]
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) out: Option<PathBuf>,
    /// No progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The command's own exit status is passed through (128 + N after signal N); with several
environments, the first that is not 0. Its standard input is empty. The exit codes of Isolde
itself apply when the command could not be run: 127 and 126 say that the sandbox has no such
command and that it cannot be run there.")]
pub(crate) struct ExecArguments {
    /// Environments, separated by commas, or `all`
    #[arg(long = "on", value_name = "ENV", value_delimiter = ',', required = true)]
    pub(crate) environments: Vec<String>,
    /// CPUs of the sandbox
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    pub(crate) cpus: u32,
    /// Memory of the sandbox
    #[arg(long, value_name = "SIZE", default_value = "512M")]
    pub(crate) memory: ByteSize,
    /// Release of the kernel that a virtual machine boots, as `kernel list` shows it [default: the
    /// host's own where possible, else the newest]
    #[arg(long, value_name = "RELEASE")]
    pub(crate) kernel: Option<String>,
    /// How long the command may take
    #[arg(long, value_name = "T", default_value = "5m")]
    pub(crate) timeout: Span,
    /// No talk about sandboxes
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// An image to run it in: a name, an archive, or a folder (dir:PATH)
    #[arg(long, value_name = "REF")]
    pub(crate) image: Option<String>,
    /// A file or folder of this host to bring along, and its place in the sandbox; repeatable
    /// [default place: /NAME]
    #[arg(long, value_name = "FILE[:DEST]")]
    pub(crate) bring: Vec<String>,
    /// The command: a static executable of this host and its arguments; with --image, a command
    /// of the image instead of its own entry point and command
    #[arg(last = true, required_unless_present = "image", value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KernelCommand {
    /// List the kernels that are there, what each can boot and which one is the default
    List(OutputArguments),
    /// Take a kernel into the cache
    Add(KernelAddArguments),
    /// Build a small kernel without modules, which boots sooner
    Build(KernelBuildArguments),
}

#[derive(Debug, Args)]
pub(crate) struct KernelAddArguments {
    /// Packages (.deb, .rpm) that together have a kernel and its modules, or the image of a kernel
    /// that needs none
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct KernelBuildArguments {
    /// Archive with the source [default: the distribution's newest package linux-source]
    #[arg(long, value_name = "TARBALL")]
    pub(crate) source: Option<PathBuf>,
    /// Compilers at once [default: one per CPU]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// No progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Results folder of a run
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CleanArguments {
    /// Also empty the cache of images, root file systems, initramfs and kernels
    #[arg(long)]
    pub(crate) cache: bool,
}

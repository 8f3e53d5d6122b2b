//! Words and help of `isolde app`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use isolde_apps::Choice;

use crate::args::OutputArguments;

/// Arguments of `isolde app`.
#[derive(Debug, Args)]
pub(crate) struct AppArguments {
    #[command(subcommand)]
    pub(super) command: AppCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum AppCommand {
    /// List the applications, their networks and sizes
    List(OutputArguments),
    /// Say what an application does, on what, and how good its network is
    Show(ShowArguments),
    /// Run applications on this machine and hold their answers against what they must be
    #[command(after_help = "\
In compact size every bundled input must give its number, and output values must be within the
tolerance of what ONNX Runtime gave for the same network and input. In reference size predictions
mean nothing: outputs must be finite and of the right shapes, on the first two inputs. Where
anything is wrong, the exit code is 4.")]
    Check(CheckArguments),
    /// Write networks of reference size: the study's topologies, with weights drawn from a seed
    #[command(after_help = "\
Predictions of such networks mean nothing; their cost is that of the study's. `run` and `check` write
what they need by themselves; this is for looking at the files, or for other engines.")]
    Build(BuildArguments),
    /// Write an application's networks and the very inputs that they get, for other engines
    #[command(after_help = "\
The new folder holds each network as NAME.onnx, its inputs as NAME.npz (numpy) with an array
input_000 and so on for each bundled input, and export.json, which names both in their order.")]
    Export(ExportArguments),
    /// Make an image that runs an application's network with another inference engine, and hold
    /// its outputs against those of the engine that is part of this program
    #[command(after_help = "\
The image goes into the cache and is run as any other, for instance with
  isolde run --image isolde/road-sign:onnxruntime --on process,container --inferences 50

What all such images have in common comes from Debian's packages and the Python package index and
is made once, which needs mmdebstrap, pip3, the network and the rights of root. Where outputs
differ by more than the tolerance, the exit code is 4.")]
    Image(ImageArguments),
}

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// Which application
    #[arg(value_name = "NAME")]
    pub(super) application: Choice,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Which ones, in compact size or as NAME:reference [default: all in compact size]
    #[arg(value_name = "NAME")]
    pub(super) applications: Vec<Choice>,
    #[command(flatten)]
    pub(super) networks: NetworksArguments,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct BuildArguments {
    /// Which applications' [default: all]
    #[arg(value_name = "NAME")]
    pub(super) applications: Vec<Choice>,
    /// In reference size, the only one that is not part of this program
    #[arg(long, required = true)]
    pub(super) reference: bool,
    /// Folder for the files [default: the cache]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// Which application, in compact size or as NAME:reference
    #[arg(value_name = "NAME")]
    pub(super) application: Choice,
    /// The new folder
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) networks: NetworksArguments,
}

/// An engine that an application's network can be run with in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// ONNX Runtime in Python
    Onnxruntime,
}

#[derive(Debug, Args)]
pub(super) struct ImageArguments {
    /// Which application, in compact size or as NAME:reference
    #[arg(value_name = "NAME", default_value = "road-sign")]
    pub(super) application: Choice,
    /// The inference engine
    #[arg(long, value_enum, default_value_t = Engine::Onnxruntime)]
    pub(super) engine: Engine,
    /// Name of the image [default: isolde/NAME:ENGINE]
    #[arg(long, value_name = "REF")]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) networks: NetworksArguments,
    /// The environment in which it runs once for its outputs [default: the first that can run]
    #[arg(long = "on", value_name = "ENV")]
    pub(super) environment: Option<String>,
    /// No progress
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct NetworksArguments {
    /// Folder with the networks of reference size, each NAME.onnx [default: the cache, which
    /// gets those that it lacks]
    #[arg(long, value_name = "DIR")]
    pub(super) networks: Option<PathBuf>,
}

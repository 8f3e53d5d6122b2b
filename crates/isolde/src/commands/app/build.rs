//! `isolde app build`: networks of reference size.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use isolde_apps::reference::{self, ReferenceNetwork};
use isolde_apps::{Choice, network_file};
use isolde_model::SCHEMA_VERSION;
use serde::Serialize;

use super::args::BuildArguments;
use crate::args::Format;
use crate::exit::{Exit, ExitContext};
use crate::output::{print, print_json};
use crate::{networks, resolve};

#[derive(Serialize)]
struct Listing {
    schema: u32,
    networks: Vec<Built>,
}

#[derive(Serialize)]
struct Built {
    application: &'static str,
    file: PathBuf,
    bytes: u64,
    parameters: u64,
}

/// Writes the networks and says where they are.
pub(super) fn run(arguments: &BuildArguments) -> anyhow::Result<ExitCode> {
    let mut built = Vec::new();
    for network in wanted(&arguments.applications) {
        let file = match &arguments.out {
            Some(folder) => write_to(folder, network)?,
            None => networks::have(&resolve::store()?, network)?,
        };
        built.push(Built {
            application: network.name(),
            bytes: fs::metadata(&file).map(|found| found.len()).unwrap_or_default(),
            parameters: network.parameters(),
            file,
        });
    }
    match arguments.output.format {
        Format::Json => print_json(&Listing { schema: SCHEMA_VERSION, networks: built })?,
        Format::Text => {
            for Built { application, file, bytes, parameters } in &built {
                let (parameters, bytes) = (*parameters as f64 / 1e6, *bytes as f64 / 1e6);
                print(&format!(
                    "{application}: {parameters:.2} million parameters, {bytes:.1} MB: {}\n",
                    file.display()
                ))?;
            }
            print("their weights are drawn from a seed: predictions mean nothing\n")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The networks of these applications; all without any.
fn wanted(choices: &[Choice]) -> impl Iterator<Item = ReferenceNetwork> {
    let names: Vec<&str> =
        choices.iter().flat_map(|choice| choice.description.networks).copied().collect();
    let is_wanted =
        move |network: &ReferenceNetwork| names.is_empty() || names.contains(&network.name());
    ReferenceNetwork::ALL.into_iter().filter(is_wanted)
}

fn write_to(folder: &Path, network: ReferenceNetwork) -> anyhow::Result<PathBuf> {
    let path = folder.join(network_file(network.name()));
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let half = path.with_extension("onnx.part");
        let mut file = BufWriter::new(File::create(&half)?);
        reference::write(network, &mut file)?;
        file.flush()?;
        fs::rename(&half, &path)
    };
    write()
        .with_context(|| format!("{} cannot be written", path.display()))
        .exit_with(Exit::Unwritten)?;
    Ok(path)
}

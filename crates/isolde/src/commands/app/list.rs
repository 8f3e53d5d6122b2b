//! `isolde app list`.

use std::process::ExitCode;

use isolde_apps::reference::ReferenceNetwork;
use isolde_apps::{Description, compact_parameters};
use isolde_model::SCHEMA_VERSION;
use serde::Serialize;

use crate::args::{Format, OutputArguments};
use crate::commands::image::columns;
use crate::output::{print, print_json};

#[derive(Serialize)]
struct Listing {
    schema: u32,
    applications: Vec<Listed>,
}

/// What is said of every application.
#[derive(Serialize)]
pub(super) struct Listed {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) network: &'static str,
    /// Names of the applications whose networks it runs.
    pub(super) networks: &'static [&'static str],
    /// Width and height of what the network gets, or of the frames.
    pub(super) compact_input_px: (u32, u32),
    pub(super) reference_input_px: (u32, u32),
    /// Number of bundled inputs.
    pub(super) inputs: u32,
    /// Of all networks that it runs.
    pub(super) compact_parameters: u64,
    pub(super) compact_bytes: u64,
    pub(super) reference_parameters: u64,
}

impl Listed {
    /// What is known of the application.
    pub(super) fn of(description: &Description) -> anyhow::Result<Self> {
        let of_networks = || description.networks.iter().filter_map(|name| isolde_apps::find(name));
        let networks = of_networks().filter_map(Description::compact_network);
        let reference = ReferenceNetwork::ALL.into_iter();
        let reference = reference.filter(|known| description.networks.contains(&known.name()));
        let parameters = of_networks().map(compact_parameters);
        let [compact_input_px, reference_input_px] = description.sides;
        Ok(Self {
            name: description.name,
            summary: description.summary,
            network: description.network,
            networks: description.networks,
            compact_input_px,
            reference_input_px,
            inputs: (description.inputs)(),
            compact_parameters: parameters.sum::<Result<u64, _>>()?,
            reference_parameters: reference.map(ReferenceNetwork::parameters).sum(),
            compact_bytes: networks.map(|network| network.len() as u64).sum(),
        })
    }
}

const NOTE: &str = "\
input, parameters: of the compact network, which is trained; reference: of NAME:reference, which has
the size of the study's network; `isolde app show NAME` says more
";

/// Prints every application.
pub(super) fn run(arguments: &OutputArguments) -> anyhow::Result<ExitCode> {
    let applications: Vec<Listed> =
        isolde_apps::all().iter().map(Listed::of).collect::<anyhow::Result<_>>()?;
    match arguments.format {
        Format::Text => print(&text(&applications))?,
        Format::Json => print_json(&Listing { schema: SCHEMA_VERSION, applications })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(applications: &[Listed]) -> String {
    let header = ["name", "network", "inputs", "input", "parameters", "reference", "parameters"];
    let mut rows = vec![header.map(String::from).to_vec()];
    rows.extend(applications.iter().map(|listed| {
        vec![
            listed.name.to_owned(),
            match listed.networks {
                [_] => listed.network.to_owned(),
                several => format!("{} networks", several.len()),
            },
            listed.inputs.to_string(),
            pixels(listed.compact_input_px),
            thousands(listed.compact_parameters),
            pixels(listed.reference_input_px),
            thousands(listed.reference_parameters),
        ]
    }));
    columns(&rows) + NOTE
}

/// Width and height in words.
pub(super) fn pixels((width, height): (u32, u32)) -> String {
    format!("{width}×{height}")
}

/// A count in thousands or millions.
pub(super) fn thousands(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{:.0} k", count as f64 / 1e3),
        _ => format!("{:.1} M", count as f64 / 1e6),
    }
}

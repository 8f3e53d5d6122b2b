//! `isolde image remove` and `isolde image prune`.

use std::process::ExitCode;

use isolde_image::{Freed, ImageError, IntakeError};
use isolde_model::{Leak, SCHEMA_VERSION};
use serde::Serialize;

use super::args::{PruneArguments, RemoveArguments};
use super::table::size;
use super::told;
use crate::args::Format;
use crate::commands::clean::sweep_engines;
use crate::exit::{Exit, ExitContext};
use crate::output::{print, print_json, talk};
use crate::resolve;

#[derive(Serialize)]
struct Taken {
    schema: u32,
    /// Ids of the images that are gone.
    images: Vec<String>,
    layers: usize,
    forms: usize,
    bytes: u64,
}

/// Removes images and what only they need.
pub(super) fn run(arguments: &RemoveArguments) -> anyhow::Result<ExitCode> {
    let store = resolve::store()?;
    let removed = match store.remove_images(&arguments.images) {
        Err(error @ ImageError::Intake(IntakeError::NotFound { .. })) => {
            return Err(error).exit_with(Exit::Usage);
        }
        other => told(other)?,
    };
    if removed.freed.is_none() {
        talk("another run uses the cache: layers stay until `isolde image prune`");
    }
    let names = arguments.images.len().saturating_sub(removed.images.len());
    if names > 0 && arguments.output.format == Format::Text {
        let plural = if names == 1 { "" } else { "s" };
        print(&format!("removed {names} name{plural}, whose image has others\n"))?;
    }
    let freed = removed.freed.unwrap_or_default();
    let images = removed.images.iter().map(|image| image.id.clone()).collect();
    say(images, &freed, arguments.output.format)?;
    Ok(ExitCode::SUCCESS)
}

/// Removes what no image needs.
pub(super) fn prune(arguments: &PruneArguments) -> anyhow::Result<ExitCode> {
    let store = resolve::store()?;
    let freed = told(store.prune(arguments.all))?;
    // Engines keep copies of images for the next run.
    for Leak { what, detail } in sweep_engines() {
        talk(&format!("removed {what} {detail}"));
    }
    say(freed.images.clone(), &freed, arguments.output.format)?;
    Ok(ExitCode::SUCCESS)
}

fn say(images: Vec<String>, freed: &Freed, format: Format) -> anyhow::Result<()> {
    let Freed { layers, forms, bytes, .. } = *freed;
    match format {
        Format::Json => print_json(&Taken { schema: SCHEMA_VERSION, images, layers, forms, bytes }),
        Format::Text => {
            let count = |number: usize, what: &str| {
                format!("{number} {what}{}", if number == 1 { "" } else { "s" })
            };
            let removed =
                [count(images.len(), "image"), count(layers, "layer"), count(forms, "form")];
            print(&format!("removed {}: {} freed\n", removed.join(", "), size(bytes)))
        }
    }
}

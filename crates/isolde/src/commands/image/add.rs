//! `isolde image add`.

use std::process::ExitCode;

use anyhow::Context;
use isolde_image::{Image, Intake, Platform, Progress};
use isolde_model::SCHEMA_VERSION;
use isolde_report::printable;
use serde::Serialize;

use super::args::AddArguments;
use super::table::size;
use super::told;
use crate::args::Format;
use crate::output::{print, print_json, talk};
use crate::{resolve, signals};

#[derive(Serialize)]
struct Added<'a> {
    schema: u32,
    image: &'a Image,
}

/// Takes an image in and says which.
pub(super) fn run(arguments: &AddArguments) -> anyhow::Result<ExitCode> {
    let interrupt = signals::interrupt(true)?;
    let store = resolve::store()?;
    let origin = told(arguments.reference.parse().map_err(isolde_image::IntakeError::into))?;
    let stop = || interrupt.is_triggered();
    let say = |progress: Progress<'_>| tell(progress);
    let intake = Intake::new(&store).platform(arguments.platform.clone()).cancelled(&stop);
    let intake = if arguments.quiet { intake } else { intake.progress(&say) };
    let image = told(intake.add(&origin, arguments.name.as_deref()))
        .with_context(|| format!("cannot add {}", printable(&arguments.reference)))?;
    match arguments.output.format {
        Format::Text => print(&line(&image))?,
        Format::Json => print_json(&Added { schema: SCHEMA_VERSION, image: &image })?,
    }
    if image.platform != Platform::host().to_string() && arguments.platform.is_some() {
        talk(&format!("note: it is for {} and does not run on this host", image.platform));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn tell(progress: Progress<'_>) {
    match progress {
        Progress::Asked { place } => talk(&format!("asking {}", printable(place))),
        Progress::Layer { number, count, bytes } => {
            let bytes = bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
            talk(&format!("layer {number} of {count}{bytes}"));
        }
        Progress::Unpacked { .. } => {}
    }
}

fn line(image: &Image) -> String {
    let names = match image.names.as_slice() {
        [] => "an image without a name".into(),
        names => printable(&names.join(", ")),
    };
    let layers = match image.layers.len() {
        1 => "1 layer".into(),
        count => format!("{count} layers"),
    };
    let (id, platform) = (image.short_id(), printable(&image.platform));
    format!("added {names}: id {id}, {platform}, {layers}, {}\n", size(image.bytes))
}

//! `isolde app image`: an application's network in an image with another engine.

use std::process::ExitCode;

use anyhow::Context;
use isolde_apps::{Choice, Size};
use isolde_image::{Image, ImageName, IntakeError, Store, onnxruntime};
use isolde_model::SCHEMA_VERSION;
use isolde_runner::Interrupt;
use serde::Serialize;

use super::agreement::{self, Agreement, Embedded};
use super::args::{Engine, ImageArguments};
use super::networks_folder;
use crate::args::Format;
use crate::commands::image::{size, told};
use crate::exit::{Exit, ExitContext, tagged};
use crate::output::{paced, print, print_json, talk};
use crate::{resolve, signals};

#[derive(Serialize)]
struct Made<'a> {
    schema: u32,
    image: &'a Image,
    agreement: &'a Agreement,
}

/// Makes the image, runs it once and says whether both engines agree.
pub(super) fn run(arguments: &ImageArguments) -> anyhow::Result<ExitCode> {
    let interrupt = signals::interrupt(true)?;
    let choice = &arguments.application;
    let name = image_name(arguments)?;
    if choice.description.compact_network().is_none() {
        return Err(several(choice));
    }
    let networks = networks_folder(&[*choice], &arguments.networks)?;
    let network = choice.network(&networks).exit_with(Exit::Usage)?;
    let network = network.context("an application without a network")?;
    let provisions = resolve::provisions()?;
    let probed = agreement::environment(arguments.environment.as_deref(), &provisions)?;
    let store = provisions.store();
    // From before the base is looked for: a clean-up must not take it.
    let _hold = told(store.hold())?;
    let base = base(store, arguments.quiet, &interrupt)?;
    if !arguments.quiet {
        talk("running it with the embedded engine");
    }
    let embedded = Embedded::run(choice, &networks, &interrupt)?;
    let work = onnxruntime::Work { network: &network, inputs: &embedded.inputs };
    let stop = || interrupt.is_triggered();
    let image = told(onnxruntime::image(store, &base, &work, &name, &stop))?;
    if !arguments.quiet {
        talk(&format!("running it with ONNX Runtime in {}", probed.report.environment));
    }
    let place = agreement::Place { provisions, probed };
    let agreement = agreement::compare(choice, &image, &embedded, place, &interrupt)?;
    match arguments.output.format {
        Format::Json => {
            print_json(&Made { schema: SCHEMA_VERSION, image: &image, agreement: &agreement })?;
        }
        Format::Text => print(&text(&name, &image, &agreement))?,
    }
    Ok(if agreement.agrees { ExitCode::SUCCESS } else { Exit::TrialsFailed.into() })
}

/// The image's name, whole.
fn image_name(arguments: &ImageArguments) -> anyhow::Result<String> {
    let Engine::Onnxruntime = arguments.engine;
    let choice = &arguments.application;
    let tag = match choice.size {
        Size::Compact => "onnxruntime",
        Size::Reference => "onnxruntime-reference",
    };
    let own = || format!("isolde/{}:{tag}", choice.description.name);
    let name = arguments.name.clone().unwrap_or_else(own);
    told(name.parse::<ImageName>().map_err(IntakeError::into)).map(|name| name.to_string())
}

fn several(choice: &Choice) -> anyhow::Error {
    let (name, networks) = (choice.description.name, choice.description.networks);
    let text = format!(
        "{name} runs several networks one after the other, and an image runs one: make images of {}",
        networks.join(", ")
    );
    tagged(Exit::Usage, text)
}

/// What all images have in common, made where it is not in the cache.
fn base(store: &Store, quiet: bool, interrupt: &Interrupt) -> anyhow::Result<Image> {
    if let Some(base) = onnxruntime::find_base(store) {
        return Ok(base);
    }
    if !quiet {
        talk("fetching Python and ONNX Runtime, once: this takes a minute");
    }
    told(onnxruntime::base(store, &mut paced(quiet), &|| interrupt.is_triggered()))
}

fn text(name: &str, image: &Image, agreement: &Agreement) -> String {
    let verdict = if agreement.agrees {
        "agree with the embedded engine's"
    } else {
        "DIFFER from the embedded engine's"
    };
    format!(
        "made {name}: id {}, {}\n\
         its outputs {verdict}: {} inputs in {}, {} values of each; the largest difference is \
         {:.1e}, allowed are {:.1e}\n\
         to run it: isolde run --image {name}\n",
        image.short_id(),
        size(image.bytes),
        agreement.inputs,
        agreement.environment,
        agreement.values,
        agreement.largest_difference,
        agreement.tolerance,
    )
}

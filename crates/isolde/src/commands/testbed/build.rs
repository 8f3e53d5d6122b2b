//! `isolde testbed build`.

use std::process::ExitCode;

use isolde_image::Store;
use isolde_runner::Interrupt;
use isolde_testbed::{Built, Recipe, build, find};

use super::args::{BuildArguments, RecipeArguments};
use super::told;
use crate::output::{paced, talk};
use crate::{resolve, signals};

/// Makes the device's system, unless it is there.
pub(super) fn run(arguments: &BuildArguments) -> anyhow::Result<ExitCode> {
    let interrupt = signals::interrupt(true)?;
    let store = resolve::store()?;
    let built = make(&store, &arguments.recipe, arguments.quiet, &interrupt)?;
    if !arguments.quiet {
        let (image, kernel) = (built.image.names.join(", "), &built.release);
        talk(&format!("the device's system is in the cache: {image}, kernel {kernel}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The device's system, made where it is not there.
///
/// # Errors
/// Wrong usage, or why it cannot be made.
pub(super) fn make(
    store: &Store,
    arguments: &RecipeArguments,
    quiet: bool,
    interrupt: &Interrupt,
) -> anyhow::Result<Built> {
    let recipe = told(Recipe::new(&arguments.packages), interrupt)?;
    if let Some(built) = find(store, &recipe) {
        return Ok(built);
    }
    if !quiet {
        talk("making the device's system, once: this takes a minute or two");
    }
    let mut progress = paced(quiet);
    told(build(store, &recipe, &mut progress, &|| interrupt.is_triggered()), interrupt)
}

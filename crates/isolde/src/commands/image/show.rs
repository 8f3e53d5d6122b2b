//! `isolde image show`.

use std::process::ExitCode;

use isolde_model::SCHEMA_VERSION;
use serde::Serialize;

use super::args::ShowArguments;
use super::list::Listed;
use super::table::{columns, size, when};
use super::told;
use crate::args::Format;
use crate::exit::{Exit, tagged};
use crate::output::{print, print_json};
use crate::resolve;

#[derive(Serialize)]
struct Shown {
    schema: u32,
    image: Listed,
}

/// Prints all that is known of an image.
pub(super) fn run(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    let store = resolve::store()?;
    let Some(image) = told(store.find_image(&arguments.image))? else {
        let why = format!(
            "no image {} in the cache; `isolde image list` shows what is, `isolde image add` takes \
             one in",
            isolde_report::printable(&arguments.image)
        );
        return Err(tagged(Exit::Usage, why));
    };
    let image = Listed::new(image, &store.usage());
    match arguments.output.format {
        Format::Text => print(&text(&image))?,
        Format::Json => print_json(&Shown { schema: SCHEMA_VERSION, image })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(listed: &Listed) -> String {
    let image = &listed.image;
    let config = &image.config;
    let words = |list: &[String]| {
        if list.is_empty() { "–".into() } else { format!("{list:?}") }
    };
    let or = |text: &str, otherwise: &str| {
        if text.is_empty() { otherwise.to_owned() } else { text.to_owned() }
    };
    let mut facts = vec![
        ("names", image.names.join(", ")),
        ("id", image.id.clone()),
        ("manifest", or(image.manifest.as_deref().unwrap_or_default(), "–")),
        ("platform", image.platform.clone()),
        ("from", image.origin.clone()),
        ("added", when(image.added_s)),
        ("entrypoint", words(&config.entrypoint)),
        ("command", words(&config.cmd)),
        ("folder", or(&config.workdir, "/")),
        ("user", or(&config.user, "root")),
        ("size", size(image.bytes)),
        ("forms", listed.forms()),
    ];
    facts.extend(config.env.iter().map(|variable| ("variable", variable.clone())));
    facts.extend(image.layers.iter().map(|layer| ("layer", layer.clone())));
    let rows: Vec<Vec<String>> =
        facts.into_iter().map(|(name, fact)| vec![name.to_owned(), fact]).collect();
    columns(&rows)
}

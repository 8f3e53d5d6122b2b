//! `isolde image list`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use isolde_image::{Image, Usage};
use isolde_model::SCHEMA_VERSION;
use serde::Serialize;

use super::table::{columns, size, when};
use crate::args::{Format, OutputArguments};
use crate::output::{print, print_json};
use crate::resolve;

#[derive(Serialize)]
struct Listing {
    schema: u32,
    /// Bytes on disk of the whole cache.
    cache_bytes: u64,
    images: Vec<Listed>,
}

/// An image and what was made of it.
#[derive(Serialize)]
pub(super) struct Listed {
    #[serde(flatten)]
    pub(super) image: Image,
    pub(super) forms: Vec<Form>,
}

#[derive(Serialize)]
pub(super) struct Form {
    kind: &'static str,
    bytes: u64,
}

impl Listed {
    /// With the forms that `usage` knows.
    pub(super) fn new(image: Image, usage: &Usage) -> Self {
        let made = usage.forms.iter().filter(|form| form.layers == image.layers);
        let forms = made.map(|form| Form { kind: form.kind, bytes: form.bytes }).collect();
        Self { image, forms }
    }

    /// The forms in words.
    pub(super) fn forms(&self) -> String {
        let mut sums: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
        for form in &self.forms {
            let sum = sums.entry(form.kind).or_default();
            *sum = (sum.0 + 1, sum.1 + form.bytes);
        }
        let forms = sums.into_iter().map(|(kind, (count, bytes))| match count {
            1 => format!("{kind} {}", size(bytes)),
            _ => format!("{count} × {kind} {}", size(bytes)),
        });
        let forms: Vec<String> = forms.collect();
        if forms.is_empty() { "–".into() } else { forms.join(", ") }
    }
}

/// Prints every image, and what the cache takes.
pub(super) fn run(arguments: &OutputArguments) -> anyhow::Result<ExitCode> {
    let store = resolve::store()?;
    let usage = store.usage();
    let images: Vec<Listed> =
        store.images().into_iter().map(|image| Listed::new(image, &usage)).collect();
    match arguments.format {
        Format::Text => print(&text(&images, &usage))?,
        Format::Json => {
            let cache_bytes = usage.bytes;
            print_json(&Listing { schema: SCHEMA_VERSION, cache_bytes, images })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text(images: &[Listed], usage: &Usage) -> String {
    let mut text = String::new();
    if images.is_empty() {
        text += "no images: `isolde image add REF` takes one in\n";
    } else {
        let header = ["name", "id", "platform", "size", "added", "forms", "from"];
        let mut rows = vec![header.map(String::from).to_vec()];
        rows.extend(images.iter().map(|listed| {
            let image = &listed.image;
            vec![
                if image.names.is_empty() { "–".into() } else { image.names.join(", ") },
                image.short_id().to_owned(),
                image.platform.clone(),
                size(image.bytes),
                when(image.added_s),
                listed.forms(),
                image.origin.clone(),
            ]
        }));
        text += &columns(&rows);
    }
    text + &format!("the cache takes {} in all\n", size(usage.bytes))
}

//! Archives of `docker save` before Engine 25, of `podman save` and
//! `skopeo copy docker-archive:` (Docker image specification 1.2).

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::digest::Digest;
use super::document::{self, Configuration};
use super::member::Members;
use super::unpack::{self, Incoming};
use super::{ImageName, Intake, IntakeError, Progress, Taken};
use crate::ImageError;

/// The file that lists the images.
pub(super) const MANIFEST: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Entry {
    fn tags(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }
}

/// Takes an image from the archive `what`.
pub(super) fn take(
    intake: &Intake<'_>,
    members: &Members,
    what: &str,
    wanted: Option<&str>,
    origin: String,
) -> Result<Taken, ImageError> {
    let manifest = format!("{MANIFEST} of {what}");
    let bytes = document::read(members.open(MANIFEST, what)?.0, &manifest)?;
    let entries: Vec<Entry> = document::parse(&bytes, &manifest)?;
    let entry = pick(&entries, wanted, what)?;
    let of_config = format!("the configuration of {what}");
    let bytes = document::read(members.open(&entry.config, &of_config)?.0, &of_config)?;
    let id = Digest::of(&Sha256::digest(&bytes));
    if let Some(expected) = named_digest(&entry.config) {
        document::verify(&bytes, &expected, &of_config)?;
    }
    let configuration = Configuration::parse(&bytes, &of_config)?;
    intake.check_platform(&format!("the image of {what}"), &configuration.platform)?;
    let (count, ids) = (entry.layers.len(), configuration.diff_ids.len());
    if count != ids {
        let why = format!("{MANIFEST} lists {count} layers and the configuration {ids}");
        return Err(IntakeError::unfit(what, why).into());
    }
    for (index, (path, diff_id)) in entry.layers.iter().zip(&configuration.diff_ids).enumerate() {
        intake.go_on()?;
        if intake.store.has_layer(diff_id.hex()) {
            continue;
        }
        let what = format!("layer {} of {what}", index + 1);
        let (stream, bytes) = members.open(path, &what)?;
        let bytes = Some(bytes);
        intake.report(Progress::Layer { number: index + 1, count, bytes });
        let incoming = Incoming { what, stream: Box::new(stream), digest: None, bytes };
        unpack::keep(intake, incoming, diff_id)?;
    }
    Ok(Taken {
        id: id.hex().to_owned(),
        names: entry.tags().iter().take(16).filter_map(|tag| tag.parse().ok()).collect(),
        manifest: None,
        platform: configuration.platform,
        config: configuration.config,
        layers: configuration.diff_ids.iter().map(|id| id.hex().to_owned()).collect(),
        origin,
    })
}

/// The digest that a configuration's path tells, `HEX.json` or
/// `blobs/sha256/HEX`.
fn named_digest(path: &str) -> Option<Digest> {
    let name = path.rsplit('/').next()?;
    format!("sha256:{}", name.strip_suffix(".json").unwrap_or(name)).parse().ok()
}

fn pick<'a>(
    entries: &'a [Entry],
    wanted: Option<&str>,
    what: &str,
) -> Result<&'a Entry, ImageError> {
    let offered = || {
        let tags: Vec<String> =
            entries.iter().flat_map(Entry::tags).take(20).map(|tag| document::shown(tag)).collect();
        tags.join(", ")
    };
    let why = match (wanted, entries) {
        (None, []) => "it holds no image".into(),
        (None, [only]) => return Ok(only),
        (None, _) => format!("it holds several images; name one after a colon: {}", offered()),
        (Some(wanted), _) => {
            let name = wanted.parse::<ImageName>()?;
            let same = |tag: &String| tag.parse::<ImageName>().is_ok_and(|tag| tag == name);
            match entries.iter().find(|entry| entry.tags().iter().any(same)) {
                Some(entry) => return Ok(entry),
                None => format!("it has no image {name}; its images are: {}", offered()),
            }
        }
    };
    Err(IntakeError::unfit(what, why).into())
}

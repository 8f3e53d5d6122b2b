//! Images in the form of the OCI image specification, wherever their blobs are.

use std::io::Read;

use super::digest::Digest;
use super::document::{self, Configuration, Descriptor, Document, Manifest};
use super::unpack::{self, Incoming};
use super::{ImageName, Intake, IntakeError, Progress, Taken};
use crate::ImageError;

/// Indexes within indexes; one is usual, two happen.
const DEPTH: usize = 4;

/// Where blobs are.
pub(super) trait Blobs: Sync {
    /// What it is called, as in `the archive x.tar`.
    fn place(&self) -> String;

    /// A manifest or an index, not verified yet.
    fn manifest(&self, digest: &Digest, what: &str) -> Result<Vec<u8>, ImageError> {
        document::read(self.open(digest, None, what)?, what)
    }

    /// The bytes of a blob, not verified yet, of which `bytes` are announced.
    fn open(
        &self,
        digest: &Digest,
        bytes: Option<u64>,
        what: &str,
    ) -> Result<Box<dyn Read + Send + '_>, ImageError>;
}

/// A manifest or an index of images, and what it hashes to.
pub(super) struct Root {
    pub(super) document: Document,
    pub(super) digest: Digest,
}

/// Fetches, verifies and parses what a descriptor points to.
pub(super) fn root(blobs: &dyn Blobs, descriptor: &Descriptor) -> Result<Root, ImageError> {
    let digest = descriptor.digest()?;
    let what = format!("the manifest {} of {}", digest.short(), blobs.place());
    let bytes = blobs.manifest(&digest, &what)?;
    document::verify(&bytes, &digest, &what)?;
    Ok(Root { document: Document::parse(&bytes, &what)?, digest })
}

/// Takes the image of the wanted platform in, of what `root` is or lists.
pub(super) fn take(
    intake: &Intake<'_>,
    blobs: &dyn Blobs,
    root: Root,
    names: Vec<ImageName>,
    origin: String,
) -> Result<Taken, ImageError> {
    let (manifest, digest) = descend(intake, blobs, root)?;
    let place = blobs.place();
    let id = manifest.config.digest()?;
    let what = format!("the configuration {} of {place}", id.short());
    let bytes = document::read(blobs.open(&id, Some(manifest.config.size), &what)?, &what)?;
    document::verify(&bytes, &id, &what)?;
    let configuration = Configuration::parse(&bytes, &what)?;
    intake.check_platform(&format!("the image of {place}"), &configuration.platform)?;
    check_layers(&manifest, &configuration, &place)?;
    let count = manifest.layers.len();
    for (index, (layer, diff_id)) in manifest.layers.iter().zip(&configuration.diff_ids).enumerate()
    {
        intake.go_on()?;
        if intake.store.has_layer(diff_id.hex()) {
            continue;
        }
        let digest = layer.digest()?;
        let what = format!("layer {} ({}) of {place}", index + 1, digest.short());
        let bytes = Some(layer.size);
        intake.report(Progress::Layer { number: index + 1, count, bytes });
        let stream = blobs.open(&digest, bytes, &what)?;
        unpack::keep(intake, Incoming { what, stream, digest: Some(digest), bytes }, diff_id)?;
    }
    Ok(Taken {
        id: id.hex().to_owned(),
        names,
        manifest: Some(digest.to_string()),
        platform: configuration.platform,
        config: configuration.config,
        layers: configuration.diff_ids.iter().map(|id| id.hex().to_owned()).collect(),
        origin,
    })
}

/// Goes through indexes to a manifest.
fn descend(
    intake: &Intake<'_>,
    blobs: &dyn Blobs,
    mut found: Root,
) -> Result<(Manifest, Digest), ImageError> {
    for _ in 0..DEPTH {
        let what = format!("the index {} of {}", found.digest.short(), blobs.place());
        match found.document {
            Document::Manifest(manifest) => return Ok((manifest, found.digest)),
            Document::Index(entries) => {
                let chosen = document::choose(&entries, &intake.wanted(), &what)?;
                found = root(blobs, chosen)?;
            }
        }
    }
    Err(IntakeError::unfit(blobs.place(), "it is an index of indexes without end").into())
}

/// Whether all layers can be taken, before the first is fetched.
fn check_layers(
    manifest: &Manifest,
    configuration: &Configuration,
    place: &str,
) -> Result<(), ImageError> {
    let (layers, ids) = (manifest.layers.len(), configuration.diff_ids.len());
    if layers != ids {
        let why = format!("its manifest has {layers} layers and its configuration {ids}");
        return Err(IntakeError::unfit(place, why).into());
    }
    for (index, layer) in manifest.layers.iter().enumerate() {
        layer.digest()?;
        if let Err(why) = check_type(&layer.media_type) {
            return Err(IntakeError::unfit(format!("layer {} of {place}", index + 1), why).into());
        }
    }
    Ok(())
}

const LAYER_TYPES: [&str; 7] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    // As the name says, but from before zstd was given a `+`.
    "application/vnd.docker.image.rootfs.diff.tar+zstd",
];

/// Whether layers of this type are taken. How they are packed is told by their
/// content, as other tools do: archives are often labelled wrongly.
fn check_type(media_type: &str) -> Result<(), String> {
    let shown = document::shown(media_type);
    if LAYER_TYPES.contains(&media_type) {
        return Ok(());
    }
    if media_type.contains("nondistributable") || media_type.contains("foreign") {
        return Err(format!("it is kept elsewhere (`{shown}`), as layers of Windows are"));
    }
    if media_type.contains("+encrypted") {
        return Err(format!("it is encrypted (`{shown}`): decrypt the image with skopeo first"));
    }
    Err(format!("its type `{shown}` is not known"))
}

/// Names by which an entry of an index can be asked for.
fn entry_names(entry: &Descriptor) -> impl Iterator<Item = &str> {
    const KEYS: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
    KEYS.iter().filter_map(|key| entry.annotations.get(*key)).map(String::as_str)
}

/// The image that is meant in the index of a layout or an archive, and its
/// whole names.
pub(super) fn pick(
    entries: &[Descriptor],
    wanted: Option<&str>,
    intake: &Intake<'_>,
    place: &str,
) -> Result<(Descriptor, Vec<ImageName>), ImageError> {
    let meant = |entry: &&Descriptor| match wanted {
        None => true,
        Some(wanted) => {
            let same = |name: &str| {
                name == wanted
                    || name
                        .parse::<ImageName>()
                        .is_ok_and(|n| Ok(n) == wanted.parse().map_err(drop))
            };
            entry.digest == wanted || entry_names(entry).any(same)
        }
    };
    let candidates: Vec<&Descriptor> = entries.iter().filter(meant).collect();
    let distinct = |entry: &&Descriptor| entry.digest == candidates[0].digest;
    let chosen = match candidates.as_slice() {
        [] => return Err(IntakeError::unfit(place, offer(entries, wanted)).into()),
        [first, ..] if candidates.iter().all(distinct) => (*first).clone(),
        several if wanted.is_none() && differ_in_name(several) => {
            return Err(IntakeError::unfit(place, offer(entries, None)).into());
        }
        several => {
            let several: Vec<Descriptor> = several.iter().map(|entry| (*entry).clone()).collect();
            document::choose(&several, &intake.wanted(), place)?.clone()
        }
    };
    // A bare tag, such as layout folders have, names nothing by itself.
    let whole = |name: &&str| name.contains([':', '/']);
    let same = entries.iter().filter(|entry| entry.digest == chosen.digest);
    let mut names: Vec<ImageName> =
        same.flat_map(entry_names).filter(whole).filter_map(|name| name.parse().ok()).collect();
    names.dedup();
    names.truncate(16);
    Ok((chosen, names))
}

fn differ_in_name(entries: &[&Descriptor]) -> bool {
    let first = |entry: &Descriptor| entry_names(entry).next().map(str::to_owned);
    entries.iter().any(|entry| first(entry) != first(entries[0]))
}

/// What there is to choose from.
fn offer(entries: &[Descriptor], wanted: Option<&str>) -> String {
    let names: Vec<String> = entries.iter().flat_map(entry_names).map(document::shown).collect();
    let names = match names.as_slice() {
        [] => format!("{} without names", entries.len()),
        names => names[..names.len().min(20)].join(", "),
    };
    match wanted {
        Some(wanted) => {
            format!("it has no image {}; its images are: {names}", document::shown(wanted))
        }
        None if entries.is_empty() => "it holds no image".into(),
        None => format!("it holds several images; name one after a colon: {names}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_other_kinds_are_refused_by_name() {
        for kind in LAYER_TYPES {
            check_type(kind).unwrap();
        }
        for (kind, word) in [
            ("", "is not known"),
            ("application/vnd.oci.image.layer.v1.erofs", "v1.erofs` is not known"),
            ("application/vnd.oci.image.layer.nondistributable.v1.tar", "kept elsewhere"),
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "kept elsewhere"),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "encrypted"),
        ] {
            let why = check_type(kind).unwrap_err();
            assert!(why.contains(word), "{kind}: {why}");
        }
    }
}

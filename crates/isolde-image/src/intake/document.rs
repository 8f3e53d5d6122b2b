//! The JSON documents of images: manifests, indexes and configurations (OCI
//! image specification 1.1, and Docker's image manifest version 2, schema 2).

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::digest::Digest;
use super::{IntakeError, Platform};
use crate::{ImageConfig, ImageError};

/// No document of an image comes near this size (the OCI distribution
/// specification asks registries for 4 MiB).
pub(super) const DOCUMENT_LIMIT: u64 = 4 << 20;

/// More layers than any engine stacks (overlayfs takes 500, Docker 127).
const LAYERS_LIMIT: usize = 1000;

/// What points to a document or a layer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) platform: Option<Platform>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Its digest, if it is one.
    pub(super) fn digest(&self) -> Result<Digest, ImageError> {
        let bad = |why| IntakeError::unfit("a descriptor", why);
        self.digest.parse().map_err(|why: String| bad(why).into())
    }
}

/// Images of several platforms, or of one.
#[derive(Debug, Clone)]
pub(super) enum Document {
    /// An image.
    Manifest(Manifest),
    /// A choice of images.
    Index(Vec<Descriptor>),
}

/// The parts of an image.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
}

const CONFIG_TYPES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

impl Document {
    /// Parses a manifest or an index; `what` names it in errors.
    pub(super) fn parse(bytes: &[u8], what: &str) -> Result<Self, ImageError> {
        let refuse = |why: String| Err(IntakeError::unfit(what, why).into());
        let raw: Raw = parse(bytes, what)?;
        if raw.schema_version != 2 {
            return refuse(format!(
                "its schema version is {}, which is not taken: push it again with a current tool",
                raw.schema_version
            ));
        }
        match raw {
            Raw { manifests: Some(manifests), config: None, layers: None, .. } => {
                Ok(Self::Index(manifests))
            }
            Raw { config: Some(config), layers: Some(layers), manifests: None, .. } => {
                if !CONFIG_TYPES.contains(&config.media_type.as_str()) {
                    let kind = shown(&config.media_type);
                    return refuse(format!("it is no container image but of type `{kind}`"));
                }
                if layers.len() > LAYERS_LIMIT {
                    return refuse(format!("it has {} layers", layers.len()));
                }
                Ok(Self::Manifest(Manifest { config, layers }))
            }
            Raw { media_type, .. } => {
                let kind = media_type.map(|kind| format!(" (its type is `{}`)", shown(&kind)));
                let kind = kind.unwrap_or_default();
                refuse(format!("it is neither a manifest nor an index of images{kind}"))
            }
        }
    }
}

/// The one of several images that serves `wanted` best.
pub(super) fn choose<'a>(
    manifests: &'a [Descriptor],
    wanted: &Platform,
    what: &str,
) -> Result<&'a Descriptor, ImageError> {
    let best = manifests
        .iter()
        // The first of equals, as other tools do.
        .rev()
        .filter_map(|entry| Some((entry.platform.as_ref()?.serves(wanted)?, entry)))
        .max_by_key(|(rank, _)| *rank);
    // An index with a single image need not say what it is for.
    let only = match manifests {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    };
    best.map(|(_, entry)| entry).or(only).ok_or_else(|| {
        let offered: Vec<String> =
            manifests.iter().filter_map(|entry| entry.platform.as_ref()).map(told).collect();
        let offered = if offered.is_empty() { "none".into() } else { offered.join(", ") };
        IntakeError::unfit(what, format!("it has no image for {wanted}; it has {offered}")).into()
    })
}

fn told(platform: &Platform) -> String {
    shown(&platform.to_string())
}

/// What an image's configuration says.
#[derive(Debug, Clone)]
pub(super) struct Configuration {
    pub(super) platform: Platform,
    pub(super) config: ImageConfig,
    /// Digests of the uncompressed layers, the lowest first.
    pub(super) diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct RawConfiguration {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    config: Option<RawConfig>,
    #[serde(default)]
    rootfs: Option<RawRoot>,
}

#[derive(Deserialize)]
struct RawRoot {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

/// `null` stands for nothing in all of them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawConfig {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
}

impl Configuration {
    /// Parses an image's configuration.
    pub(super) fn parse(bytes: &[u8], what: &str) -> Result<Self, ImageError> {
        let refuse = |why: String| ImageError::from(IntakeError::unfit(what, why));
        let raw: RawConfiguration = parse(bytes, what)?;
        let Some(diff_ids) = raw.rootfs.and_then(|root| root.diff_ids) else {
            return Err(refuse(
                "it lists no layers (rootfs.diff_ids), as images of long ago: push it again with \
                 a current tool"
                    .into(),
            ));
        };
        if raw.os.is_empty() || raw.architecture.is_empty() {
            return Err(refuse("it does not say for which system and architecture".into()));
        }
        let config = raw.config.unwrap_or_default();
        let diff_ids = diff_ids.iter().map(|id| id.parse()).collect::<Result<_, String>>();
        Ok(Self {
            platform: Platform {
                os: shown(&raw.os),
                architecture: shown(&raw.architecture),
                variant: raw.variant.map(|variant| shown(&variant)),
            },
            config: ImageConfig {
                entrypoint: config.entrypoint.unwrap_or_default(),
                cmd: config.cmd.unwrap_or_default(),
                env: config.env.unwrap_or_default(),
                workdir: config.working_dir.unwrap_or_default(),
                user: config.user.unwrap_or_default(),
            },
            diff_ids: diff_ids.map_err(refuse)?,
        })
    }
}

/// Parses a stranger's JSON.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, ImageError> {
    serde_json::from_slice(bytes)
        .map_err(|error| IntakeError::unfit(what, format!("it cannot be read: {error}")).into())
}

/// Reads a document as a whole.
pub(super) fn read(source: impl Read, what: &str) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    source
        .take(DOCUMENT_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| IntakeError::unfit(what, format!("it cannot be read: {error}")))?;
    if bytes.len() as u64 > DOCUMENT_LIMIT {
        let limit = DOCUMENT_LIMIT >> 20;
        return Err(IntakeError::unfit(what, format!("it has more than {limit} MiB")).into());
    }
    Ok(bytes)
}

/// Refuses a document of another digest.
pub(super) fn verify(bytes: &[u8], expected: &Digest, what: &str) -> Result<(), ImageError> {
    let found = Digest::of(&Sha256::digest(bytes));
    if found == *expected {
        return Ok(());
    }
    let why = format!("its digest is {found}, not {expected}: it is damaged or forged");
    Err(IntakeError::unfit(what, why).into())
}

/// A stranger's word, fit to be shown.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(100).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Vec<Descriptor> {
        let entry = |text: &&str| {
            let platform: Platform = text.parse().unwrap();
            let (media_type, digest) = (String::new(), (*text).to_owned());
            let annotations = BTreeMap::new();
            Descriptor { media_type, digest, size: 1, platform: Some(platform), annotations }
        };
        platforms.iter().map(entry).collect()
    }

    #[test]
    fn the_best_platform_is_chosen() {
        let chosen = |platforms: &[&str], wanted: &str| {
            let index = index(platforms);
            choose(&index, &wanted.parse().unwrap(), "it").map(|entry| entry.digest.clone())
        };
        let all = ["linux/amd64", "linux/arm/v5", "linux/arm/v7", "linux/arm64/v8", "linux/amd64"];
        assert_eq!(chosen(&all, "linux/amd64").unwrap(), "linux/amd64");
        assert_eq!(chosen(&all, "linux/arm64").unwrap(), "linux/arm64/v8");
        assert_eq!(chosen(&all, "linux/arm/v7").unwrap(), "linux/arm/v7");
        assert_eq!(chosen(&all, "linux/arm/v6").unwrap(), "linux/arm/v5");
        let error = chosen(&all, "linux/s390x").unwrap_err().to_string();
        assert!(error.contains("no image for linux/s390x; it has linux/amd64, "), "{error}");
    }

    #[test]
    fn what_is_neither_manifest_nor_index_is_refused() {
        for (text, word) in [
            ("", "cannot be read"),
            ("\"text\"", "cannot be read"),
            ("{}", "schema version is 0"),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#, "schema version is 1"),
            (r#"{"schemaVersion":2}"#, "neither"),
            (r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, "neither"),
            (
                r#"{"schemaVersion":2,"layers":[],
                    "config":{"mediaType":"application/vnd.cncf.helm","digest":"x","size":1}}"#,
                "no container image but of type `application/vnd.cncf.helm`",
            ),
        ] {
            let error = Document::parse(text.as_bytes(), "a manifest").unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_configuration_says_how_the_image_is_run() {
        let digest = format!("sha256:{}", "00".repeat(32));
        let text = format!(
            r#"{{"os":"linux","architecture":"arm","variant":"v7","config":{{"Cmd":["sh"],
            "Env":null,"User":"1:2","WorkingDir":"/w"}},"rootfs":{{"diff_ids":["{digest}"]}}}}"#
        );
        let found = Configuration::parse(text.as_bytes(), "it").unwrap();
        assert_eq!(found.platform.to_string(), "linux/arm/v7");
        assert_eq!(found.config.cmd, ["sh"]);
        assert_eq!((found.config.user.as_str(), found.config.workdir.as_str()), ("1:2", "/w"));
        assert_eq!(found.diff_ids[0].to_string(), digest);
        for (text, word) in [
            ("no JSON", "cannot be read"),
            (r#"{"os":"linux","architecture":"amd64"}"#, "diff_ids"),
            (r#"{"rootfs":{"diff_ids":[]}}"#, "does not say"),
            (r#"{"os":"a","architecture":"b","rootfs":{"diff_ids":["md5:1"]}}"#, "SHA-256"),
        ] {
            let error = Configuration::parse(text.as_bytes(), "it").unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}

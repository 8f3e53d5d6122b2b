//! Images by hand, to have every part of them in the test's power.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use isolde_image::{Image, ImageError, Intake, Limits, Store};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A folder with a cache beside files of the test.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        Self { folder, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the test, by its path in words.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn add(&self, reference: &str) -> Result<Image, ImageError> {
        self.add_within(reference, Limits::default())
    }

    pub(crate) fn add_within(&self, reference: &str, limits: Limits) -> Result<Image, ImageError> {
        Intake::new(&self.store).limits(limits).add(&reference.parse().unwrap(), None)
    }

    /// The files of a layer, `name=content`, as they are in the cache.
    pub(crate) fn files(&self, image: &Image) -> Vec<String> {
        let mut files = Vec::new();
        for layer in &image.layers {
            let mut archive = tar::Archive::new(fs::File::open(self.store.layer(layer)).unwrap());
            for entry in archive.entries().unwrap() {
                let mut entry = entry.unwrap();
                let name = entry.path().unwrap().to_str().unwrap().to_owned();
                let mut text = String::new();
                std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
                files.push(format!("{name}={text}"));
            }
        }
        files
    }

    /// Everything in the cache but locks.
    pub(crate) fn cached(&self) -> Vec<String> {
        let mut found = Vec::new();
        for kind in fs::read_dir(self.path("cache")).unwrap().flatten() {
            for entry in fs::read_dir(kind.path()).into_iter().flatten().flatten() {
                found.push(entry.path().to_str().unwrap().to_owned());
            }
        }
        found.sort();
        found
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// An archive of these members.
pub(crate) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn here() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Another architecture than this host's.
pub(crate) fn elsewhere() -> &'static str {
    if here() == "amd64" { "arm64" } else { "amd64" }
}

/// A configuration of layers with these digests.
pub(crate) fn config(architecture: &str, diff_ids: &[String]) -> Vec<u8> {
    json!({
        "os": "linux",
        "architecture": architecture,
        "config": { "Entrypoint": ["/bin/app"], "Env": ["A=b"], "User": "1000" },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": [{ "created_by": "a test" }],
    })
    .to_string()
    .into_bytes()
}

pub(crate) const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image of the OCI form, each part as it will be sent.
pub(crate) struct Oci {
    pub(crate) config: Vec<u8>,
    /// Type, announced digest and size, and bytes of each layer.
    pub(crate) layers: Vec<(String, String, usize, Vec<u8>)>,
    /// Announced digest of the configuration.
    pub(crate) config_digest: String,
    pub(crate) architecture: &'static str,
}

impl Oci {
    /// A good one, of one packed layer with one file.
    pub(crate) fn good(text: &str) -> Self {
        let layer = tar(&[("file", text.as_bytes())]);
        let packed = gzip(&layer);
        let config = config(here(), &[sha256(&layer)]);
        let config_digest = sha256(&config);
        let layers = vec![(GZIP.to_owned(), sha256(&packed), packed.len(), packed)];
        Self { config, layers, config_digest, architecture: here() }
    }

    /// With another configuration.
    pub(crate) fn with_config(self, config: Vec<u8>) -> Self {
        Self { config_digest: sha256(&config), config, ..self }
    }

    pub(crate) fn manifest(&self) -> Vec<u8> {
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|(kind, digest, size, _)| json!({"mediaType": kind, "digest": digest, "size": size}))
            .collect();
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": CONFIG, "digest": self.config_digest, "size": self.config.len()
            },
            "layers": layers,
        })
        .to_string()
        .into_bytes()
    }

    pub(crate) fn index(&self) -> Vec<u8> {
        let manifest = self.manifest();
        json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": MANIFEST, "digest": sha256(&manifest), "size": manifest.len(),
                "platform": { "os": "linux", "architecture": self.architecture },
            }],
        })
        .to_string()
        .into_bytes()
    }

    /// All parts by their announced digest.
    pub(crate) fn blobs(&self) -> Vec<(String, Vec<u8>)> {
        let manifest = self.manifest();
        let mut blobs =
            vec![(sha256(&manifest), manifest), (self.config_digest.clone(), self.config.clone())];
        blobs.extend(
            self.layers.iter().map(|(_, digest, _, bytes)| (digest.clone(), bytes.clone())),
        );
        blobs
    }

    pub(crate) fn archive(&self) -> Vec<u8> {
        let blobs: Vec<(String, Vec<u8>)> = self
            .blobs()
            .into_iter()
            // What the library refuses to write.
            .filter(|(digest, _)| !digest.contains(".."))
            .map(|(digest, bytes)| (format!("blobs/{}", digest.replace(':', "/")), bytes))
            .collect();
        let index = self.index();
        let mut members: Vec<(&str, &[u8])> =
            vec![("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", &index)];
        members.extend(blobs.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
        tar(&members)
    }
}

/// Says what is missing where it is.
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
pub(crate) fn needs(there: bool, what: &str) -> bool {
    if !there {
        eprintln!("skipped: it needs {what}");
    }
    there
}

/// Whether the tool is installed.
pub(crate) fn has(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    needs(std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()), tool)
}

/// Runs a tool that must succeed.
#[track_caller]
pub(crate) fn run(folder: &Path, tool: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(tool)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {said}");
    output.stdout
}

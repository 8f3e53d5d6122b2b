//! Reading a bundle: every file is a stranger's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use isolde_model::{
    BundleHeader, EnvironmentReport, HostFacts, Inference, OutputTensor, Plan, SCHEMA_VERSION,
    TrialRecord,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::durable::read_bounded;
use crate::layout::{
    ENVIRONMENTS, HEADER, HOST, INFERENCES, LARGEST_TABLE, LARGEST_TEXT, OUTPUTS, PLAN, TASKS,
    TRIAL, TRIALS, trial_name, trial_path,
};
use crate::writer::sha256_hex;
use crate::{BundleError, inferences, outputs, tasks};

/// The part of a header that every schema has.
#[derive(Deserialize)]
struct Version {
    schema: u32,
    #[serde(default)]
    isolde: String,
}

/// The part of `trial.json` that is not the record.
#[derive(Deserialize)]
struct Digests {
    sha256: BTreeMap<String, String>,
}

/// A bundle to read. Its trials are read when asked for.
#[derive(Debug)]
pub struct Bundle {
    path: PathBuf,
    header: BundleHeader,
    plan: Plan,
    host: HostFacts,
    environments: Vec<EnvironmentReport>,
}

impl Bundle {
    /// Opens a bundle, also one whose run is still going on or died.
    ///
    /// # Errors
    /// It is no bundle, was written by a newer program, or one of its first
    /// files is damaged.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        check_is_bundle(path)?;
        let header_path = path.join(HEADER);
        let header_bytes = read_bounded(&header_path, LARGEST_TEXT)?;
        let version: Version = parse(&header_path, &header_bytes)?;
        if version.schema > SCHEMA_VERSION {
            return Err(BundleError::Newer {
                path: path.to_owned(),
                found: version.schema,
                known: SCHEMA_VERSION,
                writer: version.isolde,
            });
        }
        let plan_path = path.join(PLAN);
        let plan = read_bounded(&plan_path, LARGEST_TEXT)?;
        let plan = std::str::from_utf8(&plan)
            .map_err(|error| BundleError::damaged(&plan_path, error))
            .and_then(|text| {
                toml::from_str(text).map_err(|error| BundleError::damaged(&plan_path, error))
            })?;
        Ok(Self {
            header: parse(&header_path, &header_bytes)?,
            plan,
            host: read_json(&path.join(HOST))?,
            environments: read_json(&path.join(ENVIRONMENTS))?,
            path: path.to_owned(),
        })
    }

    /// The bundle's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the bundle is and how far its run came.
    #[must_use]
    pub const fn header(&self) -> &BundleHeader {
        &self.header
    }

    /// The resolved plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The device.
    #[must_use]
    pub const fn host(&self) -> &HostFacts {
        &self.host
    }

    /// What could run on the device, and what was missing.
    #[must_use]
    pub fn environments(&self) -> &[EnvironmentReport] {
        &self.environments
    }

    /// Every trial in the bundle, by index. Folders that a dying program left
    /// half written are passed over.
    ///
    /// # Errors
    /// The first record that is damaged.
    pub fn trials(&self) -> Result<Vec<TrialRecord>, BundleError> {
        let folder = self.path.join(TRIALS);
        let error = |source| BundleError::file("read", &folder, source);
        let mut indexes = Vec::new();
        for entry in fs::read_dir(&folder).map_err(error)? {
            let name = entry.map_err(error)?.file_name();
            let index = name.to_str().and_then(|name| name.parse::<u32>().ok());
            // Also drops other spellings of a number, such as `+7`.
            indexes.extend(index.filter(|&index| name.to_str() == Some(&*trial_name(index))));
        }
        indexes.sort_unstable();
        indexes.into_iter().map(|index| self.trial(index)).collect()
    }

    fn trial(&self, index: u32) -> Result<TrialRecord, BundleError> {
        let path = trial_path(&self.path, index).join(TRIAL);
        let mut record: TrialRecord = read_json(&path)?;
        if record.trial.threads == 0 {
            record.trial.threads = self.plan.resources.threads.most();
        }
        if record.trial.index != index {
            let why = format!("it is the record of trial {}", record.trial.index);
            return Err(BundleError::damaged(path, why));
        }
        Ok(record)
    }

    /// A trial's inferences in the order of their index; empty where it failed early.
    ///
    /// # Errors
    /// There is no such trial or its table is damaged.
    pub fn inferences(&self, trial: u32) -> Result<Vec<Inference>, BundleError> {
        let (path, bytes) = self.table(trial, INFERENCES)?;
        let mut inferences =
            inferences::decode(bytes, trial).map_err(|why| BundleError::damaged(path, why))?;
        let names = self.trial(trial)?.tasks;
        if !names.is_empty() {
            let (path, bytes) = self.table(trial, TASKS)?;
            tasks::decode_into(bytes, trial, &names, &mut inferences)
                .map_err(|why| BundleError::damaged(path, why))?;
        }
        Ok(inferences)
    }

    /// A trial's output tensors; empty where it failed early.
    ///
    /// # Errors
    /// There is no such trial or its table is damaged.
    pub fn outputs(&self, trial: u32) -> Result<Vec<OutputTensor>, BundleError> {
        let (path, bytes) = self.table(trial, OUTPUTS)?;
        outputs::decode(bytes, trial).map_err(|why| BundleError::damaged(path, why))
    }

    fn table(&self, trial: u32, name: &str) -> Result<(PathBuf, Vec<u8>), BundleError> {
        let folder = trial_path(&self.path, trial);
        let digests: Digests = read_json(&folder.join(TRIAL))?;
        let path = folder.join(name);
        let bytes = read_bounded(&path, LARGEST_TABLE)?;
        if digests.sha256.get(name) != Some(&sha256_hex(&bytes)) {
            let why = "its SHA-256 is not the one in trial.json";
            return Err(BundleError::damaged(path, why));
        }
        Ok((path, bytes))
    }
}

fn check_is_bundle(path: &Path) -> Result<(), BundleError> {
    let not = |why| Err(BundleError::NotABundle { path: path.to_owned(), why });
    let mut entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return not("there is nothing there");
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return not("it is not a folder");
        }
        Err(error) => return Err(BundleError::file("read", path, error)),
    };
    if entries.next().is_none() {
        return not("the folder is empty");
    }
    if path.join(HEADER).exists() { Ok(()) } else { not("it has no bundle.json") }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, BundleError> {
    parse(path, &read_bounded(path, LARGEST_TEXT)?)
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, BundleError> {
    serde_json::from_slice(bytes).map_err(|error| BundleError::damaged(path, error))
}

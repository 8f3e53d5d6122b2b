//! Writing a bundle while a run goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use isolde_model::{
    BundleHeader, BundleState, EnvironmentReport, HostFacts, Inference, OutputTensor, Plan, Trial,
    TrialRecord,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::durable::{replace, sync_folder, write_new};
use crate::layout::{
    ENVIRONMENTS, HEADER, HOST, INFERENCES, LARGEST_TABLE, LARGEST_TEXT, OUTPUTS, PLAN, TASKS,
    TRIAL, TRIALS, trial_name,
};
use crate::{BundleError, inferences, outputs, tasks};

/// `trial.json`: the record, and SHA-256 in hex of the tables beside it.
#[derive(Serialize)]
struct WrittenTrial<'a> {
    #[serde(flatten)]
    record: &'a TrialRecord,
    sha256: BTreeMap<&'static str, String>,
}

/// A bundle that is being written. Dropped without [`BundleWriter::close`] it
/// stays [`BundleState::Open`], with every trial that was written.
#[derive(Debug)]
pub struct BundleWriter {
    path: PathBuf,
    header: BundleHeader,
}

impl BundleWriter {
    /// Makes a bundle at `path`, which must not exist or be an empty folder;
    /// folders above it are made.
    ///
    /// # Errors
    /// The folder holds something, or a file could not be written. What was
    /// made is taken away again, except the folders above.
    pub fn create(
        path: &Path,
        header: BundleHeader,
        plan: &Plan,
        host: &HostFacts,
        environments: &[EnvironmentReport],
    ) -> Result<Self, BundleError> {
        make_empty_folder(path)?;
        let guard = RemoveUnlessKept(Some(path));
        let writer = Self { path: path.to_owned(), header };
        let trials = path.join(TRIALS);
        fs::create_dir(&trials).map_err(|error| BundleError::file("make", &trials, error))?;
        let plan_path = path.join(PLAN);
        let plan = toml::to_string(plan).map_err(|error| text_error(&plan_path, error))?;
        write_new(&plan_path, plan.as_bytes())?;
        write_new(&path.join(HOST), &to_json(&path.join(HOST), host)?)?;
        let environments = to_json(&path.join(ENVIRONMENTS), environments)?;
        write_new(&path.join(ENVIRONMENTS), &environments)?;
        // The header comes last: where it is, the rest is.
        writer.write_header()?;
        guard.keep();
        Ok(writer)
    }

    /// The bundle's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a trial. When this returns it is on the storage; after a failure
    /// nothing of it is.
    ///
    /// # Errors
    /// A trial of this index is there already, it does not fit the tables
    /// (durations of 2^63 ns and more, empty tensors, too many rows), or a file
    /// could not be written.
    pub fn write_trial(
        &self,
        record: &TrialRecord,
        inferences: &[Inference],
        outputs: &[OutputTensor],
    ) -> Result<(), BundleError> {
        let trial = &record.trial;
        let mut tables = vec![
            (INFERENCES, within(trial, inferences::encode(trial, inferences))?),
            (OUTPUTS, within(trial, outputs::encode(trial, outputs))?),
        ];
        if !record.tasks.is_empty() {
            let tasks = tasks::encode(trial, &record.tasks, inferences);
            tables.push((TASKS, within(trial, tasks)?));
        }
        let sha256 = tables.iter().map(|(name, table)| (*name, sha256_hex(table))).collect();
        let trials = self.path.join(TRIALS);
        let name = trial_name(trial.index);
        let path = trials.join(&name);
        if path.exists() {
            let why = "a trial of this index is in the bundle already".into();
            return Err(BundleError::Unstorable { trial: trial.index, why });
        }
        let json = to_json(&path.join(TRIAL), &WrittenTrial { record, sha256 })?;
        let temporary = trials.join(format!(".{name}.tmp-{}", std::process::id()));
        let guard = RemoveUnlessKept(Some(&temporary));
        // Of an earlier program with our process id that died.
        let _ = fs::remove_dir_all(&temporary);
        fs::create_dir(&temporary).map_err(|error| BundleError::file("make", &temporary, error))?;
        write_new(&temporary.join(TRIAL), &json)?;
        for (name, table) in &tables {
            write_new(&temporary.join(name), table)?;
        }
        sync_folder(&temporary)?;
        fs::rename(&temporary, &path).map_err(|error| BundleError::file("make", &path, error))?;
        guard.keep();
        sync_folder(&trials)
    }

    /// Ends the bundle with how far its run came.
    ///
    /// # Errors
    /// The header could not be rewritten; the old one is still there.
    pub fn close(mut self, state: BundleState) -> Result<(), BundleError> {
        self.header.state = state;
        self.write_header()
    }

    fn write_header(&self) -> Result<(), BundleError> {
        let json = to_json(&self.path.join(HEADER), &self.header)?;
        replace(&self.path, HEADER, &json)
    }
}

fn make_empty_folder(path: &Path) -> Result<(), BundleError> {
    fs::create_dir_all(path).map_err(|error| BundleError::file("make", path, error))?;
    let mut entries = fs::read_dir(path).map_err(|error| BundleError::file("read", path, error))?;
    match entries.next() {
        Some(_) => Err(BundleError::NotEmpty { path: path.to_owned() }),
        None => Ok(()),
    }
}

fn within(trial: &Trial, table: Result<Vec<u8>, String>) -> Result<Vec<u8>, BundleError> {
    let table = table.and_then(|bytes| match bytes.len() as u64 {
        size if size > LARGEST_TABLE => Err(format!("a table of {size} bytes")),
        _ => Ok(bytes),
    });
    table.map_err(|why| BundleError::Unstorable { trial: trial.index, why })
}

fn to_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<Vec<u8>, BundleError> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|error| text_error(path, error))?;
    json.push(b'\n');
    match json.len() as u64 {
        size if size > LARGEST_TEXT => Err(text_error(path, format!("it takes {size} bytes"))),
        _ => Ok(json),
    }
}

fn text_error(
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> BundleError {
    BundleError::Text { path: path.to_owned(), source: source.into() }
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Removes a folder and its content unless told to keep it.
struct RemoveUnlessKept<'a>(Option<&'a Path>);

impl RemoveUnlessKept<'_> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for RemoveUnlessKept<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            // Already failing for the reason that is reported.
            let _ = fs::remove_dir_all(path);
        }
    }
}

//! Names of files and folders in a bundle, and how large they may be.

use std::path::{Path, PathBuf};

pub(crate) const HEADER: &str = "bundle.json";
pub(crate) const PLAN: &str = "plan.toml";
pub(crate) const HOST: &str = "host.json";
pub(crate) const ENVIRONMENTS: &str = "environments.json";
pub(crate) const LOG: &str = "log.jsonl";
pub(crate) const TRIALS: &str = "trials";
pub(crate) const TRIAL: &str = "trial.json";
pub(crate) const INFERENCES: &str = "inferences.parquet";
pub(crate) const OUTPUTS: &str = "outputs.parquet";
pub(crate) const TASKS: &str = "tasks.parquet";

/// Largest JSON or TOML file that is read, in bytes. The largest that is
/// written, a trial's record with its console tail, is far below.
pub(crate) const LARGEST_TEXT: u64 = 16 << 20;

/// Largest Parquet file that is read or written, in bytes.
pub(crate) const LARGEST_TABLE: u64 = 512 << 20;

/// Where the program writes its log while it runs a bundle.
#[must_use]
pub fn log_path(bundle: &Path) -> PathBuf {
    bundle.join(LOG)
}

/// The folder of a trial.
#[must_use]
pub fn trial_path(bundle: &Path, index: u32) -> PathBuf {
    bundle.join(TRIALS).join(trial_name(index))
}

/// Five digits keep the folders in order in a listing; more are taken as needed.
pub(crate) fn trial_name(index: u32) -> String {
    format!("{index:05}")
}

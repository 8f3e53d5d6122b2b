//! The results folder of a run, writing and reading. It knows nothing of back
//! ends, statistics or printing.
//!
//! ```text
//! bundle.json          what this is and how far the run came (BundleHeader)
//! plan.toml            the resolved plan with its seed
//! host.json            the device
//! environments.json    what could run here, and what was missing for the rest
//! log.jsonl            what the program said while it ran; written by the program
//! trials/00042/trial.json            TrialRecord, and the digests of the two tables
//! trials/00042/inferences.parquet    one row per inference, with the trial's keys
//! trials/00042/outputs.parquet       one row per value of each output tensor
//! ```
//!
//! Every row carries its trial's keys, so `trials/*/inferences.parquet` can be
//! read as one table by DuckDB, Polars, pandas or R. Whole numbers are signed 64-bit
//! columns: differences of unsigned columns wrap in some of these tools.
//!
//! A trial is wholly in the bundle or not at all. Its tables are kept with their
//! SHA-256, because Parquet has no checksum that would keep a flipped bit on a
//! worn memory card from becoming a measurement.

mod durable;
mod error;
mod inferences;
mod layout;
mod outputs;
mod page_guard;
mod reader;
mod table;
mod tasks;
mod thrift;
mod time;
mod writer;

pub use error::BundleError;
pub use layout::{log_path, trial_path};
pub use reader::Bundle;
pub use time::now_utc;
pub use writer::BundleWriter;

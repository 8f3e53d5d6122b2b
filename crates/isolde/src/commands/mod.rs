//! One file per command.

pub(crate) mod app;
pub(crate) mod clean;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod environments;
pub(crate) mod exec;
pub(crate) mod image;
pub(crate) mod kernel;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod testbed;

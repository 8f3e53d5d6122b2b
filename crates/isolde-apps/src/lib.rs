//! The AI applications: load a model, prepare an input, infer, interpret.
//!
//! Nothing here knows of isolation or reads a clock: the agent times the
//! phases, the same way in every environment.

mod application;
mod bundled;
mod catalogue;
mod check;
mod classifier;
mod driving_scenario;
mod engine;
mod error;
mod export;
#[cfg(test)]
mod frame_truth;
#[cfg(test)]
mod held_out;
mod image_classification;
mod lane_keeping;
mod object_detection;
mod own_network;
mod perception;
mod picture;
pub mod reference;
mod road_sign;
mod sample;
mod traffic_light;
pub mod user_model;
mod vision;

pub use application::{Application, NetworkInput, answer};
pub use catalogue::{
    Choice, ChoiceError, Description, NETWORKS_IN_SANDBOX, Setting, Size, all, compact_parameters,
    find, network_file,
};
pub use check::{Checked, check};
pub use engine::Threads;
pub use error::AppError;
pub use export::{ExportError, export};
pub use sample::{kept_values, sample, spread};

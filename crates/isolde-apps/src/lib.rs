//! The AI applications: load a model, prepare an input, infer, interpret.
//!
//! Nothing here knows of isolation or reads a clock: the agent times the
//! phases, the same way in every environment.

mod application;
mod bundled;
mod catalogue;
mod engine;
mod error;
mod picture;
pub mod reference;
mod road_sign;
mod sample;
pub mod user_model;
mod vision;

pub use application::Application;
pub use catalogue::{
    Choice, ChoiceError, Description, NETWORKS_IN_SANDBOX, Setting, Size, all, find, network_file,
};
pub use engine::Threads;
pub use error::AppError;
pub use sample::{kept_values, sample};

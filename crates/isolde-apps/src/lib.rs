//! The AI applications: load a model, prepare an input, infer, interpret.
//!
//! Nothing here knows of isolation or reads a clock: the agent times the
//! phases, the same way in every environment.

mod application;
mod engine;
mod error;
mod picture;
pub mod reference;
mod road_sign;
pub mod user_model;

pub use application::{Application, Description, all, find};
pub use engine::Threads;
pub use error::AppError;

//! What every application offers, and the list of them.

use crate::road_sign;
use crate::{AppError, Threads};

/// A loaded application. Its phases are called in the order prepare, infer,
/// interpret for each input; each keeps its result for the next.
pub trait Application: Send {
    /// Decodes and normalises input number `input`.
    ///
    /// # Errors
    /// That there is no such input or that it cannot be read.
    fn prepare(&mut self, input: u32) -> Result<(), AppError>;

    /// Runs the network on the prepared input.
    ///
    /// # Errors
    /// What the engine refused.
    fn infer(&mut self) -> Result<(), AppError>;

    /// Makes a label of the network's output.
    ///
    /// # Errors
    /// That the output holds something that is no finite number.
    fn interpret(&mut self) -> Result<u32, AppError>;

    /// The last output tensor, flat, in the network's own order.
    fn output(&self) -> &[f32];
}

/// An application that can be loaded.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line on what it does, without a full stop.
    pub summary: &'static str,
    /// The label that each bundled input must get, in the order of the inputs.
    pub expected_labels: fn() -> Vec<u32>,
    /// Loads the model; inference will use `threads`.
    pub load: fn(threads: &Threads) -> Result<Box<dyn Application>, AppError>,
    /// Largest absolute difference of an output value that different CPUs may
    /// cause by summing in another order.
    pub output_tolerance: f32,
}

/// Every application of this program.
#[must_use]
pub fn all() -> &'static [Description] {
    &[road_sign::DESCRIPTION]
}

/// The application of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Description> {
    all().iter().find(|description| description.name == name)
}

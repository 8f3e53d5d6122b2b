//! What every application offers.

use crate::AppError;

/// A loaded application. An inference consists of one task or of several, in
/// their order; the phases of a task are called in the order prepare, infer,
/// interpret, each keeping its result for the next.
pub trait Application: Send {
    /// Names of the tasks that an inference consists of; empty where it is one
    /// task.
    fn tasks(&self) -> &'static [&'static str] {
        &[]
    }

    /// Makes the network's input of input number `input`: the first task decodes
    /// it, later ones may build upon what earlier ones found.
    ///
    /// # Errors
    /// That there is no such input or that it cannot be read.
    fn prepare(&mut self, input: u32, task: usize) -> Result<(), AppError>;

    /// Runs the task's network on what was prepared; does nothing in a task
    /// without one.
    ///
    /// # Errors
    /// What the engine refused.
    fn infer(&mut self, task: usize) -> Result<(), AppError>;

    /// Makes sense of the network's output. Gives a number that stands for the
    /// whole inference's answer once its last task is interpreted.
    ///
    /// # Errors
    /// That the output holds something that is no finite number.
    fn interpret(&mut self, task: usize) -> Result<u32, AppError>;

    /// The last inference's outputs, flat, in the networks' own order.
    fn output(&self) -> &[f32];

    /// The last inference's answer in words.
    fn answer(&self) -> String;

    /// What the task's network got last; `None` where the task has no network, or one
    /// whose input is no tensor of `f32`.
    fn network_input(&self, _task: usize) -> Option<NetworkInput> {
        None
    }
}

/// Runs all phases of all tasks on input number `input`; gives the number that stands
/// for the answer.
///
/// # Errors
/// What any phase could not do.
pub fn answer(application: &mut dyn Application, input: u32) -> Result<u32, AppError> {
    let mut label = 0;
    for task in 0..application.tasks().len().max(1) {
        application.prepare(input, task)?;
        application.infer(task)?;
        label = application.interpret(task)?;
    }
    Ok(label)
}

/// A network's only input.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkInput {
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// Its values, the last axis fastest.
    pub values: Vec<f32>,
}

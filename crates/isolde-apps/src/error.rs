//! What an application could not do.

/// What an application could not do.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The network could not be loaded.
    #[error("cannot load the model `{model}`")]
    Load {
        /// Which model.
        model: String,
        /// The engine's answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An input could not be decoded.
    #[error("cannot read the picture `{name}`")]
    Picture {
        /// Which one.
        name: String,
        /// The decoder's answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of arrays could not be read.
    #[error("cannot take the arrays of `{name}`")]
    Arrays {
        /// Which file.
        name: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The network could not be run.
    #[error("cannot run the model `{model}`")]
    Run {
        /// Which model.
        model: String,
        /// The engine's answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The network has not the shapes that the application works with.
    #[error(
        "the model `{model}` is not the one that belongs here: for its {part} the shapes \
         {expected:?} are needed, not {found:?} (0: any length); build it anew with `isolde app build`"
    )]
    Shape {
        /// Which model.
        model: String,
        /// Of what.
        part: &'static str,
        /// The shapes that it must have.
        expected: Vec<Vec<usize>>,
        /// The shapes that it has.
        found: Vec<Vec<usize>>,
    },
    /// An output holds a value that is not a number or is infinite.
    #[error("the model's output {position} is {value}, not a finite number")]
    NotFinite {
        /// Place in the output.
        position: usize,
        /// The value.
        value: f32,
    },
    /// A phase was asked for before the one it builds upon.
    #[error("{phase} was asked for before its input was there")]
    OutOfOrder {
        /// The phase.
        phase: &'static str,
    },
    /// An input that the application does not have.
    #[error("there is no input {input}: the application has {inputs}")]
    NoSuchInput {
        /// Which one.
        input: u32,
        /// How many there are.
        inputs: u32,
    },
}

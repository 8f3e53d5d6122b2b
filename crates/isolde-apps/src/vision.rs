//! Applications that run one network on one picture.

use crate::application::NetworkInput;
use crate::perception::{Interpreter, Perception};
use crate::picture::Prepared;
use crate::{AppError, Application};

/// How a picture becomes a network's input.
pub(crate) type Prepare =
    Box<dyn Fn(&[u8]) -> Result<Prepared, Box<dyn std::error::Error + Send + Sync>> + Send>;

/// An application that runs one network on one picture.
pub(crate) struct Vision<P, I> {
    perception: Perception<I>,
    /// Name and encoded bytes of each.
    pictures: Vec<(String, P)>,
    prepare: Prepare,
}

impl<P: AsRef<[u8]> + Send, I: Interpreter> Vision<P, I> {
    pub(crate) fn new(
        perception: Perception<I>,
        pictures: Vec<(String, P)>,
        prepare: Prepare,
    ) -> Self {
        Self { perception, pictures, prepare }
    }
}

/// Name and encoded bytes of picture number `input`.
pub(crate) fn picture<P>(pictures: &[(String, P)], input: u32) -> Result<&(String, P), AppError> {
    let inputs = u32::try_from(pictures.len()).unwrap_or(u32::MAX);
    pictures.get(input as usize).ok_or(AppError::NoSuchInput { input, inputs })
}

impl<P: AsRef<[u8]> + Send, I: Interpreter> Application for Vision<P, I> {
    fn prepare(&mut self, input: u32, _task: usize) -> Result<(), AppError> {
        let (name, bytes) = picture(&self.pictures, input)?;
        let prepared = (self.prepare)(bytes.as_ref())
            .map_err(|source| AppError::Picture { name: name.clone(), source })?;
        self.perception.take(prepared);
        Ok(())
    }

    fn infer(&mut self, _task: usize) -> Result<(), AppError> {
        self.perception.infer()
    }

    fn interpret(&mut self, _task: usize) -> Result<u32, AppError> {
        self.perception.interpret()
    }

    fn output(&self) -> &[f32] {
        self.perception.output()
    }

    fn answer(&self) -> String {
        self.perception.interpreter().answer()
    }

    fn network_input(&self, _task: usize) -> Option<NetworkInput> {
        self.perception.network_input()
    }
}

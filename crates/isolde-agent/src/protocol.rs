//! One versioned protocol over one byte stream.
//!
//! The agent first writes [`BOOT_MARK`], a single byte whose arrival the host
//! stamps. Everything after it is frames: a kind (one byte), the payload's
//! length (four bytes, little endian) and the payload. Control messages are
//! JSON; output tensors and a command's output are raw bytes.

use std::io::{self, Write};

use isolde_model::{
    Inference, InsideFacts, Mark, ModelInput, OutputTensor, ProgramFacts, ReadySign, Span,
};
use serde::{Deserialize, Serialize};

/// Version of the protocol. The two sides are the same executable, so a
/// difference means that a stale copy runs in the sandbox.
pub const PROTOCOL_VERSION: u32 = 5;

/// The agent's first byte.
pub const BOOT_MARK: u8 = 0xA9;

/// Largest payload in bytes. A longer one is refused: it came from a sandbox.
pub const LARGEST_PAYLOAD: usize = 1 << 20;

/// Bytes before each payload.
const HEADER: usize = 5;

/// What the agent is asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum ToAgent {
    /// Run an application.
    Run(RunJob),
    /// Run a command.
    Exec(ExecJob),
    /// Run a program of the user's and take its inferences.
    Program(ProgramJob),
    /// The host has read its counters: end now.
    Bye,
}

/// An application and how often to run it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunJob {
    /// The application, as [`isolde_apps::Choice`] writes it, or the name of a
    /// user's model.
    pub application: String,
    /// Inferences that are kept apart at the start.
    pub warm_up: u32,
    /// Inferences after them.
    pub inferences: u32,
    /// Threads of the inference engine.
    pub threads: u32,
    /// The model that it is, if the user brought one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelJob>,
}

/// A user's model. It and its inputs are files of the sandbox, where
/// [`isolde_apps::user_model`] says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelJob {
    /// Number of inputs: pictures, or files of arrays.
    pub count: u32,
    /// How an input becomes the network's.
    pub input: ModelInput,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecJob {
    /// What to run and how.
    pub invocation: Invocation,
}

/// A program that follows the application contract, or any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramJob {
    /// What to run and how.
    pub invocation: Invocation,
    /// What tells the end of its cold start.
    pub ready: ReadySign,
    /// Inferences that are kept apart at the start.
    pub warm_up: u32,
    /// Inferences after them, upon which it is ended; `None` for a program that
    /// ends by itself.
    pub inferences: Option<u32>,
    /// Threads that it is told to use.
    pub threads: u32,
    /// How long it may run.
    pub limit: Span,
}

/// What to run, and how: everything an image's configuration says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// The executable: a path from the sandbox's root folder, or a name without
    /// a slash that is looked up in the `PATH` of `env`.
    pub program: String,
    /// Name it is called by, and its arguments.
    pub argv: Vec<String>,
    /// Variables, each `NAME=VALUE`; `PATH` and `HOME` have defaults.
    #[serde(default)]
    pub env: Vec<String>,
    /// Folder in which it runs, made where it is absent; empty for the root folder.
    #[serde(default)]
    pub workdir: String,
    /// `user`, `user:group`, `uid` or `uid:gid`, looked up inside; empty for
    /// whom the agent runs as.
    #[serde(default)]
    pub user: String,
}

impl Invocation {
    /// `program` in the sandbox's root folder, without variables.
    #[must_use]
    pub fn of(program: impl Into<String>, argv: &[impl AsRef<str>]) -> Self {
        let argv = argv.iter().map(|word| word.as_ref().to_owned()).collect();
        Self { program: program.into(), argv, ..Self::default() }
    }
}

/// What the agent says.
#[derive(Debug, Clone, PartialEq)]
pub enum FromAgent {
    /// Its greeting, once.
    Hello(Hello),
    /// A mark was passed just now.
    Passed(Mark),
    /// The clock that durations are measured with (CLOCK_MONOTONIC), just now, in
    /// nanoseconds: before the application starts and when its work is done, for the
    /// host to compare with its own.
    Clock(u64),
    /// Some inferences, in order.
    Inferences(Vec<Inference>),
    /// The output of one input.
    Output(OutputTensor),
    /// Bytes that the command wrote to its standard output.
    Stdout(Vec<u8>),
    /// Bytes that the command wrote to its standard error.
    Stderr(Vec<u8>),
    /// The command ended.
    Exited(CommandEnding),
    /// The program ended; its inferences and outputs came before.
    ProgramEnded(ProgramFacts),
    /// The job is done; the agent waits for [`ToAgent::Bye`].
    Finished,
    /// The job cannot be done.
    Failed {
        /// Why, innermost cause last.
        reason: String,
    },
}

/// The agent's greeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// See [`PROTOCOL_VERSION`].
    pub protocol: u32,
    /// Version of the program.
    pub version: String,
    /// What it sees from inside.
    pub facts: InsideFacts,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandEnding {
    /// Exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Processes that the sandbox's own kernel killed for want of memory;
    /// 0 where the sandbox has none of its own and the host counts.
    pub oom_kills: u64,
}

/// The control messages among [`FromAgent`], as they travel.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
enum Control {
    Hello(Hello),
    Passed { mark: Mark },
    Clock { ns: u64 },
    Inferences { inferences: Vec<Inference> },
    Exited(CommandEnding),
    ProgramEnded(ProgramFacts),
    Finished,
    Failed { reason: String },
}

/// A stream that breaks the protocol.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The first byte is another.
    #[error(
        "the first byte is {0:#04x}, not the boot mark: something else writes to the agent's line"
    )]
    BootMark(u8),
    /// A payload is too long.
    #[error("a message of {0} bytes is longer than {LARGEST_PAYLOAD}")]
    TooLong(usize),
    /// No such kind of frame.
    #[error("there is no message of kind {0}")]
    Kind(u8),
    /// A control message that cannot be read.
    #[error("a message cannot be read")]
    Json(#[from] serde_json::Error),
    /// An output tensor whose length is no whole number of values.
    #[error("an output of {0} bytes is no tensor")]
    Tensor(usize),
}

const CONTROL: u8 = 0;
const OUTPUT: u8 = 1;
const STDOUT: u8 = 2;
const STDERR: u8 = 3;

impl FromAgent {
    /// Writes the message with one call.
    ///
    /// # Errors
    /// What the stream refused, or that the message is too long.
    pub fn write_to(&self, stream: &mut impl Write) -> io::Result<()> {
        let control = match self {
            Self::Hello(hello) => Control::Hello(hello.clone()),
            Self::Passed(mark) => Control::Passed { mark: *mark },
            Self::Clock(ns) => Control::Clock { ns: *ns },
            Self::Inferences(inferences) => Control::Inferences { inferences: inferences.clone() },
            Self::Exited(ending) => Control::Exited(*ending),
            Self::ProgramEnded(facts) => Control::ProgramEnded(facts.clone()),
            Self::Finished => Control::Finished,
            Self::Failed { reason } => Control::Failed { reason: reason.clone() },
            Self::Output(tensor) => {
                let mut payload = tensor.input.to_le_bytes().to_vec();
                payload.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
                return write_frame(stream, OUTPUT, &payload);
            }
            Self::Stdout(bytes) => return write_frame(stream, STDOUT, bytes),
            Self::Stderr(bytes) => return write_frame(stream, STDERR, bytes),
        };
        write_control(stream, &control)
    }

    fn read(kind: u8, payload: &[u8]) -> Result<Self, ProtocolError> {
        Ok(match kind {
            CONTROL => match serde_json::from_slice(payload)? {
                Control::Hello(hello) => Self::Hello(hello),
                Control::Passed { mark } => Self::Passed(mark),
                Control::Clock { ns } => Self::Clock(ns),
                Control::Inferences { inferences } => Self::Inferences(inferences),
                Control::Exited(ending) => Self::Exited(ending),
                Control::ProgramEnded(facts) => Self::ProgramEnded(facts),
                Control::Finished => Self::Finished,
                Control::Failed { reason } => Self::Failed { reason },
            },
            OUTPUT => Self::Output(read_tensor(payload)?),
            STDOUT => Self::Stdout(payload.to_vec()),
            STDERR => Self::Stderr(payload.to_vec()),
            kind => return Err(ProtocolError::Kind(kind)),
        })
    }
}

impl ToAgent {
    /// Writes the message with one call.
    ///
    /// # Errors
    /// What the stream refused, or that the message is too long.
    pub fn write_to(&self, stream: &mut impl Write) -> io::Result<()> {
        write_control(stream, self)
    }

    fn read(kind: u8, payload: &[u8]) -> Result<Self, ProtocolError> {
        match kind {
            CONTROL => Ok(serde_json::from_slice(payload)?),
            kind => Err(ProtocolError::Kind(kind)),
        }
    }
}

fn read_tensor(payload: &[u8]) -> Result<OutputTensor, ProtocolError> {
    let whole = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok();
    let wrong = ProtocolError::Tensor(payload.len());
    let (Some((input, values)), true) =
        (payload.split_at_checked(4), payload.len().is_multiple_of(4))
    else {
        return Err(wrong);
    };
    let input = whole(input).map(u32::from_le_bytes).ok_or(wrong)?;
    let values = values.chunks_exact(4).filter_map(whole).map(f32::from_le_bytes).collect();
    Ok(OutputTensor { input, values })
}

fn write_control(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    write_frame(stream, CONTROL, &serde_json::to_vec(message)?)
}

fn write_frame(stream: &mut impl Write, kind: u8, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= LARGEST_PAYLOAD)
        .ok_or_else(|| io::Error::other(ProtocolError::TooLong(payload.len())))?;
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.push(kind);
    frame.extend(length.to_le_bytes());
    frame.extend(payload);
    stream.write_all(&frame)?;
    stream.flush()
}

/// Cuts a byte stream into messages as its bytes arrive.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message from the agent.
    ///
    /// # Errors
    /// How the stream breaks the protocol; nothing after that can be trusted.
    pub fn next_from_agent(&mut self) -> Result<Option<FromAgent>, ProtocolError> {
        self.next_frame(FromAgent::read)
    }

    /// The next whole message to the agent.
    ///
    /// # Errors
    /// How the stream breaks the protocol.
    pub fn next_to_agent(&mut self) -> Result<Option<ToAgent>, ProtocolError> {
        self.next_frame(ToAgent::read)
    }

    fn next_frame<T>(
        &mut self,
        read: fn(u8, &[u8]) -> Result<T, ProtocolError>,
    ) -> Result<Option<T>, ProtocolError> {
        let Some((&[kind, a, b, c, d], rest)) = self.buffer.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > LARGEST_PAYLOAD {
            return Err(ProtocolError::TooLong(length));
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let message = read(kind, payload)?;
        self.buffer.drain(..HEADER + length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(message: &FromAgent) -> FromAgent {
        let mut bytes = Vec::new();
        message.write_to(&mut bytes).unwrap();
        let mut decoder = Decoder::default();
        // Byte by byte: a message is whole only with its last byte.
        let (last, front) = bytes.split_last().unwrap();
        for byte in front {
            decoder.push(&[*byte]);
            assert_eq!(decoder.next_from_agent().unwrap(), None);
        }
        decoder.push(&[*last]);
        decoder.next_from_agent().unwrap().unwrap()
    }

    #[test]
    fn messages_survive_the_stream() {
        let ending = CommandEnding { status: None, signal: Some(9), oom_kills: 1 };
        for message in [
            FromAgent::Passed(Mark::ModelLoaded),
            FromAgent::Clock(u64::MAX),
            FromAgent::Exited(ending),
            FromAgent::ProgramEnded(ProgramFacts { signal: Some(9), ..ProgramFacts::default() }),
            FromAgent::Finished,
            FromAgent::Failed { reason: "no \u{1b}[31m reason".into() },
            FromAgent::Stdout(vec![0, 255, 10]),
            FromAgent::Output(OutputTensor { input: 3, values: vec![f32::MIN_POSITIVE, -0.0] }),
        ] {
            assert_eq!(round_trip(&message), message);
        }
    }

    #[test]
    fn a_hostile_length_is_refused_before_anything_is_kept() {
        let mut decoder = Decoder::default();
        decoder.push(&[CONTROL, 0xff, 0xff, 0xff, 0xff]);
        assert!(matches!(decoder.next_from_agent(), Err(ProtocolError::TooLong(_))));
    }

    #[test]
    fn a_message_too_long_is_not_written() {
        let message = FromAgent::Stdout(vec![0; LARGEST_PAYLOAD + 1]);
        let mut bytes = Vec::new();
        assert!(message.write_to(&mut bytes).is_err());
        assert!(bytes.is_empty());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_from_agent() {}
        }

        #[test]
        fn every_bit_of_an_output_survives(input: u32, bits: Vec<u32>) {
            let values: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
            let message = FromAgent::Output(OutputTensor { input, values });
            let FromAgent::Output(read) = round_trip(&message) else { panic!() };
            let back: Vec<u32> = read.values.iter().map(|value| value.to_bits()).collect();
            prop_assert_eq!(back, bits);
        }
    }
}

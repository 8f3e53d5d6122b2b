//! Plain data that every other crate speaks: plans, trials, marks, readings,
//! records and events. No I/O and no clock live here.

mod array_input;
mod environment;
mod event;
mod guest;
mod host;
mod mark;
mod outcome;
mod picture_input;
mod plan;
mod program;
mod reading;
mod record;
mod size;
mod source;
mod surroundings;
mod threads;

pub use array_input::{ArrayElement, ArrayInput, ArrayInputs};
pub use environment::{EnvironmentName, Missing, Readiness, Ready};
pub use event::Event;
pub use guest::{
    Bootable, Bus, GuestEnd, GuestLine, GuestNeeds, GuestParameters, GuestRoot, KernelForm,
    KernelReport, LINE_PORT, READY_TO_REST, REST_PORT, Thaw,
};
pub use host::{CpuFacts, EnvironmentReport, HostFacts, KvmFacts};
pub use mark::{Mark, MarkStamp};
pub use outcome::{Failure, FailureKind, Outcome, Stage};
pub use picture_input::{
    Colour, Element, Layout, PictureInput, PictureInputError, PictureSize, Resize, WordError,
};
pub use plan::{Deadlines, Plan, PlanError, Preset, Resources};
pub use program::{ProgramFacts, Timing};
pub use reading::{DaemonCpu, Reading};
pub use record::{
    Agreement, BundleHeader, BundleState, Inference, InsideFacts, Leak, OutputTensor, Phase,
    TaskTime, Trial, TrialRecord,
};
pub use size::{ByteSize, Span, UnitError};
pub use source::{
    FileSource, ImageSource, ModelInput, ModelSource, ProgramSource, ReadySign, ReadySignError,
    Source,
};
pub use surroundings::{
    HOST_NAME, LEVELLED_FILES, Limited, PROCESS_LIMITS, ProcessLimit, SHARED_MEMORY_BYTES,
};
pub use threads::{ThreadCounts, ThreadCountsError};

/// Version of everything that is written to a bundle or printed as JSON.
/// Fields may be added under the same number; a change of meaning raises it.
pub const SCHEMA_VERSION: u32 = 1;

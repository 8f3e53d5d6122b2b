//! From a bundle to what people and programs read. It measures nothing and
//! knows no back end.
//!
//! [`Summary::of`] works the figures out of a bundle; [`render_text`] lays them
//! out for a terminal, and the summary itself is what is printed as JSON.
//! [`render_host`] says what a host can do, [`render_kernels`] what its guests can boot, and [`Progress`] what a run is doing.

mod agreement;
mod figures;
mod fit;
mod given_up;
mod guest_kernels;
mod host;
mod kernels;
mod launches;
mod part;
mod phases;
mod printable;
mod program;
mod progress;
mod render;
mod row;
mod style;
mod summary;
mod sweep;
mod tables;
mod units;

pub use figures::{
    Comparison, DurationFigures, Figure, LaunchFigures, LeftOut, Row, SeenKernel, StartFigures,
};
pub use host::{render_environments, render_host};
pub use kernels::render_kernels;
pub use phases::{PhaseFigures, TaskFigures};
pub use printable::printable;
pub use program::ProgramFigures;
pub use progress::Progress;
pub use render::render_text;
pub use style::Style;
pub use summary::{FailureGroup, Summary, Unavailable};

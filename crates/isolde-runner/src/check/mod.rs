//! What a launch must prove before its figures count: that it got what it was
//! asked for, and that it computed what all others computed.

mod agreement;
mod clock;
mod expectation;
mod parity;
mod told;

pub(crate) use agreement::Agreements;
pub(crate) use clock::Clocks;
pub(crate) use parity::{Asked, check as check_parity};
pub(crate) use told::ProgramAgreements;

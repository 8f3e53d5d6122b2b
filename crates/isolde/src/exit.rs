//! Exit codes and the errors that lead to them.

use std::fmt;
use std::process::ExitCode;

/// Why the program ends without having done what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Wrong usage.
    Usage,
    /// Nothing could run on this host.
    Unfit,
    /// Done, but trials failed.
    TrialsFailed,
    /// Results could not be written.
    Unwritten,
    /// The user asked to stop.
    Interrupted,
}

impl Exit {
    const fn code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Unfit => 3,
            Self::TrialsFailed => 4,
            // EX_IOERR of sysexits(3).
            Self::Unwritten => 74,
            Self::Interrupted => 130,
        }
    }
}

/// Faults of this program, as sysexits(3) has them.
const INTERNAL: u8 = 70;

/// Tags an error with the exit code it leads to.
#[derive(Debug)]
pub(crate) struct Tagged {
    exit: Exit,
    text: String,
}

impl fmt::Display for Tagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Tagged {}

/// An error in words that ends the program with `exit`.
pub(crate) fn tagged(exit: Exit, text: impl Into<String>) -> anyhow::Error {
    Tagged { exit, text: text.into() }.into()
}

/// Gives the errors of a result their exit code.
pub(crate) trait ExitContext<T> {
    /// Ends the program with `exit` on an error.
    fn exit_with(self, exit: Exit) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> ExitContext<T> for Result<T, E> {
    fn exit_with(self, exit: Exit) -> anyhow::Result<T> {
        self.map_err(|error| tagged(exit, chain(&error.into())))
    }
}

/// An error with its causes, as one line, without what a cause repeats.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The program's exit code for this result.
pub(crate) fn code_of(result: &anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => *code,
        Err(error) => {
            let tagged = error.chain().find_map(|cause| cause.downcast_ref::<Tagged>());
            ExitCode::from(tagged.map_or(INTERNAL, |tagged| tagged.exit.code()))
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_tag_survives_context_and_an_untagged_error_is_our_fault() {
        let usage = Err(tagged(Exit::Usage, "x")).context("more").map(|()| ExitCode::SUCCESS);
        assert_eq!(code_of(&usage), ExitCode::from(2));
        assert_eq!(code_of(&Err(anyhow::anyhow!("y"))), ExitCode::from(70));
    }

    #[test]
    fn a_chain_repeats_nothing() {
        let error = anyhow::anyhow!("disk full").context("cannot write: disk full").context("no");
        assert_eq!(chain(&error), "no: cannot write: disk full");
    }
}

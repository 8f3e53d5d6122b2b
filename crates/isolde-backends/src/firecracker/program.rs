//! Firecracker's executable on this host.

use std::fmt;
use std::path::PathBuf;

use isolde_model::Missing;

use crate::{BackendError, vmm};

pub(super) const PROGRAM: &str = "firecracker";

/// It is in no distribution.
const WHERE_FROM: &str = "get it from https://github.com/firecracker-microvm/firecracker/releases and put it on the PATH";

/// Its changelog has the device for random numbers since 1.4, and since 1.8 ACPI tables,
/// without which kernels of distributions find no device, and the generation counter
/// that tells a restored guest's kernel that it is a copy.
const OLDEST: Version = Version(1, 8, 0);

/// As Firecracker counts: major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32, u32);

impl Version {
    /// Out of `Firecracker v1.8.0` or `Jailer v1.17.0-dev`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let words = text.lines().next()?.split_whitespace();
        let number = words.filter_map(|word| word.strip_prefix('v')).next()?;
        let mut parts = number.splitn(3, '.').map(|part| {
            let end = part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len());
            part[..end].parse().ok()
        });
        Some(Self(parts.next()??, parts.next()??, parts.next()??))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Where `program` is, independent of the working directory.
pub(super) fn locate(program: &str) -> Result<PathBuf, Missing> {
    let found = vmm::find(program).and_then(|path| std::path::absolute(path).ok());
    found.ok_or_else(|| missing(format!("{program} is not on the PATH"), WHERE_FROM))
}

/// The version of `program`, should it be new enough.
pub(super) fn check_version(program: &str) -> Result<Version, Missing> {
    let version = vmm::version(&locate(program)?, Version::parse).map_err(|error| {
        let mut words = format!("{program} does not start: {error}");
        if let Some(source) = std::error::Error::source(&error) {
            words = format!("{words}: {}", source.to_string().trim());
        }
        missing(words, WHERE_FROM)
    })?;
    if version < OLDEST {
        let what = format!("{program} {version} is too old, {OLDEST} or newer is needed");
        return Err(missing(what, WHERE_FROM));
    }
    Ok(version)
}

fn missing(what: String, hint: &str) -> Missing {
    Missing { what, hint: hint.to_owned(), packages: Vec::new() }
}

/// The same as a failure of a launch.
pub(super) fn unfit(missing: Missing) -> BackendError {
    BackendError::Missing { what: missing.what, hint: missing.hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        let text = "Firecracker v1.17.0-dev\n\n2026-11-25T03:16:21 [main] exiting exit_code=0";
        let version = Version::parse(text).unwrap();
        assert_eq!(version.to_string(), "1.17.0");
        assert!(version > OLDEST);
        assert!(Version::parse("Firecracker v1.7.2").unwrap() < OLDEST);
        assert!(Version::parse("Jailer v1.8.0\n").unwrap() >= OLDEST);
        for wrong in ["", "Firecracker", "v1", "Firecracker v1.x.3", "v99999999999.1.1"] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }
}

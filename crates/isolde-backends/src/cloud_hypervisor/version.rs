//! Which Cloud Hypervisor it is.

use std::fmt;

/// The oldest that will do: from 35 on its virtio socket understands guest kernels from
/// 6.3 on, whose packets come in one piece. All else that is asked of it is older:
/// `payload` in the configuration since 26, `--api-socket fd=` since 15.
pub(super) const OLDEST: u32 = 35;

/// What it says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// The number before the first dot.
    pub(super) major: u32,
    /// All of it, as `53.0-246-gae44c2971`.
    text: String,
}

impl Version {
    /// From the output of `--version`, whose first line is `cloud-hypervisor v53.0`.
    pub(super) fn parse(output: &str) -> Option<Self> {
        let (_, version) = output.lines().next()?.trim().split_once(" v")?;
        let (major, _) = version.split_once('.')?;
        Some(Self { major: major.parse().ok()?, text: version.to_owned() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(output: &str) -> Option<(u32, String)> {
        Version::parse(output).map(|version| (version.major, version.to_string()))
    }

    #[test]
    fn releases_and_builds_in_between_are_read() {
        assert_eq!(parsed("cloud-hypervisor v28.0.0\n"), Some((28, "28.0.0".into())));
        let built = "cloud-hypervisor v53.0-246-gae44c2971-dirty\nMigration Protocol Versions: 0\n";
        assert_eq!(parsed(built), Some((53, "53.0-246-gae44c2971-dirty".into())));
    }

    #[test]
    fn what_is_no_version_is_none() {
        for output in ["", "cloud-hypervisor", "cloud-hypervisor v", "ch vX.1", "QEMU 7.2.22"] {
            assert_eq!(parsed(output), None, "{output}");
        }
    }
}

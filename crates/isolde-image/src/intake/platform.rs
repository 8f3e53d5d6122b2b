//! Operating system and architecture of an image.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::IntakeError;

/// Operating system, architecture and variant, in the words of Go (OCI image
/// specification, image-index.md): `linux/amd64`, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// `linux` for everything that can run here.
    pub os: String,
    /// `amd64`, `arm64`, `arm`, `386`, `riscv64`, …
    pub architecture: String,
    /// `v7` of `arm`, mostly.
    #[serde(default)]
    pub variant: Option<String>,
}

impl Platform {
    /// This host's.
    #[must_use]
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", Some("v8")),
            "x86" => ("386", None),
            "arm" => ("arm", Some("v7")),
            other => (other, None),
        };
        Self {
            os: "linux".into(),
            architecture: architecture.into(),
            variant: variant.map(Into::into),
        }
    }

    /// How well an image made for `self` serves `wanted`: the higher, the
    /// better; `None` if it cannot run there. A 32-bit ARM of a higher version
    /// runs what was made for a lower one; other variants must be equal, and
    /// one that is not told counts as the least.
    pub(super) fn serves(&self, wanted: &Self) -> Option<u32> {
        if self.os != wanted.os || self.architecture != wanted.architecture {
            return None;
        }
        match (self.variant(), wanted.variant()) {
            (mine, wanted) if mine == wanted => Some(u32::MAX),
            (_, None) => Some(1),
            (Some(mine), Some(wanted)) if self.architecture == "arm" => {
                let number = |variant: &str| variant.trim_start_matches('v').parse::<u32>().ok();
                number(mine).filter(|mine| number(wanted).is_some_and(|wanted| *mine <= wanted))
            }
            (None, Some(_)) => Some(1),
            // x86-64-v2 and its like: what the host can do is not known here.
            (Some(_), Some(_)) => None,
        }
    }

    /// The variant unless it is the one that goes without saying.
    fn variant(&self) -> Option<&str> {
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty());
        variant.filter(|variant| (self.architecture.as_str(), *variant) != ("arm64", "v8"))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = IntakeError;

    fn from_str(text: &str) -> Result<Self, IntakeError> {
        let parts: Vec<&str> = text.split('/').collect();
        let plain =
            |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(plain) {
            let why = "a platform is written OS/ARCHITECTURE, such as linux/arm64 or linux/arm/v7";
            return Err(IntakeError::reference(text, why));
        }
        Ok(Self {
            os: parts[0].into(),
            architecture: parts[1].into(),
            variant: parts.get(2).map(|variant| (*variant).into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serves(image: &str, wanted: &str) -> Option<u32> {
        image.parse::<Platform>().unwrap().serves(&wanted.parse().unwrap())
    }

    #[test]
    fn variants_serve_upwards_and_architectures_not_at_all() {
        assert!(serves("linux/arm64/v8", "linux/arm64") == serves("linux/arm64", "linux/arm64/v8"));
        assert!(serves("linux/arm/v7", "linux/arm/v7") > serves("linux/arm/v6", "linux/arm/v7"));
        assert!(serves("linux/arm/v6", "linux/arm/v7") > serves("linux/arm/v5", "linux/arm/v7"));
        assert_eq!(serves("linux/arm/v8", "linux/arm/v7"), None);
        assert_eq!(serves("linux/amd64/v3", "linux/amd64/v2"), None);
        assert!(serves("linux/amd64", "linux/amd64").is_some());
        assert_eq!(serves("linux/arm64", "linux/amd64"), None);
        assert_eq!(serves("windows/amd64", "linux/amd64"), None);
    }

    #[test]
    fn platforms_survive_their_text() {
        for text in ["linux/amd64", "linux/arm/v7", "linux/arm64"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        for text in ["", "amd64", "linux/", "linux/arm/v7/x", "linux/../x", "linux/a b"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}

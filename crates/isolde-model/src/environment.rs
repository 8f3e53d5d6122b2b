//! How an application is isolated, and whether this host can do it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Name of an environment as written on the command line, such as `docker`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvironmentName(String);

impl EnvironmentName {
    /// Takes the name as it is; whether it exists is the registry's answer.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whether an environment can run on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Readiness {
    /// It can run now.
    Ready(Ready),
    /// Something is missing.
    Missing(Missing),
}

/// What a usable environment is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The technology and its version, such as `docker 28.2.2, runc 1.1.5`.
    pub version: String,
    /// True where the CPU itself is emulated: such figures say nothing about
    /// the speed of the device.
    pub emulated: bool,
    /// What the user should know although it works, such as why KVM is not used.
    pub note: Option<String>,
}

/// What keeps an environment from running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What is missing and why that matters, in a few words.
    pub what: String,
    /// The command or action that brings it.
    pub hint: String,
    /// Debian packages that bring it; empty where a package cannot.
    pub packages: Vec<String>,
}

impl Readiness {
    /// True for [`Readiness::Ready`].
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    /// True where the environment is ready but runs on an emulated CPU.
    #[must_use]
    pub const fn is_emulated(&self) -> bool {
        matches!(self, Self::Ready(Ready { emulated: true, .. }))
    }

    /// A missing part that no package brings.
    pub fn missing(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Missing(Missing { what: what.into(), hint: hint.into(), packages: Vec::new() })
    }

    /// A missing part that Debian packages bring.
    pub fn missing_packages(what: impl Into<String>, packages: &[&str]) -> Self {
        Self::Missing(Missing {
            what: what.into(),
            hint: format!("sudo apt-get install --yes {}", packages.join(" ")),
            packages: packages.iter().map(|&package| package.to_owned()).collect(),
        })
    }
}

//! What the device's system is made of.

use isolde_image::{DebianRoot, ImageName};
use sha2::{Digest, Sha256};

use crate::TestbedError;

/// The device is the same whatever the host runs.
pub(crate) const SUITE: &str = "bookworm";

/// Raised with every change of how the system is made.
const VERSION: u32 = 2;

/// Its kernel, what Isolde's environments need, and what a person expects in a shell.
const PACKAGES: [&str; 11] = [
    "busybox-static",
    "ca-certificates",
    "docker.io",
    "iproute2",
    "iptables",
    "kmod",
    "linux-image-cloud-amd64",
    "mount",
    "procps",
    "qemu-system-x86",
    "runc",
];

/// The packages of a device's system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    packages: Vec<String>,
}

impl Recipe {
    /// What every device has, and `more`.
    ///
    /// # Errors
    /// A name that cannot be a package's.
    pub fn new(more: &[String]) -> Result<Self, TestbedError> {
        if let Some(wrong) = more.iter().find(|name| !is_package(name)) {
            return Err(TestbedError::Package(wrong.clone()));
        }
        let mut packages: Vec<String> = PACKAGES.map(str::to_owned).to_vec();
        packages.extend(more.iter().cloned());
        packages.sort();
        packages.dedup();
        Ok(Self { packages })
    }

    /// The packages, in order.
    pub(crate) fn packages(&self) -> &[String] {
        &self.packages
    }

    /// The name of its image in the cache, the same for equal recipes.
    #[must_use]
    pub fn image_name(&self) -> String {
        let text = format!(
            "isolde testbed {VERSION}\n{SUITE}\n{}\n{}",
            self.packages.join(" "),
            DebianRoot::LEFT_OUT.join(" ")
        );
        let digest = Sha256::digest(text);
        let tag: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("isolde-testbed:{tag}")
    }

    /// The name as the cache writes it.
    pub(crate) fn whole_name(&self) -> Option<String> {
        self.image_name().parse::<ImageName>().ok().map(|name| name.to_string())
    }
}

/// Debian policy 5.6.1, so that no name is an option or a second one.
fn is_package(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() >= 2
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_recipes_have_one_name() {
        let of = |more: &[&str]| {
            let more: Vec<String> = more.iter().map(|&name| name.to_owned()).collect();
            Recipe::new(&more).map(|recipe| recipe.image_name())
        };
        assert_eq!(of(&[]).unwrap(), of(&["runc", "kmod"]).unwrap());
        assert_ne!(of(&[]).unwrap(), of(&["gvisor"]).unwrap());
        assert!(of(&["g++-12"]).is_ok());
        for wrong in ["", "-x", "a,b", "A", "a b", "x"] {
            assert!(matches!(of(&[wrong]), Err(TestbedError::Package(_))), "{wrong}");
        }
    }
}

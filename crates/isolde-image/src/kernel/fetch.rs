//! The distribution's kernel package, unpacked into the cache without being
//! installed: no bootloader is touched and no rights of root are needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{HostKernel, add_kernel};
use crate::store::HalfMade;
use crate::tool::Tool;
use crate::{ImageError, Store};

const APT_CACHE: Tool = Tool { name: "apt-cache", package: "apt" };
const APT_GET: Tool = Tool { name: "apt-get", package: "apt" };

/// Packages that stand for the newest kernel, the one made for virtual
/// machines first: Debian (and Raspberry Pi OS, which has Debian's), Ubuntu.
fn package_names() -> &'static [&'static str] {
    match std::env::consts::ARCH {
        "x86_64" => &[
            "linux-image-cloud-amd64",
            "linux-image-virtual",
            "linux-image-amd64",
            "linux-image-generic",
        ],
        _ => &[
            "linux-image-cloud-arm64",
            "linux-image-virtual",
            "linux-image-arm64",
            "linux-image-rpi-v8",
            "linux-image-generic",
        ],
    }
}

const QUERY_PATIENCE: Duration = Duration::from_secs(60);
/// Ubuntu's modules are 130 MB, and a device's line may be slow.
const DOWNLOAD_PATIENCE: Duration = Duration::from_secs(1800);

/// Downloads the distribution's kernel for virtual machines and unpacks it into
/// the cache, unless it is there already. Needs the network and takes minutes.
///
/// # Errors
/// That no package list names a kernel, that a tool failed, or that the
/// unpacked kernel lacks a driver.
pub fn fetch_package_kernel(store: &Store) -> Result<HostKernel, ImageError> {
    let kernels = store.place(Store::KERNELS, "");
    let packages = kernel_packages(&kernels)?;
    let scratch = HalfMade::new(&kernels);
    let files = download(&packages, scratch.path())?;
    let first = || ImageError::NoPackage { tried: packages.join(", ") };
    add_kernel(store, &files)?.into_iter().next().ok_or_else(first)
}

/// The package with the image, and those with its modules where they are apart.
fn kernel_packages(folder: &Path) -> Result<Vec<String>, ImageError> {
    let depends = |package: &str| -> Vec<String> {
        let arguments = ["depends", "--important", package];
        // An unknown package is an ordinary answer here.
        let text = APT_CACHE.run(arguments, &[], folder, QUERY_PATIENCE).unwrap_or_default();
        dependencies(&text)
    };
    let is_image = |name: &&String| {
        name.strip_prefix("linux-image-")
            .is_some_and(|rest| rest.contains(|c: char| c.is_ascii_digit()))
    };
    for meta in package_names() {
        let of_meta = depends(meta);
        let Some(image) = of_meta.iter().find(is_image) else { continue };
        let mut packages = vec![image.clone()];
        for name in depends(image).into_iter().chain(of_meta.clone()) {
            if name.starts_with("linux-modules-") && !packages.contains(&name) {
                packages.push(name);
            }
        }
        return Ok(packages);
    }
    Err(ImageError::NoPackage { tried: package_names().join(", ") })
}

/// Names behind `Depends:` in the output of `apt-cache depends`; virtual ones,
/// in angle brackets, are left out.
pub(super) fn dependencies(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches('|').strip_prefix("Depends:"))
        .map(str::trim)
        .filter(|name| !name.starts_with('<'))
        .map(str::to_owned)
        .collect()
}

/// Downloads the packages into the new folder and gives their files.
pub(super) fn download(packages: &[String], folder: &Path) -> Result<Vec<PathBuf>, ImageError> {
    fs::create_dir(folder).map_err(|error| ImageError::file("make", folder, error))?;
    // As an ordinary user apt cannot change to its own; as root its own cannot
    // write here.
    let arguments = ["-o", "APT::Sandbox::User=root", "--quiet", "download"];
    let arguments = arguments.into_iter().chain(packages.iter().map(String::as_str));
    APT_GET.run(arguments, &[], folder, DOWNLOAD_PATIENCE)?;
    Ok(packages_in(folder))
}

fn packages_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_apt() {
        let text = "linux-image-virtual\n  Depends: linux-image-6.8.0-45-generic\n \
                    |Depends: wireless-regdb\n  Depends: <linux-firmware>\n  Suggests: x\n";
        assert_eq!(dependencies(text), ["linux-image-6.8.0-45-generic", "wireless-regdb"]);
    }
}

//! Kernels on this host that a guest can boot.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::decompress::read_unpacked;
use crate::modules::Modules;
use crate::{ImageError, Store, initramfs};

/// A kernel with its modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKernel {
    /// Its release, as `uname -r` says inside.
    pub release: String,
    /// Its image, as distributions install it.
    pub image: PathBuf,
    /// The folder with its modules.
    pub modules: PathBuf,
}

/// Where the host's own kernels lie.
const BOOT_FOLDERS: [&str; 2] = ["/boot", "/boot/firmware"];
const MODULE_FOLDERS: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];

/// Every kernel of the host and of the cache that has an image and modules with
/// the drivers of a virtual machine, best first: the running one, then the newest.
#[must_use]
pub fn find_kernels(store: &Store) -> Vec<HostKernel> {
    survey(store).0
}

/// The best of [`find_kernels`].
///
/// # Errors
/// That there is none, and what each that was found lacks.
pub fn choose_kernel(store: &Store) -> Result<HostKernel, ImageError> {
    let (kernels, refused) = survey(store);
    kernels.into_iter().next().ok_or_else(|| ImageError::NoKernel {
        found: if refused.is_empty() {
            "neither /boot nor the cache has any".to_owned()
        } else {
            refused.join("; ")
        },
    })
}

/// Usable kernels, best first, and why others are not.
fn survey(store: &Store) -> (Vec<HostKernel>, Vec<String>) {
    let mut places: Vec<(PathBuf, Vec<PathBuf>)> =
        BOOT_FOLDERS.map(|boot| (boot.into(), MODULE_FOLDERS.map(PathBuf::from).to_vec())).to_vec();
    for kept in list(&store.kernels()) {
        places.push((kept.join("boot"), vec![kept.join("lib/modules")]));
    }
    let (mut kernels, mut refused) = (Vec::new(), Vec::new());
    for (boot, modules) in places {
        for image in list(&boot).into_iter().filter(|path| is_kernel_name(path)) {
            match check(&image, &modules) {
                Ok(kernel) => kernels.push(kernel),
                Err(why) => refused.push(format!("{}: {why}", image.display())),
            }
        }
    }
    let running = rustix::system::uname().release().to_string_lossy().into_owned();
    kernels.sort_by(|a, b| {
        let runs = |kernel: &HostKernel| kernel.release == running;
        runs(b).cmp(&runs(a)).then_with(|| compare_releases(&b.release, &a.release))
    });
    kernels.dedup_by(|a, b| a.release == b.release);
    (kernels, refused)
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// `vmlinuz-…` and `vmlinux-…` of Debian and Ubuntu, `kernel8.img` and its kin
/// of Raspberry Pi OS.
fn is_kernel_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("vmlinuz-")
        || name.starts_with("vmlinux-")
        || (name.starts_with("kernel") && name.ends_with(".img"))
}

/// The kernel of that image, or what it lacks.
pub(crate) fn check(image: &Path, module_folders: &[PathBuf]) -> Result<HostKernel, String> {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let release = match name.split_once('-') {
        Some(("vmlinuz" | "vmlinux", release)) => {
            // Ubuntu's are readable by root only.
            File::open(image).map_err(|error| error.to_string())?;
            release.to_owned()
        }
        _ => release_inside(image)?,
    };
    if !is_bootable(image) {
        return Err("not a kernel image of this architecture".into());
    }
    let folder = module_folders
        .iter()
        .map(|folder| folder.join(&release))
        .find(|folder| folder.join("modules.dep").is_file())
        .ok_or_else(|| format!("no modules of {release}"))?;
    let modules = Modules::read(&release, &folder).map_err(|error| error.to_string())?;
    modules.load_order(&initramfs::drivers(&modules)).map_err(|error| error.to_string())?;
    Ok(HostKernel { release, image: image.to_owned(), modules: folder })
}

/// Whether the image has this architecture's header: on x86 `HdrS` at 0x202
/// (Documentation/arch/x86/boot.rst); on arm64 `ARM\x64` at 56
/// (Documentation/arch/arm64/booting.rst), or gzip, which QEMU unpacks.
fn is_bootable(image: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(image).and_then(|file| file.take(0x300).read_to_end(&mut head));
    let has = |at: usize, magic: &[u8]| head.get(at..at + magic.len()) == Some(magic);
    read.is_ok()
        && match std::env::consts::ARCH {
            "x86_64" => has(0x202, b"HdrS"),
            _ => has(56, b"ARM\x64") || has(0, &[0x1f, 0x8b]),
        }
}

/// The release that the image itself tells, from its `Linux version …` banner.
fn release_inside(image: &Path) -> Result<String, String> {
    let bytes = read_unpacked(image).map_err(|error| error.to_string())?;
    release_in(&bytes).ok_or_else(|| "it does not tell its release".to_owned())
}

fn release_in(bytes: &[u8]) -> Option<String> {
    const BANNER: &[u8] = b"Linux version ";
    bytes.windows(BANNER.len()).enumerate().filter(|(_, window)| *window == BANNER).find_map(
        |(at, _)| {
            let rest = &bytes[at + BANNER.len()..];
            let end = rest.iter().take(64).position(|byte| *byte == b' ')?;
            let release = std::str::from_utf8(&rest[..end]).ok()?;
            // The format string `%s` stands in the image as well.
            release.starts_with(|first: char| first.is_ascii_digit()).then(|| release.to_owned())
        },
    )
}

/// Orders releases as people do: runs of digits by value, the rest by bytes.
fn compare_releases(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let (Some(&x), Some(&y)) = (a.first(), b.first()) {
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            number(&mut a).cmp(&number(&mut b))
        } else {
            (a, b) = (&a[1..], &b[1..]);
            x.cmp(&y)
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

fn number(text: &mut &[u8]) -> u64 {
    let mut value = 0u64;
    while let Some((digit, rest)) = text.split_first().filter(|(first, _)| first.is_ascii_digit()) {
        value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        *text = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_by_value() {
        let mut releases = ["6.1.0-9-amd64", "6.12.1", "6.1.0-56-amd64", "6.2.0", "5.99"];
        releases.sort_by(|a, b| compare_releases(a, b));
        assert_eq!(releases, ["5.99", "6.1.0-9-amd64", "6.1.0-56-amd64", "6.2.0", "6.12.1"]);
    }

    #[test]
    fn a_release_is_read_from_the_banner_not_from_its_format() {
        let image = b"..Linux version %s (%s)\0..Linux version 6.6.31+rpt-rpi-v8 (serge@..)";
        assert_eq!(release_in(image).as_deref(), Some("6.6.31+rpt-rpi-v8"));
        assert_eq!(release_in(b"Linux version "), None);
    }

    #[test]
    fn names_of_kernels_are_known() {
        for (name, is) in [
            ("vmlinuz-6.1.0", true),
            ("kernel8.img", true),
            ("initrd.img-6.1.0", false),
            ("config-6.1.0", false),
        ] {
            assert_eq!(is_kernel_name(Path::new(name)), is, "{name}");
        }
    }
}

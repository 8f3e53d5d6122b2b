//! What a kernel's image file is, from its bytes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::field::find;
use super::unpack::{LIMIT, Packing};
use super::{KernelError, arm64, bzimage, elf};

/// Machines whose kernels are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Machine {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86,
    /// 64-bit Arm.
    #[serde(rename = "aarch64")]
    Arm,
}

impl Machine {
    /// This host's.
    pub const HOST: Self = if cfg!(target_arch = "aarch64") { Self::Arm } else { Self::X86 };

    /// As `uname -m` says.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "aarch64",
        }
    }
}

/// Formats of kernel images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// x86's bzImage.
    BzImage,
    /// x86's ELF image, vmlinux.
    Elf,
    /// arm64's plain `Image`.
    Image,
    /// arm64's `Image`, packed.
    PackedImage,
    /// arm64's `Image` in an EFI program.
    Zboot,
}

/// A kernel's image, checked as far as can be done without unpacking it.
#[derive(Debug)]
pub struct KernelImage<'a> {
    bytes: &'a [u8],
    format: ImageFormat,
}

impl<'a> KernelImage<'a> {
    /// Reads the headers of a stranger's bytes.
    ///
    /// # Errors
    /// What it is instead, or what of it is missing.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, KernelError> {
        let format = if bzimage::is_bzimage(bytes) {
            bzimage::check(bytes)?;
            ImageFormat::BzImage
        } else if elf::is_elf(bytes) {
            elf::check_x86(bytes)?;
            ImageFormat::Elf
        } else if arm64::is_zboot(bytes) {
            ImageFormat::Zboot
        } else if arm64::is_image(bytes) {
            arm64::check(bytes)?;
            ImageFormat::Image
        } else if Packing::of(bytes) != Packing::None {
            ImageFormat::PackedImage
        } else {
            return Err(KernelError::Unknown);
        };
        Ok(Self { bytes, format })
    }

    /// Its format.
    #[must_use]
    pub const fn format(&self) -> ImageFormat {
        self.format
    }

    /// The machine that it runs on.
    #[must_use]
    pub const fn machine(&self) -> Machine {
        match self.format {
            ImageFormat::BzImage | ImageFormat::Elf => Machine::X86,
            _ => Machine::Arm,
        }
    }

    /// Whether QEMU can start it as it is: an ELF image needs a PVH entry.
    #[must_use]
    pub fn is_startable(&self) -> bool {
        self.format != ImageFormat::Elf || elf::has_pvh_entry(self.bytes)
    }

    /// What is packed in it, checked and at most 256 MiB: the ELF image on x86,
    /// the plain `Image` on arm64.
    ///
    /// # Errors
    /// Why it cannot be unpacked, or what it holds instead.
    pub fn unpacked(&self) -> Result<Cow<'a, [u8]>, KernelError> {
        match self.format {
            ImageFormat::BzImage => bzimage::vmlinux(self.bytes).map(Cow::Owned),
            ImageFormat::PackedImage => arm64::unpack_image(self.bytes).map(Cow::Owned),
            ImageFormat::Zboot => arm64::unpack_zboot(self.bytes).map(Cow::Owned),
            ImageFormat::Elf | ImageFormat::Image if self.bytes.len() > LIMIT => {
                Err(KernelError::Unsupported("larger than any kernel"))
            }
            ImageFormat::Elf | ImageFormat::Image => Ok(Cow::Borrowed(self.bytes)),
        }
    }

    /// Its release, as `uname -r` says inside: from the header of a bzImage, else
    /// from the banner in the kernel itself, for which it is unpacked.
    ///
    /// # Errors
    /// That it does not tell, or why it cannot be unpacked.
    pub fn release(&self) -> Result<String, KernelError> {
        let told = match self.format {
            ImageFormat::BzImage => bzimage::release(self.bytes),
            _ => None,
        };
        match told {
            Some(release) => Ok(release),
            None => banner(&self.unpacked()?).ok_or(KernelError::NoRelease),
        }
    }
}

/// The release behind `Linux version `.
pub(super) fn banner(bytes: &[u8]) -> Option<String> {
    const BANNER: &[u8] = b"Linux version ";
    let mut rest = bytes;
    while let Some(at) = find(rest, BANNER) {
        rest = &rest[at + BANNER.len()..];
        let word = rest[..rest.len().min(MOST_RELEASE + 1)].split(|byte| *byte == b' ').next()?;
        // The format string `%s` stands in the image as well.
        if let Some(release) = release_of(word) {
            return Some(release);
        }
    }
    None
}

/// `__NEW_UTS_LEN` of the kernel.
const MOST_RELEASE: usize = 64;

/// A word that can be a release: it names files and folders, and goes to terminals.
pub(super) fn release_of(word: &[u8]) -> Option<String> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b".+-_~".contains(byte);
    let fits = word.len() <= MOST_RELEASE && word.first().is_some_and(u8::is_ascii_digit);
    (fits && word.iter().all(allowed)).then(|| String::from_utf8_lossy(word).into_owned())
}

//! arm64's `Image` (Documentation/arch/arm64/booting.rst): plain, packed with gzip,
//! or inside an EFI program that unpacks it (`zboot`, drivers/firmware/efi/libstub).

use super::KernelError;
use super::field::{number, slice};
use super::unpack::{LIMIT, unpack};

/// Whether it is the plain image: `ARM\x64` at 56.
pub(super) fn is_image(bytes: &[u8]) -> bool {
    bytes.get(56..60) == Some(b"ARM\x64")
}

/// Whether it is an EFI program with a packed kernel: `MZ`, then `zimg` at 4. On
/// arm64 it has the plain image's magic as well.
pub(super) fn is_zboot(bytes: &[u8]) -> bool {
    bytes.starts_with(b"MZ") && bytes.get(4..8) == Some(b"zimg")
}

/// Checks that the whole plain image is there. Its size in memory, in the header,
/// counts what is zero in the beginning and not in the file.
pub(super) fn check(bytes: &[u8]) -> Result<(), KernelError> {
    if !is_image(bytes) {
        return Err(KernelError::WrongPayload("arm64 Image"));
    }
    let flags = number::<8>(bytes, 24).ok_or(KernelError::Truncated("header"))?;
    if flags & 1 != 0 {
        return Err(KernelError::OtherMachine { found: "big-endian arm64".into() });
    }
    Ok(())
}

/// The plain image in a zboot program.
pub(super) fn unpack_zboot(bytes: &[u8]) -> Result<Vec<u8>, KernelError> {
    /// Names that the kernel's build writes, `EFI_ZBOOT` in its Makefile.
    const NAMES: [&str; 8] =
        ["gzip", "lz4", "lzma", "xz", "xzkern", "zstd", "zstd22", "lz4_legacy"];
    let field = |at| number::<4>(bytes, at).ok_or(KernelError::Truncated("header"));
    let (offset, length) = (field(8)?, field(12)?);
    let name = bytes.get(24..56).ok_or(KernelError::Truncated("header"))?;
    let name = String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default());
    if !NAMES.contains(&&*name) {
        let name: String = name.chars().filter(|c| c.is_ascii_graphic()).collect();
        let reason = format!("it is packed with `{name}`, which is not supported");
        return Err(KernelError::Packed(reason));
    }
    let payload = slice(bytes, offset, length).filter(|payload| !payload.is_empty());
    let payload =
        payload.ok_or(KernelError::PayloadOutside { offset, length, bytes: bytes.len() as u64 })?;
    unpack_image(payload)
}

/// The plain image in its packing.
pub(super) fn unpack_image(packed: &[u8]) -> Result<Vec<u8>, KernelError> {
    let image = unpack(packed, LIMIT).map_err(KernelError::Packed)?;
    check(&image)?;
    Ok(image)
}

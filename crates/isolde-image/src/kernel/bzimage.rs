//! x86's bzImage (Documentation/arch/x86/boot.rst): sectors of 512 bytes with the
//! setup code and its header, then a small program that holds the kernel, packed.

use super::field::{number, slice};
use super::unpack::{LIMIT, unpack};
use super::{KernelError, elf};

const SECTOR: u64 = 512;

/// Whether it has the header: `HdrS` at 0x202.
pub(super) fn is_bzimage(bytes: &[u8]) -> bool {
    bytes.get(0x202..0x206) == Some(b"HdrS")
}

/// Bytes before the protected-mode part.
fn setup_bytes(bytes: &[u8]) -> Result<u64, KernelError> {
    let sectors = number::<1>(bytes, 0x1f1).ok_or(KernelError::Truncated("header"))?;
    // For old loaders, 0 means 4.
    Ok((if sectors == 0 { 4 } else { sectors } + 1) * SECTOR)
}

/// Refuses kernels that run no 64-bit programs, as far as the header says.
pub(super) fn check(bytes: &[u8]) -> Result<(), KernelError> {
    const XLF_KERNEL_64: u64 = 1;
    let field = |offset| number::<2>(bytes, offset).ok_or(KernelError::Truncated("header"));
    if field(0x206)? < 0x20c {
        return Err(KernelError::Unsupported("its boot protocol is older than 2.12 (Linux 3.8)"));
    }
    if field(0x236)? & XLF_KERNEL_64 == 0 {
        return Err(KernelError::OtherMachine { found: "32-bit x86".into() });
    }
    Ok(())
}

/// The release that `kernel_version` points to.
pub(super) fn release(bytes: &[u8]) -> Option<String> {
    let pointer = number::<2>(bytes, 0x20e).filter(|pointer| *pointer > 0)? + 0x200;
    let text = slice(bytes, pointer, setup_bytes(bytes).ok()?.checked_sub(pointer)?)?;
    let word = text.split(|byte| *byte == b' ' || *byte == 0).next()?;
    super::image::release_of(word)
}

/// The ELF image that is packed in it. What follows the ELF (relocations) stays.
pub(super) fn vmlinux(bytes: &[u8]) -> Result<Vec<u8>, KernelError> {
    let field = |offset| number::<4>(bytes, offset).ok_or(KernelError::Truncated("header"));
    let offset = setup_bytes(bytes)? + field(0x248)?;
    let length = field(0x24c)?;
    let payload = slice(bytes, offset, length).filter(|payload| !payload.is_empty());
    let payload =
        payload.ok_or(KernelError::PayloadOutside { offset, length, bytes: bytes.len() as u64 })?;
    let unpacked = unpack(payload, LIMIT).map_err(KernelError::Packed)?;
    elf::check_x86(&unpacked)?;
    Ok(unpacked)
}

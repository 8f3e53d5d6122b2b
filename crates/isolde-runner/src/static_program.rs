//! Whether a program of the host can run in a nearly empty root file system.

use std::fs;
use std::path::Path;

use crate::RunError;

/// Whether `program` can run where there is no dynamic loader and no library.
///
/// # Errors
/// In words, why it cannot.
pub fn check_static(program: &Path) -> Result<(), RunError> {
    let wrong = |what: &str| RunError::Program(format!("`{}` {what}", program.display()));
    let bytes = fs::read(program).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    match interpreter(&bytes) {
        Elf::Static => Ok(()),
        Elf::Other => Err(wrong(
            "is not an executable of this machine: give a static executable, or an image with what \
             a script needs by --image",
        )),
        Elf::Dynamic => Err(wrong(
            "is dynamically linked, and the sandbox holds no libraries: give a static executable, \
             such as one of the package busybox-static, or an image with its libraries by --image \
             (--image dir:FOLDER takes an unpacked root file system)",
        )),
    }
}

enum Elf {
    Static,
    Dynamic,
    Other,
}

/// Looks for a PT_INTERP segment (System V ABI, chapter 5) in a 64-bit little-endian ELF file.
fn interpreter(bytes: &[u8]) -> Elf {
    const PT_INTERP: u64 = 3;
    let number = |offset: usize, size: usize| -> Option<u64> {
        let field = bytes.get(offset..offset.checked_add(size)?)?;
        Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    if bytes.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Elf::Other;
    }
    let header = (number(32, 8), number(54, 2), number(56, 2));
    let (Some(table), Some(size), Some(count)) = header else { return Elf::Other };
    for entry in 0..count {
        let Ok(offset) = usize::try_from(table.saturating_add(entry * size)) else {
            return Elf::Other;
        };
        match number(offset, 4) {
            Some(PT_INTERP) => return Elf::Dynamic,
            Some(_) => {}
            None => return Elf::Other,
        }
    }
    Elf::Static
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_and_dynamic_programs_are_told_apart() {
        // This test itself is built static, like the product.
        check_static(Path::new("/proc/self/exe")).unwrap();
        let shell = fs::canonicalize("/bin/sh").unwrap();
        let dynamic = check_static(&shell).unwrap_err().to_string();
        assert!(dynamic.contains("dynamically linked"), "{dynamic}");
        let script = check_static(Path::new("/proc/self/cmdline")).unwrap_err().to_string();
        assert!(script.contains("not an executable"), "{script}");
        let absent = check_static(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(absent.contains("cannot be read"), "{absent}");
    }

    #[test]
    fn a_cut_header_is_no_executable() {
        assert!(matches!(interpreter(b"\x7fELF\x02\x01"), Elf::Other));
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[56..58].copy_from_slice(&[1, 0]);
        bytes[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(interpreter(&bytes), Elf::Other));
    }
}

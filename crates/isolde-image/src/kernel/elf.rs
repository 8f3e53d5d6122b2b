//! 64-bit ELF files (System V ABI, chapters 4 and 5): kernels and their modules.

use super::KernelError;
use super::field::{number, slice};

const EM_X86_64: u64 = 62;
const EM_AARCH64: u64 = 183;

/// Whether it begins as any ELF file does.
pub(super) fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Checks that it is an executable image of a 64-bit x86 kernel with all its
/// segments.
pub(super) fn check_x86(bytes: &[u8]) -> Result<(), KernelError> {
    const LITTLE_64: &[u8] = b"\x7fELF\x02\x01";
    let found = |found: &str| Err(KernelError::OtherMachine { found: found.to_owned() });
    if !is_elf(bytes) {
        return Err(KernelError::WrongPayload("ELF image"));
    }
    if !bytes.starts_with(LITTLE_64) {
        return found("a 32-bit or big-endian machine");
    }
    let field = |offset| number::<2>(bytes, offset).ok_or(KernelError::Truncated("ELF header"));
    match field(18)? {
        EM_X86_64 => {}
        EM_AARCH64 => return found("arm64, as ELF file: give its Image"),
        other => return found(&format!("machine {other} of the ELF specification")),
    }
    // ET_EXEC, or ET_DYN of a kernel that is linked to be moved.
    if !matches!(field(16)?, 2 | 3) {
        return Err(KernelError::Unsupported("an ELF file, but no executable: a module?"));
    }
    let mut loads = 0;
    for segment in segments(bytes).ok_or(KernelError::Truncated("table of segments"))? {
        loads += usize::from(segment.kind == PT_LOAD);
        if slice(bytes, segment.offset, segment.length).is_none() {
            return Err(KernelError::Truncated("content"));
        }
    }
    if loads == 0 {
        return Err(KernelError::Unsupported("an ELF file with nothing to load"));
    }
    Ok(())
}

const PT_LOAD: u64 = 1;
const PT_NOTE: u64 = 4;

struct Segment {
    kind: u64,
    offset: u64,
    length: u64,
}

/// The program headers; `None` where they are not all there.
fn segments(bytes: &[u8]) -> Option<Vec<Segment>> {
    let (start, size, count) =
        (number::<8>(bytes, 32)?, number::<2>(bytes, 54)?, number::<2>(bytes, 56)?);
    let table = slice(bytes, start, size * count)?;
    let size = usize::try_from(size).ok().filter(|size| *size >= 56)?;
    table
        .chunks_exact(size)
        .map(|entry| {
            let (kind, offset) = (number::<4>(entry, 0)?, number::<8>(entry, 8)?);
            Some(Segment { kind, offset, length: number::<8>(entry, 32)? })
        })
        .collect()
}

/// Whether a VMM can start it directly: a note of owner `Xen` and type 18,
/// XEN_ELFNOTE_PHYS32_ENTRY (Documentation/x86/pvh, xen/include/public/elfnote.h).
pub(super) fn has_pvh_entry(bytes: &[u8]) -> bool {
    let segments = segments(bytes).unwrap_or_default();
    segments.iter().filter(|segment| segment.kind == PT_NOTE).any(|segment| {
        slice(bytes, segment.offset, segment.length).is_some_and(|notes| has_note(notes).is_some())
    })
}

fn has_note(mut notes: &[u8]) -> Option<()> {
    loop {
        let (name, content) = (number::<4>(notes, 0)?, number::<4>(notes, 4)?);
        if number::<4>(notes, 8)? == 18 && slice(notes, 12, name)? == b"Xen\0" {
            return Some(());
        }
        let next = 12 + name.next_multiple_of(4) + content.next_multiple_of(4);
        notes = notes.get(usize::try_from(next).ok()?..)?;
    }
}

/// The section of that name.
pub(super) fn section<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    const SHT_NOBITS: u64 = 8;
    if !is_elf(bytes) {
        return None;
    }
    let (start, size) = (number::<8>(bytes, 40)?, number::<2>(bytes, 58)?);
    let (count, names) = (number::<2>(bytes, 60)?, number::<2>(bytes, 62)?);
    let table = slice(bytes, start, size * count)?;
    let size = usize::try_from(size).ok().filter(|size| *size >= 64)?;
    let content = |entry: &[u8]| slice(bytes, number::<8>(entry, 24)?, number::<8>(entry, 32)?);
    let mut entries = table.chunks_exact(size);
    let names = content(entries.clone().nth(usize::try_from(names).ok()?)?)?;
    let entry = entries.find(|entry| {
        let at = number::<4>(entry, 0).and_then(|at| usize::try_from(at).ok());
        let rest = at.and_then(|at| names.get(at..)).unwrap_or_default();
        number::<4>(entry, 4) != Some(SHT_NOBITS)
            && rest.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(&[0]))
    })?;
    content(entry)
}

//! Reading the archive that comes out of a device. It is a stranger's: nothing but
//! plain files and folders is taken, no name leads out of the target, and everything
//! is counted before it is written.
//!
//! Format: `ustar` of POSIX.1-2017 (pax, "ustar Interchange Format"), as tar of GNU
//! and of busybox write it where no name is long.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::Limits;

const BLOCK: usize = 512;

/// Unpacks `archive` into `target`, an empty folder; gives the number of files.
///
/// # Errors
/// What is wrong with the archive, what exceeds `limits`, or what could not be written.
pub(crate) fn unpack(mut archive: impl Read, target: &Path, limits: Limits) -> Result<u32, String> {
    let (mut entries, mut files, mut bytes) = (0, 0, 0u64);
    loop {
        let mut header = [0; BLOCK];
        archive.read_exact(&mut header).map_err(|error| told("it is cut off", &error))?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(files);
        }
        let entry = Entry::of(&header)?;
        entries += 1;
        bytes = bytes.saturating_add(entry.bytes);
        if entries > limits.entries {
            return Err(format!("it has more than {} files and folders", limits.entries));
        }
        if bytes > limits.bytes {
            return Err(format!("it has more than {} MiB", limits.bytes >> 20));
        }
        let path = target.join(&entry.path);
        let at = |error: io::Error| format!("{}: {error}", path.display());
        if entry.is_folder {
            fs::create_dir_all(&path).map_err(at)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(at)?;
        }
        // Nothing but plain files and folders was made, so no link leads away.
        let mut file = File::create_new(&path).map_err(at)?;
        let copied = io::copy(&mut archive.by_ref().take(entry.bytes), &mut file).map_err(at)?;
        let padding = entry.bytes.next_multiple_of(BLOCK as u64) - entry.bytes;
        let skipped = io::copy(&mut archive.by_ref().take(padding), &mut io::sink()).map_err(at)?;
        if (copied, skipped) != (entry.bytes, padding) {
            return Err("it is cut off within a file".into());
        }
        files += 1;
    }
}

fn told(what: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => what.to_owned(),
        _ => error.to_string(),
    }
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    bytes: u64,
    is_folder: bool,
}

impl Entry {
    fn of(header: &[u8; BLOCK]) -> Result<Self, String> {
        if &header[257..262] != b"ustar" {
            return Err("it is no archive".into());
        }
        if octal(&header[148..156]) != Some(checksum(header)) {
            return Err("a header in it is damaged".into());
        }
        // GNU's variant has other things where POSIX has the first part of long names.
        let prefix = if header[262] == 0 { text(&header[345..500])? } else { "" };
        let name = text(&header[..100])?;
        let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let path = inside(&name).ok_or_else(|| format!("a name in it leads out: {name:?}"))?;
        let bytes = octal(&header[124..136]).ok_or("a size in it is none")?;
        let is_folder = match header[156] {
            b'0' | 0 => false,
            b'5' => true,
            _ => return Err(format!("{name:?} in it is neither a file nor a folder")),
        };
        if is_folder && bytes > 0 {
            return Err(format!("the folder {name:?} in it has a size"));
        }
        Ok(Self { path, bytes, is_folder })
    }
}

/// Text up to the first zero byte.
fn text(field: &[u8]) -> Result<&str, String> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).map_err(|_| "a name in it is no text".into())
}

/// Octal digits between spaces and zero bytes.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| u64::from_str_radix(text, 8).ok()).flatten()
}

/// The sum of all bytes, those of the sum itself as spaces.
fn checksum(header: &[u8; BLOCK]) -> u64 {
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = header[148..156].iter().map(|byte| u64::from(*byte)).sum();
    sum - own + 8 * u64::from(b' ')
}

/// `name` as a path below a folder: no part goes up, is hidden by control characters
/// or starts at the root.
fn inside(name: &str) -> Option<PathBuf> {
    if name.starts_with('/') || name.contains(char::is_control) {
        return None;
    }
    let parts = name.split('/').filter(|part| !part.is_empty() && *part != ".");
    let parts: Vec<&str> = parts.collect();
    (!parts.contains(&"..")).then(|| parts.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const LIMITS: Limits = Limits { entries: 100, bytes: 1 << 20 };

    fn header(name: &str, kind: u8, bytes: u64) -> [u8; BLOCK] {
        let mut header = [0; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{bytes:011o}").as_bytes());
        header[156] = kind;
        header[257..262].copy_from_slice(b"ustar");
        let sum = checksum(&header);
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header
    }

    fn refused(blocks: &[[u8; BLOCK]], limits: Limits) -> String {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        fs::create_dir(&target).unwrap();
        let why = unpack(&blocks.concat()[..], &target, limits).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something got out");
        why
    }

    #[test]
    fn what_tar_writes_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        let deep = source.join("a".repeat(90)).join("b".repeat(60));
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir(source.join("empty")).unwrap();
        fs::write(deep.join("file"), vec![7; 1000]).unwrap();
        fs::write(source.join("none"), "").unwrap();
        let mut tar = Command::new("tar");
        tar.args(["--format=ustar", "-cf", "-", "-C"]).arg(&source).arg(".");
        let archive = tar.output().unwrap().stdout;
        let target = folder.path().join("target");
        fs::create_dir(&target).unwrap();
        assert_eq!(unpack(&archive[..], &target, LIMITS).unwrap(), 2);
        let again = target.join("a".repeat(90)).join("b".repeat(60)).join("file");
        assert_eq!(fs::read(again).unwrap(), vec![7; 1000]);
        assert!(target.join("empty").is_dir() && target.join("none").is_file());
    }

    #[test]
    fn what_leads_out_or_is_no_file_is_refused() {
        let end = [0; BLOCK];
        for name in ["../x", "/etc/x", "a/../../x", "x\u{1b}[2J"] {
            let why = refused(&[header(name, b'0', 0), end], LIMITS);
            assert!(why.contains("leads out"), "{name}: {why}");
        }
        for kind in *b"1234567LKxg" {
            if kind != b'5' {
                let why = refused(&[header("x", kind, 0), end], LIMITS);
                assert!(why.contains("neither"), "{kind}: {why}");
            }
        }
    }

    #[test]
    fn what_is_cut_damaged_twice_or_too_much_is_refused() {
        let end = [0; BLOCK];
        let file = header("x", b'0', 600);
        assert!(refused(&[file, end], LIMITS).contains("cut off within"));
        assert!(refused(&[header("x", b'0', 0)], LIMITS).contains("cut off"));
        let mut damaged = header("x", b'0', 0);
        damaged[0] = b'y';
        assert!(refused(&[damaged, end], LIMITS).contains("damaged"));
        assert!(refused(&[[1; BLOCK], end], LIMITS).contains("no archive"));
        let twice = [header("x", b'0', 0), header("./x", b'0', 0), end];
        assert!(refused(&twice, LIMITS).contains("exists"));
        let few = Limits { entries: 1, ..LIMITS };
        let two = [header("x", b'0', 0), header("y", b'0', 0), end];
        assert!(refused(&two, few).contains("more than 1 files"));
        let small = Limits { bytes: 100, ..LIMITS };
        assert!(refused(&[file, end, end, end], small).contains("more than 0 MiB"));
    }
}

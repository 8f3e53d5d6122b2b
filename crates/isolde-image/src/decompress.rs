//! Unpacking of kernel modules and kernels on the host, bounded in size.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::ImageError;

/// No module or kernel image comes near this size; more is a bomb.
const LIMIT: usize = 256 << 20;

/// The file's content, unpacked as its content (not its name) says.
pub(crate) fn read_unpacked(path: &Path) -> Result<Vec<u8>, ImageError> {
    let refuse = |reason: String| ImageError::Compressed { path: path.to_owned(), reason };
    let bytes = read_bounded(path)?;
    match bytes.as_slice() {
        [0x1f, 0x8b, ..] => bounded(flate2::read::GzDecoder::new(bytes.as_slice())),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ruzstd::decoding::StreamingDecoder::new(bytes.as_slice())
            .map_err(|error| error.to_string())
            .and_then(bounded),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => unpack_xz(&bytes),
        _ => return Ok(bytes),
    }
    .map_err(refuse)
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, ImageError> {
    let read = |error| ImageError::file("read", path, error);
    if fs::metadata(path).map_err(read)?.len() > LIMIT as u64 {
        return Err(read(io::Error::other("it is too large for a kernel file")));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT as u64).read_to_end(&mut bytes))
        .map_err(read)?;
    Ok(bytes)
}

fn bounded(stream: impl Read) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    stream.take(LIMIT as u64 + 1).read_to_end(&mut unpacked).map_err(|error| error.to_string())?;
    if unpacked.len() > LIMIT { Err("it unpacks to too much".into()) } else { Ok(unpacked) }
}

/// Unpacks xz. The decoder knows neither filters for machine code nor SHA-256
/// checks; the kernel's own build uses neither for modules
/// (`xz --check=crc32 --lzma2`, scripts/Makefile.modinst).
fn unpack_xz(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut unpacked = Bounded(Vec::new());
    match lzma_rs::xz_decompress(&mut &*bytes, &mut unpacked) {
        Ok(()) => Ok(unpacked.0),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// A vector that refuses to grow over the limit.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LIMIT {
            return Err(io::Error::other("it unpacks to too much"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    #[expect(clippy::print_stderr)]
    fn what_the_common_tools_pack_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..300_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for (tool, arguments) in [
            ("gzip", &["-9"][..]),
            ("xz", &["--check=crc32", "--lzma2=dict=1MiB"][..]),
            ("zstd", &["-19", "-q", "--rm"][..]),
        ] {
            let path = folder.path().join(tool);
            fs::write(&path, &content).unwrap();
            let Ok(status) = Command::new(tool).args(arguments).arg(&path).status() else {
                eprintln!("skipped: {tool} is not installed");
                continue;
            };
            assert!(status.success(), "{tool}");
            let packed = fs::read_dir(folder.path()).unwrap().flatten().next().unwrap().path();
            assert!(packed.metadata().unwrap().len() < content.len() as u64 / 2);
            assert!(read_unpacked(&packed).unwrap() == content, "{tool}");
            fs::remove_file(packed).unwrap();
        }
    }

    #[test]
    fn broken_files_are_refused_with_their_name() {
        let folder = tempfile::tempdir().unwrap();
        for magic in [&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd], b"\xfd7zXZ\0"] {
            let path = folder.path().join("broken.ko");
            fs::write(&path, [magic, b"nonsense nonsense"].concat()).unwrap();
            let error = read_unpacked(&path).unwrap_err().to_string();
            assert!(error.contains("broken.ko"), "{error}");
        }
    }
}

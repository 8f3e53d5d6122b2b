//! Unpacking of kernel images, modules and packages, told by their content and
//! bounded in time and memory.

use std::io::{self, BufRead, Read};

/// No module or kernel image comes near this size; more is a bomb.
pub(crate) const LIMIT: usize = 256 << 20;

/// Memory that a dictionary may take: the largest preset of xz(1) has 64 MiB.
const DICTIONARY_KIB: u32 = 192 << 10;

/// How bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Xz,
    /// Its own header alone, without xz's container.
    Lzma,
    /// LZ4's frame of today.
    Lz4,
    /// The frame that the kernel's build writes (`lz4 -l`).
    Lz4Legacy,
    Zstd,
    Bzip2,
    Lzo,
    None,
}

/// Bytes that tell every packing apart.
pub(crate) const HEAD_BYTES: usize = 14;

impl Packing {
    /// By the first bytes, as lib/decompress.c of the kernel does.
    pub(crate) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x02, 0x21, 0x4c, 0x18, ..] => Self::Lz4Legacy,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0x89, b'L', b'Z', b'O', ..] => Self::Lzo,
            // Properties of the encoder's default, and a dictionary of whole 64 KiB.
            [0x5d, 0, 0, ..] if head.len() >= 13 => Self::Lzma,
            _ => Self::None,
        }
    }
}

/// The first thing packed in `bytes`, at most `limit` bytes of it; what follows it
/// is left alone. Bytes that are not packed are given as they are.
pub(crate) fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    match Packing::of(bytes) {
        Packing::None if bytes.len() > limit => Err(too_much(limit)),
        Packing::None => Ok(bytes.to_vec()),
        Packing::Lz4Legacy => unpack_lz4_legacy(bytes, limit),
        Packing::Zstd => bounded(zstd_reader(bytes)?.single_frame(), limit),
        _ => bounded(reader(bytes)?, limit),
    }
}

/// Everything that is packed in a stream, as a stream. Its length is for the
/// caller to bound.
pub(crate) fn reader<'a>(mut stream: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>, String> {
    let head = stream.fill_buf().map_err(|error| error.to_string())?;
    let packing = Packing::of(&head[..head.len().min(HEAD_BYTES)]);
    Ok(match packing {
        Packing::None => Box::new(stream),
        Packing::Gzip => Box::new(flate2::bufread::GzDecoder::new(stream)),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(stream, false, DICTIONARY_KIB)),
        Packing::Lzma => {
            let reader = lzma_rust2::LzmaReader::new_mem_limit(stream, DICTIONARY_KIB, None);
            Box::new(reader.map_err(|error| error.to_string())?)
        }
        Packing::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(stream)),
        Packing::Zstd => Box::new(zstd_reader(stream)?),
        Packing::Lz4Legacy => return Err("it is packed with lz4's old frame".into()),
        Packing::Bzip2 => return Err("it is packed with bzip2, which is not supported".into()),
        Packing::Lzo => return Err("it is packed with lzo, which is not supported".into()),
    })
}

fn zstd_reader<'a, R: BufRead>(stream: R) -> Result<zstd::Decoder<'a, R>, String> {
    /// The kernel's build packs with a window of 128 MiB (`zstd -22 --ultra`).
    const LARGEST_WINDOW_LOG: u32 = 27;
    let mut reader = zstd::Decoder::with_buffer(stream).map_err(|error| error.to_string())?;
    reader.window_log_max(LARGEST_WINDOW_LOG).map_err(|error| error.to_string())?;
    Ok(reader)
}

fn bounded(stream: impl Read, limit: usize) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    let read = stream.take(limit as u64 + 1).read_to_end(&mut unpacked);
    read.map_err(|error: io::Error| error.to_string())?;
    if unpacked.len() > limit { Err(too_much(limit)) } else { Ok(unpacked) }
}

fn too_much(limit: usize) -> String {
    format!("it unpacks to more than {} MiB", limit >> 20)
}

/// Blocks of at most 8 MiB, each behind its packed size (LZ4 frame format, "Legacy
/// frame"). The kernel's build puts the unpacked size behind the last one.
fn unpack_lz4_legacy(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    const BLOCK: usize = 8 << 20;
    let mut unpacked = Vec::new();
    let mut block = Vec::new();
    let mut rest = bytes.get(4..).unwrap_or_default();
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(*size) as usize;
        let Some(packed) = after.get(..size).filter(|_| size > 0) else {
            // The size at the end, or a block that was cut off.
            if after.is_empty() && size == unpacked.len() {
                break;
            }
            return Err("it ends within a block".into());
        };
        block.resize(BLOCK, 0);
        let length = lz4_flex::block::decompress_into(packed, &mut block)
            .map_err(|error| error.to_string())?;
        if unpacked.len() + length > limit {
            return Err(too_much(limit));
        }
        unpacked.extend_from_slice(&block[..length]);
        rest = &after[size..];
    }
    if unpacked.is_empty() { Err("it holds nothing".into()) } else { Ok(unpacked) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// What `tool` makes of `content`, read from a pipe as the kernel's build does.
    fn pack(tool: &str, arguments: &[&str], content: &[u8]) -> Option<Vec<u8>> {
        let mut command = Command::new(tool);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(content).unwrap());
            Some(child.wait_with_output().unwrap().stdout)
        })
    }

    fn content() -> Vec<u8> {
        (0..300_000u32).flat_map(|n| (n / 7).wrapping_mul(0x9e37).to_le_bytes()).collect()
    }

    /// The ways in which kernels, their modules and their packages are packed.
    const WAYS: [(&str, &[&str]); 11] = [
        ("gzip", &["-9"]),
        ("xz", &["--check=crc32", "--lzma2=dict=1MiB"]),
        ("xz", &["--check=crc32", "--x86", "--lzma2=dict=32MiB"]),
        ("xz", &["--check=crc64"]),
        ("xz", &["--check=sha256"]),
        ("lzma", &["-9"]),
        ("lz4", &["-l", "-9"]),
        ("lz4", &["-9"]),
        ("zstd", &["-19", "-q"]),
        ("zstd", &["-22", "--ultra", "-q"]),
        ("cat", &[]),
    ];

    #[test]
    #[expect(clippy::print_stderr)]
    fn what_the_common_tools_pack_is_unpacked_and_bounded() {
        let content = content();
        for (tool, arguments) in WAYS {
            let Some(mut packed) = pack(tool, arguments, &content) else {
                eprintln!("skipped: {tool} is not installed");
                continue;
            };
            let unpacked = unpack(&packed, content.len());
            assert!(unpacked.as_ref() == Ok(&content), "{tool} {arguments:?}");
            let error = unpack(&packed, content.len() - 1).unwrap_err();
            assert!(error.contains("unpacks to more"), "{tool} {arguments:?}: {error}");
            if tool != "cat" {
                // The size that the kernel's build adds.
                packed.extend_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
                assert!(unpack(&packed, LIMIT).as_ref() == Ok(&content), "{tool} {arguments:?}");
                packed.truncate(packed.len() / 2);
                unpack(&packed, LIMIT).expect_err(tool);
            }
        }
    }

    #[test]
    fn nonsense_behind_a_magic_is_refused() {
        for magic in [
            &[0x1f, 0x8b][..],
            &[0x28, 0xb5, 0x2f, 0xfd],
            b"\xfd7zXZ\0",
            &[0x02, 0x21, 0x4c, 0x18],
            &[0x04, 0x22, 0x4d, 0x18],
            &[0x5d, 0, 0, 0x80, 0],
            b"BZh9",
            b"\x89LZO",
        ] {
            let broken = [magic, b"nonsense nonsense"].concat();
            unpack(&broken, LIMIT).expect_err(&format!("{magic:x?}"));
        }
    }

    #[test]
    fn a_dictionary_without_limit_is_refused() {
        // LZMA's own header with a dictionary of 4 GiB - 1.
        let header = [0x5d, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];
        let error = unpack(&header, LIMIT).unwrap_err();
        assert!(!error.is_empty());
    }
}

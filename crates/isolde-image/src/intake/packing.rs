//! Compressed streams, told by their content.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// The largest window a zstd frame may ask for, as a power of two: 32 MiB. RFC
/// 8878 recommends that decoders support 8 MiB; `zstd --ultra` asks for up to
/// 128 MiB, which no tool does for layers, and memory is short on a device.
const WINDOW_LOG_LIMIT: u32 = 25;

const BUFFER: usize = 128 * 1024;

/// How a stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not at all.
    Plain,
    /// gzip (RFC 1952), in one or several members.
    Gzip,
    /// Zstandard (RFC 8878), in one or several frames.
    Zstd,
}

impl Packing {
    /// As its first bytes say.
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame (RFC 8878, section 3.1.2) may come first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// A stream whose first bytes were looked at.
type Whole<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// Reads what is in a stream, packed in whatever way.
pub(super) enum Unpacked<R: Read> {
    /// As it is.
    Plain(Whole<R>),
    /// Through gzip.
    Gzip(Box<MultiGzDecoder<Whole<R>>>),
    /// Through Zstandard.
    Zstd(Box<zstd::Decoder<'static, Whole<R>>>),
}

impl<R: Read> Unpacked<R> {
    /// Looks at the beginning of `stream`.
    pub(super) fn new(mut stream: R) -> io::Result<Self> {
        let mut head = Vec::new();
        stream.by_ref().take(4).read_to_end(&mut head)?;
        let packing = Packing::of(&head);
        let whole = BufReader::with_capacity(BUFFER, Cursor::new(head).chain(stream));
        Ok(match packing {
            Packing::Plain => Self::Plain(whole),
            Packing::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(whole))),
            Packing::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(whole)?;
                decoder.window_log_max(WINDOW_LOG_LIMIT)?;
                Self::Zstd(Box::new(decoder))
            }
        })
    }

    /// Reads and forgets what is left of the packed stream.
    pub(super) fn drain(self) -> io::Result<()> {
        let mut whole = match self {
            Self::Plain(whole) => whole,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
        };
        io::copy(&mut whole, &mut io::sink()).map(|_| ())
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(whole) => whole.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Unpacked::new(bytes)?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_packing_is_undone_also_in_pieces() {
        let (one, two) = (b"first part, ".repeat(5000), b"second part".repeat(9));
        let both = [one.clone(), two.clone()].concat();
        let frame = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        assert_eq!(unpack(&both).unwrap(), both);
        assert_eq!(unpack(&gzip(&both)).unwrap(), both);
        assert_eq!(unpack(&[gzip(&one), gzip(&two)].concat()).unwrap(), both);
        assert_eq!(unpack(&[frame(&one), skippable, frame(&two)].concat()).unwrap(), both);
        assert_eq!(unpack(b"").unwrap(), b"");
        assert_eq!(unpack(b"abc").unwrap(), b"abc");
    }

    #[test]
    fn broken_streams_fail() {
        let whole = b"content ".repeat(5000);
        for packed in [gzip(&whole), zstd::encode_all(whole.as_slice(), 3).unwrap()] {
            assert!(unpack(&packed[..packed.len() - 1]).is_err());
            assert!(unpack(&packed[..packed.len() / 2]).is_err());
            assert!(unpack(&[&packed[..], b"garbage"].concat()).is_err());
        }
    }

    #[test]
    fn a_window_of_gigabytes_is_refused() {
        // Window descriptor 0xa0: 2 to the power of 10 + 20 (RFC 8878, 3.1.1.1.2).
        let error = unpack(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0xa0, 0, 0, 0, 0]).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }
}

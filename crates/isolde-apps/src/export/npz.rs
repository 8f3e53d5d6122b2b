//! Arrays as numpy reads them: an .npz file, which is a ZIP archive of .npy files,
//! stored as they are
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>,
//! PKWARE's APPNOTE.TXT 6.3.10).

use std::io::{self, Write};

use flate2::Crc;

use crate::NetworkInput;

/// 1980-01-01, the first day that the format knows, so that equal arrays give equal
/// files.
const DAY: u16 = 1 << 5 | 1;
/// Version 2.0 of the format suffices to unpack.
const VERSION: u16 = 20;
/// The .npy header ends at a multiple of this.
const ALIGNMENT: usize = 64;

/// Writes an .npz file array by array.
pub(super) struct NpzWriter<W> {
    out: W,
    written: u32,
    /// The archive's directory, which comes last.
    directory: Vec<u8>,
    arrays: u16,
}

impl<W: Write> NpzWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, written: 0, directory: Vec::new(), arrays: 0 }
    }

    /// Adds the array `name`.
    pub(super) fn add(&mut self, name: &str, array: &NetworkInput) -> io::Result<()> {
        let content = npy(array)?;
        let mut crc = Crc::new();
        crc.update(&content);
        let (name, size) = (format!("{name}.npy"), fitting::<u32>(content.len())?);
        // What the local and the central header share, from the version on.
        let mut shared = Vec::new();
        for value in [VERSION, 0, 0, 0, DAY] {
            shared.extend(value.to_le_bytes());
        }
        for value in [crc.sum(), size, size] {
            shared.extend(value.to_le_bytes());
        }
        shared.extend(fitting::<u16>(name.len())?.to_le_bytes());
        shared.extend([0; 2]);
        let local = [&b"PK\x03\x04"[..], &shared, name.as_bytes()].concat();
        let central = [b"PK\x01\x02", &VERSION.to_le_bytes()[..], &shared, &[0; 10]].concat();
        self.directory.extend(central);
        self.directory.extend(self.written.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.arrays = self.arrays.checked_add(1).ok_or_else(too_large)?;
        self.write(&local)?;
        self.write(&content)
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let (start, directory) = (self.written, std::mem::take(&mut self.directory));
        self.write(&directory)?;
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend([self.arrays; 2].map(u16::to_le_bytes).concat());
        end.extend([fitting(directory.len())?, start].map(u32::to_le_bytes).concat());
        end.extend([0; 2]);
        self.write(&end)?;
        self.out.flush()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = fitting::<u32>(bytes.len())?;
        self.written = self.written.checked_add(length).ok_or_else(too_large)?;
        self.out.write_all(bytes)
    }
}

/// An array of little-endian `f32`, the last axis fastest, in version 1.0 of the format.
fn npy(array: &NetworkInput) -> io::Result<Vec<u8>> {
    let sides: Vec<String> = array.shape.iter().map(|side| format!("{side},")).collect();
    let shape = sides.concat();
    let mut header = format!("{{'descr':'<f4','fortran_order':False,'shape':({shape})}}");
    // Magic number, version and the header's length are 10 bytes, a line feed ends it.
    let length = (10 + header.len() + 1).next_multiple_of(ALIGNMENT) - 10;
    header = format!("{header:<width$}\n", width = length - 1);
    let mut content = b"\x93NUMPY\x01\x00".to_vec();
    content.extend(fitting::<u16>(header.len())?.to_le_bytes());
    content.extend(header.bytes());
    content.extend(array.values.iter().flat_map(|value| value.to_le_bytes()));
    Ok(content)
}

fn fitting<N: TryFrom<usize>>(length: usize) -> io::Result<N> {
    N::try_from(length).map_err(|_| too_large())
}

fn too_large() -> io::Error {
    io::Error::other("the arrays are too many or too large for an .npz file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_numpy_and_zip_ask_for() {
        let mut bytes = Vec::new();
        let mut npz = NpzWriter::new(&mut bytes);
        let array = NetworkInput { shape: vec![1, 2], values: vec![1.0, -2.0] };
        npz.add("a", &array).unwrap();
        npz.finish().unwrap();
        // Local header of 30 bytes and the name; then the array.
        let content = &bytes[30 + 5..30 + 5 + 72];
        assert_eq!(&content[..10], b"\x93NUMPY\x01\x00\x36\x00");
        assert!(
            content[10..64].starts_with(b"{'descr':'<f4','fortran_order':False,'shape':(1,2,)}")
        );
        assert_eq!(content[63], b'\n');
        assert_eq!(&content[64..], [1.0f32.to_le_bytes(), (-2.0f32).to_le_bytes()].concat());
        let (mut crc, stored) = (Crc::new(), &bytes[14..18]);
        crc.update(content);
        assert_eq!(stored, crc.sum().to_le_bytes());
        // The end says where the directory begins, and an entry there where its file does.
        let end = &bytes[bytes.len() - 22..];
        let start = u32::from_le_bytes(end[16..20].try_into().unwrap()) as usize;
        assert_eq!(start, 30 + 5 + 72);
        assert_eq!(&bytes[start..start + 4], b"PK\x01\x02");
        assert_eq!(bytes[start + 42..start + 46], [0; 4]);
        assert_eq!(&bytes[start + 46..start + 51], b"a.npy");
    }
}

//! Writing `NumPy` arrays.

use std::io::{self, Write};

/// A network's inputs, all of one shape.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    shape: Vec<usize>,
    values: Vec<Vec<f32>>,
}

impl Inputs {
    /// Adds one with this shape; `false` where it is another than the first one's, or
    /// than so many values have.
    #[must_use]
    pub fn push(&mut self, shape: &[usize], values: Vec<f32>) -> bool {
        if self.values.is_empty() {
            shape.clone_into(&mut self.shape);
        }
        let fits = self.shape == shape && shape.iter().product::<usize>() == values.len();
        if fits {
            self.values.push(values);
        }
        fits
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Bytes of all their values.
    pub(super) fn bytes(&self) -> usize {
        self.values.iter().map(|values| size_of_val(values.as_slice())).sum()
    }

    /// Writes them as one array, whose first dimension counts them (format version
    /// 1.0 of `numpy/lib/_format_impl.py`).
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        /// The data begins at a multiple of this.
        const ALIGNMENT: usize = 64;
        let sides: String = self.shape.iter().map(|side| format!("{side}, ")).collect();
        let shape = format!("({}, {sides})", self.len());
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let begin = b"\x93NUMPY\x01\x00";
        // The length of what follows takes two bytes, and a line feed ends it.
        let whole = (begin.len() + 2 + text.len() + 1).next_multiple_of(ALIGNMENT);
        let length = whole - begin.len() - 2;
        to.write_all(begin)?;
        to.write_all(&u16::try_from(length).map_err(io::Error::other)?.to_le_bytes())?;
        writeln!(to, "{text:<width$}", width = length - 1)?;
        for value in self.values.iter().flatten() {
            to.write_all(&value.to_le_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_what_follows_it() {
        let mut inputs = Inputs::default();
        assert!(inputs.push(&[1, 2], vec![1.0, -2.5]));
        assert!(inputs.push(&[1, 2], vec![0.0, 3.0]));
        assert!(!inputs.push(&[2, 1], vec![0.0, 3.0]));
        assert!(!inputs.push(&[1, 2], vec![0.0]));
        let mut bytes = Vec::new();
        inputs.write(&mut bytes).unwrap();
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let header = std::str::from_utf8(&bytes[10..128]).unwrap();
        assert!(
            header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 2, ), }")
        );
        assert!(header.ends_with(" \n"));
        let values: Vec<f32> = bytes[128..]
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect();
        assert_eq!(values, [1.0, -2.5, 0.0, 3.0]);
    }
}

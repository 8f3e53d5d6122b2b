//! One array as NumPy saves it
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>):
//! a magic, a version, a header in the notation of Python, and the elements.

use isolde_model::ArrayElement;
use rten::Value;
use rten_tensor::Tensor;
use rten_tensor::prelude::*;

/// An array that cannot be given to a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NpyError {
    /// It does not begin as an array does.
    #[error("it is no array of NumPy: {0}: save it with numpy.savez")]
    Format(&'static str),
    /// Elements that no input takes.
    #[error(
        "its elements are `{0}`, which cannot be given: convert it to a type that the model takes, as in array.astype(numpy.float32)"
    )]
    Element(String),
    /// Another number of bytes than its shape says.
    #[error(
        "its shape asks for {wanted} bytes and there are {found}: it was cut short or damaged, save it again"
    )]
    Length {
        /// Bytes that its shape asks for.
        wanted: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// Larger than any input.
    #[error("it has more elements than can be counted: give a smaller one")]
    TooLarge,
    /// A value that the engine has no number for.
    #[error(
        "its element {place} is {value}, and the engine computes in {engine}: keep to its range"
    )]
    Range {
        /// Place in the order of the file.
        place: usize,
        /// The value.
        value: String,
        /// What the engine computes in.
        engine: &'static str,
    },
}

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) element: ArrayElement,
    pub(super) shape: Vec<u64>,
    big_endian: bool,
    /// The first axis runs fastest, as in Fortran.
    first_fastest: bool,
}

/// An array whose elements are not read yet.
pub(super) struct Npy<'a> {
    pub(super) header: Header,
    elements: &'a [u8],
}

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy itself reads no longer header (`max_header_size`).
const LONGEST_HEADER: usize = 10_000;
/// NumPy has no more axes (`NPY_MAXDIMS` since 2.0).
const MOST_AXES: usize = 64;

impl<'a> Npy<'a> {
    /// Reads the header of `content` and checks that all elements are there.
    pub(super) fn read(content: &'a [u8]) -> Result<Self, NpyError> {
        let short = NpyError::Format("it ends within its header");
        let rest = content.strip_prefix(MAGIC).ok_or(NpyError::Format("it begins otherwise"))?;
        let (&[major, _minor], rest) = rest.split_first_chunk().ok_or(short.clone())?;
        let (length, rest) = match major {
            1 => rest.split_first_chunk().map(|(b, rest)| (u16::from_le_bytes(*b).into(), rest)),
            2 | 3 => rest.split_first_chunk().map(|(b, rest)| (u32::from_le_bytes(*b), rest)),
            _ => return Err(NpyError::Format("its version is none of 1, 2 and 3")),
        }
        .ok_or(short.clone())?;
        let length = length as usize;
        if length > LONGEST_HEADER {
            return Err(NpyError::Format("its header is too long"));
        }
        let (text, elements) = rest.split_at_checked(length).ok_or(short)?;
        let text = std::str::from_utf8(text).map_err(|_| NpyError::Format("no text is there"))?;
        let header = Header::parse(text)?;
        let (wanted, found) = (header.bytes()?, elements.len() as u64);
        match wanted == found {
            true => Ok(Self { header, elements }),
            false => Err(NpyError::Length { wanted, found }),
        }
    }

    /// The array as the engine computes with it: floating-point numbers as float32,
    /// int64 and bool as int32, the others as they are; the last axis runs fastest.
    pub(super) fn tensor(&self) -> Result<Value, NpyError> {
        let float = |place, value: f64| match value as f32 {
            rounded if rounded.is_infinite() && value.is_finite() => {
                Err(NpyError::Range { place, value: value.to_string(), engine: "float32" })
            }
            rounded => Ok(rounded),
        };
        let integer = |place, value: i64| {
            let out = |_| NpyError::Range { place, value: value.to_string(), engine: "int32" };
            i32::try_from(value).map_err(out)
        };
        Ok(match self.header.element {
            ArrayElement::Float16 => {
                self.value(|_, bytes| Ok(half::f16::from_le_bytes(bytes).to_f32()))?
            }
            ArrayElement::Float32 => self.value(|_, bytes| Ok(f32::from_le_bytes(bytes)))?,
            ArrayElement::Float64 => {
                self.value(|place, bytes| float(place, f64::from_le_bytes(bytes)))?
            }
            ArrayElement::Int32 => self.value(|_, bytes| Ok(i32::from_le_bytes(bytes)))?,
            ArrayElement::Int64 => {
                self.value(|place, bytes| integer(place, i64::from_le_bytes(bytes)))?
            }
            ArrayElement::Bool => self.value(|_, [byte]: [u8; 1]| Ok(i32::from(byte != 0)))?,
            ArrayElement::Uint8 => self.value(|_, [byte]: [u8; 1]| Ok(byte))?,
            ArrayElement::Int8 => self.value(|_, [byte]: [u8; 1]| Ok(byte.cast_signed()))?,
        })
    }

    /// The elements by `read`, which gets the place and the bytes, least significant
    /// first.
    fn value<T: Copy, const N: usize>(
        &self,
        read: impl Fn(usize, [u8; N]) -> Result<T, NpyError>,
    ) -> Result<Value, NpyError>
    where
        Tensor<T>: Into<Value>,
    {
        let Header { big_endian, first_fastest, .. } = self.header;
        let (chunks, _none) = self.elements.as_chunks::<N>();
        let mut values = Vec::with_capacity(chunks.len());
        for (place, &bytes) in chunks.iter().enumerate() {
            let mut bytes = bytes;
            if big_endian {
                bytes.reverse();
            }
            values.push(read(place, bytes)?);
        }
        let mut shape = self.header.lengths()?;
        if !first_fastest {
            return Ok(Tensor::from_data(&shape, values).into());
        }
        shape.reverse();
        Ok(Tensor::from_data(&shape, values).transposed().to_tensor().into())
    }
}

impl Header {
    fn parse(text: &str) -> Result<Self, NpyError> {
        let wrong = || NpyError::Format("its header cannot be read");
        let mut text = Text(text);
        let (mut descr, mut first_fastest, mut shape) = (None, None, None);
        text.take("{").ok_or_else(wrong)?;
        while text.take("}").is_none() {
            let key = text.quoted().ok_or_else(wrong)?;
            text.take(":").ok_or_else(wrong)?;
            match key {
                "descr" if text.is_next("[") => {
                    return Err(NpyError::Element("records".into()));
                }
                "descr" => descr = Some(text.quoted().ok_or_else(wrong)?),
                "fortran_order" => first_fastest = Some(text.truth().ok_or_else(wrong)?),
                "shape" => shape = Some(text.tuple().ok_or_else(wrong)?),
                _ => return Err(wrong()),
            }
            if text.take(",").is_none() && !text.is_next("}") {
                return Err(wrong());
            }
        }
        let (Some(descr), Some(first_fastest), Some(shape)) = (descr, first_fastest, shape) else {
            return Err(wrong());
        };
        let (element, big_endian) = element(descr).ok_or_else(|| {
            let shown = descr.chars().filter(|c| !c.is_control()).take(40).collect();
            NpyError::Element(shown)
        })?;
        Ok(Self { element, shape, big_endian, first_fastest })
    }

    /// Bytes of all elements.
    fn bytes(&self) -> Result<u64, NpyError> {
        let one = self.element.bytes() as u64;
        // An axis of length 0 would hide that the others are too long.
        let most = self.shape.iter().try_fold(one, |size, &axis| size.checked_mul(axis.max(1)));
        match most {
            Some(_) if self.shape.contains(&0) => Ok(0),
            Some(bytes) => Ok(bytes),
            None => Err(NpyError::TooLarge),
        }
    }

    fn lengths(&self) -> Result<Vec<usize>, NpyError> {
        let length = |&axis: &u64| usize::try_from(axis).map_err(|_| NpyError::TooLarge);
        self.shape.iter().map(length).collect()
    }
}

/// The type that an array-protocol string such as `<f4` names, and whether its most
/// significant byte comes first.
fn element(descr: &str) -> Option<(ArrayElement, bool)> {
    let (order, kind) = descr.split_at_checked(1)?;
    let element = match kind {
        "f2" => ArrayElement::Float16,
        "f4" => ArrayElement::Float32,
        "f8" => ArrayElement::Float64,
        "i1" => ArrayElement::Int8,
        "i4" => ArrayElement::Int32,
        "i8" => ArrayElement::Int64,
        "u1" => ArrayElement::Uint8,
        "b1" => ArrayElement::Bool,
        _ => return None,
    };
    match order {
        "<" => Some((element, false)),
        ">" => Some((element, true)),
        // Has no meaning for a single byte.
        "|" if element.bytes() == 1 => Some((element, false)),
        _ => None,
    }
}

/// What is left of a header.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn is_next(&mut self, word: &str) -> bool {
        self.0 = self.0.trim_start();
        self.0.starts_with(word)
    }

    fn take(&mut self, word: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(word)?;
        Some(())
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (inside, rest) = text[1..].split_once(quote)?;
        self.0 = rest;
        Some(inside)
    }

    fn truth(&mut self) -> Option<bool> {
        match self.take("True") {
            Some(()) => Some(true),
            None => self.take("False").map(|()| false),
        }
    }

    fn tuple(&mut self) -> Option<Vec<u64>> {
        self.take("(")?;
        let mut lengths = Vec::new();
        while self.take(")").is_none() {
            self.0 = self.0.trim_start();
            let end = self.0.find(|c: char| !c.is_ascii_digit())?;
            lengths.push(self.0[..end].parse().ok()?);
            self.0 = &self.0[end..];
            if lengths.len() > MOST_AXES || (self.take(",").is_none() && !self.is_next(")")) {
                return None;
            }
        }
        Some(lengths)
    }
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;

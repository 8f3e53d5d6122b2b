//! Reading protocol buffer messages of a stranger without copying: no length is
//! believed before the bytes are there.
//!
//! The encoding is that of <https://protobuf.dev/programming-guides/encoding/>.

/// How bytes break the encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end within a field.
    #[error("it ends in the middle of a field: the file is cut short or is none of this kind")]
    Short,
    /// A number of more than 64 bits.
    #[error("a number of more than 64 bits")]
    Number,
    /// A field number that is 0 or more than 29 bits.
    #[error("a field without a number")]
    FieldNumber,
    /// Groups, and what has no meaning.
    #[error("a field of wire type {0}, which this format does not use")]
    WireType(u8),
    /// A field of another type than its schema says.
    #[error("field {0} has another type than it should have")]
    FieldType(u32),
    /// Packed numbers of a fixed size, and some bytes.
    #[error("field {0} holds no whole number of values")]
    Packed(u32),
    /// A text that is no UTF-8.
    #[error("field {0} is no text")]
    Text(u32),
    /// More fields than any model has.
    #[error("more than {0} fields")]
    TooMany(usize),
    /// Messages within messages within messages.
    #[error("messages are nested more than {0} deep")]
    TooDeep(usize),
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64,
    Bytes(&'a [u8]),
    Fixed32,
}

/// A field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) value: Value<'a>,
}

impl<'a> Field<'a> {
    pub(super) fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::FieldType(self.number)),
        }
    }

    pub(super) fn text(&self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::Text(self.number))
    }

    pub(super) fn integer(&self) -> Result<i64, WireError> {
        match self.value {
            Value::Varint(value) => Ok(value.cast_signed()),
            _ => Err(WireError::FieldType(self.number)),
        }
    }
}

/// The fields that are left of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next field, `None` at the end.
    pub(super) fn next_field(&mut self) -> Result<Option<Field<'a>>, WireError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let number = number.ok_or(WireError::FieldNumber)?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed64)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).map_err(|_| WireError::Short)?)?)
            }
            5 => self.take(4).map(|_| Value::Fixed32)?,
            other => return Err(WireError::WireType(other as u8)),
        };
        Ok(Some(Field { number, value }))
    }

    /// Checks that `packed` holds whole numbers and nothing else.
    pub(super) fn check_packed(packed: &'a [u8]) -> Result<(), WireError> {
        let mut rest = Self(packed);
        while !rest.0.is_empty() {
            rest.varint()?;
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            if shift == 63 && byte > 1 {
                return Err(WireError::Number);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_the_encoding_says() {
        // The example of the specification: field 1, 150; then a text.
        let mut message = Message::new(b"\x08\x96\x01\x12\x02hi\x1d\0\0\0\0\x21\0\0\0\0\0\0\0\0");
        let mut next = || message.next_field().unwrap();
        assert_eq!(next(), Some(Field { number: 1, value: Value::Varint(150) }));
        assert_eq!(next().unwrap().text(), Ok("hi"));
        assert_eq!(next(), Some(Field { number: 3, value: Value::Fixed32 }));
        assert_eq!(next(), Some(Field { number: 4, value: Value::Fixed64 }));
        assert_eq!(next(), None);
        let negative = [&[0x08][..], &[0xff; 9], &[0x01]].concat();
        let field = Message::new(&negative).next_field().unwrap().unwrap();
        assert_eq!(field.integer(), Ok(-1));
    }

    #[test]
    fn what_breaks_the_encoding_is_told() {
        let cases: [(&[u8], WireError); 7] = [
            (b"\x08", WireError::Short),
            (b"\x12\xff\xff\xff\xff\x0fx", WireError::Short),
            (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", WireError::Short),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", WireError::Number),
            (b"\x00\x01", WireError::FieldNumber),
            (b"\x0b", WireError::WireType(3)),
            (b"\x0f", WireError::WireType(7)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Message::new(bytes).next_field().unwrap_err(), expected, "{bytes:x?}");
        }
        assert_eq!(Message::check_packed(b"\x96\x01\x05"), Ok(()));
        assert_eq!(Message::check_packed(b"\x05\x96"), Err(WireError::Short));
        assert_eq!(Message::check_packed(&[0xff; 12]), Err(WireError::Number));
        let field = Message::new(b"\x12\x01\xff").next_field().unwrap().unwrap();
        assert_eq!(field.text(), Err(WireError::Text(2)));
        assert_eq!(field.integer(), Err(WireError::FieldType(2)));
    }
}

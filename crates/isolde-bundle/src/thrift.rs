//! Just enough of the Thrift compact protocol to see the sizes that a Parquet
//! file claims before the Parquet reader allocates what it is told.
//! Source: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>
//! and `parquet.thrift` of <https://github.com/apache/parquet-format>.

/// Types of a field or list element in the compact protocol.
mod kind {
    pub(super) const BOOL_TRUE: u8 = 1;
    pub(super) const BOOL_FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const STRUCT: u8 = 12;
}

/// Structures nested deeper than this are not Parquet's.
const DEEPEST: u32 = 16;

/// A position in Thrift bytes. Every method gives `None` where they are not Thrift.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn int(&mut self) -> Option<i64> {
        let zigzag = self.varint()?;
        Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    fn advance(&mut self, count: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    /// Number and type of the next field of a structure, `Some(None)` at its end.
    fn field(&mut self, last: &mut i64) -> Option<Option<(i64, u8)>> {
        let header = self.byte()?;
        if header == 0 {
            return Some(None);
        }
        *last = match header >> 4 {
            0 => self.int()?,
            delta => last.checked_add(i64::from(delta))?,
        };
        Some(Some((*last, header & 0x0f)))
    }

    /// Length and element type of a list.
    fn list(&mut self) -> Option<(u64, u8)> {
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        Some((count, header & 0x0f))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        match kind {
            kind::BOOL_TRUE | kind::BOOL_FALSE => Some(()),
            kind::BYTE => self.advance(1),
            kind::I16 | kind::I32 | kind::I64 => self.varint().map(drop),
            kind::DOUBLE => self.advance(8),
            kind::BINARY => {
                let length = self.varint()?;
                self.advance(length)
            }
            kind::LIST | kind::SET if depth < DEEPEST => {
                let (count, element) = self.list()?;
                let as_bytes = matches!(element, kind::BOOL_TRUE | kind::BOOL_FALSE);
                for _ in 0..count {
                    if as_bytes { self.advance(1)? } else { self.skip(element, depth + 1)? }
                }
                Some(())
            }
            kind::STRUCT if depth < DEEPEST => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, depth + 1)?;
                }
                Some(())
            }
            _ => None,
        }
    }
}

/// `uncompressed_page_size` (field 2) of a PageHeader.
pub(crate) fn uncompressed_page_size(header: &[u8]) -> Option<i64> {
    let mut cursor = Cursor::new(header);
    let mut last = 0;
    while let Some((number, kind)) = cursor.field(&mut last)? {
        match (number, kind) {
            (2, kind::I32) => return cursor.int(),
            _ => cursor.skip(kind, 0)?,
        }
    }
    None
}

/// Whether the schema of a FileMetaData (field 2) is one level of columns with
/// no more children announced than elements follow.
pub(crate) fn schema_is_flat(footer: &[u8]) -> bool {
    flat_schema(footer) == Some(true)
}

fn flat_schema(footer: &[u8]) -> Option<bool> {
    let mut cursor = Cursor::new(footer);
    let (mut last, mut schemas) = (0, 0);
    let mut flat = true;
    while let Some((number, kind)) = cursor.field(&mut last)? {
        if number == 2 && kind == kind::LIST {
            flat &= elements_are_flat(&mut cursor)?;
            schemas += 1;
        } else {
            cursor.skip(kind, 0)?;
        }
    }
    Some(flat && schemas == 1)
}

fn elements_are_flat(cursor: &mut Cursor<'_>) -> Option<bool> {
    let (count, element) = cursor.list()?;
    let mut flat = element == kind::STRUCT;
    for index in 0..count {
        let mut last = 0;
        while let Some((number, kind)) = cursor.field(&mut last)? {
            if number == 5 && kind == kind::I32 {
                let children = cursor.int()?;
                let expected = if index == 0 { i64::try_from(count).ok()? - 1 } else { 0 };
                flat &= children == expected;
            } else {
                cursor.skip(kind, 0)?;
            }
        }
    }
    Some(flat)
}

//! Little-endian fields of records on the disk.

/// A record of `N` bytes, zero where nothing was put.
pub(super) struct Record<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> Record<N> {
    pub(super) const fn new() -> Self {
        Self([0; N])
    }

    /// Puts bytes at an offset, both of which are constants of the format.
    pub(super) fn put(&mut self, offset: usize, bytes: &[u8]) -> &mut Self {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(super) fn u16(&mut self, offset: usize, value: u16) -> &mut Self {
        self.put(offset, &value.to_le_bytes())
    }

    pub(super) fn u32(&mut self, offset: usize, value: u32) -> &mut Self {
        self.put(offset, &value.to_le_bytes())
    }

    /// The lower half of a number whose upper half lies elsewhere.
    pub(super) fn low(&mut self, offset: usize, value: u64) -> &mut Self {
        self.u32(offset, value as u32)
    }
}

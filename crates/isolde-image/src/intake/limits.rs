//! How much may come in.

/// Bounds on what a layer or an archive may become.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Unpacked bytes of one layer or archive.
    pub bytes: u64,
    /// Times that a layer may grow by unpacking, once it is larger than
    /// `grown_bytes`.
    pub growth: u64,
    /// Unpacked bytes from which growth is looked at: a file of zeros is not a
    /// bomb yet.
    pub grown_bytes: u64,
}

impl Default for Limits {
    /// 64 GiB, far more than a device has room for; and a hundredfold growth
    /// from 1 GiB on. Programs and their data grow to 2 to 10 times their packed
    /// size; gzip cannot do more than 1032 times, zstd can.
    fn default() -> Self {
        Self { bytes: 64 << 30, growth: 100, grown_bytes: 1 << 30 }
    }
}

impl Limits {
    /// Whether so many bytes may come of so many packed ones, or why not.
    pub(super) fn check(&self, bytes: u64, packed: u64) -> Result<(), String> {
        self.check_total(bytes)?;
        if bytes > self.grown_bytes && bytes / self.growth > packed {
            return Err(format!(
                "{packed} bytes have grown to more than {bytes} by unpacking: it looks like a bomb"
            ));
        }
        Ok(())
    }

    /// Whether so many bytes may come, or why not.
    pub(super) fn check_total(&self, bytes: u64) -> Result<(), String> {
        if bytes > self.bytes {
            return Err(format!("it has more than the {} bytes that are allowed", self.bytes));
        }
        Ok(())
    }
}

//! Digests of outputs and of CPU features.

use sha2::{Digest, Sha256};

/// Hex digits of a digest that are kept: 64 bits, plenty to tell outputs apart.
const DIGITS: usize = 16;

/// First 16 hex digits of the SHA-256 of `bytes`.
#[must_use]
pub fn digest_hex(bytes: impl AsRef<[u8]>) -> String {
    shorten(Sha256::digest(bytes))
}

/// First 16 hex digits of the SHA-256 over the values' little-endian bytes.
#[must_use]
pub fn output_digest(values: &[f32]) -> String {
    let mut hash = Sha256::new();
    for value in values {
        hash.update(value.to_le_bytes());
    }
    shorten(hash.finalize())
}

fn shorten(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref().iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_standard() {
        // FIPS 180-4 example: SHA-256("abc") = ba7816bf 8f01cfea …
        assert_eq!(digest_hex("abc"), "ba7816bf8f01cfea");
        assert_eq!(output_digest(&[1.0, -0.0]), digest_hex([0, 0, 0x80, 0x3f, 0, 0, 0, 0x80]));
    }
}

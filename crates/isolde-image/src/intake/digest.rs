//! Digests as registries and archives write them.

use std::fmt;
use std::str::FromStr;

use crate::tree::hex;

/// The SHA-256 of a document or a layer, written `sha256:` and 64 hex digits.
/// It is safe as a file name: nothing else passes its parser.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digest(String);

impl Digest {
    /// Of a finished hash.
    pub(super) fn of(hash: &[u8]) -> Self {
        Self(hex(hash))
    }

    /// The 64 hex digits.
    pub(super) fn hex(&self) -> &str {
        &self.0
    }

    /// Enough of it to recognise it by.
    pub(super) fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = || text.chars().take(100).collect::<String>();
        let Some(digits) = text.strip_prefix("sha256:") else {
            return Err(format!("`{}` is no SHA-256 digest, and no other kind is taken", shown()));
        };
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() != 64 || !digits.bytes().all(lower_hex) {
            return Err(format!("`{}` is no digest: 64 hex digits must follow `sha256:`", shown()));
        }
        Ok(Self(digits.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digests_pass() {
        let whole = format!("sha256:{}", "0f".repeat(32));
        assert_eq!(whole.parse::<Digest>().unwrap().to_string(), whole);
        for text in ["", "sha256:", "sha512:00", "sha256:../../../etc", &whole.to_uppercase()] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
        assert!(format!("{whole}0").parse::<Digest>().is_err());
        assert!("sha256:ü".parse::<Digest>().unwrap_err().contains("sha256:ü"));
    }
}

//! Why bytes are no kernel that a guest can boot.

/// Why bytes are no kernel that a guest can boot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// None of the known formats.
    #[error("neither a bzImage, nor an ELF image, nor an arm64 Image")]
    Unknown,
    /// A format that is known, but not for guests.
    #[error("{0}")]
    Unsupported(&'static str),
    /// It ends before its end.
    #[error("it is cut off: its {0} is not all there")]
    Truncated(&'static str),
    /// The header points outside the file.
    #[error(
        "its header puts {length} bytes of kernel at {offset}, but the file has {bytes}: it is \
         damaged, copy it again"
    )]
    PayloadOutside {
        /// Where the packed kernel should begin, in bytes from the start of the file.
        offset: u64,
        /// Its length in bytes.
        length: u64,
        /// Length of the file in bytes.
        bytes: u64,
    },
    /// The packed kernel cannot be unpacked.
    #[error("what is packed in it cannot be unpacked: {0}")]
    Packed(String),
    /// What was packed in it is something else.
    #[error("what is packed in it is no {0}")]
    WrongPayload(&'static str),
    /// For another machine.
    #[error("it is for {found}")]
    OtherMachine {
        /// For which, as the file says.
        found: String,
    },
    /// It does not tell its release.
    #[error("it does not tell its release (`Linux version ...`)")]
    NoRelease,
}

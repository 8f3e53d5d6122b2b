//! One stream as a line.

use std::os::unix::net::UnixStream;

use crate::{BackendError, Line};

/// Two handles of one stream.
pub(crate) fn line(stream: UnixStream) -> Result<Line, BackendError> {
    let reader =
        stream.try_clone().map_err(|source| BackendError::os("copy a descriptor", source))?;
    Ok(Line { reader: reader.into(), writer: stream.into() })
}

//! A program's output, cut into lines of bounded length, and its last bytes.

use std::collections::VecDeque;

/// Bytes of a line of the contract.
pub(super) const LONGEST_LINE: usize = 64 << 10;
/// Bytes that are kept of the end of a stream.
const TAIL: usize = 8 << 10;

/// A line as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Without its end.
    Whole(&'a [u8]),
    /// It is longer than [`LONGEST_LINE`]: its beginning.
    TooLong(&'a [u8]),
}

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    /// The line that is begun was told as too long already.
    skipping: bool,
}

impl Lines {
    /// Passes every line that `bytes` end on to `take`.
    pub(super) fn push<E>(
        &mut self,
        mut bytes: &[u8],
        take: &mut dyn FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.extend(&bytes[..end], take)?;
            bytes = &bytes[end + 1..];
            self.end_line(take)?;
        }
        self.extend(bytes, take)
    }

    /// Passes the last line on, should it have no end.
    pub(super) fn finish<E>(
        &mut self,
        take: &mut dyn FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.begun.is_empty() { Ok(()) } else { self.end_line(take) }
    }

    fn end_line<E>(&mut self, take: &mut dyn FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
        let line = std::mem::take(&mut self.begun);
        match std::mem::take(&mut self.skipping) {
            true => Ok(()),
            false => take(Line::Whole(&line)),
        }
    }

    fn extend<E>(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.skipping {
            return Ok(());
        }
        let room = LONGEST_LINE - self.begun.len();
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() <= room {
            return Ok(());
        }
        self.skipping = true;
        let line = std::mem::take(&mut self.begun);
        take(Line::TooLong(&line))
    }
}

/// The end of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<u8>);

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL)..];
        let excess = (self.0.len() + bytes.len()).saturating_sub(TAIL);
        self.0.drain(..excess.min(self.0.len()));
        self.0.extend(bytes);
    }

    /// As text that is safe to show.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
        String::from_utf8_lossy(&bytes).chars().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use proptest::prelude::*;

    fn cut(chunks: &[&[u8]]) -> Vec<(bool, Vec<u8>)> {
        let mut found = Vec::new();
        let mut take = |line: Line<'_>| {
            found.push(match line {
                Line::Whole(line) => (true, line.to_vec()),
                Line::TooLong(line) => (false, line.to_vec()),
            });
            Ok::<(), Infallible>(())
        };
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.push(chunk, &mut take).unwrap();
        }
        lines.finish(&mut take).unwrap();
        found
    }

    #[test]
    fn a_line_without_end_is_one_and_a_long_one_is_cut() {
        assert_eq!(
            cut(&[b"a\nb", b"c\n\nd"]),
            [
                (true, b"a".to_vec()),
                (true, b"bc".to_vec()),
                (true, Vec::new()),
                (true, b"d".to_vec()),
            ]
        );
        let long = vec![b'x'; LONGEST_LINE];
        assert_eq!(cut(&[&long, b"\n"]), [(true, long.clone())]);
        assert_eq!(
            cut(&[&long, b"y", b"z", b"\nnext\n"]),
            [(false, long.clone()), (true, b"next".to_vec()),]
        );
    }

    #[test]
    fn a_tail_keeps_the_end() {
        let mut tail = Tail::default();
        tail.push(&vec![b'x'; 3 * TAIL]);
        tail.push(b"\x1b[2J\0\xff end");
        let text = tail.text();
        assert!(text.ends_with("\u{fffd}[2J\u{fffd}\u{fffd} end"));
        assert!(text.chars().count() <= TAIL);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(bytes in proptest::collection::vec(0u8..20, 0..200), at in 0usize..200) {
            let at = at.min(bytes.len());
            prop_assert_eq!(cut(&[&bytes]), cut(&[&bytes[..at], &bytes[at..]]));
        }
    }
}

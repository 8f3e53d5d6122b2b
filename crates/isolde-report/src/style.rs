//! Colour, where the caller says that the reader can show it.

/// How text is dressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour: only for a terminal, and not where `NO_COLOR` is set.
    pub colour: bool,
}

impl Style {
    pub(crate) fn bold(self, text: &str) -> String {
        self.dress("1", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.dress("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.dress("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.dress("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.dress("33", text)
    }

    fn dress(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

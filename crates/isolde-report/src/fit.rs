//! Lines that fit a page.

use textwrap::{Options, WordSplitter};

/// Columns that a line should fit.
pub(crate) const WIDTH: usize = 100;

/// The lines as one text, each longer one continued below its beginning.
/// Colour counts for no column.
pub(crate) fn page(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        let indent = line.len() - line.trim_start().len();
        let below = " ".repeat(indent + 2);
        let options = Options::new(WIDTH)
            .subsequent_indent(&below)
            .break_words(false)
            // Names, addresses and numbers such as 1e-2 are one word.
            .word_splitter(WordSplitter::NoHyphenation);
        for part in textwrap::wrap(line, options) {
            text += &part;
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_below_its_beginning() {
        let words = "word ".repeat(30);
        let text = page(&[format!("  {}", words.trim_end()), "short".into(), String::new()]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].starts_with("  word") && lines[1].starts_with("    word"));
        assert!(lines[0].len() <= WIDTH);
        assert_eq!(&lines[2..], ["short", ""]);
    }

    #[test]
    fn names_and_addresses_stay_whole() {
        let address = "https://host.example/a-project/a-project/releases";
        let text = page(&[format!("{} {address}", "w".repeat(WIDTH - 20))]);
        assert_eq!(text.lines().nth(1), Some(&*format!("  {address}")));
    }
}

//! Text from a sandbox, a file or another program, made safe for a terminal.

/// Longest text that is shown, in characters.
const LONGEST: usize = 500;

/// The text in one line without anything that a terminal acts on: control
/// characters (escape sequences begin with one), line separators, invisible
/// characters and those that reverse the direction of writing become `\u{fffd}`,
/// white space becomes a space. Longer texts end in `…` after 500 characters.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut characters = text.trim().chars();
    let mut out: String = characters.by_ref().take(LONGEST).map(shown).collect();
    if characters.next().is_some() {
        out.push('…');
    }
    out
}

fn shown(character: char) -> char {
    match character {
        '\n' | '\r' | '\t' => ' ',
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        // Soft hyphen, Arabic letter mark, Mongolian vowel separator, zero
        // widths and directions, separators, isolates and other invisible
        // format characters, byte order mark, interlinear notes, tags.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => char::REPLACEMENT_CHARACTER,
        character => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_text_stays() {
        for text in ["docker 28.2.2, runc 1.1.5", "Größe µs × – …", "日本語"] {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn what_a_terminal_acts_on_is_taken_out() {
        assert_eq!(printable("a\u{1b}[2Jb\u{7}\u{9b}31m"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}31m");
        assert_eq!(printable("one\r\ntwo\tthree\n"), "one  two three");
        assert_eq!(printable("safe\u{202e}txt.exe"), "safe\u{fffd}txt.exe");
    }

    #[test]
    fn a_flood_is_cut() {
        assert_eq!(printable(&"x".repeat(LONGEST)).chars().count(), LONGEST);
        let cut = printable(&"x".repeat(1 << 20));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (LONGEST + 1, true));
    }

    proptest! {
        #[test]
        fn nothing_gets_through(text: String) {
            prop_assert!(!printable(&text).chars().any(char::is_control));
        }
    }
}

//! Lines of an image's facts.

use isolde_report::printable;

/// Columns to the left, as wide as their widest cell.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let cell = printable(cell);
            line += &format!("{cell:<width$}  ", width = width(column));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// An amount of bytes in its largest unit.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["GiB", "MiB", "KiB", "B"];
    let index = (0..3).find(|index| bytes >> (30 - 10 * index) > 0).unwrap_or(3);
    let unit = (1u64 << (30 - 10 * index)) as f64;
    let digits = usize::from(index < 3);
    format!("{:.digits$} {}", bytes as f64 / unit, UNITS[index])
}

/// A time in UTC.
pub(super) fn when(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "?".into(), |time| time.strftime("%Y-%m-%d %H:%MZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_well() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (80 << 20, "80.0 MiB"),
            (5 << 30, "5.0 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(when(1_700_000_000), "2023-11-14 22:13Z");
        assert_eq!(when(u64::MAX), "?");
    }

    #[test]
    fn columns_line_up_and_terminals_are_safe() {
        let rows = [vec!["a".into(), "bb".into()], vec!["ccc\u{1b}".into(), "d".into()]];
        let text = columns(&rows);
        assert!(!text.contains('\u{1b}'));
        let at = |line: &str, c: char| line.chars().position(|other| other == c);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(at(lines[0], 'b'), at(lines[1], 'd'));
    }
}

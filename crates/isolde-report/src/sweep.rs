//! Numbers of threads in words, and what more of them bring where a plan sweeps them.

use isolde_model::ThreadCounts;

use crate::figures::Row;

/// Tells each row how many times faster than with `fewest` threads it is.
pub(crate) fn tell_speed_ups(rows: &mut [Row], fewest: u32) {
    let references: Vec<Option<f64>> = rows
        .iter()
        .map(|row| {
            let alike = |other: &&Row| {
                other.threads == fewest
                    && (&other.application, &other.environment)
                        == (&row.application, &row.environment)
            };
            rows.iter().find(alike)?.inference.median_ns.value()
        })
        .collect();
    for (row, reference) in rows.iter_mut().zip(references) {
        let own = row.inference.median_ns.value().filter(|&own| own > 0.0);
        row.speed_up = reference.zip(own).map(|(reference, own)| reference / own);
    }
}

/// Threads in words: `1 thread`, `1, 2 and 4 threads`.
pub(crate) fn in_words(counts: &ThreadCounts) -> String {
    match counts.as_slice() {
        [1] => "1 thread".into(),
        [first @ .., last] if !first.is_empty() => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            format!("{} and {last} threads", first.join(", "))
        }
        counts => format!("{} threads", counts.first().unwrap_or(&0)),
    }
}

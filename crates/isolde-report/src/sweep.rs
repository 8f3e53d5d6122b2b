//! What more threads bring, where a plan sweeps them.

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

//! Timestamps as they are written in a bundle.

use jiff::{Timestamp, Unit};

/// The present by the host's clock: RFC 3339, UTC, whole seconds, such as
/// `2026-11-23T20:28:17Z`.
#[must_use]
pub fn now_utc() -> String {
    let now = Timestamp::now();
    // Rounding fails only at the far ends of the calendar.
    now.round(Unit::Second).unwrap_or(now).to_string()
}

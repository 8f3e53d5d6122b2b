//! Runs plans: order, deadlines, host accounting, teardown.

pub mod host;

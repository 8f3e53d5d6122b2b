//! Memory, swap and load.

use super::files::Files;

/// Sizes in bytes; 0 where the host does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: u64,
    pub(super) available: u64,
    pub(super) swap: u64,
    pub(super) swap_used: u64,
}

/// Reads /proc/meminfo, whose numbers are in units of 1024 bytes (proc(5)).
pub(super) fn read(files: &Files<'_>) -> Memory {
    let text = files.text("proc/meminfo").unwrap_or_default();
    let bytes = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    let swap = bytes("SwapTotal").unwrap_or(0);
    Memory {
        total: bytes("MemTotal").unwrap_or(0),
        available: bytes("MemAvailable").unwrap_or(0),
        swap,
        swap_used: swap.saturating_sub(bytes("SwapFree").unwrap_or(swap)),
    }
}

/// Load average over one minute in thousandths; 0 where the host does not tell.
pub(super) fn load_1m_thousandths(files: &Files<'_>) -> u64 {
    let text = files.text("proc/loadavg").unwrap_or_default();
    let load: Option<f64> = text.split(' ').next().and_then(|first| first.parse().ok());
    // The conversion saturates, and makes 0 of what is no number.
    load.map_or(0, |load| (load * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::host_with;
    use super::*;

    #[test]
    fn keys_match_whole_and_nonsense_is_zero() {
        let root = host_with(&[
            (
                "proc/meminfo",
                "MemTotalX: 5 kB\nMemTotal: 9 kB\nMemAvailable: x kB\nSwapTotal: 4 kB\n",
            ),
            ("proc/loadavg", "-nan 1 1"),
        ]);
        let files = Files::below(root.path());
        assert_eq!(read(&files), Memory { total: 9216, swap: 4096, ..Memory::default() });
        assert_eq!(load_1m_thousandths(&files), 0);
    }
}

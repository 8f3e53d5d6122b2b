//! The configuration of a kernel for guests.

/// Lines of a kernel's configuration; all else is off.
#[cfg(not(target_arch = "aarch64"))]
pub(super) const FRAGMENT: &str = concat!(
    include_str!("../../../kernel/common.config"),
    include_str!("../../../kernel/x86_64.config")
);
/// Lines of a kernel's configuration; all else is off.
#[cfg(target_arch = "aarch64")]
pub(super) const FRAGMENT: &str = concat!(
    include_str!("../../../kernel/common.config"),
    include_str!("../../../kernel/aarch64.config")
);

/// The lines of `fragment` that are not in `config`: Kconfig drops what depends on
/// something that is off, and what this version of the kernel does not know.
pub(super) fn without_effect<'a>(fragment: &'a str, config: &str) -> Vec<&'a str> {
    let set: Vec<&str> = config.lines().collect();
    fragment.lines().filter(|line| line.starts_with("CONFIG_") && !set.contains(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_effect_are_told() {
        let config = "CONFIG_SMP=y\n# CONFIG_PCI is not set\n";
        let fragment = "# why\nCONFIG_SMP=y\nCONFIG_PCI=y\n\nCONFIG_NEW=y\n";
        assert_eq!(without_effect(fragment, config), ["CONFIG_PCI=y", "CONFIG_NEW=y"]);
    }

    #[test]
    fn every_line_of_both_architectures_is_an_option_and_none_stands_twice() {
        for own in [
            include_str!("../../../kernel/x86_64.config"),
            include_str!("../../../kernel/aarch64.config"),
        ] {
            let all = [include_str!("../../../kernel/common.config"), own].concat();
            let mut lines: Vec<&str> =
                all.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
            for line in &lines {
                assert!(line.starts_with("CONFIG_") && line.contains('='), "{line}");
            }
            lines.sort_unstable();
            let count = lines.len();
            lines.dedup();
            assert_eq!(lines.len(), count);
        }
    }
}

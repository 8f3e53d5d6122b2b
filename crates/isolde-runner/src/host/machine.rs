//! Which machine this is, what runs on it, and whether it is a virtual one.

use super::files::Files;

/// What firmware says where nobody filled a name in.
const PLACEHOLDERS: [&str; 6] = [
    "To Be Filled By O.E.M.",
    "Default string",
    "System Product Name",
    "System manufacturer",
    "Not Specified",
    "None",
];

/// Board name from the device tree, or vendor and product from DMI.
pub(super) fn name(files: &Files<'_>) -> Option<String> {
    if let Some(model) = files.text("proc/device-tree/model") {
        return Some(model);
    }
    let vendor = dmi(files, "sys_vendor").or_else(|| dmi(files, "board_vendor"));
    let product = dmi(files, "product_name").or_else(|| dmi(files, "board_name"));
    match (vendor, product) {
        (Some(vendor), Some(product)) if product.starts_with(&vendor) => Some(product),
        (Some(vendor), Some(product)) => Some(format!("{vendor} {product}")),
        (vendor, product) => product.or(vendor),
    }
}

fn dmi(files: &Files<'_>, field: &str) -> Option<String> {
    let text = files.text(format!("sys/class/dmi/id/{field}"))?;
    let placeholder = PLACEHOLDERS.iter().any(|none| none.eq_ignore_ascii_case(&text));
    (!placeholder).then_some(text)
}

/// `PRETTY_NAME` of os-release(5).
pub(super) fn operating_system(files: &Files<'_>) -> Option<String> {
    let text = files.text("etc/os-release").or_else(|| files.text("usr/lib/os-release"))?;
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?.trim();
    let name = value.trim_matches(|quote| quote == '"' || quote == '\'');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Vendors in DMI that make virtual machines only.
const VIRTUAL_VENDORS: [&str; 6] =
    ["QEMU", "KVM", "Apple Virtualization", "VMware", "innotek GmbH", "Xen"];

/// Whether a hypervisor announces itself. x86 has a CPU flag for it, so there
/// the flags decide; elsewhere the device tree or DMI tells.
pub(super) fn is_virtual(files: &Files<'_>, x86_flags: Option<&str>) -> bool {
    if let Some(flags) = x86_flags {
        return flags.split_ascii_whitespace().any(|flag| flag == "hypervisor");
    }
    files.text("sys/hypervisor/type").is_some()
        || files.exists("proc/device-tree/hypervisor")
        // QEMU's way to hand its guests files.
        || !files.entries("proc/device-tree", "fw-cfg@").is_empty()
        || dmi(files, "sys_vendor")
            .is_some_and(|vendor| VIRTUAL_VENDORS.iter().any(|known| vendor.starts_with(known)))
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::host_with;
    use super::*;

    #[test]
    fn placeholders_are_not_names() {
        let root = host_with(&[
            ("sys/class/dmi/id/sys_vendor", "To be filled by O.E.M.\n"),
            ("sys/class/dmi/id/product_name", "Default string\n"),
            ("sys/class/dmi/id/board_name", "N100DC-ITX\n"),
        ]);
        assert_eq!(name(&Files::below(root.path())).as_deref(), Some("N100DC-ITX"));
    }

    #[test]
    fn a_vendor_is_not_repeated() {
        let root = host_with(&[
            ("sys/class/dmi/id/sys_vendor", "Intel"),
            ("sys/class/dmi/id/product_name", "Intel NUC13"),
        ]);
        assert_eq!(name(&Files::below(root.path())).as_deref(), Some("Intel NUC13"));
    }

    #[test]
    fn hypervisors_are_seen_on_either_architecture() {
        let bare = host_with(&[("sys/class/dmi/id/sys_vendor", "QEMU")]);
        let bare = Files::below(bare.path());
        assert!(is_virtual(&bare, None));
        assert!(!is_virtual(&bare, Some("fpu sse2")));
        assert!(is_virtual(&bare, Some("fpu hypervisor sse2")));
        let arm = host_with(&[("proc/device-tree/fw-cfg@9020000/compatible", "qemu,fw-cfg-mmio")]);
        assert!(is_virtual(&Files::below(arm.path()), None));
        assert!(!is_virtual(&Files::below(host_with(&[]).path()), None));
    }
}

//! The memory that models take on the host, held against what sandboxes get.

use std::collections::BTreeMap;

use isolde_model::{ByteSize, Resources};
use isolde_runner::Interrupt;

use crate::exit::{Exit, tagged};
use crate::model_trial::{Subject, Trial, try_out};
use crate::output::talk;

/// Tries each subject on the host; gives the memory that would do for it by its name
/// in tables, and talks of what may be too little.
///
/// # Errors
/// Wrong usage: what does not work, or needs more memory than sandboxes get. Or that
/// the user asked to stop.
pub(crate) fn try_all(
    subjects: Vec<(&str, Subject)>,
    resources: &Resources,
    interrupt: &Interrupt,
) -> anyhow::Result<BTreeMap<String, ByteSize>> {
    let mut enough = BTreeMap::new();
    for (name, subject) in subjects {
        let peak = try_out(&Trial { subject, threads: resources.threads.most() }, interrupt)?;
        check_memory(name, peak, resources.memory)?.into_iter().for_each(|text| talk(&text));
        enough.insert(name.to_owned(), enough_memory(peak));
    }
    Ok(enough)
}

/// A guest kernel keeps some of a virtual machine's memory for itself.
const KERNEL_KEEPS: u64 = 96 << 20;

/// Holds the memory that the model took on the host against what a sandbox gets;
/// gives a warning where it is scarce.
///
/// # Errors
/// Wrong usage: that it cannot be enough, and what would be.
fn check_memory(name: &str, peak_bytes: u64, memory: ByteSize) -> anyhow::Result<Option<String>> {
    let (took, enough) = (peak_bytes.div_ceil(1 << 20), enough_memory(peak_bytes));
    let said = format!("{name} took {took} MiB on this host, and sandboxes have {memory}");
    if memory.bytes() < peak_bytes {
        let text = format!("out of memory: {said}: --memory {enough} would do");
        return Err(tagged(Exit::Usage, text));
    }
    let scarce = memory.bytes() < peak_bytes + KERNEL_KEEPS;
    Ok(scarce.then(|| {
        format!("warning: {said}: virtual machines may run out of it; --memory {enough} would do")
    }))
}

/// Memory that would do in every environment for what took `peak_bytes` on the host:
/// a quarter more, because allocators differ, and what a kernel keeps.
fn enough_memory(peak_bytes: u64) -> ByteSize {
    ByteSize((peak_bytes + peak_bytes / 4 + KERNEL_KEEPS).next_multiple_of(64 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_refused_with_what_would_do() {
        let peak = 300 << 20;
        let refused = check_memory("net", peak, ByteSize::mebibytes(256)).unwrap_err().to_string();
        for words in ["out of memory", "300 MiB", "--memory 512M would do"] {
            assert!(refused.contains(words), "{refused}");
        }
        let scarce = check_memory("net", peak, ByteSize::mebibytes(350)).unwrap().unwrap();
        assert!(scarce.contains("virtual machines"), "{scarce}");
        assert_eq!(check_memory("net", peak, ByteSize::mebibytes(512)).unwrap(), None);
    }
}

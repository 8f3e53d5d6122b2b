//! The labels by which an Isolde finds its own containers and images again, and
//! those whose Isolde is dead.

use std::collections::HashMap;

use super::procfs;

/// On everything that Isolde makes in an Engine.
pub(super) const MARK: &str = "isolde";
/// The sandbox's id, on containers.
pub(super) const ID: &str = "isolde.id";
/// The digest of a root file system, on images that outlive their process.
pub(super) const KEPT_DIGEST: &str = "isolde.root";
const PID: &str = "isolde.pid";
/// Process ids are used again, above all after a reboot; with the start time
/// beside it an owner is told from its successor.
const PID_STARTED: &str = "isolde.pid-started";

/// Labels that name this process as the owner.
pub(super) fn labels() -> HashMap<String, String> {
    let pid = std::process::id();
    let started = procfs::Stat::read(pid).map_or(0, |stat| stat.started_ticks);
    [(MARK, "1".to_owned()), (PID, pid.to_string()), (PID_STARTED, started.to_string())]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Labels of the image of a root file system that is kept between runs.
pub(super) fn labels_of_kept(digest: &str) -> HashMap<String, String> {
    HashMap::from([(MARK.to_owned(), "1".to_owned()), (KEPT_DIGEST.to_owned(), digest.to_owned())])
}

/// The digest in the labels of a kept image.
pub(super) fn kept_digest(labels: &HashMap<String, String>) -> Option<&str> {
    labels.get(KEPT_DIGEST).map(String::as_str)
}

/// True where the labels name an owner that no longer runs.
pub(super) fn is_dead(labels: &HashMap<String, String>) -> bool {
    let number = |key: &str| labels.get(key).and_then(|text| text.parse::<u64>().ok());
    let Some(pid) = number(PID).and_then(|pid| u32::try_from(pid).ok()) else { return false };
    procfs::Stat::read(pid).map(|stat| stat.started_ticks) != number(PID_STARTED)
}

/// True where the labels name this process as the owner.
pub(super) fn is_ours(theirs: &HashMap<String, String>) -> bool {
    labels().iter().all(|(key, value)| theirs.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_from_their_successors() {
        let mut labels = labels();
        assert!(is_ours(&labels) && !is_dead(&labels));
        labels.insert(PID_STARTED.into(), "1".into());
        assert!(!is_ours(&labels) && is_dead(&labels));
        // Process ids end far below.
        labels.insert(PID.into(), u32::MAX.to_string());
        assert!(is_dead(&labels));
        // What is not labelled as ours is never called dead.
        assert!(!is_dead(&HashMap::new()));
    }
}

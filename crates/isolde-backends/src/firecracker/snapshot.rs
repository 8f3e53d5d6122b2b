//! A guest that was frozen when it was up: the common beginning of many launches.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use isolde_model::{Leak, READY_TO_REST, REST_PORT, Thaw};
use rustix::rand::GetRandomFlags;

use super::machine;
use super::place::{MEMORY, Place, ROOT, STATE, UPPER};
use super::process::Firecracker;
use crate::{BackendError, GuestKernel, SandboxSpec};

/// A boot takes a second; an emulated CPU on a busy host needs longer.
const BOOT_PATIENCE: Duration = Duration::from_secs(120);

/// The guest says that it may be frozen and goes to sleep on that: what its kernel still
/// has to do then is done once, and not by every copy.
const SETTLING: Duration = Duration::from_millis(200);

/// What decides whether two launches can begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    root_digest: String,
    kernel: PathBuf,
    initramfs: PathBuf,
    room: Option<PathBuf>,
    cpus: usize,
    memory_bytes: u64,
}

impl Key {
    pub(super) fn of(spec: &SandboxSpec, kernel: &GuestKernel) -> Self {
        Self {
            root_digest: spec.root_digest.clone(),
            kernel: kernel.image.clone(),
            initramfs: kernel.initramfs.clone(),
            room: spec.room.clone().filter(|_| spec.writable_root),
            cpus: spec.cpus.len(),
            memory_bytes: spec.memory.bytes(),
        }
    }
}

/// A folder with the files of a frozen guest, removed with this value.
#[derive(Debug)]
pub(super) struct Snapshot {
    folder: PathBuf,
}

impl Snapshot {
    /// Boots a guest of `spec`, has it rest and freezes it. Its process runs in the
    /// spec's cgroup and is gone when this returns. The files lie beside the spec's
    /// scratch folder, under a name that belongs to this process as that one's does.
    pub(super) fn take(
        program: &Path,
        spec: &SandboxSpec,
        kernel: &GuestKernel,
    ) -> Result<Self, BackendError> {
        let folder = spec.scratch.with_file_name(format!("isolde-{}-snapshot", spec.id));
        fs::create_dir(&folder).map_err(|source| BackendError::file("make", &folder, source))?;
        let snapshot = Self { folder };
        let mut place = Place::open(program, &snapshot.folder)?;
        machine::furnish(&mut place, spec, kernel)?;
        let deadline = Instant::now() + BOOT_PATIENCE;
        let listener = place.listen(REST_PORT)?;
        let mut firecracker = Firecracker::spawn(place.command(&spec.id)?, &spec.cgroup)?;
        let mut control = firecracker.control(&place, deadline)?;
        machine::describe(&mut control, spec, None, true)?;
        machine::start(&mut control)?;
        drop(control);
        let mut guest = firecracker.accept(&listener, deadline)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let mut said = [0];
        guest
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))
            .and_then(|()| guest.read_exact(&mut said))
            .map_err(|source| BackendError::os("hear that the guest is up", source))?;
        if said != [READY_TO_REST] {
            let words = format!("it said {said:?}");
            return Err(BackendError::tool("hear that the guest is up", words));
        }
        std::thread::sleep(SETTLING);
        machine::freeze(&mut firecracker.control(&place, deadline)?)?;
        Ok(snapshot)
    }

    /// Whether nobody has taken its files away.
    pub(super) fn is_there(&self) -> bool {
        [STATE, MEMORY].iter().all(|name| self.folder.join(name).is_file())
    }

    /// Puts what a launch of `spec` is thawed from into `place`.
    pub(super) fn furnish(
        &self,
        place: &mut Place,
        spec: &SandboxSpec,
    ) -> Result<(), BackendError> {
        for name in [STATE, MEMORY] {
            place.lend(name, &self.folder.join(name))?;
        }
        place.lend(ROOT, &spec.root)?;
        match spec.writable_root {
            true => place.copy(UPPER, &self.folder.join(UPPER)),
            false => Ok(()),
        }
    }

    /// Removes the files and reports what stayed. They may have gone with the folder
    /// around them.
    pub(super) fn remove(&self) -> Option<Leak> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Some(Leak::new("folder", format!("{}: {error}", self.folder.display())))
            }
            _ => None,
        }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.remove();
    }
}

/// What a guest that was thawed now is to be told.
pub(super) fn news() -> Result<Thaw, BackendError> {
    let mut seed = [0; Thaw::SEED_BYTES];
    // So few bytes always come at once (getrandom(2)).
    rustix::rand::getrandom(&mut seed, GetRandomFlags::empty())
        .map_err(|source| BackendError::os("get random numbers", source))?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let time_ns = since.ok().and_then(|since| i64::try_from(since.as_nanos()).ok());
    let time_ns = time_ns.ok_or_else(|| {
        BackendError::os("tell a guest the time", io::Error::other("the host's clock is wrong"))
    })?;
    Ok(Thaw { time_ns, seed })
}

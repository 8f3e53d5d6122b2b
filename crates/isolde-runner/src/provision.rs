//! What sandboxes are made from: root file systems, kernels, cgroups, CPUs and
//! scratch folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use isolde_backends::cgroup::{Cgroup, Hierarchy, host_hierarchy};
use isolde_backends::{Backend, BackendError, GuestKernel, RootForm, SandboxSpec};
use isolde_image::{Hold, HostKernel, Image, ImageError, RootTree, Store, choose_kernel};
use isolde_model::{Bus, GuestNeeds, KernelForm, Leak, Missing, Readiness, Ready, Resources};
use tempfile::TempDir;

use crate::check::Asked;
use crate::host::{allowed_cpus, emulation};
use crate::{Interrupt, RunError};

/// The hint where the kernel of a distribution's package is what is missing.
pub const KERNEL_INSTALL: &str = "isolde doctor --install";

/// The root file system and kernels of a run, made once and shared by its launches.
#[derive(Debug, Clone)]
pub struct Provisions {
    store: Store,
    tree: RootTree,
    /// Whether the application may write to its root file system.
    writable_root: bool,
    guests: Guests,
    /// Keeps a clean-up of the cache from taking away what this run uses.
    _hold: Arc<Hold>,
}

/// What the guest kernel of a run is chosen by, and the one that was chosen.
#[derive(Debug, Default, Clone)]
struct Guests {
    /// Needs of all environments of the run that boot a kernel.
    needs: Vec<GuestNeeds>,
    /// The release that is asked for.
    release: Option<String>,
    chosen: Option<HostKernel>,
}

impl Provisions {
    /// The root file system with nothing but `agent` (an executable of this
    /// program), made in `store`.
    ///
    /// # Errors
    /// That the executable cannot be read.
    pub fn new(store: Store, agent: &Path) -> Result<Self, ImageError> {
        let tree = RootTree::with_store(agent, &store)?;
        let hold = Arc::new(store.hold()?);
        Ok(Self { store, tree, writable_root: false, guests: Guests::default(), _hold: hold })
    }

    /// The cache that everything is made in.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Brings a file of the host along as `destination` (absolute).
    ///
    /// # Errors
    /// That it cannot be read or that the place is taken.
    pub fn bring(&mut self, source: &Path, destination: &Path) -> Result<(), ImageError> {
        self.tree.add_file(source, destination)
    }

    /// Says for which environments one guest kernel must do, and which release it
    /// must be; without, the first that is prepared decides.
    pub fn choose_kernel_for<'a>(
        &mut self,
        backends: impl IntoIterator<Item = &'a dyn Backend>,
        release: Option<&str>,
    ) {
        let needs = backends.into_iter().filter_map(Backend::guest).collect();
        self.guests = Guests { needs, release: release.map(str::to_owned), chosen: None };
    }

    /// The same root file system, to which applications may write.
    #[must_use]
    pub fn writable(self) -> Self {
        Self { tree: self.tree.with_room(), writable_root: true, ..self }
    }

    /// The root file system of `image` with `agent` in it, and otherwise the same.
    ///
    /// # Errors
    /// That the executable or the image cannot be read.
    pub fn with_image(&self, agent: &Path, image: &Image) -> Result<Self, ImageError> {
        let tree = RootTree::of_image(agent, image, &self.store)?;
        Ok(Self { tree, ..self.clone().writable() })
    }

    /// Whether `backend` can run here now, its guest kernel included.
    pub fn readiness(&self, backend: &dyn Backend) -> Readiness {
        let readiness = as_on_this_host(backend.probe());
        let Some(needs) = backend.guest().filter(|_| readiness.is_ready()) else {
            return readiness;
        };
        match choose_kernel(&self.store, &[needs], self.guests.release.as_deref()) {
            Ok(_) => readiness,
            Err(error) => Readiness::Missing(self.missing_kernel(&needs, error)),
        }
    }

    /// What brings a kernel for `needs`: that of a distribution, or, where it has all
    /// but that it is deaf to devices named by parameter, one that is built for it.
    fn missing_kernel(&self, needs: &GuestNeeds, error: ImageError) -> Missing {
        let announced = GuestNeeds { bus: Bus::Mmio, ..*needs };
        let is_deaf = needs.bus == Bus::MmioByParameter
            && choose_kernel(&self.store, &[announced], self.guests.release.as_deref()).is_ok();
        let (what, hint) = match error {
            ImageError::NoSuchKernel { .. } => (error.to_string(), "see `isolde kernel list`"),
            ImageError::NoKernel { found } if is_deaf => {
                (format!("no kernel for guests: {found}"), "isolde kernel build")
            }
            _ => (error.to_string(), KERNEL_INSTALL),
        };
        Missing { what, hint: hint.to_owned(), packages: Vec::new() }
    }

    /// Takes the forms of the root file system out of the cache, for one that nobody
    /// will want again.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn drop_forms(&self) -> Result<(), ImageError> {
        self.store.remove_forms(&self.tree.digest())
    }

    fn root(&self, form: RootForm) -> Result<PathBuf, ImageError> {
        match form {
            RootForm::Directory => self.store.directory(&self.tree),
            RootForm::Ext4 => self.store.ext4(&self.tree),
            RootForm::Tar => self.store.tar(&self.tree),
        }
    }

    /// The same kernel for every environment of a run, in the form for this one.
    fn kernel(&mut self, needs: &GuestNeeds) -> Result<GuestKernel, ImageError> {
        let guests = &mut self.guests;
        if !guests.needs.contains(needs) {
            guests.needs.push(*needs);
            // What was chosen without knowing of this one need not do for it.
            guests.chosen = None;
        }
        let kernel = match &guests.chosen {
            Some(kernel) => kernel.clone(),
            None => {
                let kernel = choose_kernel(&self.store, &guests.needs, guests.release.as_deref())?;
                guests.chosen.insert(kernel).clone()
            }
        };
        Ok(GuestKernel {
            initramfs: self.store.initramfs(&kernel, needs)?,
            image: match needs.form {
                KernelForm::Distribution => kernel.image.clone(),
                KernelForm::Elf => self.store.elf(&kernel)?,
            },
            release: kernel.release,
        })
    }

    /// Makes what `backend` needs for launches at `workplace`, before anything is
    /// timed. The wish to stop ends what it has started for that.
    ///
    /// # Errors
    /// What could not be made.
    pub fn prepare(
        &mut self,
        backend: &dyn Backend,
        workplace: &Workplace,
        interrupt: &Interrupt,
    ) -> Result<Prepared, RunError> {
        let failed = |source| RunError::Image { environment: backend.name(), source };
        let guest = backend.guest();
        let overlay = guest.is_some_and(|needs| needs.overlay) && self.writable_root;
        let prepared = Prepared {
            root: self.root(backend.root_form()).map_err(failed)?,
            root_digest: self.tree.digest(),
            writable_root: self.writable_root,
            emulated: self.readiness(backend).is_emulated(),
            kernel: guest.map(|needs| self.kernel(&needs)).transpose().map_err(failed)?,
            room: overlay
                .then(|| self.store.ext4(&RootTree::room()))
                .transpose()
                .map_err(failed)?,
        };
        workplace.with_spare_spec(&prepared, |spec| {
            let _held = interrupt.hold(&spec.cgroup);
            backend
                .prepare(&spec)
                .map_err(|source| RunError::Prepare { environment: backend.name(), source })
        })?;
        Ok(prepared)
    }
}

/// On a host whose own CPU is software, everything is emulated.
fn as_on_this_host(readiness: Readiness) -> Readiness {
    match readiness {
        Readiness::Ready(ready) => {
            let emulated = ready.emulated || emulation().is_some();
            Readiness::Ready(Ready { emulated, ..ready })
        }
        missing => missing,
    }
}

/// What one environment's launches share.
#[derive(Debug, Clone)]
pub struct Prepared {
    root: PathBuf,
    root_digest: String,
    writable_root: bool,
    kernel: Option<GuestKernel>,
    room: Option<PathBuf>,
    emulated: bool,
}

impl Prepared {
    /// SHA-256 in hex of the root file system's content: what
    /// [`Backend::forget`] takes.
    #[must_use]
    pub fn root_digest(&self) -> &str {
        &self.root_digest
    }

    /// Whether its sandboxes run on an emulated CPU.
    #[must_use]
    pub const fn is_emulated(&self) -> bool {
        self.emulated
    }
}

/// Where sandboxes are put: the host's cgroups, the CPUs they may use and a
/// temporary folder, removed with this value.
#[derive(Debug)]
pub struct Workplace {
    run: String,
    hierarchy: Arc<dyn Hierarchy>,
    /// Holds those of all sandboxes, and spares every launch making it anew.
    cgroup: OnceLock<Cgroup>,
    cpus: Vec<u32>,
    resources: Resources,
    host_kernel: String,
    scratch: TempDir,
    /// The next number for a sandbox that is no launch: counted down, so that it meets
    /// none of theirs.
    spare: AtomicU32,
}

/// First part of the names of everything that a run makes on the host.
pub(crate) const PREFIX: &str = "isolde";

impl Workplace {
    /// A workplace of its own for a run, with the first CPUs that this process
    /// may use.
    ///
    /// # Errors
    /// That there is no cgroup file system or no temporary folder.
    pub fn new(resources: Resources) -> Result<Self, RunError> {
        let pid = std::process::id();
        let prefix = format!("{PREFIX}-{pid}-");
        let scratch = tempfile::Builder::new()
            .prefix(&prefix)
            .rand_bytes(6)
            .tempdir()
            .map_err(RunError::Scratch)?;
        let unique = scratch.path().file_name().map(|name| name.to_string_lossy().to_lowercase());
        let unique = unique.unwrap_or_default();
        let run = unique.strip_prefix("isolde-").unwrap_or(&unique).to_owned();
        Ok(Self {
            run,
            hierarchy: host_hierarchy().map_err(RunError::Cgroup)?,
            cgroup: OnceLock::new(),
            cpus: allowed_cpus().into_iter().take(resources.cpus as usize).collect(),
            resources,
            host_kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            scratch,
            spare: AtomicU32::new(u32::MAX),
        })
    }

    /// Everything for one sandbox, under a number that is used once.
    ///
    /// # Errors
    /// That its cgroup or scratch folder cannot be made.
    pub fn spec(&self, prepared: &Prepared, number: u32) -> Result<SandboxSpec, RunError> {
        let id = format!("{}-{number}", self.run);
        let scratch = self.scratch.path().join(number.to_string());
        fs::create_dir(&scratch).map_err(RunError::Scratch)?;
        let cgroup = self.cgroup(number).map_err(RunError::Cgroup)?;
        Ok(SandboxSpec {
            id,
            root: prepared.root.clone(),
            root_digest: prepared.root_digest.clone(),
            writable_root: prepared.writable_root,
            kernel: prepared.kernel.clone(),
            room: prepared.room.clone(),
            cpus: self.cpus.clone(),
            memory: self.resources.memory,
            cgroup,
            scratch,
        })
    }

    /// Does something with everything for one sandbox that is no launch, and takes
    /// that away again.
    fn with_spare_spec<T>(
        &self,
        prepared: &Prepared,
        work: impl FnOnce(SandboxSpec) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let number = self.spare.fetch_sub(1, Ordering::Relaxed);
        let spec = self.spec(prepared, number)?;
        let cgroup = spec.cgroup.clone();
        let done = work(spec);
        for Leak { what, detail } in cgroup.remove() {
            tracing::warn!("left behind: {what}: {detail}; `isolde clean` removes it");
        }
        self.tidy(number).map_err(RunError::Scratch)?;
        done
    }

    fn cgroup(&self, number: u32) -> Result<Cgroup, BackendError> {
        let all = match self.cgroup.get() {
            Some(all) => all,
            None => {
                let name = format!("{PREFIX}/{}", self.run);
                let made = Cgroup::create(&self.hierarchy, &name, &self.cpus)?;
                self.cgroup.get_or_init(|| made)
            }
        };
        all.create_below(&number.to_string(), &self.cpus)
    }

    /// Removes the scratch folder of a sandbox that is gone.
    ///
    /// # Errors
    /// That something in it cannot be removed.
    pub fn tidy(&self, number: u32) -> io::Result<()> {
        fs::remove_dir_all(self.scratch.path().join(number.to_string()))
    }

    /// Names of the cgroups of this workplace that are there now: one for each
    /// sandbox that is not taken down.
    #[must_use]
    pub fn cgroups(&self) -> Vec<String> {
        self.hierarchy.children(&format!("{PREFIX}/{}", self.run))
    }

    /// What the sandbox's greeting must show.
    pub(crate) fn asked(&self, prepared: &Prepared) -> Asked {
        let kernel = prepared.kernel.as_ref().map_or(&self.host_kernel, |kernel| &kernel.release);
        Asked {
            cpus: self.resources.cpus,
            memory_bytes: self.resources.memory.bytes(),
            kernel: kernel.clone(),
        }
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // Not left to the last handle of it: the thread that hears of Ctrl-C may
        // hold one of a sandbox's cgroup, and ends with the program, undropped.
        let leaks = self.cgroup.get().map(Cgroup::remove).unwrap_or_default();
        for Leak { what, detail } in leaks {
            tracing::warn!("left behind: {what}: {detail}; `isolde clean` removes it");
        }
    }
}

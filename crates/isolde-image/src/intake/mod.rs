//! Taking images into the cache: from a registry, the local Docker Engine, an
//! archive, a layout folder, an unpacked root file system, standard input.
//! One source per file; what they give ends in the same two places: [`unpack`]
//! verifies a layer on its way into the cache, and [`Intake::record`] writes
//! the image down once all its layers are there.
//!
//! Whatever comes in is a stranger's: sizes are bounded before anything is
//! kept, digests are checked, and nothing is written outside of the cache.

mod archive;
mod digest;
mod docker_save;
mod document;
mod engine;
mod error;
mod folder;
mod layout;
mod limits;
mod member;
mod name;
mod oci;
mod origin;
mod packing;
mod platform;
mod registry;
mod space;
mod spool;
mod stdin;
mod unpack;
mod upon;

use std::io::{self, Read};
use std::time::{SystemTime, UNIX_EPOCH};

pub use error::IntakeError;
pub use limits::Limits;
pub use name::ImageName;
pub use origin::ImageOrigin;
pub use platform::Platform;

use crate::{Image, ImageConfig, ImageError, Store};

/// Finds the image that `reference` names, or takes it in with what goes
/// without saying: see [`Intake::bring`].
///
/// # Errors
/// As [`Intake::bring`].
pub fn bring_image(store: &Store, reference: &str) -> Result<Image, ImageError> {
    Intake::new(store).bring(reference)
}

/// Takes in the image that `reference` names, also if it is in the cache: see
/// [`Intake::add`].
///
/// # Errors
/// As [`Intake::add`].
pub fn add_image(store: &Store, reference: &str, name: Option<&str>) -> Result<Image, ImageError> {
    Intake::new(store).add(&reference.parse()?, name)
}

/// What is happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A source is asked for an image.
    Asked {
        /// Which source.
        place: &'a str,
    },
    /// A layer that is not in the cache begins to come.
    Layer {
        /// Its number, from 1.
        number: usize,
        /// Of how many.
        count: usize,
        /// Its packed size, where that is told.
        bytes: Option<u64>,
    },
    /// More of the layer is in the cache.
    Unpacked {
        /// How many bytes more, unpacked.
        bytes: u64,
    },
}

/// How images are taken in.
pub struct Intake<'a> {
    store: &'a Store,
    platform: Option<Platform>,
    limits: Limits,
    cancelled: &'a (dyn Fn() -> bool + Sync),
    progress: &'a (dyn Fn(Progress<'_>) + Sync),
}

/// What a source gives: an image whose layers are in the cache.
struct Taken {
    id: String,
    names: Vec<ImageName>,
    manifest: Option<String>,
    platform: Platform,
    config: ImageConfig,
    layers: Vec<String>,
    origin: String,
}

impl<'a> Intake<'a> {
    /// Into `store`, for this host's platform, with the default limits.
    #[must_use]
    pub fn new(store: &'a Store) -> Self {
        Self {
            store,
            platform: None,
            limits: Limits::default(),
            cancelled: &|| false,
            progress: &|_| {},
        }
    }

    /// For another platform than the host's. Such an image does not run here.
    #[must_use]
    pub fn platform(self, platform: Option<Platform>) -> Self {
        Self { platform, ..self }
    }

    /// With other limits.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Stops soon after `cancelled` becomes true.
    #[must_use]
    pub fn cancelled(self, cancelled: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { cancelled, ..self }
    }

    /// Tells `progress` what is happening; it is called by several threads.
    #[must_use]
    pub fn progress(self, progress: &'a (dyn Fn(Progress<'_>) + Sync)) -> Self {
        Self { progress, ..self }
    }

    /// The image that `reference` names. A bare name or an id is looked for in
    /// the cache, a name then in the local Docker Engine, then in its registry.
    /// Everything else is asked again, and what is in the cache of it is used.
    ///
    /// # Errors
    /// Where it was looked for, what is wrong with what was found, or that the
    /// image is not for this host.
    pub fn bring(&self, reference: &str) -> Result<Image, ImageError> {
        let _hold = self.store.hold()?;
        if let Some(image) = self.store.find_image(reference)?
            && self.is_whole(&image.layers)
        {
            return match image.platform.parse::<Platform>()?.serves(&self.wanted()) {
                Some(_) => Ok(image),
                None => Err(self.foreign(reference, &image.platform).into()),
            };
        }
        self.add(&reference.parse()?, None)
    }

    /// Takes an image in from where `origin` says, and gives it `name` besides
    /// those that it brings. Layers that are in the cache are not read again.
    ///
    /// # Errors
    /// What the source answers, what is wrong with what it gives, that the disk
    /// is full, or that the user asked to stop. The cache is then as before,
    /// but for whole layers.
    pub fn add(&self, origin: &ImageOrigin, name: Option<&str>) -> Result<Image, ImageError> {
        self.enter(name, || self.take(origin))
    }

    /// Takes an image in from an archive that comes as a stream, packed or not.
    ///
    /// # Errors
    /// As [`Intake::add`].
    pub fn add_archive(&self, stream: impl Read, name: Option<&str>) -> Result<Image, ImageError> {
        let origin = "a stream".to_owned();
        self.enter(name, || archive::take_stream(self, stream, "the archive", None, origin))
    }

    fn enter(
        &self,
        name: Option<&str>,
        take: impl FnOnce() -> Result<Taken, ImageError>,
    ) -> Result<Image, ImageError> {
        let _hold = self.store.hold()?;
        let name = name.map(str::parse::<ImageName>).transpose()?;
        let result = take().and_then(|mut taken| {
            taken.names.extend(name);
            self.record(taken)
        });
        if result.is_err() {
            // Whatever failed may have done so because the user wanted to stop.
            self.go_on()?;
        }
        result.map_err(space::full_or)
    }

    fn take(&self, origin: &ImageOrigin) -> Result<Taken, ImageError> {
        match origin {
            ImageOrigin::Registry(name) => registry::take(self, name),
            ImageOrigin::Engine(name) => engine::take(self, name),
            ImageOrigin::Archive { path, image } => archive::open(self, path, image.as_deref()),
            ImageOrigin::Layout { path, image } => layout::take(self, path, image.as_deref()),
            ImageOrigin::Folder(path) => folder::take(self, path),
            ImageOrigin::Stdin => stdin::take(self),
            ImageOrigin::Path(path) if path.is_dir() => match path.join("oci-layout").exists() {
                true => layout::take(self, path, None),
                false => folder::take(self, path),
            },
            ImageOrigin::Path(path) => archive::open(self, path, None),
            ImageOrigin::Name(name) => self.take_named(name),
        }
    }

    /// From the local Engine if it has it, or else from the registry.
    fn take_named(&self, name: &ImageName) -> Result<Taken, ImageError> {
        let of_engine = match engine::take(self, name) {
            // What is in the Engine is what the user means, also if it is unfit.
            Err(ImageError::Intake(
                IntakeError::Unreachable { why, .. } | IntakeError::NotFound { tried: why, .. },
            )) => why,
            other => return other,
        };
        registry::take(self, name).map_err(|error| match error {
            ImageError::Intake(IntakeError::NotFound { name, tried }) => {
                IntakeError::NotFound { name, tried: format!("{of_engine}; {tried}") }.into()
            }
            ImageError::Intake(IntakeError::Unreachable { action, why }) => {
                let why = format!("{why} (the cache does not have it; {of_engine})");
                IntakeError::Unreachable { action, why }.into()
            }
            other => other,
        })
    }

    /// Writes an image down. Its names are taken from other images.
    fn record(&self, taken: Taken) -> Result<Image, ImageError> {
        let layer_bytes =
            |layer: &String| self.store.layer(layer).metadata().map_or(0, |m| m.len());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let image = Image {
            bytes: taken.layers.iter().map(layer_bytes).sum(),
            id: taken.id,
            names: taken.names.iter().map(ToString::to_string).collect(),
            manifest: taken.manifest,
            platform: taken.platform.to_string(),
            config: taken.config,
            layers: taken.layers,
            origin: taken.origin,
            added_s: now.as_secs(),
        };
        self.store.enter_image(image)
    }

    /// The platform that images are wanted for.
    fn wanted(&self) -> Platform {
        self.platform.clone().unwrap_or_else(Platform::host)
    }

    /// Refuses an image that is for another platform than the wanted one.
    fn check_platform(&self, what: &str, platform: &Platform) -> Result<(), ImageError> {
        match platform.serves(&self.wanted()) {
            Some(_) => Ok(()),
            None => Err(self.foreign(what, &platform.to_string()).into()),
        }
    }

    fn foreign(&self, what: &str, platform: &str) -> IntakeError {
        let wanted = self.wanted();
        let why = match self.platform {
            Some(_) => format!("it is for {platform}, not for {wanted} as was asked for"),
            None => format!(
                "it is for {platform}, and this host is {wanted}; `isolde image add --platform \
                 {platform}` takes it anyway, but it does not run here"
            ),
        };
        IntakeError::unfit(what, why)
    }

    /// Whether all these layers are in the cache.
    fn is_whole(&self, layers: &[String]) -> bool {
        layers.iter().all(|layer| self.store.has_layer(layer))
    }

    /// Stops where the user asked for it.
    fn go_on(&self) -> Result<(), ImageError> {
        if (self.cancelled)() { Err(IntakeError::Interrupted.into()) } else { Ok(()) }
    }

    fn report(&self, progress: Progress<'_>) {
        (self.progress)(progress);
    }
}

/// A failed read of a stranger's stream; an error of ours that passed through
/// it comes out as it went in.
fn from_io(what: &str, error: io::Error) -> ImageError {
    if error.get_ref().is_some_and(|inner| inner.is::<ImageError>()) {
        let inner = error.into_inner().and_then(|inner| inner.downcast::<ImageError>().ok());
        return inner.map_or_else(|| IntakeError::unfit(what, "it cannot be read").into(), |e| *e);
    }
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is cut off".into(),
        _ => format!("it cannot be read: {error}"),
    };
    IntakeError::unfit(what, why).into()
}

//! Which kernel the guests of an experiment boot.

use isolde_model::GuestNeeds;

use super::{FoundKernel, HostKernel, Machine, find_kernels};
use crate::{ImageError, Store};

/// The kernel for machines with all these needs: `release` where one is asked for,
/// else the host's own release, else the newest that can boot them all.
///
/// # Errors
/// That there is none, and what each that was found lacks.
pub fn choose_kernel(
    store: &Store,
    needs: &[GuestNeeds],
    release: Option<&str>,
) -> Result<HostKernel, ImageError> {
    choose(find_kernels(store), needs, release)
}

fn choose(
    found: Vec<FoundKernel>,
    needs: &[GuestNeeds],
    release: Option<&str>,
) -> Result<HostKernel, ImageError> {
    let (mut refused, mut others) = (Vec::new(), Vec::new());
    for FoundKernel { image, kernel, .. } in found {
        match kernel {
            Ok(kernel) => {
                let wanted = release.is_none_or(|release| kernel.release == release);
                let lacks: Vec<String> =
                    needs.iter().flat_map(|needs| kernel.lacks(needs)).collect();
                if lacks.is_empty() && wanted {
                    return Ok(kernel);
                }
                match wanted {
                    true => refused.push(explain(&kernel, lacks)),
                    false => others.push(kernel.release),
                }
            }
            Err(error) => refused.push(words(&image, &error)),
        }
    }
    others.dedup();
    let found = if refused.is_empty() && !others.is_empty() {
        format!("there are {}", others.join(", "))
    } else if refused.is_empty() {
        format!("neither /boot nor the cache has any for {}", Machine::HOST.name())
    } else {
        refused.join("; ")
    };
    Err(match release {
        Some(release) => ImageError::NoSuchKernel { release: release.to_owned(), found },
        None => ImageError::NoKernel { found },
    })
}

fn explain(kernel: &HostKernel, mut lacks: Vec<String>) -> String {
    lacks.sort();
    lacks.dedup();
    if kernel.modules.is_none() && kernel.machine == Machine::HOST {
        lacks.push(format!(
            "no modules of {} were found: give their package as well",
            kernel.release
        ));
    }
    format!("{} ({}): {}", kernel.release, kernel.image.display(), lacks.join(", "))
}

/// An error about a file, with its cause.
pub(super) fn words(image: &std::path::Path, error: &ImageError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    let path = image.display().to_string();
    if text.contains(&path) { text } else { format!("{path}: {text}") }
}

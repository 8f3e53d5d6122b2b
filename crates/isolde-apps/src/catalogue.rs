//! The applications that this program brings, and the sizes they come in.

use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr;
use std::{fmt, fs};

use crate::bundled::Bundled;
use crate::own_network::OwnNetwork;
use crate::{AppError, Application, Threads};
use crate::{
    driving_scenario, image_classification, lane_keeping, object_detection, road_sign,
    traffic_light,
};

/// Where the networks of reference size lie in a sandbox, relative to its root
/// folder.
pub const NETWORKS_IN_SANDBOX: &str = "networks";

/// The sizes that an application comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// Small, really trained, part of this program.
    Compact,
    /// Topology and size of the study's network; its weights are drawn from a
    /// seed, so its predictions mean nothing.
    Reference,
}

/// An application that can be loaded.
pub struct Description {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, without a full stop.
    pub summary: &'static str,
    /// Its network's family.
    pub network: &'static str,
    /// What the number that stands for its answer is, without a full stop.
    pub answer: &'static str,
    /// Width and height of the network's input in pixels, compact and reference; of
    /// the frames where it has several networks.
    pub sides: [(u32, u32); 2],
    /// The network that is its own; `None` where it runs those of others.
    pub(crate) own: Option<&'static OwnNetwork>,
    /// How its compact network came about and what it reaches, as Markdown; `None`
    /// where it has none of its own.
    pub card: Option<&'static str>,
    /// Number of bundled inputs.
    pub inputs: fn() -> u32,
    /// The bundled inputs, with the number that each must give in compact size.
    pub(crate) bundled: Bundled,
    /// JSON: for each bundled input's file name a sample of the outputs that another
    /// engine gave for the same network input in compact size.
    pub(crate) expected_outputs: &'static str,
    /// Names of the applications whose networks it runs.
    pub networks: &'static [&'static str],
    /// Inferences of a launch, compact and reference, that make it long enough to show
    /// its spread and short enough to be repeated: unless the user asks for more.
    pub pace: [u32; 2],
    /// Names of the tasks that an inference consists of; empty where it is one.
    pub tasks: &'static [&'static str],
    /// Loads it.
    pub load: fn(&Setting<'_>) -> Result<Box<dyn Application>, AppError>,
    /// Largest absolute difference of an output value in compact size that
    /// different CPUs may cause by summing in another order.
    pub output_tolerance: f32,
}

impl Description {
    /// File names of the bundled inputs, in their order.
    #[must_use]
    pub fn input_names(&self) -> Vec<&'static str> {
        self.bundled.labels().map(|(name, _)| name).collect()
    }

    /// The number that each bundled input must give in compact size.
    #[must_use]
    pub fn expected_labels(&self) -> Vec<u32> {
        self.bundled.labels().map(|(_, label)| label).collect()
    }

    /// Its network in compact size, as ONNX; `None` where it runs those of others.
    #[must_use]
    pub fn compact_network(&self) -> Option<&'static [u8]> {
        self.own.map(|own| own.compact)
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Description").field(&self.name).finish()
    }
}

/// What an application is loaded with.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// In which size.
    pub size: Size,
    /// The folder with the networks of reference size, as [`network_file`] names them.
    pub networks: &'a Path,
    /// What inference runs on.
    pub threads: &'a Threads,
}

/// The file of the reference network of the application `name`.
#[must_use]
pub fn network_file(name: &str) -> String {
    format!("{name}.onnx")
}

/// Every application of this program.
#[must_use]
pub fn all() -> &'static [Description] {
    &[
        object_detection::DESCRIPTION,
        traffic_light::DESCRIPTION,
        road_sign::DESCRIPTION,
        lane_keeping::DESCRIPTION,
        image_classification::DESCRIPTION,
        driving_scenario::DESCRIPTION,
    ]
}

/// Number of parameters of the application's own network in compact size; 0 where it
/// has none.
///
/// # Errors
/// That the engine does not take the network.
pub fn compact_parameters(description: &Description) -> Result<u64, AppError> {
    match description.own {
        Some(own) => own.compact_parameters(),
        None => Ok(0),
    }
}

/// The application of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Description> {
    all().iter().find(|description| description.name == name)
}

/// An application in one of its sizes, written `NAME` or `NAME:reference`.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Which application.
    pub description: &'static Description,
    /// In which size.
    pub size: Size,
}

/// An application or a size that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// No application has the name.
    #[error("unknown application `{name}`: known are {known}")]
    Application {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// What follows the colon is no size.
    #[error("unknown size `{size}` of {name}: write {name}, or {name}:reference")]
    Size {
        /// Of which application.
        name: &'static str,
        /// What was asked for.
        size: String,
    },
}

impl FromStr for Choice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let (name, size) = text.split_once(':').unwrap_or((text, "compact"));
        let description = find(name).ok_or_else(|| {
            let known: Vec<&str> = all().iter().map(|known| known.name).collect();
            ChoiceError::Application { name: name.to_owned(), known: known.join(", ") }
        })?;
        let size = match size {
            "compact" => Size::Compact,
            "reference" => Size::Reference,
            _ => {
                let name = description.name;
                return Err(ChoiceError::Size { name, size: size.to_owned() });
            }
        };
        Ok(Self { description, size })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            Size::Compact => f.pad(self.description.name),
            Size::Reference => f.pad(&format!("{}:reference", self.description.name)),
        }
    }
}

impl Choice {
    /// The numbers that the bundled inputs must give; `None` where predictions
    /// mean nothing.
    #[must_use]
    pub fn expected_labels(&self) -> Option<Vec<u32>> {
        (self.size == Size::Compact).then(|| self.description.expected_labels())
    }

    /// Inferences of a launch unless the user asks for another number.
    #[must_use]
    pub fn pace(&self) -> u32 {
        self.description.pace[self.size as usize]
    }

    /// Files that it needs in [`Setting::networks`].
    #[must_use]
    pub fn network_files(&self) -> Vec<String> {
        match self.size {
            Size::Compact => Vec::new(),
            Size::Reference => {
                self.description.networks.iter().map(|name| network_file(name)).collect()
            }
        }
    }

    /// Its own network as ONNX; `None` where it runs those of others. `networks` is the
    /// folder with networks of reference size.
    ///
    /// # Errors
    /// That its file cannot be read.
    pub fn network(&self, networks: &Path) -> Result<Option<Cow<'static, [u8]>>, AppError> {
        let Some(compact) = self.description.compact_network() else { return Ok(None) };
        if self.size == Size::Compact {
            return Ok(Some(Cow::Borrowed(compact)));
        }
        let path = networks.join(network_file(self.description.name));
        let read = fs::read(&path).map_err(|error| AppError::Load {
            model: path.display().to_string(),
            source: error.into(),
        });
        read.map(|bytes| Some(Cow::Owned(bytes)))
    }

    /// Loads it; `networks` is the folder with networks of reference size.
    ///
    /// # Errors
    /// A network that cannot be loaded.
    pub fn load(
        &self,
        networks: &Path,
        threads: &Threads,
    ) -> Result<Box<dyn Application>, AppError> {
        (self.description.load)(&Setting { size: self.size, networks, threads })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_had_in_either_size() {
        let folder = tempfile::tempdir().unwrap();
        let network = |text: &str| text.parse::<Choice>().unwrap().network(folder.path());
        let compact = network("road-sign").unwrap().unwrap();
        fs::write(folder.path().join("road-sign.onnx"), &compact[1..]).unwrap();
        assert_eq!(network("road-sign:reference").unwrap().unwrap()[..], compact[1..]);
        assert_eq!(network("driving-scenario").unwrap(), None);
        let error = network("traffic-light:reference").unwrap_err().to_string();
        assert!(error.ends_with("traffic-light.onnx`"), "{error}");
    }

    #[test]
    fn a_choice_survives_its_text() {
        for text in ["road-sign", "road-sign:reference"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        assert_eq!("road-sign:compact".parse::<Choice>().unwrap().to_string(), "road-sign");
        for (text, word) in [("cat", "known are"), ("road-sign:big", ":reference"), ("", "known")] {
            let error = text.parse::<Choice>().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}

//! Applications that the user brings.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ArrayInputs, PictureInput};

/// Where an application comes from that Isolde does not bring itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A program: an image's, or a command of the host with files brought along.
    Program(ProgramSource),
    /// An ONNX model with inputs, run by the agent itself.
    Model(ModelSource),
}

/// A program that follows the application contract, or any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramSource {
    /// The image that is its root file system; `None` for a nearly empty one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSource>,
    /// The command; empty for the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Files of the host that are brought along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileSource>,
    /// What tells the end of its cold start.
    #[serde(default)]
    pub ready: ReadySign,
    /// Inferences after which it is ended, warm-up not counted; `None` for a
    /// program that ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferences: Option<u32>,
}

/// An image as it was named and as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSource {
    /// What the user wrote.
    pub reference: String,
    /// The image's id: SHA-256 in hex of its configuration, which names its layers.
    pub id: String,
}

/// A file of the host and its place in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// Path on the host.
    pub path: String,
    /// Absolute path in the sandbox.
    pub destination: String,
}

/// What tells the end of a program's cold start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ReadySign {
    /// The contract's readiness line, or the first inference where there is none.
    #[default]
    Line,
    /// A TCP port of the sandbox's loopback that accepts a connection.
    Tcp(u16),
    /// An HTTP answer with a status below 400 from the sandbox's loopback.
    Http {
        /// The port.
        port: u16,
        /// The path, with its slash.
        path: String,
    },
}

/// A readiness sign that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no readiness sign: write `line`, `tcp:PORT` or `http:PORT/PATH`")]
pub struct ReadySignError(String);

impl FromStr for ReadySign {
    type Err = ReadySignError;

    fn from_str(text: &str) -> Result<Self, ReadySignError> {
        let wrong = || ReadySignError(text.to_owned());
        let port = |digits: &str| match digits.parse() {
            Ok(0) | Err(_) => Err(wrong()),
            Ok(port) => Ok(port),
        };
        match text.split_once(':') {
            None if text == "line" => Ok(Self::Line),
            Some(("tcp", digits)) => Ok(Self::Tcp(port(digits)?)),
            Some(("http", rest)) => {
                let (digits, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                if path.chars().any(|c| c.is_control() || c == ' ') {
                    return Err(wrong());
                }
                let path = if path.is_empty() { "/" } else { path };
                Ok(Self::Http { port: port(digits)?, path: path.to_owned() })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for ReadySign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line => f.pad("line"),
            Self::Tcp(port) => write!(f, "tcp:{port}"),
            Self::Http { port, path } => write!(f, "http:{port}{path}"),
        }
    }
}

impl TryFrom<String> for ReadySign {
    type Error = ReadySignError;

    fn try_from(text: String) -> Result<Self, ReadySignError> {
        text.parse()
    }
}

impl From<ReadySign> for String {
    fn from(sign: ReadySign) -> Self {
        sign.to_string()
    }
}

/// An ONNX model of the user's and its inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSource {
    /// Path of the ONNX file on the host.
    pub model: String,
    /// SHA-256 of that file, in hex.
    pub digest: String,
    /// SHA-256, in hex, of each file beside it that holds weights, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, String>,
    /// Path on the host of the folder with inputs, or of the one file of arrays.
    pub inputs: String,
    /// SHA-256, in hex, over the inputs' names and contents in their order.
    pub inputs_digest: String,
    /// Number of inputs: pictures, or files of arrays.
    #[serde(alias = "pictures")]
    pub count: u32,
    /// How an input becomes the network's.
    pub input: ModelInput,
}

/// How the inputs of a user's network are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "what the model's input is can be neither read as that of pictures \
                              (name, element, layout, size, colour, resize, scale, mean, \
                              deviation) nor as arrays (each with name, element and shape)"
)]
pub enum ModelInput {
    /// A picture becomes its one input.
    Picture(PictureInput),
    /// Arrays are its inputs.
    Arrays(ArrayInputs),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As plan files were written before arrays could be given.
    #[test]
    fn a_source_of_pictures_is_read_in_its_old_form() {
        let old = r#"{"model": "/net.onnx", "digest": "0", "inputs": "/in", "inputs_digest": "1",
            "pictures": 2, "input": {"name": "x", "element": "uint8", "layout": "nhwc",
            "size": "4x3", "colour": "grey", "resize": "crop", "scale": 1.0,
            "mean": [0, 0, 0], "deviation": [1, 1, 1]}}"#;
        let source: ModelSource = serde_json::from_str(old).unwrap();
        assert!(matches!(&source.input, ModelInput::Picture(input) if input.size.width == 4));
        assert_eq!(source.count, 2);
    }

    #[test]
    fn arrays_survive_their_text_and_anything_else_is_told() {
        let text = r#"{"arrays":[{"name":"x","element":"int64","shape":[1,0]},{"name":"y","element":"bool"}]}"#;
        let input: ModelInput = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&input).unwrap(), text);
        let wrong = serde_json::from_str::<ModelInput>(r#"{"arrays": [{"name": "x"}]}"#);
        assert!(wrong.unwrap_err().to_string().contains("neither"));
    }

    #[test]
    fn readiness_signs_survive_their_text() {
        for text in ["line", "tcp:8080", "http:80/", "http:8000/health?x=1"] {
            assert_eq!(text.parse::<ReadySign>().unwrap().to_string(), text);
        }
        let bare = ReadySign::Http { port: 80, path: "/".into() };
        assert_eq!("http:80".parse::<ReadySign>(), Ok(bare));
        for text in ["", "tcp", "tcp:0", "tcp:65536", "http:80/a b", "udp:1", "https:1/"] {
            assert!(text.parse::<ReadySign>().is_err(), "{text}");
        }
    }
}

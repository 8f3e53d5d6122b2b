//! Names inside an image: relative to its root, without `.` and `..`.

use super::LayerFault;

/// Longest name of one file (`NAME_MAX`) and of a whole path (`PATH_MAX`).
const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 4096;

/// A path below an image's root, as its names; empty for the root itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InnerPath(pub(crate) Vec<Name>);

/// The name of one file.
pub(crate) type Name = Box<[u8]>;

impl InnerPath {
    /// Reads a name of an archive. `what` begins the reason should it be refused.
    pub(crate) fn parse(name: &[u8], what: &str) -> Result<Self, LayerFault> {
        let refuse = |why: &str| Err(LayerFault::entry(name, format!("{what} {why}")));
        if name.len() > LONGEST_PATH {
            return refuse("is longer than a path can be");
        }
        if name.first() == Some(&b'/') && name != b"/" {
            return refuse("is absolute: the layer was made by a broken or hostile tool");
        }
        let mut parts: Vec<Name> = Vec::new();
        for part in name.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return refuse("leads out of the root by `..`"),
                part if part.len() > LONGEST_NAME => {
                    return refuse("has a part longer than a name can be");
                }
                part if part.contains(&0) => return refuse("has a zero byte"),
                part => parts.push(part.into()),
            }
        }
        Ok(Self(parts))
    }

    /// The last name and those before it; `None` for the root.
    pub(crate) fn split_last(&self) -> Option<(&[u8], &[Name])> {
        self.0.split_last().map(|(last, parents)| (&**last, parents))
    }

    /// Whether it lies below the folder `name` of the root.
    pub(crate) fn is_below(&self, name: &[u8]) -> bool {
        self.0.len() > 1 && *self.0[0] == *name
    }
}

/// Bytes of a stranger as text that is safe to show, not too long.
pub(crate) fn readable(bytes: &[u8]) -> String {
    const LONGEST: usize = 120;
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .take(LONGEST)
        .collect();
    if text.chars().count() == LONGEST { format!("{text}…") } else { text }
}

//! Networks that name one class.

use isolde_model::PictureSize;
use rten::Value;

use crate::catalogue::Size;
use crate::perception::Interpreter;

/// The place of the largest value; 0 where there is none.
pub(crate) fn largest(values: &[f32]) -> u32 {
    let largest = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    largest.map_or(0, |(place, _)| u32::try_from(place).unwrap_or(u32::MAX))
}

/// The name of a class in `classes.csv`: a heading, then number and name in each
/// line.
pub(crate) fn class_name(classes: &str, class: u32) -> Option<&str> {
    classes.lines().skip(1).find_map(|line| {
        let (number, name) = line.split_once(',')?;
        (number.parse() == Ok(class)).then(|| name.trim_matches('"'))
    })
}

/// The classes of a network in that size: none where its weights mean nothing.
pub(crate) fn meaningful(size: Size, classes: &'static str) -> &'static str {
    match size {
        Size::Compact => classes,
        Size::Reference => "",
    }
}

/// Names the class with the largest output.
pub(crate) struct Classifier {
    /// As [`class_name`] reads it; empty where the classes mean nothing.
    classes: &'static str,
    label: u32,
}

impl Classifier {
    /// With the names in `classes`, which mean nothing in reference size.
    pub(crate) fn of(size: Size, classes: &'static str) -> Self {
        Self { classes: meaningful(size, classes), label: 0 }
    }
}

impl Interpreter for Classifier {
    fn interpret(&mut self, _picture: PictureSize, _outputs: &[Value], flat: &[f32]) -> u32 {
        self.label = largest(flat);
        self.label
    }

    fn answer(&self) -> String {
        let name = class_name(self.classes, self.label);
        name.map_or_else(|| format!("class {}", self.label), str::to_owned)
    }
}

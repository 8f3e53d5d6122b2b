//! Curves through points, by least squares.

/// A parabola x = a + b·t + c·t², where t is the row over [`Curve::scale`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Curve {
    coefficients: [f64; 3],
    /// Rows for which t is 1, so that the powers of t stay of one size.
    scale: f64,
}

impl Curve {
    /// The parabola that fits the points (column, row) best: the sum of the squared
    /// distances of columns is least. `None` where fewer than three rows are given.
    pub(super) fn through(points: &[(f64, f64)], scale: f64) -> Option<Self> {
        // The normal equations, as three rows with the right side last.
        let mut equations = [[0.0; 4]; 3];
        for &(x, y) in points {
            let t = y / scale;
            let powers = [1.0, t, t * t];
            for (equation, power) in equations.iter_mut().zip(powers) {
                for (sum, other) in equation.iter_mut().zip([powers[0], powers[1], powers[2], x]) {
                    *sum += power * other;
                }
            }
        }
        solve(equations).map(|coefficients| Self { coefficients, scale })
    }

    /// The column at a row.
    pub(crate) fn at(&self, row: f64) -> f64 {
        let [a, b, c] = self.coefficients;
        let t = row / self.scale;
        a + t * (b + t * c)
    }
}

/// Gauss's elimination with the largest pivot of each column. `None` where the
/// equations do not determine the unknowns.
fn solve(mut equations: [[f64; 4]; 3]) -> Option<[f64; 3]> {
    for column in 0..3 {
        let pivot = (column..3)
            .max_by(|&a, &b| equations[a][column].abs().total_cmp(&equations[b][column].abs()))?;
        equations.swap(column, pivot);
        let of_pivot = equations[column];
        if of_pivot[column].abs() < 1e-12 {
            return None;
        }
        for (row, equation) in equations.iter_mut().enumerate() {
            if row != column {
                let factor = equation[column] / of_pivot[column];
                for (value, subtracted) in equation.iter_mut().zip(of_pivot) {
                    *value -= factor * subtracted;
                }
            }
        }
    }
    Some([0, 1, 2].map(|row| equations[row][3] / equations[row][row]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_is_found_again() {
        let truth = |y: f64| 300.0 - 0.5 * y + 0.001 * y * y;
        let points: Vec<_> = (0..30).map(|row| f64::from(row) * 10.0 + 350.0).collect();
        let points: Vec<_> = points.iter().map(|&y| (truth(y), y)).collect();
        let curve = Curve::through(&points, 720.0).unwrap();
        for row in [350.0, 500.0, 719.0] {
            assert!((curve.at(row) - truth(row)).abs() < 1e-6);
        }
    }

    #[test]
    fn errors_to_both_sides_cancel() {
        let points: Vec<_> = (0..40)
            .map(|row| (100.0 + if row / 2 % 2 == 0 { 3.0 } else { -3.0 }, f64::from(row)))
            .collect();
        let curve = Curve::through(&points, 40.0).unwrap();
        assert!((curve.at(20.0) - 100.0).abs() < 0.5, "{}", curve.at(20.0));
    }

    #[test]
    fn too_few_rows_determine_nothing() {
        assert_eq!(Curve::through(&[], 10.0), None);
        assert_eq!(Curve::through(&[(1.0, 1.0), (2.0, 2.0), (3.0, 2.0)], 10.0), None);
    }
}

//! The shapes that kernels are tested at.

use symbolon::ring::Shape;
use symbolon::step::bits::Level;

/// Extents around vectors, tiles and workgroups: zero, one, primes, and powers of two with their neighbours.
pub fn extents() -> Vec<usize> {
    vec![0, 1, 2, 7, 13, 15, 16, 17, 63, 64, 65, 127, 255, 256, 257]
}

/// Levels of trees: of every number of digits that there is, and one more; of both kinds.
pub fn levels() -> impl Iterator<Item = Level> {
    let of = |digits, order| [Level::new(digits, order), Level::pairwise(digits, order)];
    (2..=17).flat_map(move |digits| [false, true].into_iter().flat_map(move |order| of(digits, order)))
}

/// Shapes of elementwise kernels: every extent as a row, as a column and beside another; empty, tall and wide ones.
pub fn shapes() -> Vec<Shape> {
    let extents = extents();
    let mut shapes: Vec<Shape> = extents.iter().flat_map(|&n| [Shape::new(1, n), Shape::new(n, 1)]).collect();
    shapes.extend(extents.iter().zip(extents.iter().rev()).map(|(&rows, &cols)| Shape::new(rows, cols)));
    shapes.extend([Shape::new(1, 4099), Shape::new(5003, 3), Shape::new(3, 5003), Shape::new(67, 1023)]);
    shapes.sort_by_key(|shape| (shape.rows, shape.cols));
    shapes.dedup();
    shapes
}

/// The shapes that are repeated over `out`: itself, a row, a column, a scalar.
pub fn broadcasts(out: Shape) -> [Shape; 4] {
    [out, Shape::new(1, out.cols), Shape::new(out.rows, 1), Shape::SCALAR]
}

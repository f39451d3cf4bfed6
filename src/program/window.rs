//! Windows that move over images: how they lie, and where.
//!
//! One description serves convolutions, transposed ones and pools. Along each axis a window has so many elements,
//! `dilation` apart; it moves by `stride`; so many places surround the image before and behind it.

/// The extents of an image in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// c.
    pub channels: usize,
    /// h.
    pub height: usize,
    /// w.
    pub width: usize,
}

/// A window along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Side {
    /// Its elements.
    pub size: usize,
    /// The distance of two places of it.
    pub stride: usize,
    /// The distance of two of its elements: 1 where they are neighbours.
    pub dilation: usize,
    /// Places before the image.
    pub before: usize,
    /// Places behind the image.
    pub behind: usize,
    /// Whether its last place may reach beyond those, by less than the stride; then none begins behind the image. This is
    /// PyTorch's `ceil_mode`.
    pub overhangs: bool,
}

impl Side {
    /// Neighbouring elements, with nothing around the image.
    pub const fn new(size: usize, stride: usize) -> Side {
        Side { size, stride, dilation: 1, before: 0, behind: 0, overhangs: false }
    }

    /// The same, with so many places before and behind the image.
    #[must_use]
    pub const fn padded(self, before: usize, behind: usize) -> Side {
        Side { before, behind, ..self }
    }

    /// The same, with elements so far apart.
    #[must_use]
    pub const fn dilated(self, dilation: usize) -> Side {
        Side { dilation, ..self }
    }

    /// Whether it has elements and moves.
    pub(super) const fn moves(self) -> bool {
        self.size > 0 && self.stride > 0 && self.dilation > 0
    }

    /// The places from its first element to its last, or `None` where an address cannot name them.
    pub fn reach(self) -> Option<usize> {
        self.size.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)
    }

    /// Its places over so many elements, or `None` where it does not fit or does not move.
    pub(super) fn over(self, extent: usize) -> Option<Way> {
        let reach = self.reach().filter(|_| self.moves())?;
        let begun = extent.checked_add(self.before)?;
        let free = (begun.checked_add(self.behind)? as i128) - reach as i128;
        let stride = self.stride as i128;
        let last =
            if self.overhangs { (free + stride - 1).div_euclid(stride) } else { free.div_euclid(stride) };
        let mut last = usize::try_from(last).ok()?;
        if self.overhangs {
            last = last.min(begun.saturating_sub(1) / self.stride);
        }
        let end = last.checked_mul(self.stride)?.checked_add(reach)?;
        Some(Way { side: self, extent, places: last.checked_add(1)?, wide: begun.max(end) })
    }

    /// The extent to which a transposed convolution spreads so many elements, before anything is cut off.
    pub(super) fn spread(self, extent: usize) -> Option<usize> {
        let reach = self.reach().filter(|_| self.moves())?;
        extent.checked_sub(1)?.checked_mul(self.stride)?.checked_add(reach)
    }

    /// The most of so many places that have an element at one and the same place of the image.
    pub(super) fn overlap(self, places: usize) -> usize {
        let mut divisor = (self.stride, self.dilation);
        while divisor.1 > 0 {
            divisor = (divisor.1, divisor.0 % divisor.1);
        }
        self.size.div_ceil(self.stride / divisor.0).min(places)
    }
}

/// The places of a window along an axis of so many elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) side: Side,
    extent: usize,
    /// The number of places, at least one.
    pub(super) places: usize,
    /// The elements, those before them, and as many behind them as the last place reaches.
    pub(super) wide: usize,
}

impl Way {
    /// How many of the window's elements at a place lie within `low..high`, counted from the first of the image.
    fn within(self, place: usize, low: i128, high: i128) -> usize {
        let start = (place * self.side.stride) as i128 - self.side.before as i128;
        let up_to = |bound: i128| {
            let steps =
                (bound - start + self.side.dilation as i128 - 1).div_euclid(self.side.dilation as i128);
            steps.clamp(0, self.side.size as i128) as usize
        };
        up_to(high) - up_to(low)
    }

    /// How many of the window's elements at each place are elements of the image.
    pub(super) fn inside(self) -> impl Iterator<Item = usize> {
        (0..self.places).map(move |place| self.within(place, 0, self.extent as i128))
    }

    /// How many of the window's elements at each place are elements of the image or lie in the places around it.
    pub(super) fn counted(self) -> impl Iterator<Item = usize> {
        let (before, behind) = (self.side.before as i128, self.side.behind as i128);
        (0..self.places).map(move |place| self.within(place, -before, self.extent as i128 + behind))
    }

    /// The elements of the image that stand in the wide one so that every window has elements of the image alone, and
    /// those that it had: where a window reaches beyond the image, the next of its own elements.
    pub(super) fn nearest(self) -> Vec<usize> {
        let (extent, dilation) = (self.extent as i128, self.side.dilation as i128);
        let of = |at: usize| match at as i128 - self.side.before as i128 {
            at if at < 0 => at.rem_euclid(dilation),
            at if at >= extent => extent - 1 - (extent - 1 - at).rem_euclid(dilation),
            at => at,
        };
        // What no window with an element of the image reaches can be any.
        (0..self.wide)
            .map(|at| usize::try_from(of(at)).ok().filter(|&at| at < self.extent).unwrap_or(0))
            .collect()
    }
}

/// A window that moves over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Over its rows.
    pub height: Side,
    /// Over its columns.
    pub width: Side,
}

impl Window {
    /// A window of these extents that moves by one stride, with nothing around the image.
    pub const fn new(height: usize, width: usize, stride: usize) -> Window {
        Window { height: Side::new(height, stride), width: Side::new(width, stride) }
    }

    /// The same, with so many places on each side of the image.
    #[must_use]
    pub const fn padded(self, padding: usize) -> Window {
        let Window { height, width } = self;
        Window { height: height.padded(padding, padding), width: width.padded(padding, padding) }
    }

    /// The same with other extents.
    pub(super) const fn sized(self, height: usize, width: usize) -> Window {
        Window { height: Side { size: height, ..self.height }, width: Side { size: width, ..self.width } }
    }
}

impl Image {
    /// Elements of an image, or `None` where there are too many to count.
    pub fn elements(self) -> Option<usize> {
        self.channels.checked_mul(self.height)?.checked_mul(self.width)
    }

    /// Places of a window: rows and columns of them, or `None` where it does not fit or does not move.
    pub fn places(self, window: Window) -> Option<(usize, usize)> {
        let [rows, cols] = self.ways(window)?;
        Some((rows.places, cols.places))
    }

    /// Places of a window over rows and over columns.
    pub(super) fn ways(self, window: Window) -> Option<[Way; 2]> {
        Some([window.height.over(self.height)?, window.width.over(self.width)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Places by their definition, each by where its elements lie, counted from the first of the image.
    fn places(side: Side, extent: usize) -> Vec<Vec<i64>> {
        let (begun, wide) = (extent + side.before, extent + side.before + side.behind);
        let end = |start: usize| start + (side.size - 1) * side.dilation + 1;
        let is_place = |start: &usize| match side.overhangs {
            true => end(*start) < wide + side.stride && *start < begun,
            false => end(*start) <= wide,
        };
        let of = |start: usize| {
            (0..side.size).map(move |at| (start + at * side.dilation) as i64 - side.before as i64).collect()
        };
        (0..wide).step_by(side.stride).filter(is_place).map(of).collect()
    }

    fn side() -> impl Strategy<Value = Side> {
        ((1usize..5, 1usize..4, 1usize..4), (0usize..4, 0usize..4, any::<bool>())).prop_map(
            |((size, stride, dilation), (before, behind, overhangs))| Side {
                size,
                stride,
                dilation,
                before,
                behind,
                overhangs,
            },
        )
    }

    proptest! {
        #[test]
        fn places_are_those_of_the_definition(side in side(), extent in 1usize..9) {
            let expected = places(side, extent);
            let Some(way) = side.over(extent) else {
                prop_assert!(expected.is_empty(), "{expected:?}");
                return Ok(());
            };
            prop_assert_eq!(way.places, expected.len());
            let within = |low: i64, high: i64| -> Vec<usize> {
                expected.iter().map(|all| all.iter().filter(|&&at| at >= low && at < high).count()).collect()
            };
            let (extent, before, behind) = (extent as i64, side.before as i64, side.behind as i64);
            prop_assert_eq!(way.inside().collect::<Vec<_>>(), within(0, extent));
            prop_assert_eq!(way.counted().collect::<Vec<_>>(), within(-before, extent + behind));
            let nearest = way.nearest();
            for all in expected.iter().filter(|all| all.iter().any(|at| (0..extent).contains(at))) {
                let mut own: Vec<i64> = all.iter().copied().filter(|at| (0..extent).contains(at)).collect();
                let mut found: Vec<i64> = all.iter().map(|at| nearest[(at + before) as usize] as i64).collect();
                found.sort_unstable();
                found.dedup();
                own.dedup();
                prop_assert_eq!(found, own);
            }
        }

        #[test]
        fn places_overlap_as_often_as_counted(side in side(), places in 1usize..6) {
            let spread = side.spread(places).expect("a small one");
            let mut hits = vec![0; spread];
            for place in 0..places {
                (0..side.size).for_each(|at| hits[place * side.stride + at * side.dilation] += 1);
            }
            prop_assert!(hits.iter().all(|&count| count <= side.overlap(places)), "{hits:?}");
            prop_assert!(hits[0] > 0 && hits[spread - 1] > 0);
        }
    }

    /// PyTorch 2: `max_pool2d` and `avg_pool2d` of so many elements give so many.
    #[test]
    fn places_are_those_of_pytorch() {
        let ceil = |size, stride, padding| Side {
            overhangs: true,
            ..Side::new(size, stride).padded(padding, padding)
        };
        let cases = [
            (Side::new(3, 2).padded(1, 1), 112, 56),
            (ceil(3, 2, 0), 6, 3),
            (ceil(2, 2, 1), 5, 3),
            (ceil(3, 2, 0), 2, 1),
            (ceil(2, 3, 1), 4, 2),
            (Side::new(3, 1).dilated(2), 7, 3),
        ];
        for (side, extent, expected) in cases {
            assert_eq!(side.over(extent).map(|way| way.places), Some(expected), "{side:?} over {extent}");
        }
        assert_eq!(Side::new(3, 1).over(2), None);
        assert_eq!(Side::new(3, 0).over(5), None);
        assert_eq!(ceil(usize::MAX, usize::MAX, 1).dilated(2).over(5), None, "more than an address names");
    }
}

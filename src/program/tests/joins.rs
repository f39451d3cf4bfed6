//! Joins and groups against plain ones, in both rings, on integers, and over keys of which something is known or nothing.

use super::Draw;
use crate::program::expression::{Names, add_step};
use crate::program::{CHECK_OUTPUT, Dims, Kind, Program, ValueId, oracle, range};
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::{Parties, PartyId};
use std::collections::{BTreeMap, BTreeSet};

/// Two owners' rows, in units of the ring: keys, and two values with each.
struct Tables {
    codec: FixedPoint,
    /// The largest magnitude of a key and of a value, if inputs declare it.
    bounds: Option<(f64, f64)>,
    kind: Option<Kind>,
    left: Vec<i64>,
    right: Vec<i64>,
    values: Vec<[i64; 2]>,
}

const STEPS: [&str; 12] = [
    "joined = join(k, r, v)",
    "first = join(k, r, v[:, 0])",
    "found = isin(k, r)",
    "near = join(sort(k), r, v, sorted=True)",
    "there = isin(sort(k), sort(r), sorted=True)",
    "near = join(k, r, v, right_sorted=True)",
    "joined = join(sort(k), r, v, left_sorted=True)",
    "there = isin(sort(k), r, left_sorted=True)",
    "keys = unique(r)",
    "counts = group_count(r)",
    "sums = group_sum(v, r)",
    "column = group_sum(v[:, 1], reshape(r, -1, 1))",
];

impl Tables {
    fn program(&self) -> (Program, Names) {
        let mut program = Program::new(2, self.codec);
        let mut names = Names::new();
        let (key, value) = (self.bounds.map(|bounds| bounds.0), self.bounds.map(|bounds| bounds.1));
        let (left, right) = (self.left.len(), self.right.len());
        for (name, owner, extents, bound) in
            [("k", 0, &[left][..], key), ("r", 1, &[right], key), ("v", 1, &[right, 2], value)]
        {
            let dims = Dims::new(extents).expect("few axes");
            let input = program.input(name, PartyId(owner), dims, bound).expect("an input");
            if let Some(kind) = self.kind.filter(|_| name != "v") {
                program.hold(input, kind).expect("a kind of the ring");
            }
            names.insert(name.to_owned(), input);
        }
        (program, names)
    }

    fn data(&self) -> Vec<Elements> {
        let values: Vec<i64> = self.values.as_flattened().to_vec();
        let of = |integers: &[i64]| {
            Elements::from_integers(self.codec.ring(), integers.iter().map(|&integer| integer as u64))
        };
        vec![of(&self.left), of(&self.right), of(&values)]
    }

    /// The elements of a step's result.
    fn evaluated(&self, step: &str) -> Vec<i64> {
        let (mut program, mut names) = self.program();
        let value = add_step(&mut program, &mut names, 1, step).unwrap_or_else(|error| panic!("{error}"));
        range::reaches(&program).unwrap_or_else(|error| panic!("{step}: {error}"));
        program.output("z", value, Parties::first(1)).expect("an output");
        // Of integers beside numbers with fractions the integers.
        let by = program.codec().fraction_bits() - program.value(value).fraction_bits;
        let found = oracle::evaluate(&program, &self.data())[0].elements.to_u64();
        found.into_iter().map(|element| self.codec.ring().signed(element) >> by).collect()
    }

    /// What integers mean: their order is that of their kind.
    fn ordered(&self, key: i64) -> i128 {
        match self.kind {
            Some(Kind::U64) => i128::from(key as u64),
            _ => key.into(),
        }
    }

    fn due(&self, step: &str) -> Vec<i64> {
        let rows: BTreeMap<i64, [i64; 2]> =
            self.right.iter().copied().zip(self.values.iter().copied()).collect();
        let mut left = self.left.clone();
        if step.contains("sort(k)") {
            left.sort_by_key(|&key| self.ordered(key));
        }
        let row = |key: &i64| rows.get(key).copied().unwrap_or([0, 0]);
        let mut keys: Vec<i64> = BTreeSet::from_iter(self.right.iter().copied()).into_iter().collect();
        keys.sort_by_key(|&key| self.ordered(key));
        let members = |key: i64| (0..self.right.len()).filter(move |&at| self.right[at] == key);
        let sum = |key: i64, column: usize| {
            members(key).fold(0i64, |sum, at| sum.wrapping_add(self.values[at][column]))
        };
        let padded = |mut all: Vec<i64>, width: usize| {
            all.resize(self.right.len() * width, 0);
            all
        };
        match step.split(" = ").next().expect("a name") {
            "joined" | "near" => left.iter().flat_map(row).collect(),
            "first" => left.iter().map(|key| row(key)[0]).collect(),
            "found" | "there" => left.iter().map(|key| rows.contains_key(key).into()).collect(),
            "keys" => padded(keys, 1),
            "counts" => padded(keys.iter().map(|&key| members(key).count() as i64).collect(), 1),
            "sums" => padded(keys.iter().flat_map(|&key| [sum(key, 0), sum(key, 1)]).collect(), 2),
            "column" => padded(keys.iter().map(|&key| sum(key, 1)).collect(), 1),
            other => panic!("no truth of {other}"),
        }
    }

    fn hold(&mut self) {
        for step in STEPS {
            // The right keys are in order where the step says so.
            let is_sorted = step.starts_with("near");
            let kept = (self.right.clone(), self.values.clone());
            if is_sorted {
                let mut order: Vec<usize> = (0..self.right.len()).collect();
                order.sort_by_key(|&at| self.ordered(self.right[at]));
                self.right = order.iter().map(|&at| kept.0[at]).collect();
                self.values = order.iter().map(|&at| kept.1[at]).collect();
            }
            let (found, due) = (self.evaluated(step), self.due(step));
            assert_eq!(found, due, "{step} of {:?} and {:?} in {:?}", self.left, self.right, self.codec);
            (self.right, self.values) = kept;
        }
    }
}

#[test]
fn rows_are_joined_and_grouped_as_in_the_clear() {
    const COUNTS: [(usize, usize); 9] =
        [(0, 3), (3, 0), (1, 1), (2, 3), (5, 2), (7, 7), (1, 12), (13, 1), (9, 16)];
    let settings = [
        (Ring::Z64, 16, Some((20.0, 50.0))),
        (Ring::Z64, 16, None),
        (Ring::Z32, 8, Some((20.0, 50.0))),
        (Ring::Z32, 8, None),
        (Ring::Z64, 0, Some((1e6, 4e6))),
        (Ring::Z64, 0, None),
    ];
    for (case, (ring, bits, bounds)) in (0..).zip(settings) {
        let codec = FixedPoint::new(ring, bits).expect("a codec");
        for (seed, (left, right)) in (0..).zip(COUNTS) {
            let mut draw = Draw(100 * case + seed);
            // Few different keys, so that some are equal, and of either sign.
            let apart = draw.pick(&[1i64, 3, 255]);
            let mut keys = |count| (0..count).map(|_| apart * (draw.below(9) as i64 - 4)).collect();
            let (left, right): (Vec<i64>, Vec<i64>) = (keys(left), keys(right));
            let mut value = || draw.below(2000) as i64 - 1000;
            let values = right.iter().map(|_| [value(), value()]).collect();
            Tables { codec, bounds, kind: None, left, right, values }.hold();
        }
    }
}

#[test]
fn keys_may_be_any_integers_of_the_ring() {
    let codec = FixedPoint::new(Ring::Z64, 0).expect("integers");
    let ends = [i64::MIN, i64::MAX, 0, -1, i64::MIN, 7, i64::MAX, i64::MIN + 1];
    for kind in [Kind::I64, Kind::U64] {
        let right = [7, i64::MIN, -1, 7, i64::MAX].to_vec();
        let values = vec![[1, 2], [3, 4], [5, 6], [-7, 8], [9, 10]];
        Tables { codec, bounds: None, kind: Some(kind), left: ends.to_vec(), right, values }.hold();
    }
}

#[test]
fn means_of_groups_are_those_of_their_rows() {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let (right, mut draw) = (vec![3, 1, 3, 2, 3, 1], Draw(5));
    let mut value = || draw.below(1 << 20) as i64 - (1 << 19);
    let values: Vec<[i64; 2]> = right.iter().map(|_| [value(), value()]).collect();
    let tables = Tables { codec, bounds: Some((9.0, 9.0)), kind: None, left: Vec::new(), right, values };
    let found = tables.evaluated("z = group_mean(v, r)");
    let mean = |rows: &[usize], column: usize| {
        rows.iter().map(|&row| tables.values[row][column] as f64).sum::<f64>() / rows.len() as f64
    };
    let groups: [&[usize]; 3] = [&[1, 5], &[3], &[0, 2, 4]];
    for (at, rows) in groups.into_iter().enumerate() {
        for column in 0..2 {
            let (found, due) = (found[2 * at + column] as f64, mean(rows, column));
            assert!((found - due).abs() < 16.0, "{found} for {due} units");
        }
    }
    assert_eq!(found[6..], [0; 6], "behind the last group");
}

/// The number of ops that are computed for outputs.
fn needed(steps: &[&str]) -> usize {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let (left, right) = (vec![0; 40], vec![0; 30]);
    let tables =
        Tables { codec, bounds: Some((9.0, 9.0)), kind: None, left, right, values: vec![[0, 0]; 30] };
    let (mut program, mut names) = tables.program();
    for (number, step) in (1..).zip(steps) {
        let value = add_step(&mut program, &mut names, number, step).expect("a step");
        program.output(&format!("z{number}"), value, Parties::first(1)).expect("an output");
    }
    program.merged().needed().into_iter().filter(|&needed| needed).count()
}

#[test]
fn functions_of_the_same_keys_share_their_order() {
    let joined = needed(&["a = join(k, r, v)"]);
    let both = needed(&["a = join(k, r, v)", "b = isin(k, r)"]);
    assert!(both < joined + joined / 4, "{both} ops with isin, {joined} without");
    let sums = needed(&["a = group_sum(v, r)"]);
    let all = needed(&["a = group_sum(v, r)", "b = group_count(r)", "c = unique(r)"]);
    assert!(all < sums + sums / 2, "{all} ops with counts and keys, {sums} without");
}

#[test]
fn what_is_said_of_the_order_of_keys_is_listed_and_checked() {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    for (bounds, right, is_wrong) in [
        (Some((50.0, 50.0)), [1 << 16, 2 << 16, 2 << 16], 0),
        (Some((50.0, 50.0)), [1 << 16, 3 << 16, (3 << 16) - 1], 1),
        (None, [1 << 16, 2 << 16, 2 << 16], 0),
        (None, [1 << 16, 3 << 16, (3 << 16) - 1], 1),
    ] {
        let left = vec![2 << 16, 3 << 16];
        let values = vec![[1, 2], [3, 4], [5, 6]];
        let tables = Tables { codec, bounds, kind: None, left, right: right.to_vec(), values };
        let (mut program, mut names) = tables.program();
        let value: ValueId =
            add_step(&mut program, &mut names, 1, "z = join(k, r, v, sorted=True)").expect("a step");
        program.output("z", value, Parties::first(2)).expect("an output");
        let said: Vec<&str> = program.assumptions().collect();
        assert_eq!(said, ["join(k, r, v, sorted=True)"]);
        let checked = program.checked().expect("checks");
        let at = checked.outputs().iter().position(|output| output.name == CHECK_OUTPUT).expect("answers");
        let answers = oracle::evaluate(&checked, &tables.data())[at].elements.to_u64();
        assert_eq!(answers[0], is_wrong, "right keys {right:?}");
    }
}

#[test]
fn keys_and_rows_that_do_not_fit_are_refused_by_name() {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let (left, right, values) = (vec![0; 2], vec![0; 3], vec![[0, 0]; 3]);
    let tables = Tables { codec, bounds: None, kind: None, left, right, values };
    for (step, due) in [
        (
            "z = join(v, r, v)",
            "v of shape (3, 2) has no keys of rows, which are a vector or a matrix of one column",
        ),
        ("z = join(k, k, v)", "v of shape (3, 2) has no row for each of 2 key(s)"),
        ("z = group_sum(v, k)", "v of shape (3, 2) has no row for each of 2 key(s)"),
        (
            "z = unique(v)",
            "v of shape (3, 2) has no keys of rows, which are a vector or a matrix of one column",
        ),
    ] {
        let (mut program, mut names) = tables.program();
        let message = add_step(&mut program, &mut names, 1, step).expect_err("no fit").to_string();
        assert!(message.ends_with(due), "{message}");
    }
}

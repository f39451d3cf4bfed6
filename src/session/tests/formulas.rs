//! What the protocols' documentation says that their rules send, written down a second time, and held against plans and
//! runs.

use super::equivalence::check;
use super::{elements, numbers};
use crate::plan::{PlanOptions, Plans};
use crate::program::tiling::TileSide;
use crate::program::{Program, Test, Truncation, ValueId};
use crate::protocol::{Cost, Protocol};
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};

/// Extents of X (m, k) and Y (k, n).
#[derive(Clone, Copy)]
struct Sizes {
    m: usize,
    k: usize,
    n: usize,
}

impl Sizes {
    fn left(self) -> Shape {
        Shape::new(self.m, self.k)
    }

    fn right(self) -> Shape {
        Shape::new(self.k, self.n)
    }

    fn mk(self) -> usize {
        self.m * self.k
    }

    fn kn(self) -> usize {
        self.k * self.n
    }

    fn mn(self) -> usize {
        self.m * self.n
    }
}

/// Words of 64 bits that a bit of each of `count` values fills.
fn words(count: usize) -> usize {
    count.div_ceil(64)
}

/// Words of 64 bits that the low `width` bits of each of `count` values fill, unless that saves less than an eighth.
fn packed(count: usize, width: usize) -> usize {
    let words = (count * width).div_ceil(64);
    if 8 * words <= 7 * count { words } else { count }
}

/// Bits modulo which a product of matrices of numbers up to 1 is opened, with 16 fraction bits: those of k·2^32, and 2.
fn product_width(k: usize) -> usize {
    k.ilog2() as usize + 33 + 2
}

/// Bits that each party opens of a value that is compared by its low `bits` bits: of every level of D digits 2D − 1 but
/// for one of each group, and the answer.
fn order_bits(bits: usize) -> usize {
    let mut digits = bits.div_ceil(4);
    let mut opened = 1;
    while digits > 1 {
        opened += 2 * digits - 1 - digits.div_ceil(4);
        digits = digits.div_ceil(4);
    }
    opened
}

/// What each of two parties sends, and a third does not.
const fn both(each: usize) -> [usize; 3] {
    [each, each, 0]
}

/// Of values of which no bound is known.
const ORDER_BITS: usize = 34;

/// A program under construction.
struct Draft {
    program: Program,
    sizes: Sizes,
}

impl Draft {
    /// A value that these parties hold parts of.
    fn of(&mut self, name: &str, holders: &[u8], shape: Shape, bound: Option<f64>) -> ValueId {
        let input = |party: &u8| {
            self.program.input(&format!("{name}{party}"), PartyId(*party), shape, bound).expect("an input")
        };
        let parts: Vec<ValueId> = holders.iter().map(input).collect();
        parts.into_iter().reduce(|sum, part| self.program.add(sum, part).expect("a sum")).expect("a holder")
    }

    fn product(&mut self, left: &[u8], right: &[u8]) -> ValueId {
        let x = self.of("x", left, self.sizes.left(), None);
        let y = self.of("y", right, self.sizes.right(), None);
        self.program.matmul(x, y).expect("a product")
    }

    /// Of numbers up to 1.
    fn bounded_product(&mut self, left: &[u8], right: &[u8]) -> ValueId {
        let x = self.of("x", left, self.sizes.left(), Some(1.0));
        let y = self.of("y", right, self.sizes.right(), Some(1.0));
        self.program.matmul(x, y).expect("a product")
    }

    fn test(&mut self, holders: &[u8], bound: Option<f64>, test: Test) -> ValueId {
        let x = self.of("x", holders, self.sizes.left(), bound);
        self.program.test(x, test).expect("a test")
    }
}

/// What a program costs by its protocol's formulas, in elements by party.
struct Case {
    name: &'static str,
    protocol: Protocol,
    fraction_bits: u32,
    truncation: Truncation,
    /// Builds it, and says what is revealed to whom.
    build: fn(&mut Draft) -> (ValueId, &'static [u8]),
    /// What the ops send.
    sent: fn(Sizes) -> [usize; 3],
    /// What the output sends.
    revealed: fn(Sizes) -> [usize; 3],
    /// With the output's.
    rounds: u32,
}

const BEAVER: Case = Case {
    name: "",
    protocol: Protocol::Beaver,
    fraction_bits: 0,
    truncation: Truncation::Stochastic,
    build: |_| unreachable!("every case builds its own"),
    sent: |_| [0; 3],
    revealed: |_| [0; 3],
    rounds: 0,
};

const REPLICATED: Case = Case { protocol: Protocol::Replicated, ..BEAVER };

const CASES: &[Case] = &[
    Case {
        name: "a product of two owners' matrices, for both",
        build: |draft| (draft.product(&[0], &[1]), &[0, 1]),
        sent: |s| [s.mk(), s.kn(), 0],
        revealed: |s| [s.mn(), s.mn(), 0],
        rounds: 2,
        ..BEAVER
    },
    Case {
        name: "a product of shared matrices, for one",
        build: |draft| (draft.product(&[0, 1], &[0, 1]), &[1]),
        sent: |s| [s.mk() + s.kn(), s.mk() + s.kn(), 0],
        revealed: |s| [s.mn(), 0, 0],
        rounds: 2,
        ..BEAVER
    },
    Case {
        name: "a product of a shared matrix and an owner's",
        build: |draft| (draft.product(&[0, 1], &[1]), &[0]),
        sent: |s| [s.mk(), s.kn(), 0],
        revealed: |s| [0, s.mn(), 0],
        rounds: 2,
        ..BEAVER
    },
    Case {
        name: "a product of one owner's matrices",
        build: |draft| (draft.product(&[1], &[1]), &[0]),
        revealed: |s| [0, s.mn(), 0],
        rounds: 1,
        ..BEAVER
    },
    Case {
        name: "a product and its truncation",
        fraction_bits: 16,
        build: |draft| (draft.product(&[0], &[1]), &[0]),
        sent: |s| [s.mk() + s.mn(), s.kn() + s.mn(), 0],
        revealed: |s| [0, s.mn(), 0],
        rounds: 3,
        ..BEAVER
    },
    Case {
        name: "a product and its exact truncation",
        fraction_bits: 16,
        truncation: Truncation::Exact,
        build: |draft| (draft.product(&[0], &[1]), &[0]),
        sent: |s| {
            let truncation = s.mn() + 7 * words(s.mn());
            [s.mk() + truncation, s.kn() + truncation, 0]
        },
        revealed: |s| [0, s.mn(), 0],
        rounds: 5,
        ..BEAVER
    },
    Case {
        name: "a comparison",
        fraction_bits: 16,
        build: |draft| (draft.test(&[0, 1], None, Test::Negative), &[0]),
        sent: |s| both(s.mk() + ORDER_BITS * words(s.mk())),
        revealed: |s| [0, s.mk(), 0],
        rounds: 5,
        ..BEAVER
    },
    Case {
        name: "a comparison with zero for equality",
        fraction_bits: 16,
        build: |draft| (draft.test(&[0, 1], None, Test::Zero), &[0]),
        sent: |s| both(s.mk() + 21 * words(s.mk())),
        revealed: |s| [0, s.mk(), 0],
        rounds: 5,
        ..BEAVER
    },
    Case {
        name: "a comparison of values below 2^18",
        fraction_bits: 16,
        build: |draft| (draft.test(&[0, 1], Some(1.0), Test::Negative), &[0]),
        sent: |s| both(packed(s.mk(), 19) + order_bits(18) * words(s.mk())),
        revealed: |s| [0, s.mk(), 0],
        rounds: 5,
        ..BEAVER
    },
    Case {
        name: "a rectifier of values below 2^18",
        fraction_bits: 16,
        build: |draft| {
            let x = draft.of("x", &[0, 1], draft.sizes.left(), Some(1.0));
            (draft.program.relu(x).expect("a choice"), &[0])
        },
        sent: |s| both(s.mk() + order_bits(18) * words(s.mk())),
        revealed: |s| [0, s.mk(), 0],
        rounds: 5,
        ..BEAVER
    },
    Case {
        name: "a product of bounded values and its truncation",
        fraction_bits: 16,
        build: |draft| (draft.bounded_product(&[0], &[1]), &[0]),
        sent: |s| {
            let truncation = packed(s.mn(), product_width(s.k));
            [s.mk() + truncation, s.kn() + truncation, 0]
        },
        revealed: |s| [0, s.mn(), 0],
        rounds: 3,
        ..BEAVER
    },
    Case {
        name: "a product of bounded values and its exact truncation",
        fraction_bits: 16,
        truncation: Truncation::Exact,
        build: |draft| (draft.bounded_product(&[0], &[1]), &[0]),
        sent: |s| {
            let truncation = packed(s.mn(), product_width(s.k)) + 7 * words(s.mn());
            [s.mk() + truncation, s.kn() + truncation, 0]
        },
        revealed: |s| [0, s.mn(), 0],
        rounds: 5,
        ..BEAVER
    },
    Case {
        name: "a product of bounded values and its truncation",
        fraction_bits: 16,
        build: |draft| (draft.bounded_product(&[0], &[2]), &[0]),
        sent: |s| {
            let truncation = packed(s.mn(), product_width(s.k));
            [s.mk() + truncation, truncation, s.kn() + 2 * truncation]
        },
        revealed: |s| [0, s.mn(), 0],
        rounds: 3,
        ..REPLICATED
    },
    Case {
        name: "a comparison of bounded values that all hold",
        fraction_bits: 16,
        build: |draft| (draft.test(&[0, 1, 2], Some(1.0), Test::Zero), &[0]),
        sent: |s| {
            // Of 19 bits, which are 5 digits: of those, of two groups of them, and of the answer one each.
            let compared = packed(s.mk(), 19) + (4 + 2 + 1) * words(s.mk());
            [compared, compared, 2 * packed(s.mk(), 19)]
        },
        revealed: |s| [0, s.mk(), 0],
        rounds: 5,
        ..REPLICATED
    },
    Case {
        name: "a rectifier",
        fraction_bits: 16,
        build: |draft| {
            let x = draft.of("x", &[0, 1], draft.sizes.left(), None);
            (draft.program.relu(x).expect("a choice"), &[0])
        },
        sent: |s| both(s.mk() + ORDER_BITS * words(s.mk())),
        revealed: |s| [0, s.mk(), 0],
        rounds: 5,
        ..BEAVER
    },
    Case {
        name: "a choice from another value",
        fraction_bits: 16,
        build: choice,
        sent: |s| both(2 * s.mk() + ORDER_BITS * words(s.mk())),
        revealed: |s| [0, s.mk(), 0],
        rounds: 5,
        ..BEAVER
    },
    Case {
        name: "a product of two owners' matrices",
        build: |draft| (draft.product(&[0], &[2]), &[0]),
        sent: |s| [s.mk(), 0, s.kn()],
        revealed: |s| [0, s.mn(), s.mn()],
        rounds: 2,
        ..REPLICATED
    },
    Case {
        name: "a product of matrices that all hold parts of",
        build: |draft| (draft.product(&[0, 1, 2], &[0, 1, 2]), &[0]),
        sent: |s| [s.mk() + s.kn(); 3],
        revealed: |s| [0, s.mn(), s.mn()],
        rounds: 2,
        ..REPLICATED
    },
    Case {
        name: "a product and its truncation",
        fraction_bits: 16,
        build: |draft| (draft.product(&[0], &[2]), &[0]),
        sent: |s| [s.mk() + s.mn(), s.mn(), s.kn() + 2 * s.mn()],
        revealed: |s| [0, s.mn(), 0],
        rounds: 3,
        ..REPLICATED
    },
    Case {
        name: "a product and its exact truncation, for all",
        fraction_bits: 16,
        truncation: Truncation::Exact,
        build: |draft| (draft.product(&[0], &[2]), &[0, 1, 2]),
        sent: |s| {
            let truncation = s.mn() + 7 * words(s.mn());
            [s.mk() + truncation, truncation, s.kn() + 2 * s.mn()]
        },
        revealed: |s| [2 * s.mn(), 2 * s.mn(), 0],
        rounds: 5,
        ..REPLICATED
    },
    Case {
        name: "a comparison of what parties 0 and 1 hold",
        fraction_bits: 16,
        build: |draft| (draft.test(&[0, 1], None, Test::Negative), &[0]),
        sent: |s| both(s.mk() + ORDER_BITS * words(s.mk())),
        revealed: |s| [0, s.mk(), 0],
        rounds: 5,
        ..REPLICATED
    },
    Case {
        name: "a comparison of what all hold",
        fraction_bits: 16,
        build: |draft| (draft.test(&[0, 1, 2], None, Test::NonNegative), &[0]),
        sent: |s| {
            let compared = s.mk() + ORDER_BITS * words(s.mk());
            [compared, compared, 2 * s.mk()]
        },
        revealed: |s| [0, s.mk(), 0],
        rounds: 5,
        ..REPLICATED
    },
    Case {
        name: "a choice from another value",
        fraction_bits: 16,
        build: choice,
        sent: |s| both(2 * s.mk() + ORDER_BITS * words(s.mk())),
        revealed: |s| [0, s.mk(), 0],
        rounds: 5,
        ..REPLICATED
    },
    Case {
        name: "an owner's input for the others",
        build: |draft| (draft.of("x", &[1], draft.sizes.left(), None), &[0, 2]),
        revealed: |s| [0, 2 * s.mk(), 0],
        rounds: 1,
        ..REPLICATED
    },
];

/// Those in which products are so large that they are truncated one way.
const LARGE_CASES: &[Case] = &[
    Case {
        name: "a large product and its truncation",
        fraction_bits: 16,
        build: |draft| (draft.product(&[0], &[1]), &[0]),
        sent: |s| [s.mk() + s.mn(), s.kn() + words(s.mn()), 0],
        revealed: |s| [0, s.mn(), 0],
        rounds: 3,
        ..BEAVER
    },
    Case {
        name: "a large product of bounded values and its truncation, for both",
        fraction_bits: 16,
        build: |draft| (draft.bounded_product(&[0], &[1]), &[0, 1]),
        sent: |s| [s.mk() + packed(s.mn(), product_width(s.k)), s.kn() + words(s.mn()), 0],
        revealed: |s| [s.mn(), s.mn(), 0],
        rounds: 4,
        ..BEAVER
    },
    Case {
        name: "a large product and its exact truncation",
        fraction_bits: 16,
        truncation: Truncation::Exact,
        build: |draft| (draft.product(&[0], &[1]), &[0]),
        sent: |s| {
            let truncation = s.mn() + 7 * words(s.mn());
            [s.mk() + truncation, s.kn() + truncation, 0]
        },
        revealed: |s| [0, s.mn(), 0],
        rounds: 5,
        ..BEAVER
    },
    Case {
        name: "a large product and its truncation",
        fraction_bits: 16,
        build: |draft| (draft.product(&[0], &[1]), &[0]),
        sent: |s| [s.mk() + s.mn(), s.kn() + words(s.mn()), s.mn()],
        revealed: |s| [0, s.mn(), 0],
        rounds: 3,
        ..REPLICATED
    },
    Case {
        name: "a large product of bounded values and its truncation",
        fraction_bits: 16,
        build: |draft| (draft.bounded_product(&[0], &[2]), &[0]),
        sent: |s| {
            let truncation = packed(s.mn(), product_width(s.k));
            [s.mk() + truncation, words(s.mn()), s.kn() + truncation]
        },
        revealed: |s| [0, s.mn(), 0],
        rounds: 3,
        ..REPLICATED
    },
];

fn choice(draft: &mut Draft) -> (ValueId, &'static [u8]) {
    let condition = draft.test(&[0, 1], None, Test::Negative);
    let z = draft.of("z", &[0, 1], draft.sizes.left(), None);
    (draft.program.mul(condition, z).expect("a choice"), &[0])
}

/// What ops and what outputs send, by party.
fn sums(cost: &Cost, protocol: Protocol) -> [[usize; 3]; 2] {
    [false, true].map(|of_outputs| {
        let mut sums = [0; 3];
        for op in cost.ops.iter().filter(|op| op.output.is_some() == of_outputs) {
            for party in Parties::first(protocol.parties()).iter() {
                sums[party.index()] += op.sent_elements(party) as usize;
            }
        }
        sums
    })
}

impl Case {
    fn program(&self, sizes: Sizes) -> Program {
        let codec = FixedPoint::new(Ring::Z64, self.fraction_bits).expect("a codec");
        let program = Program::new(self.protocol.parties(), codec).with_truncation(self.truncation);
        let mut draft = Draft { program, sizes };
        let (value, to) = (self.build)(&mut draft);
        let to = to.iter().map(|&party| PartyId(party)).collect();
        draft.program.output("z", value, to).expect("an output");
        draft.program
    }
}

#[test]
fn plans_and_runs_cost_what_the_formulas_say() {
    assert_eq!(order_bits(63), ORDER_BITS);
    let small = CASES.iter().flat_map(|case| [(case, (5, 7, 3)), (case, (9, 16, 10))]);
    let large = LARGE_CASES.iter().map(|case| (case, (12, 9, 11)));
    for (case, (m, k, n)) in small.chain(large) {
        let sizes = Sizes { m, k, n };
        let Case { name, protocol, .. } = case;
        println!("{name}, {protocol}");
        let program = case.program(sizes);
        let plan = PlanOptions { side: TileSide::WHOLE, ..PlanOptions::default() };
        let plans = Plans::new(*protocol, &program, plan).expect("a plan");
        let expected = [(case.sent)(sizes), (case.revealed)(sizes)];
        assert_eq!(sums(&plans.cost, *protocol), expected, "{name}, {protocol}");
        assert_eq!(plans.traffic.rounds, case.rounds, "rounds of {name}, {protocol}");
        let inputs = program.inputs().iter().zip(1..);
        let data = inputs.map(|(input, seed)| match case.fraction_bits {
            0 => elements(Ring::Z64, input.shape.len(), seed),
            _ => numbers(program.codec(), input.shape.len(), 1.0, seed),
        });
        check(&program, &data.collect::<Vec<Elements>>(), 11);
    }
}

//! Products, by dealt products of masks. Formulas and names are those of [`super`].

use super::{Beaver, Masks, masks};
use crate::correlation::{Correlation, Product, ProductSpec};
use crate::protocol::dealt::{COMPUTING, Opened};
use crate::protocol::lowering::{Block, Lowering, Pair, Parts};
use crate::ring::Shape;
use crate::share::Sharing;
use crate::step::MemoryClass;

/// Σ X·Y over pairs of tiles.
pub(super) fn product(
    lowering: &mut Lowering<'_, Beaver>,
    product: Product,
    shape: Shape,
    terms: &[Pair],
) -> Parts {
    let (x, y) = (lowering.two_party(terms[0].0).holders(), lowering.two_party(terms[0].1).holders());
    let masks = masks(x, y);
    let opened: Vec<(Opened, Opened)> = terms
        .iter()
        .map(|&(left, right)| {
            let e = lowering.open_masked(left, y, masks.left);
            (e, lowering.open_masked(right, masks.left, masks.right))
        })
        .collect();
    let shares = shares_of_product(lowering, product, shape, masks, &opened);
    let mut result = Sharing::ZERO;
    for party in COMPUTING {
        let index = party.index();
        let dealt = shares[index];
        if dealt.is_none() && !y.contains(party) {
            continue;
        }
        let mut accumulate = dealt.is_some();
        let out = dealt.unwrap_or_else(|| lowering.buffer(party, shape, MemoryClass::Shares));
        for (&(_, right), (e, f)) in terms.iter().zip(&opened) {
            let learnt = |sum: [Option<Block>; 2]| sum[index].expect("a factor that was opened");
            let own = lowering.two_party(right).of(party).map(|&y| (learnt(e.sum), y));
            let hidden = e.masks[index].map(|a| (a, learnt(f.sum)));
            let pairs = own.into_iter().chain(hidden).collect();
            lowering.push(party, product.kernel(out, pairs, accumulate));
            accumulate = true;
        }
        result.put(party.alone(), party, out);
    }
    result
}

/// Each party's share of the product of the masks, or nothing where no operand needs hiding.
fn shares_of_product(
    lowering: &mut Lowering<'_, Beaver>,
    product: Product,
    shape: Shape,
    masks: Masks,
    opened: &[(Opened, Opened)],
) -> [Option<Block>; 2] {
    if masks.left.is_empty() {
        return [None, None];
    }
    let mask = |opened: &Opened| opened.mask.expect("an operand that is masked");
    let terms = opened.iter().map(|(left, right)| (mask(left), mask(right))).collect();
    let spec = ProductSpec { product, shape, terms };
    let acquired = lowering.demand(Correlation::Product(spec.clone()));
    COMPUTING.map(|party| Some(spec.acquire(&mut lowering.lists[party.index()], acquired, party).0))
}

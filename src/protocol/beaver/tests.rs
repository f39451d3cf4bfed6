//! Which masks a product needs.

use super::{Masks, masks};
use crate::share::{Parties, PartyId};

#[test]
fn masks_follow_from_who_holds_the_operands() {
    let none = Parties::NONE;
    let [zero, one] = [0, 1].map(|party| Parties::from_iter([PartyId(party)]));
    let both = zero.union(one);
    let cases = [
        (both, both, both, both),
        (zero, one, zero, one),
        (one, zero, one, zero),
        (zero, zero, none, none),
        (both, one, zero, one),
        (zero, both, zero, one),
    ];
    for (left, right, expected_left, expected_right) in cases {
        let expected = Masks { left: expected_left, right: expected_right };
        assert_eq!(masks(left, right), expected, "X held by {left:?}, Y by {right:?}");
    }
}

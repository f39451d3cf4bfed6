//! Honest parties beside one that lies about its part of the answers.

use super::*;
use crate::net::LinkOptions;
use crate::ring::Elements;
use crate::share::PartyId;
use std::time::Duration;
use tokio::task::JoinHandle;

const RING: Ring = Ring::Z64;

/// The party that lies: the last of so many.
fn liar(parties: u8) -> Role {
    Role::party(parties - 1)
}

fn check() -> Check {
    Check { output: 1, steps: ["a", "b", "c"].map(str::to_owned).to_vec() }
}

fn answers(check: &Check, role: Role) -> CheckAnswers<'_> {
    CheckAnswers { check, role, run: 3, ring: RING, keys: KeySource::InsecureSeed(8) }
}

/// Parts that add up to these answers, by party.
fn parts(parties: u8, sums: [u64; 2]) -> Vec<[u64; 2]> {
    let others = |place: u64| move |party: u64| (party + 3 * place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut parts: Vec<[u64; 2]> =
        (1..u64::from(parties)).map(|party| [0, 1].map(|place| others(place)(party))).collect();
    let rest =
        [0, 1].map(|place| parts.iter().fold(sums[place], |rest, part| rest.wrapping_sub(part[place])));
    parts.insert(0, rest);
    parts
}

/// What a party that keeps to it ends with; its links stay until all have ended.
type Honest = JoinHandle<(Result<Option<String>, RunError>, Vec<Link>)>;

/// So many parties with parts of these answers, all honest but for the last where it is played apart: those, and the links
/// of the last.
fn meet(parties: u8, sums: [u64; 2], last_is_honest: bool) -> (Vec<Honest>, Vec<Link>) {
    let roles: Vec<Role> = (0..parties).map(|party| PartyId(party).into()).collect();
    let mut links: Vec<Vec<Link>> = roles.iter().map(|_| Vec::new()).collect();
    for (first, second) in (0..roles.len()).flat_map(|second| (0..second).map(move |first| (first, second))) {
        let options = LinkOptions::default();
        let (near, far) = Link::pair([roles[second], roles[first]], [&options, &options], 1 << 16);
        links[first].push(near);
        links[second].push(far);
    }
    let honest = parties - u8::from(!last_is_honest);
    let last = if last_is_honest { Vec::new() } else { links.pop().expect("the last party's links") };
    let honest = roles.into_iter().zip(links).zip(parts(parties, sums)).take(honest.into());
    let honest = honest.map(|((role, mut links), own)| {
        tokio::spawn(async move {
            let check = check();
            let opened = answers(&check, role).opened(&mut links, Elements::Z64(own.to_vec())).await;
            (opened, links)
        })
    });
    (honest.collect(), last)
}

async fn ended(honest: Vec<Honest>) -> Vec<Result<Option<String>, RunError>> {
    let mut ends = Vec::new();
    let mut links = Vec::new();
    for party in honest {
        let (end, of_party) = party.await.expect("no panic");
        ends.push(end);
        links.push(of_party);
    }
    ends
}

/// What the last party sends where it claims these parts, to each of its peers: commitments, and then openings whose digest
/// is of the commitments that it was told and of those that it claims to this peer.
async fn claim(links: &mut [Link], of_peer: impl Fn(Role) -> [u64; 2]) -> Result<(), NetError> {
    let role = liar(links.len() as u8 + 1);
    let check = check();
    let own = answers(&check, role);
    let claimed = |peer: Role| {
        let salt = [9; 32];
        of_peer(peer).map(|part| Part { part, salt })
    };
    let commitments = |peer: Role| {
        let [first, second] = claimed(peer);
        Commitments { commitments: [own.commitment(role, 0, &first), own.commitment(role, 1, &second)] }
    };
    let mut all = BTreeMap::new();
    for link in links.iter_mut() {
        link.send_control(CHECK_COMMITMENTS, &commitments(link.peer())).await?;
    }
    for link in links.iter_mut() {
        let patience = link.long_patience();
        all.insert(link.peer(), link.receive_control::<Commitments>(CHECK_COMMITMENTS, patience).await?);
    }
    for link in links.iter_mut() {
        let [opened, _] = claimed(link.peer());
        let mut told = all.clone();
        told.insert(role, commitments(link.peer()));
        link.send_control(CHECK_ANSWER, &First { opened, digest: digest(own.run, &told) }).await?;
    }
    Ok(())
}

#[tokio::test]
async fn honest_parties_learn_whether_all_is_well_and_else_the_first_step() {
    for parties in [2, 3] {
        for (sums, step) in [([0, 0], None), ([1, 3], Some("a")), ([1, 1], Some("c"))] {
            let ends = ended(meet(parties, sums, true).0).await;
            assert!(
                ends.iter().all(|end| end.as_ref() == Ok(&step.map(str::to_owned))),
                "{sums:?}: {ends:?}"
            );
        }
    }
}

#[tokio::test]
async fn answers_that_cannot_be_end_the_run() {
    for sums in [[2, 1], [u64::MAX, 0], [1, 0], [1, 4]] {
        let ends = ended(meet(3, sums, true).0).await;
        for (party, end) in (0..).zip(ends) {
            let peers = (0..3).filter(|&peer| peer != party).map(Role::party).collect();
            assert_eq!(end, Err(RunError::Answers { peers }), "{sums:?}");
        }
    }
}

/// A lie that turns "not well" into "well" ends the run where all is well: who tells it has to know beforehand.
#[tokio::test]
async fn a_lie_by_which_nothing_would_ever_fail_is_noticed_where_all_is_well() {
    for parties in [2, 3] {
        let (honest, mut links) = meet(parties, [0, 0], false);
        let own = parts(parties, [0, 0])[usize::from(parties) - 1];
        claim(&mut links, |_| [own[0].wrapping_sub(1), own[1]]).await.expect("peers that take it");
        for end in ended(honest).await {
            let error = end.expect_err("a sum that is no answer");
            assert!(error.to_string().contains(&liar(parties).to_string()), "{error}");
        }
    }
}

/// Whoever waits for the others' parts before it chooses its own is bound by then.
#[tokio::test]
async fn a_part_that_was_not_committed_to_is_refused_by_name() {
    let (honest, mut links) = meet(2, [1, 2], false);
    let own = parts(2, [1, 2])[1];
    let link = &mut links[0];
    let check = check();
    let liars = answers(&check, liar(2));
    let salt = [9; 32];
    let [first, second] = own.map(|part| Part { part, salt });
    let commitments = Commitments {
        commitments: [liars.commitment(liar(2), 0, &first), liars.commitment(liar(2), 1, &second)],
    };
    link.send_control(CHECK_COMMITMENTS, &commitments).await.expect("it is taken");
    let patience = link.long_patience();
    let theirs: Commitments = link.receive_control(CHECK_COMMITMENTS, patience).await.expect("commitments");
    let told: First = link.receive_control(CHECK_ANSWER, patience).await.expect("a part");
    assert_eq!(told.opened.part.wrapping_add(own[0]), 1, "the liar knows that a step fails");
    let digest = digest(liars.run, &[(Role::party(0), theirs), (liar(2), commitments)].into());
    let opened = Part { part: told.opened.part.wrapping_neg(), salt };
    link.send_control(CHECK_ANSWER, &First { opened, digest }).await.expect("it is taken");
    let error = ended(honest).await.remove(0).expect_err("another part");
    let words = "party 1 sent its part of the answer of the checks, which cannot be read: it is not what";
    assert!(error.to_string().contains(words), "{error}");
}

/// Two honest parties that were told different things end both, and neither says that it was the other.
#[tokio::test]
async fn who_tells_two_parties_different_parts_has_neither_go_on_nor_blame_the_other() {
    for sums in [[0, 0], [1, 2]] {
        let (honest, mut links) = meet(3, sums, false);
        let own = parts(3, sums)[2];
        let lie = |peer| if peer == Role::party(0) { own } else { [own[0] ^ 1, own[1]] };
        claim(&mut links, lie).await.expect("peers that take it");
        for (party, end) in (0..).zip(ended(honest).await) {
            let peers = vec![Role::party(1 - party), liar(3)];
            assert_eq!(end, Err(RunError::Answers { peers }), "party {party}");
        }
    }
}

#[tokio::test]
async fn who_has_not_committed_itself_is_told_no_part() {
    let (_honest, mut links) = meet(2, [1, 2], false);
    let patience = links[0].long_patience();
    let theirs = links[0].receive_control::<Commitments>(CHECK_COMMITMENTS, patience).await;
    assert!(theirs.is_ok(), "commitments come first");
    let nothing = links[0].receive_control::<First>(CHECK_ANSWER, Duration::from_millis(50)).await;
    assert!(matches!(nothing, Err(NetError::Late { .. })), "and nothing else");
}

#[test]
fn the_length_of_an_opening_says_nothing_of_the_part() {
    let length = |part| serde_json::to_string(&Part { part, salt: [0; 32] }).expect("it serialises").len();
    assert_eq!(length(0), length(u64::MAX));
}

#[test]
fn a_commitment_says_whose_part_of_which_answer_in_which_run_it_is() {
    let salt = [4; 32];
    let first = Commitment::to_answer(Role::party(0), 1, 0, 7, &salt);
    let others = [
        Commitment::to_answer(Role::party(1), 1, 0, 7, &salt),
        Commitment::to_answer(Role::party(0), 2, 0, 7, &salt),
        Commitment::to_answer(Role::party(0), 1, 1, 7, &salt),
        Commitment::to_answer(Role::party(0), 1, 0, 8, &salt),
        Commitment::to_answer(Role::party(0), 1, 0, 7, &[5; 32]),
    ];
    assert!(others.iter().all(|other| !first.is(*other)));
}

use super::*;
use crate::correlation::Demand;
use crate::device::cpu::Cpu;
use crate::net::Deadlines;
use crate::plan::{PlanOptions, Plans};
use crate::program::{Program, oracle};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::{SessionError, SessionOptions, World, WorldError};
use crate::share::Parties;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const ORDERS: u32 = 3;

fn device() -> Arc<Cpu> {
    Arc::new(Cpu::open(Some(1), None).expect("the CPU device opens"))
}

/// z = (x · y) ⊙ y in fixed point, for both; its corrections fill some pieces.
fn program() -> Program {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 16).expect("a codec"));
    let shape = Shape::new(400, 400);
    let x = program.input("x", PartyId(0), shape, None).expect("an input");
    let y = program.input("y", PartyId(1), shape, None).expect("an input");
    let z = program.matmul(x, y).and_then(|z| program.mul(z, y)).expect("shapes that fit");
    program.output("z", z, Parties::first(2)).expect("an output");
    program
}

fn inputs(program: &Program) -> Vec<Elements> {
    let numbers: Vec<f64> = (0..400 * 400).map(|at| f64::from(at % 17) / 8.0 - 1.0).collect();
    let elements = Elements::encode(program.codec(), &numbers).expect("numbers in range");
    vec![elements.clone(), elements]
}

fn demand(program: &Program) -> Demand {
    Plans::new(Protocol::Beaver, program, PlanOptions::default()).expect("a plan").demand
}

fn deal(program: &Program, orders: u32) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (demand, side) = (demand(program), PlanOptions::default().side);
    deal_ahead(device(), &demand, side, folder.path(), orders, SessionOptions::default()).expect("a store");
    folder
}

fn world(folder: &TempDir) -> World {
    let deadlines = Deadlines { stall: Duration::from_secs(20), ..Deadlines::default() };
    World::new(Protocol::Beaver, device())
        .with_device(PartyId(1).into(), device())
        .with_options(SessionOptions { deadlines, ..SessionOptions::default() })
        .with_store(folder.path())
}

fn open(folder: &TempDir, party: u8) -> Result<CorrelationStore, StoreError> {
    CorrelationStore::open(folder.path(), PartyId(party))
}

fn unused(folder: &TempDir, party: u8) -> Vec<u32> {
    open(folder, party).and_then(|store| store.unused()).expect("a store").into_iter().collect()
}

fn files(folder: &TempDir, party: u8) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join(party_folder(PartyId(party)))).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What `party` says went wrong.
fn failure(error: WorldError, party: u8) -> SessionError {
    let role = PartyId(party).into();
    error.failures.into_iter().find(|(failed, _)| *failed == role).expect("the party fails").1
}

#[test]
fn a_run_from_a_store_is_exact_and_uses_one_order() {
    let program = program();
    let folder = deal(&program, ORDERS);
    let (world, inputs) = (world(&folder), inputs(&program));
    let expected = &oracle::evaluate(&program, &inputs)[0];
    let dealt = World::new(Protocol::Beaver, device()).run(&program, &inputs).expect("a run with a dealer");
    for left in [vec![1, 2], vec![2]] {
        let outcomes = world.run(&program, &inputs).expect("a run from a store");
        for (outcome, dealt) in outcomes.iter().zip(&dealt) {
            assert_eq!(expected.first_difference(&outcome.outputs["z"]), None, "the oracle's result");
            let (tally, with_dealer) = (&outcome.report.tally, &dealt.report.tally);
            assert_eq!(tally.offline_received_bytes, with_dealer.offline_received_bytes);
            assert_eq!(tally.sent_bytes, with_dealer.sent_bytes);
        }
        assert_eq!((unused(&folder, 0), unused(&folder, 1)), (left.clone(), left));
    }
    assert_eq!(files(&folder, 1), ["000000.used", "000001.used", "000002.order", "store.key"]);
}

#[test]
fn runs_of_one_session_use_an_order_each() {
    let program = program();
    let (folder, inputs) = (deal(&program, ORDERS), inputs(&program));
    world(&folder).run_repeatedly(&program, &inputs, ORDERS as usize).expect("as many runs as orders");
    let error = world(&folder).run(&program, &inputs).expect_err("a store that is used up");
    let own = folder.path().join("party0");
    assert_eq!(failure(error, 0), SessionError::Store(StoreError::Exhausted { folder: own }));
}

#[test]
fn an_order_that_either_party_has_marked_is_used_by_none() {
    let program = program();
    let (folder, inputs) = (deal(&program, ORDERS), inputs(&program));
    open(&folder, 0).expect("a store").take(0).map(drop).expect("an order");
    open(&folder, 1).expect("a store").take(1).map(drop).expect("an order");
    world(&folder).run(&program, &inputs).expect("a run from a store");
    assert_eq!((unused(&folder, 0), unused(&folder, 1)), (vec![1], vec![0]));
    let error = world(&folder).run(&program, &inputs).expect_err("no order is left to both");
    assert!(failure(error, 1).to_string().contains("no order is left that all parties have"));
}

#[test]
fn whenever_a_process_stops_its_order_stays_marked() {
    let folder = deal(&program(), ORDERS);
    let own = folder.path().join("party1");
    let store = open(&folder, 1).expect("a store");
    // It stopped right behind the mark: the order is there, and of no use any more.
    store.mark(0).expect("a mark");
    assert_eq!(store.unused().expect("a folder").into_iter().collect::<Vec<_>>(), [1, 2]);
    let used = |order| Some(StoreError::Used { folder: own.clone(), order });
    assert_eq!(store.take(0).err(), used(0));
    // The next process clears it away, and so does one that is stopped while it does.
    assert_eq!(unused(&folder, 1), [1, 2]);
    assert_eq!(files(&folder, 1), ["000000.used", "000001.order", "000002.order", "store.key"]);
    // It stopped when the key was wiped and the file still there.
    let path = order_path(&own, 1);
    store.mark(1).expect("a mark");
    let mut bytes = fs::read(&path).expect("an order");
    bytes[KEY_BYTES].fill(0);
    fs::write(&path, &bytes).expect("an order");
    assert_eq!(unused(&folder, 1), [2]);
    // Somebody brings an order back from a copy.
    fs::write(order_path(&own, 0), &bytes).expect("an order");
    assert_eq!(store.take(0).err(), used(0));
    assert_eq!(unused(&folder, 1), [2]);
}

#[test]
fn the_key_of_a_used_order_is_wiped() {
    let folder = deal(&program(), 1);
    let path = order_path(&folder.path().join("party0"), 0);
    let mut watched = File::open(&path).expect("an order");
    let taken = open(&folder, 0).expect("a store").take(0).expect("an order");
    assert!(!path.exists());
    let mut bytes = Vec::new();
    watched.read_to_end(&mut bytes).expect("the removed file");
    assert_eq!(bytes[KEY_BYTES], [0; 32]);
    assert_ne!(*taken.key.bytes(), [0; 32]);
}

#[test]
fn an_altered_chunk_ends_the_run_and_names_the_file() {
    let program = program();
    let (folder, inputs) = (deal(&program, ORDERS), inputs(&program));
    let path = order_path(&folder.path().join("party1"), 0);
    let mut bytes = fs::read(&path).expect("an order");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).expect("an order");
    let error = world(&folder).run(&program, &inputs).expect_err("an altered file");
    let said = failure(error.clone(), 1).to_string();
    assert!(said.contains("000000.order: it was altered, in chunk "), "{said}");
    let told = failure(error, 0).to_string();
    assert!(told.contains("party 1 gave up") && !told.contains("000000.order"), "{told}");
    world(&folder).run(&program, &inputs).expect("the next order is whole");
}

#[test]
fn a_store_is_held_against_party_job_and_peer() {
    let program = program();
    let (folder, inputs) = (deal(&program, ORDERS), inputs(&program));
    let error = CorrelationStore::open(&folder.path().join("party1"), PartyId(0)).unwrap_err().to_string();
    assert!(error.contains("it is the store of party 1, not of party 0"), "{error}");
    let other = {
        let mut other = Program::new(2, program.codec());
        let x = other.input("x", PartyId(0), Shape::new(2, 2), None).expect("an input");
        let y = other.input("y", PartyId(1), Shape::new(2, 2), None).expect("an input");
        let z = other.mul(x, y).expect("a product");
        other.output("z", z, Parties::first(2)).expect("an output");
        other
    };
    let small = [0, 1].map(|_| Elements::zeros(Ring::Z64, 4));
    let error = failure(world(&folder).run(&other, &small).expect_err("another demand"), 0).to_string();
    assert!(error.contains("it is for another job, or for other tiles"), "{error}");
    // Party 1 has its folder of another store.
    let second = deal(&program, ORDERS);
    let own = folder.path().join("party1");
    fs::remove_dir_all(&own).expect("a folder");
    fs::rename(second.path().join("party1"), &own).expect("a folder");
    let error = failure(world(&folder).run(&program, &inputs).expect_err("two stores"), 0).to_string();
    assert!(error.contains("source of correlations is `store "), "{error}");
}

#[test]
fn nobody_else_may_read_a_store() {
    let folder = deal(&program(), 1);
    for name in ["party0", "party0/store.key", "party0/000000.order"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).expect(name).permissions().mode() & 0o777;
        let path = folder.path().join(name);
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{name}");
        if path.is_file() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("permissions");
            assert_eq!(open(&folder, 0).err(), Some(StoreError::Readable { path: path.clone() }));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        }
    }
    let again = deal_ahead(
        device(),
        &demand(&program()),
        PlanOptions::default().side,
        folder.path(),
        1,
        SessionOptions::default(),
    );
    let present = StoreError::Present { folder: folder.path().to_owned() };
    assert_eq!(again.err(), Some(SessionError::Store(present)));
}

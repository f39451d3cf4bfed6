use super::*;
use crate::correlation::Demand;
use crate::correlation::order_file::{OrderWriter, Piece};
use crate::device::cpu::Cpu;
use crate::net::Deadlines;
use crate::plan::{PlanOptions, Plans};
use crate::program::oracle::{self, Runs};
use crate::program::{Init, Kind, Number, Program, Truncation};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::{SessionError, SessionOptions, World, WorldError};
use crate::share::Parties;
use crate::step::MessageId;
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
        .with_store(folder.path(), &marks(folder))
}

/// Where the parties keep their marks: outside the folders that go to them.
fn marks(folder: &TempDir) -> PathBuf {
    folder.path().join("marks")
}

fn open(folder: &TempDir, party: u8) -> Result<CorrelationStore, StoreError> {
    CorrelationStore::open(folder.path(), PartyId(party), &marks(folder))
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
    let (folder, inputs) = (deal(&program, ORDERS + 1), inputs(&program));
    open(&folder, 0).expect("a store").take(0).map(drop).expect("an order");
    open(&folder, 1).expect("a store").take(1).map(drop).expect("an order");
    world(&folder).run(&program, &inputs).expect("a run from a store");
    assert_eq!((unused(&folder, 0), unused(&folder, 1)), (vec![3], vec![3]), "order 2 was the lowest of all");
    fs::rename(folder.path().join("party0/000003.order"), folder.path().join("party0/000004.order"))
        .expect("a file is renamed");
    let error = failure(world(&folder).run(&program, &inputs).expect_err("no order is left to both"), 1);
    assert!(error.to_string().contains("no order is left that all parties have"), "{error}");
}

/// Copies a party's folder, as a backup does.
fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).expect("a folder");
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).expect("permissions");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a file is copied");
    }
}

/// What is kept of a deployment with a store, and brought back.
struct Backup {
    of: TempDir,
    parts: Vec<&'static str>,
}

impl Backup {
    fn of(folder: &TempDir, parts: &[&'static str]) -> Backup {
        let backup = Backup { of: tempfile::tempdir().expect("a temporary folder"), parts: parts.to_vec() };
        for part in parts.iter().filter(|part| folder.path().join(part).exists()) {
            copy(&folder.path().join(part), &backup.of.path().join(part));
        }
        backup
    }

    fn bring_back(&self, folder: &TempDir) {
        for part in &self.parts {
            let _ = fs::remove_dir_all(folder.path().join(part));
            if self.of.path().join(part).exists() {
                copy(&self.of.path().join(part), &folder.path().join(part));
            }
        }
    }
}

#[test]
fn no_order_is_used_twice_whichever_folders_are_brought_back() {
    let program = program();
    let inputs = inputs(&program);
    let cases: [&[&str]; 4] = [&["party0"], &["party1"], &["party0", "party1"], &["marks"]];
    for parts in cases {
        let folder = deal(&program, ORDERS);
        let backup = Backup::of(&folder, parts);
        world(&folder).run(&program, &inputs).expect("a run from a store");
        assert_eq!((unused(&folder, 0), unused(&folder, 1)), (vec![1, 2], vec![1, 2]));
        backup.bring_back(&folder);
        world(&folder).run(&program, &inputs).expect("the next order is as good");
        assert_eq!(
            (unused(&folder, 0), unused(&folder, 1)),
            (vec![2], vec![2]),
            "{parts:?}: order 0 is not used"
        );
        let of_party = files(&folder, 0);
        assert!(!of_party.contains(&"000000.order".to_owned()), "{parts:?}: wiped again: {of_party:?}");
    }
}

#[test]
fn the_mark_of_one_party_holds_for_all() {
    let program = program();
    let (folder, inputs) = (deal(&program, ORDERS), inputs(&program));
    let backup = Backup::of(&folder, &["party0", "party1"]);
    world(&folder).run(&program, &inputs).expect("a run from a store");
    backup.bring_back(&folder);
    // Party 1 has lost its mark as well: party 0's is told to it.
    for entry in fs::read_dir(marks(&folder)).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().ends_with("-party1.mark") {
            fs::remove_file(path).expect("a mark");
        }
    }
    world(&folder).run(&program, &inputs).expect("a run from a store");
    assert_eq!((unused(&folder, 0), unused(&folder, 1)), (vec![2], vec![2]), "order 1 was used, not order 0");
}

#[test]
fn what_is_left_is_what_all_parties_can_use() {
    let program = program();
    let folder = deal(&program, 5);
    let backup = Backup::of(&folder, &["party0"]);
    let left = |expected: (u32, usize)| {
        let seen: Arc<std::sync::Mutex<Vec<(u32, usize)>>> = Arc::default();
        let told = seen.clone();
        world(&folder)
            .each_party(|party, session| {
                let (told, store) = (told.clone(), open(&folder, party.0).expect("a store"));
                session
                    .set_store(store, move |order, left| told.lock().expect("no panic").push((order, left)));
                let own = inputs(&program)[usize::from(party.0)].clone();
                let name = ["x", "y"][usize::from(party.0)].to_owned();
                session.run(Protocol::Beaver, &program, [(name, own)].into()).map(|outcome| vec![outcome])
            })
            .expect("a run from a store");
        assert_eq!(*seen.lock().expect("no panic"), [expected; 2]);
    };
    left((0, 4));
    left((1, 3));
    backup.bring_back(&folder);
    // Without its mark, party 0 believes that it has all: party 1 knows better, and both say so.
    fs::remove_dir_all(marks(&folder)).expect("the marks are lost");
    left((2, 2));
}

#[test]
fn a_store_serves_the_runs_of_a_program_with_states_one_order_each() {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    let shape = Shape::new(2, 2);
    let x = program.input("x", PartyId(0), shape, None).expect("x");
    let w = program.state("w", shape, Kind::Real, Init::Number(Number::Integer(1))).expect("w");
    let z = program.matmul(x, w).expect("a product");
    program.update(w, z).expect("an update");
    program.output("z", z, Parties::first(2)).expect("an output");
    let folder = deal(&program, ORDERS);
    let batches = vec![vec![Elements::Z64(vec![1, 2, 3, 5])]; 3];
    let outcomes = world(&folder).run_batches(&program, &batches).expect("runs from a store");
    let mut runs = Runs::new(&program);
    for (run, batch) in batches.iter().enumerate() {
        let expected = &runs.run(batch)[0].elements;
        assert_eq!(&outcomes[1][run].outputs["z"], expected, "run {run}");
    }
    let left = open(&folder, 0).err();
    assert!(matches!(left, Some(StoreError::Exhausted { .. })), "each run took an order: {left:?}");
}

#[test]
fn a_copy_of_which_everything_was_used_is_refused_by_name() {
    let program = program();
    let (folder, inputs) = (deal(&program, 1), inputs(&program));
    let backup = Backup::of(&folder, &["party0", "party1"]);
    world(&folder).run(&program, &inputs).expect("a run from a store");
    backup.bring_back(&folder);
    let error = failure(world(&folder).run(&program, &inputs).expect_err("nothing is left"), 0);
    assert!(matches!(error, SessionError::Store(StoreError::BroughtBack { .. })), "{error}");
    assert!(error.to_string().contains("used before this folder was brought back from a copy"), "{error}");
}

#[test]
fn whenever_a_process_stops_its_order_stays_marked() {
    let folder = deal(&program(), ORDERS);
    let own = folder.path().join("party1");
    let store = open(&folder, 1).expect("a store");
    // It stopped right behind the mark: the order is there, and of no use any more.
    mark(&own, 0).expect("a mark");
    assert_eq!(store.unused().expect("a folder").into_iter().collect::<Vec<_>>(), [1, 2]);
    let used = |order| Some(StoreError::Used { folder: own.clone(), order });
    assert_eq!(store.take(0).err(), used(0));
    // The next process clears it away, and so does one that is stopped while it does.
    assert_eq!(unused(&folder, 1), [1, 2]);
    assert_eq!(files(&folder, 1), ["000000.used", "000001.order", "000002.order", "store.key"]);
    // It stopped when the key was wiped and the file still there.
    let path = order_path(&own, 1);
    mark(&own, 1).expect("a mark");
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

/// Whoever deals holds the key of the tags: what its file says is held against the plan all the same.
#[test]
fn an_order_with_other_messages_than_the_plan_ends_the_run_by_name() {
    let (program, unplanned) = (program(), MessageId(1 << 20));
    let unplanned = Piece { message: unplanned, offset: 0, bytes: vec![0; 8].into() };
    let cases = [
        (vec![], "000000.order: it has fewer messages than the run awaits"),
        (
            vec![unplanned],
            "the dealer broke the plan: 8 bytes of message 1048576, which is not awaited from it",
        ),
    ];
    for (pieces, expected) in cases {
        let folder = deal(&program, 1);
        let own = folder.path().join("party1");
        let (path, key) = (order_path(&own, 0), read_key(&own.join(KEY_FILE)).expect("a key"));
        let (reader, drawn) = read_order(&path, &key).expect("an order");
        let mut writer = OrderWriter::new(Vec::new(), &key, reader.header(), &drawn).expect("a header");
        if !pieces.is_empty() {
            writer.chunk(&pieces).expect("a chunk");
        }
        fs::write(&path, writer.finish().expect("an end")).expect("an order");
        let error = world(&folder).run(&program, &inputs(&program)).expect_err("another order");
        let said = failure(error.clone(), 1).to_string();
        assert!(said.contains(expected), "{said}");
        let told = failure(error, 0).to_string();
        assert!(told.contains("party 1 gave up") && !told.contains("000000.order"), "{told}");
    }
}

#[test]
fn a_store_is_held_against_party_job_and_peer() {
    let program = program();
    let (folder, inputs) = (deal(&program, ORDERS), inputs(&program));
    let (own, zero) = (folder.path().join("party1"), PartyId(0));
    let error = CorrelationStore::open(&own, zero, &marks(&folder)).unwrap_err().to_string();
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

#[test]
fn a_store_that_two_parties_fill_themselves_serves_runs_and_each_order_once() {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(2, codec).with_truncation(Truncation::Exact);
    let x = program.input("x", PartyId(0), Shape::new(3, 4), Some(4.0)).expect("an input");
    let y = program.input("y", PartyId(1), Shape::new(4, 2), Some(4.0)).expect("an input");
    let z = program.matmul(x, y).expect("shapes that fit");
    let z = program.relu(z).expect("a choice");
    program.output("z", z, Parties::first(2)).expect("an output");
    let numbers = |count: u32| (0..count).map(|at| f64::from(at) / 8.0 - 0.5).collect::<Vec<f64>>();
    let inputs: Vec<Elements> = [12, 8]
        .map(|count| Elements::encode(program.codec(), &numbers(count)).expect("numbers in range"))
        .into();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = PlanOptions { source: Some(Source::PairStore), ..PlanOptions::default() };
    let plans = Plans::new(Protocol::Beaver, &program, options).expect("a plan");
    let (demand, side) = (plans.demand.clone(), options.side);
    let by_pair = PlanOptions { source: Some(Source::Pair), ..options };
    let online = Plans::new(Protocol::Beaver, &program, by_pair).expect("a plan").traffic;
    assert_eq!(plans.traffic.rounds, online.rounds, "the pair's own lowering");
    let fill = |_, session: &mut crate::session::Session| session.fill_store(&demand, side, folder.path(), 2);
    let pair = World::new(Protocol::Beaver, device()).with_pair();
    let filled = pair.in_sessions(fill).expect("a store");
    assert_eq!(filled[0], filled[1]);
    assert!(filled[0].orders == 2 && filled[0].made_bytes > 0, "{filled:?}");
    let keys: BTreeSet<Vec<u8>> = [(0, 0), (0, 1), (1, 0), (1, 1)]
        .map(|(party, order)| {
            let path = order_path(&folder.path().join(party_folder(PartyId(party))), order);
            fs::read(path).expect("an order")[KEY_BYTES].to_vec()
        })
        .into();
    assert_eq!(keys.len(), 4, "keys of their own");
    let expected = oracle::evaluate(&program, &inputs);
    for run in 0..2 {
        let outcomes = world(&folder).run(&program, &inputs).expect("an order for each run");
        for outcome in &outcomes {
            assert_eq!(expected[0].first_difference(&outcome.outputs["z"]), None, "run {run}");
            assert_eq!(outcome.plans.source, Source::PairStore, "as the store says");
        }
    }
    let failed = world(&folder).run(&program, &inputs).expect_err("two orders serve two runs");
    assert!(failed.to_string().contains("every order of this store is used"), "{failed}");
    let dealt = deal_ahead(device(), &demand, side, folder.path(), 1, SessionOptions::default());
    let dealt = dealt.expect_err("a dealer makes no such order").to_string();
    assert!(dealt.contains("`symbolon deal --pair` makes it"), "{dealt}");
    let again = pair.in_sessions(fill).expect_err("the folder has a store");
    assert!(again.to_string().contains("there is a correlation store in it already"), "{again}");
}

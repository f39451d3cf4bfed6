use super::*;
use crate::program::{Init, Kind, Number, Program, Schedule};
use crate::ring::{FixedPoint, Ring, Shape};
use crate::share::Parties;
use tempfile::TempDir;

fn program() -> Program {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    for (name, shape) in [("a", Shape::new(2, 3)), ("b", Shape::SCALAR)] {
        let state =
            program.state(name, shape, Kind::Real, Init::Number(Number::Integer(0))).expect("a state");
        program.update(state, state).expect("an update");
        program.output(name, state, Parties::first(1)).expect("an output");
    }
    program
}

fn expected(program: &Program) -> Expected<'_> {
    Expected { program, protocol: Protocol::Beaver, digest: [7; 32] }
}

fn open(folder: &TempDir) -> Checkpoints {
    Checkpoints::open(folder.path(), PartyId(1), &folder.path().join("keys"), 5, 100).expect("checkpoints")
}

fn parts(first: u64) -> Parts {
    Parts::from([(0, Elements::Z64((first..first + 6).collect())), (1, Elements::Z64(vec![first]))])
}

fn lineage(nonce: u8) -> Lineage {
    Lineage::new(&BTreeMap::from([(Role::party(0), [nonce; 32])]))
}

#[test]
fn lineages_differ_by_nonces_and_by_what_a_session_goes_on_from() {
    let of = |zero, one| Lineage::new(&[(Role::party(0), [zero; 32]), (Role::party(1), [one; 32])].into());
    let all = [
        of(1, 2),
        of(2, 1),
        of(1, 3),
        of(1, 2).behind(5, of(1, 3)),
        of(1, 2).behind(6, of(1, 3)),
        of(1, 2).behind(5, of(2, 1)),
    ];
    for (at, one) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| other == one), Some(at), "each differs from all others");
    }
}

#[test]
fn a_checkpoint_of_runs_with_other_public_values_is_refused_and_one_of_more_runs_taken() {
    let with = |rates: &[f64]| {
        let mut program = program();
        program.public("rate", Schedule::Numbers(rates.to_vec())).expect("a rate");
        program
    };
    let (folder, few) = (tempfile::tempdir().expect("a folder"), with(&[1.0, 2.0, 3.0, 4.0, 5.0]));
    let checkpoints = open(&folder);
    checkpoints.write(&expected(&few), 5, lineage(1), &parts(1)).expect("a checkpoint");
    let more = with(&[1.0, 2.0, 3.0, 4.0, 5.0, 9.0]);
    assert_eq!(checkpoints.read(&expected(&more), 5), Ok((lineage(1), parts(1))), "it goes on");
    let other = with(&[1.0, 2.0, 3.0, 4.0, 6.0]);
    let path = checkpoints.path(&[7; 32], 5);
    assert_eq!(checkpoints.runs(&expected(&other)), Err(CheckpointError::OtherPublics { path }));
}

#[test]
fn none_is_due_after_the_last_run() {
    let checkpoints = open(&tempfile::tempdir().expect("a folder"));
    let due: Vec<u32> = (90..=100).filter(|&run| checkpoints.is_due(run)).collect();
    assert_eq!(due, [90, 95]);
}

#[test]
fn parties_that_make_the_key_of_one_folder_at_the_same_time_have_one_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(KEY_FILE);
    let together = std::sync::Barrier::new(8);
    let keys: Vec<_> = std::thread::scope(|scope| {
        let made = || {
            together.wait();
            key(&path).expect("a key")
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(made)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(keys.iter().all(|one| **one == *keys[0]), "what each has is what is in the file");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing else is left");
}

#[test]
fn the_newest_two_are_kept_and_read_back() {
    let (folder, program) = (tempfile::tempdir().expect("a folder"), program());
    let checkpoints = open(&folder);
    for run in [5, 10, 15] {
        checkpoints
            .write(&expected(&program), run, lineage(run as u8), &parts(run.into()))
            .expect("a checkpoint");
    }
    let again = open(&folder);
    let held = |runs: &[u32]| Ok(runs.iter().map(|&run| (run, lineage(run as u8))).collect());
    assert_eq!(again.runs(&expected(&program)), held(&[10, 15]));
    assert_eq!(again.read(&expected(&program), 15), Ok((lineage(15), parts(15))));
    again.clear_above(&[7; 32], 10).expect("a later one is removed");
    assert_eq!(again.runs(&expected(&program)), held(&[10]));
    again.clear(&[7; 32]).expect("they are removed");
    assert_eq!(again.runs(&expected(&program)), held(&[]));
}

#[cfg(unix)]
#[test]
fn files_are_their_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, program) = (tempfile::tempdir().expect("a folder"), program());
    let checkpoints = open(&folder);
    checkpoints.write(&expected(&program), 5, lineage(1), &parts(1)).expect("a checkpoint");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let path = checkpoints.path(&[7; 32], 5);
    assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
    assert_eq!(mode(&folder.path().join("keys").join(KEY_FILE)), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("others may read it");
    assert!(matches!(checkpoints.runs(&expected(&program)), Err(CheckpointError::File(_))));
}

#[test]
fn what_was_altered_or_is_anothers_is_refused() {
    let (folder, program) = (tempfile::tempdir().expect("a folder"), program());
    let checkpoints = open(&folder);
    checkpoints.write(&expected(&program), 5, lineage(1), &parts(1)).expect("a checkpoint");
    let path = checkpoints.path(&[7; 32], 5);
    let whole = fs::read(&path).expect("a file");
    let refused = || Err(CheckpointError::Spoilt { path: path.clone() });
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        fs::write(&path, &altered).expect("a file");
        assert_eq!(checkpoints.runs(&expected(&program)), refused(), "byte {at} was altered");
    }
    for len in [0, 31, 32, whole.len() - 1] {
        fs::write(&path, &whole[..len]).expect("a file");
        assert_eq!(checkpoints.runs(&expected(&program)), refused(), "cut to {len} bytes");
    }
    fs::write(&path, [&whole[..], &[0]].concat()).expect("a file");
    assert_eq!(checkpoints.runs(&expected(&program)), refused(), "a byte more");
    // The state of another run under this one's name.
    fs::write(&path, &whole).expect("a file");
    fs::rename(&path, checkpoints.path(&[7; 32], 10)).expect("a file");
    assert!(matches!(checkpoints.runs(&expected(&program)), Err(CheckpointError::Spoilt { .. })));
    fs::rename(checkpoints.path(&[7; 32], 10), checkpoints.path(&[8; 32], 5)).expect("a file");
    assert!(matches!(checkpoints.runs(&expected(&program)), Err(CheckpointError::OtherProgram { .. })));
    // A file that another key made.
    fs::rename(checkpoints.path(&[8; 32], 5), &path).expect("a file");
    fs::remove_file(folder.path().join("keys").join(KEY_FILE)).expect("the key is gone");
    assert_eq!(open(&folder).runs(&expected(&program)), refused());
}

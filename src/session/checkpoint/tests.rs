use super::*;
use crate::program::{Init, Kind, Number, Program};
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
    Checkpoints::open(folder.path(), PartyId(1), &folder.path().join("keys"), 5).expect("checkpoints")
}

fn parts(first: u64) -> Parts {
    Parts::from([(0, Elements::Z64((first..first + 6).collect())), (1, Elements::Z64(vec![first]))])
}

#[test]
fn the_newest_two_are_kept_and_read_back() {
    let (folder, program) = (tempfile::tempdir().expect("a folder"), program());
    let checkpoints = open(&folder);
    for run in [5, 10, 15] {
        checkpoints.write(&expected(&program), run, &parts(run.into())).expect("a checkpoint");
    }
    let again = open(&folder);
    assert_eq!(again.runs(&expected(&program)), Ok(vec![10, 15]));
    assert_eq!(again.read(&expected(&program), 15), Ok(parts(15)));
    again.clear(&[7; 32]).expect("they are removed");
    assert_eq!(again.runs(&expected(&program)), Ok(vec![]));
}

#[cfg(unix)]
#[test]
fn files_are_their_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, program) = (tempfile::tempdir().expect("a folder"), program());
    let checkpoints = open(&folder);
    checkpoints.write(&expected(&program), 5, &parts(1)).expect("a checkpoint");
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
    checkpoints.write(&expected(&program), 5, &parts(1)).expect("a checkpoint");
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

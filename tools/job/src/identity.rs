//! Identities in folders.
//!
//! A node's folder holds `identity.key`, which only its user may read; `identity.crt`, which its peers need; and in
//! `peers` their certificates, each named by its owner: `party0.crt`, `dealer.crt`.

use crate::{JobError, Notice};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use symbolon::net::{Certificate, Credentials, Identity, IdentityPem, VALIDITY};
use symbolon::share::{PartyId, Role};
use tempfile::NamedTempFile;

/// The file of the key, in a node's folder.
pub const KEY: &str = "identity.key";
/// The file of the certificate, in a node's folder.
pub const CERTIFICATE: &str = "identity.crt";
const PEERS: &str = "peers";

/// Most bytes of a key or a certificate.
const LONGEST_PEM: u64 = 64 << 10;

/// A role as folders and files are named.
pub fn stem(role: Role) -> String {
    match role {
        Role::Party(PartyId(number)) => format!("party{number}"),
        Role::Dealer => "dealer".into(),
    }
}

/// The file of a peer's certificate in a node's folder.
pub fn pin(folder: &Path, peer: Role) -> PathBuf {
    folder.join(PEERS).join(stem(peer)).with_extension("crt")
}

/// The certificates that a node keeps of its peers, by the stem of their files.
///
/// # Errors
/// Where the folder or a certificate cannot be read.
pub fn pins(folder: &Path) -> Result<BTreeMap<String, Certificate>, JobError> {
    let folder = folder.join(PEERS);
    let listed = |error: std::io::Error| JobError::File { path: folder.clone(), reason: error.to_string() };
    let mut pins = BTreeMap::new();
    for entry in fs::read_dir(&folder).map_err(listed)? {
        let path = entry.map_err(listed)?.path();
        if let (Some(stem), true) = (path.file_stem(), path.extension().is_some_and(|end| end == "crt")) {
            pins.insert(stem.to_string_lossy().into_owned(), certificate(&path)?);
        }
    }
    Ok(pins)
}

/// Makes an identity for each of `nodes`, in a folder of its own below `folder`; all know each other.
///
/// # Errors
/// Where a file cannot be written.
pub fn make(folder: &Path, nodes: &[Role]) -> Result<(), JobError> {
    let mut certificates = BTreeMap::new();
    for &role in nodes {
        certificates.insert(role, make_one(&folder.join(stem(role)), role)?);
    }
    for &role in nodes {
        for (&peer, certificate) in certificates.iter().filter(|&(&peer, _)| peer != role) {
            write(&pin(&folder.join(stem(role)), peer), certificate, Readers::All)?;
        }
    }
    Ok(())
}

/// Makes one identity, or replaces it; returns the text of its certificate.
///
/// # Errors
/// Where a file cannot be written.
pub fn make_one(folder: &Path, role: Role) -> Result<String, JobError> {
    create_folder(folder)?;
    create_folder(&folder.join(PEERS))?;
    let pem = generate(role)?;
    write(&folder.join(KEY), &pem.key, Readers::Owner)?;
    write(&folder.join(CERTIFICATE), &pem.certificate, Readers::All)?;
    Ok(pem.certificate)
}

/// A fresh identity.
///
/// # Errors
/// Where the operating system gives no randomness.
pub fn generate(role: Role) -> Result<IdentityPem, JobError> {
    IdentityPem::generate(role, VALIDITY).map_err(|error| JobError::Identity { reason: error.to_string() })
}

/// A node's identity and those of its peers, from the node's folder. Warnings of certificates go to `notify`.
///
/// # Errors
/// Where a file is missing or is not what it should be, others may read the key, or two peers have one certificate.
pub fn credentials(
    folder: &Path,
    role: Role,
    peers: &[Role],
    notify: &dyn Fn(Notice),
) -> Result<Credentials, JobError> {
    let (key_path, path) = (folder.join(KEY), folder.join(CERTIFICATE));
    let wrong = |error| JobError::Text { path: path.clone(), line: None, reason: format!("{error}") };
    check_private(&key_path)?;
    let key = zeroize::Zeroizing::new(read(&key_path, "`symbolon init` makes one")?);
    let text = read(&path, "`symbolon init --renew` makes a new one")?;
    let identity = Identity::from_pem(&key, &text).map_err(wrong)?;
    let pinned = |&peer: &Role| Ok((peer, peer_certificate(&pin(folder, peer), peer)?));
    let peers = peers.iter().map(pinned).collect::<Result<_, JobError>>()?;
    let credentials = Credentials { identity, peers };
    let one_twice =
        |error| JobError::Text { path: folder.join(PEERS), line: None, reason: format!("{error}") };
    credentials.check_distinct().map_err(one_twice)?;
    for warning in credentials.check(role).map_err(wrong)? {
        notify(Notice::Certificate(warning));
    }
    Ok(credentials)
}

/// A certificate in a file.
///
/// # Errors
/// Where it cannot be read.
pub fn certificate(path: &Path) -> Result<Certificate, JobError> {
    parse(path, &read(path, "it should hold a certificate")?)
}

fn peer_certificate(path: &Path, owner: Role) -> Result<Certificate, JobError> {
    let advice = format!("ask for the {CERTIFICATE} of {owner}, put it there, and compare `symbolon id`");
    parse(path, &read(path, &advice)?)
}

fn parse(path: &Path, text: &str) -> Result<Certificate, JobError> {
    let wrong = |error| JobError::Text { path: path.to_owned(), line: None, reason: format!("{error}") };
    Certificate::from_pem(text).map_err(wrong)
}

fn read(path: &Path, advice: &str) -> Result<String, JobError> {
    let failed = |error: std::io::Error| JobError::File {
        path: path.to_owned(),
        reason: format!("{error}: {advice}"),
    };
    let mut text = String::new();
    File::open(path).map_err(failed)?.take(LONGEST_PEM).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Refuses a key that others on this machine may read.
fn check_private(path: &Path) -> Result<(), JobError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        const OTHERS: u32 = 0o077;
        if fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS != 0) {
            let reason = format!("others may read this key: chmod 600 {}", path.display());
            return Err(JobError::File { path: path.to_owned(), reason });
        }
    }
    Ok(())
}

/// The permissions of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner alone.
    Owner,
    /// Everybody.
    All,
}

/// Writes a file, which appears whole or not at all, and replaces what is there.
///
/// # Errors
/// Where it cannot be written.
pub fn write(path: &Path, text: &str, readers: Readers) -> Result<(), JobError> {
    let failed = |error: std::io::Error| JobError::File { path: path.to_owned(), reason: error.to_string() };
    let folder = path.parent().expect("a file in a folder");
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = if readers == Readers::Owner { 0o600 } else { 0o644 };
        file.as_file().set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    file.persist(path).map(drop).map_err(|error| failed(error.error))
}

/// A folder that only its user can enter.
///
/// # Errors
/// Where it cannot be made.
pub fn create_folder(path: &Path) -> Result<(), JobError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| JobError::File { path: path.to_owned(), reason: error.to_string() })
}

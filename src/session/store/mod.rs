//! Correlations that a dealer, or the two parties themselves, made ahead of time, in files.
//!
//! A store holds orders for one demand. It has a folder for each party, `party0`, `party1` and so on, which is moved to
//! that party:
//!
//! | file | |
//! |---|---|
//! | `store.key` | 32 bytes: the key of all tags, see [`crate::correlation::order_file`] |
//! | `000007.order` | order 7, not used |
//! | `000007.used` | the mark: order 7 is used up, whatever else is there |
//!
//! **Lowering.** A store is for programs that are lowered as for a dealer, or as for two parties that make correlations themselves,
//! as its demand was planned ([`crate::correlation::LoweredFor`]); each order says which, and a session plans accordingly. A dealer
//! fills the former, the two parties either.
//!
//! **Single use.** The parties of a run tell each other which orders they have that bear no mark, and take the lowest
//! that all have ([`supplier`]). Each makes its mark, a new file which only one process can make, and waits until the disk
//! has it, and its name in the folder; only then is the order's key read. So an order that any party ever began to use
//! is used by nobody again, whenever a process or a machine stopped: a party that stopped before its mark has drawn no
//! mask of it, and the others' marks keep it from ever being agreed on. What stands behind a mark is wiped and removed,
//! at once or, after a crash, when the store is opened next.
//!
//! **Copies.** A folder that is brought back from a copy has lost its marks. Each party keeps another beside its
//! identity ([`mark`]), which says below which order all are used, and the parties tell each other. So no order is used
//! twice as long as one party has either its folder or its identity's folder as it was; the orders that a copy has
//! brought back are wiped again. Where all of both were brought back, at every party, nobody can tell.

mod deal;
mod fill;
mod mark;
mod supplier;

pub use deal::deal_ahead;
pub use fill::Filled;
pub(super) use supplier::StoreSupplier;

use self::mark::Mark;
use crate::correlation::order_file::{
    HEADER_BYTES, KEY_BYTES, OrderError, OrderHeader, OrderReader, StoreKey,
};
use crate::correlation::{Demand, Source};
use crate::program::tiling::TileSide;
use crate::ring::prg::PrgKey;
use crate::share::PartyId;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

const KEY_FILE: &str = "store.key";
const ORDER: &str = "order";
const MARK: &str = "used";

/// Most orders of a store: parties tell each other which they have left.
pub const MOST_ORDERS: u32 = 1 << 16;

/// Why a store cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A file or folder that cannot be read or written.
    #[error("{}: {reason}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The operating system's error.
        reason: String,
    },
    /// A folder without a store.
    #[error("{}: there is no correlation store in it; `symbolon deal --store` makes one", .folder.display())]
    Missing {
        /// Which.
        folder: PathBuf,
    },
    /// A demand of programs that are lowered for stores which two parties fill.
    #[error(
        "this demand is of a job that was planned for a store which the two parties fill: `symbolon deal --pair` makes it; \
         plan without `--correlations pair` for a dealer's"
    )]
    ForPair,
    /// A folder in which a store is to be made, and that has one.
    #[error("{}: there is a correlation store in it already", .folder.display())]
    Present {
        /// Which.
        folder: PathBuf,
    },
    /// A secret that others on this machine may read.
    #[error("{}: others may read this file: chmod 600 it", .path.display())]
    Readable {
        /// Which.
        path: PathBuf,
    },
    /// No order is left.
    #[error("{}: every order of this store is used; deal a new one", .folder.display())]
    Exhausted {
        /// The store.
        folder: PathBuf,
    },
    /// Orders are left, but none that all parties have.
    #[error("{}: no order is left that all parties have; deal a new store", .folder.display())]
    NothingInCommon {
        /// The store.
        folder: PathBuf,
    },
    /// All that is left was used before: the folder was brought back from a copy.
    #[error(
        "{}: its orders were used before this folder was brought back from a copy, as {} says; deal a new store",
        .folder.display(), .mark.display()
    )]
    BroughtBack {
        /// The store.
        folder: PathBuf,
        /// The mark beside the identity.
        mark: PathBuf,
    },
    /// An order that the mark beside the identity has passed.
    #[error("order {order} was used before, as {} says: the store was brought back from a copy", .mark.display())]
    Passed {
        /// Which.
        order: u32,
        /// The mark.
        mark: PathBuf,
    },
    /// A mark that cannot be read: nothing says which orders are used.
    #[error(
        "{}: it does not say how far a store has been used ({reason}); deal a new store, and remove this file with the \
        old one",
        .path.display()
    )]
    Mark {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An order that has its mark.
    #[error("{}: order {order} is used up", .folder.display())]
    Used {
        /// The store.
        folder: PathBuf,
        /// Which.
        order: u32,
    },
    /// A file that is no order, or was altered.
    #[error("{}: {error}", .path.display())]
    Order {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: OrderError,
    },
    /// Another party's store.
    #[error("{}: it is the store of {found}, not of {expected}", .folder.display())]
    OtherParty {
        /// The store.
        folder: PathBuf,
        /// Whose it is.
        found: PartyId,
        /// The party whose it should be.
        expected: PartyId,
    },
    /// Orders for something else.
    #[error(
        "{}: it was dealt for demand {}, the job demands {}: it is for another job, or for other tiles",
        .folder.display(), short(.found), short(.expected)
    )]
    OtherDemand {
        /// The store.
        folder: PathBuf,
        /// The demand that it was dealt for.
        found: [u8; 32],
        /// The demand of the job.
        expected: [u8; 32],
    },
}

fn short(digest: &[u8; 32]) -> String {
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One party's folder of a store.
#[derive(Debug)]
pub struct CorrelationStore {
    folder: PathBuf,
    key: StoreKey,
    /// The header of one of its orders: but for the order's number it is that of all.
    header: OrderHeader,
    /// The mark outside of its folder.
    passed: Mark,
    /// The number of used orders that a copy had brought back.
    brought_back: usize,
}

/// An order that bears its mark and is being read.
pub(super) struct TakenOrder {
    pub number: u32,
    pub key: PrgKey,
    /// The file's name, for errors.
    pub path: PathBuf,
    pub reader: OrderReader<File>,
}

impl CorrelationStore {
    /// Opens the store of `party` in `folder`, or in that party's folder below it. `marks` is a folder outside the store,
    /// beside the party's identity, in which the party remembers of all its stores how far they have been used; it is
    /// made where it is not there. It must be the same whenever the store is used.
    ///
    /// # Errors
    /// Where there is none, it is another party's, others may read it, or every order is used.
    pub fn open(folder: &Path, party: PartyId, marks: &Path) -> Result<CorrelationStore, StoreError> {
        let own = folder.join(party_folder(party));
        let folder = match folder.join(KEY_FILE).exists() {
            false if own.join(KEY_FILE).exists() => own,
            true => folder.to_owned(),
            false => return Err(StoreError::Missing { folder: folder.to_owned() }),
        };
        let key = read_key(&folder.join(KEY_FILE))?;
        let _lock = lock(&folder)?;
        sweep(&folder)?;
        let mut unused = unused(&folder)?;
        let Some(&first) = unused.first() else { return Err(StoreError::Exhausted { folder }) };
        let path = order_path(&folder, first);
        let (reader, _) = read_order(&path, &key)?;
        let header = *reader.header();
        if header.party != party {
            return Err(StoreError::OtherParty { folder, found: header.party, expected: party });
        }
        let passed = Mark::new(marks, header.store, party)?;
        let kept = unused.split_off(&passed.next()?);
        unused.iter().try_for_each(|&order| discard(&order_path(&folder, order)))?;
        if kept.is_empty() {
            return Err(StoreError::BroughtBack { folder, mark: passed.path() });
        }
        Ok(CorrelationStore { folder, key, header, passed, brought_back: unused.len() })
    }

    /// The source of correlations that the store in `folder`, or in the first party's folder below it, is, by an order that is not
    /// used; nothing is taken.
    ///
    /// # Errors
    /// Where there is none, others may read it, or every order is used.
    pub fn source_in(folder: &Path) -> Result<Source, StoreError> {
        let folders = Demand::PARTIES.map(|party| folder.join(party_folder(party)));
        let mut folders = std::iter::once(folder.to_owned()).chain(folders);
        let own = folders.find(|own| own.join(KEY_FILE).exists());
        let folder = own.ok_or_else(|| StoreError::Missing { folder: folder.to_owned() })?;
        let key = read_key(&folder.join(KEY_FILE))?;
        let Some(&first) = unused(&folder)?.first() else { return Err(StoreError::Exhausted { folder }) };
        let (reader, _) = read_order(&order_path(&folder, first), &key)?;
        Ok(Source::store(reader.header().lowered_for))
    }

    /// The number of orders in the folder that had been used or passed over before, as after a restore from a copy. They
    /// have been wiped again.
    pub fn brought_back(&self) -> usize {
        self.brought_back
    }

    /// The parties' name for the store: two with the same name hold the same orders.
    pub(super) fn name(&self) -> String {
        format!("store {}", self.header.store)
    }

    /// The source of correlations that it is: programs are lowered for whom it says.
    pub fn source(&self) -> Source {
        Source::store(self.header.lowered_for)
    }

    /// The side of the tiles that its demand was planned with.
    pub fn tile_side(&self) -> TileSide {
        TileSide(self.header.tile_side.try_into().unwrap_or(usize::MAX))
    }

    /// Makes sure that it was dealt for the demand with this digest.
    ///
    /// # Errors
    /// [`StoreError::OtherDemand`].
    pub fn check_demand(&self, expected: [u8; 32]) -> Result<(), StoreError> {
        let found = self.header.demand;
        let folder = || self.folder.clone();
        if found == expected {
            Ok(())
        } else {
            Err(StoreError::OtherDemand { folder: folder(), found, expected })
        }
    }

    /// The orders that this party has not used. Those that can be used are the ones that no party has.
    ///
    /// # Errors
    /// Where the folder or the mark beside the identity cannot be read.
    pub fn unused(&self) -> Result<BTreeSet<u32>, StoreError> {
        Ok(unused(&self.folder)?.split_off(&self.passed.next()?))
    }

    /// Marks an order as used, for good, and only then opens it.
    pub(super) fn take(&self, order: u32) -> Result<TakenOrder, StoreError> {
        let _lock = lock(&self.folder)?;
        mark(&self.folder, order)?;
        self.passed.pass(order)?;
        // Another party has used them, and stopped before this one did.
        let passed_over = unused(&self.folder)?;
        passed_over.range(..order).try_for_each(|&order| discard(&order_path(&self.folder, order)))?;
        let path = order_path(&self.folder, order);
        let (reader, key) = read_order(&path, &self.key)?;
        if *reader.header() != (OrderHeader { order, ..self.header }) {
            let error = OrderError::Malformed("the header of another order");
            return Err(StoreError::Order { path, error });
        }
        // The open file is read to its end though it has no name any more.
        discard(&path)?;
        Ok(TakenOrder { number: order, key, path, reader })
    }
}

/// Makes the mark of an order in the store's folder and waits for the disk.
fn mark(folder: &Path, order: u32) -> Result<(), StoreError> {
    let path = mark_path(folder, order);
    let mark = match OpenOptions::new().write(true).create_new(true).open(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(StoreError::Used { folder: folder.to_owned(), order });
        }
        other => other.map_err(|error| failed(&path, error))?,
    };
    mark.sync_all().map_err(|error| failed(&path, error))?;
    sync_folder(folder)
}

/// The name of a party's folder within a store.
fn party_folder(party: PartyId) -> String {
    format!("party{}", party.0)
}

fn order_path(folder: &Path, order: u32) -> PathBuf {
    folder.join(format!("{order:06}.{ORDER}"))
}

fn mark_path(folder: &Path, order: u32) -> PathBuf {
    folder.join(format!("{order:06}.{MARK}"))
}

/// The orders of which there is a file that ends so.
fn listed(folder: &Path, ending: &str) -> Result<BTreeSet<u32>, StoreError> {
    let mut orders = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u32>().ok());
        if let Some(number) = number.filter(|&number| path == folder.join(format!("{number:06}.{ending}"))) {
            orders.insert(number);
        }
    }
    Ok(orders)
}

fn unused(folder: &Path) -> Result<BTreeSet<u32>, StoreError> {
    let (mut orders, used) = (listed(folder, ORDER)?, listed(folder, MARK)?);
    orders.retain(|order| !used.contains(order) && *order < MOST_ORDERS);
    Ok(orders)
}

/// Discards orders whose process stopped between its mark and its end.
fn sweep(folder: &Path) -> Result<(), StoreError> {
    let (orders, used) = (listed(folder, ORDER)?, listed(folder, MARK)?);
    orders.intersection(&used).try_for_each(|&order| discard(&order_path(folder, order)))
}

/// Wipes the key of an order and removes its name.
fn discard(path: &Path) -> Result<(), StoreError> {
    let wiped = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        if file.metadata()?.len() >= HEADER_BYTES as u64 {
            file.seek(SeekFrom::Start(KEY_BYTES.start as u64))?;
            file.write_all(&[0; 32])?;
            // A file that is removed before it is written never is.
            file.sync_data()?;
        }
        fs::remove_file(path)
    };
    wiped().map_err(|error| failed(path, error))
}

/// Held while files are marked, opened and removed, so that processes that use one store at once do not meet there.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(KEY_FILE);
    let file = File::open(&path).map_err(|error| failed(&path, error))?;
    file.lock().map_err(|error| failed(&path, error))?;
    Ok(file)
}

fn read_key(path: &Path) -> Result<StoreKey, StoreError> {
    let mut file = open_private(path)?;
    let mut bytes = [0; 32];
    let read = file.read_exact(&mut bytes);
    let key = StoreKey::from_bytes(bytes);
    bytes.zeroize();
    read.map(|()| key).map_err(|error| failed(path, error))
}

fn read_order(path: &Path, key: &StoreKey) -> Result<(OrderReader<File>, PrgKey), StoreError> {
    // It reads whole chunks: a buffer between would keep a copy that nobody wipes.
    OrderReader::new(open_private(path)?, key)
        .map_err(|error| StoreError::Order { path: path.to_owned(), error })
}

/// A new file that its user alone may read.
fn create(path: &Path) -> Result<File, StoreError> {
    private_options().create_new(true).open(path).map_err(|error| failed(path, error))
}

/// Options to create a file that its user alone may read.
pub(super) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A new folder that its user alone may enter.
pub(super) fn create_folder(path: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| failed(path, error))
}

/// Opens a file that its user alone may read.
pub(super) fn open_private(path: &Path) -> Result<File, StoreError> {
    let file = File::open(path).map_err(|error| failed(path, error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        const OTHERS: u32 = 0o077;
        let metadata = file.metadata().map_err(|error| failed(path, error))?;
        if metadata.permissions().mode() & OTHERS != 0 {
            return Err(StoreError::Readable { path: path.to_owned() });
        }
    }
    Ok(file)
}

/// Waits until the names in a folder are on the disk.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    // Elsewhere a folder cannot be opened as a file, and names are written with what they name.
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| failed(folder, error))?;
    }
    Ok(())
}

pub(super) fn failed(path: &Path, error: io::Error) -> StoreError {
    StoreError::File { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
